"""Mistakes on the command line: exit code 2, one helpful line, and nothing left behind."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, SMALL, Result, call, start

import configs
import envs
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.options import stored
from dreamer_jax.config import resolve, to_dict
from dreamer_jax.run import manifest

COUNTING = "--env=counting"


def complaint(result: Result) -> str:
    """The one line, after checking that it is one; the line that names the run may precede it."""
    assert result.code == 2 and result.out == "" and result.err.endswith("\n")
    *before, line = result.err.splitlines()
    assert not before or (len(before) == 1 and re.search(r"^\S+ -> .* \(new run\)$", before[0]))
    assert line.startswith("error: ") and len(line) < 600 and "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ("--env is needed to start a run in",)),
        (["--env=cartpol"], ("unknown environment 'cartpol'", "did you mean cartpole?")),
        (["--env=atari_pongg"], ("unknown Atari ROM 'pongg'", "pong")),
        (["--env=mario_9_1"], ("stages are mario_<world>_<stage>", "'9_1'")),
        (["--env=mario_1_1", "--set=env.rom=/nowhere"], ("cannot read the ROM /nowhere",)),
        (["--env=gym:Nope-v0"], ("gym:Nope-v0",)),
        (["--env=gym:CartPol-v1"], ("gym:CartPol-v1", "CartPole-v1")),
        (["--env=gym:no_such_module:Id-v0"], ("no_such_module",)),
        (["--env=gym:.relative:Id-v0"], ("cannot make",)),
        (["--env=pokemon_red", "--set=env.rom=/no/red.gb"], ("/no/red.gb: No such file",)),
        (["--env=gameboy_demo", "--set=env.goal=gate"], ("'gate' is not an event", "gate_open")),
        (
            [COUNTING, "--set=modle.units=3"],
            ("modle", "did you mean --set model.units=3?", "replay, train"),
        ),
        ([COUNTING, "--set=model.unit=3"], ("did you mean units?", "depth, deter, hidden")),
        ([COUNTING, "--set=env.size=3"], ("env.size", "valid are length")),
        ([COUNTING, "--set=model.units"], ("path=value",)),
        ([COUNTING, "--set=model.units=big"], ("model.units=big", "int")),
        ([COUNTING, "--set=optimizer.learning_rate=nan"], ("learning_rate=nan",)),
        ([COUNTING, "--set=model.units=-1"], ("model.units=-1", "at least 0")),
        ([COUNTING, "--set=model.blocks=0"], ("model.blocks=0",)),
        ([COUNTING, "--set=behavior.horizon=0"], ("behavior.horizon=0",)),
        ([COUNTING, "--set=train.envs=0"], ("train.envs=0",)),
        ([COUNTING, "--set=env.length=0"], ("length must be positive, got 0",)),
        ([COUNTING, "--set=replay.capacity=10"], ("replay.capacity=10", "needs 9")),
        ([COUNTING, "--set=replay.capacity=1e12"], ("replay.capacity=1000000000000", "fits")),
        ([COUNTING, "--set=train.learn=behavior"], ("train.world_model=''",)),
        ([COUNTING, "--size=huge"], ("--size", "huge")),
        ([COUNTING, "--size=0"], ("model.depth=0",)),
        ([COUNTING, "--steps=0"], ("steps", "0")),
        ([COUNTING, "--steps=many"], ("steps", "many")),
        ([COUNTING, "--seed=-1"], ("seed", "-1")),
        ([COUNTING, "--mode=paint"], ("mode", "play", "train", "eval")),
        ([COUNTING, "--episodes=3"], ("--episodes=3 is for --mode=eval", "--steps")),
        (
            ["--env=gameboy_demo", "--set=env.goal=win"],
            ("'win' is not an event", "such as", "gate_open"),
        ),
        (
            ["--env=gameboy_demo", "--config=pokemon_red", "--set=env.goal=win"],
            ("'win' is not", "with --config=pokemon_red, and the preset of gameboy_demo is"),
        ),
        ([COUNTING, "--mode=eval"], ("no run in", "config.json")),
        (["--mode=eval"], ("no run in", "config.json")),
        ([COUNTING, "--agent=muzero"], ("--agent=muzero", "dreamer")),
        ([COUNTING, "--config=fast"], ("unknown preset", "atari100k, atari_hybrid")),
        ([COUNTING, "--config=atari100k"], ("atari100k", "for atari, not for counting")),
        ([COUNTING, "--mesh=data=64"], ("--mesh=data=64", "device(s)")),
        ([COUNTING, "--mesh=data=0"], ("--mesh=data=0", "data=N")),
        ([COUNTING, "--mesh=model=2"], ("--mesh=model=2", "data=N")),
        ([COUNTING, "--colour=red"], ("colour",)),
        ([COUNTING, "train"], ("unexpected argument 'train'",)),
    ],
)
def test_a_mistake(arguments: Sequence[str], parts: Sequence[str], tmp_path: Path):
    message = complaint(call(*arguments, f"--logdir={tmp_path}/run"))
    for part in parts:
        assert part in message
    assert not list(tmp_path.iterdir())


def test_nothing_at_all():
    assert "--env is needed, such as --env=cartpole" in complaint(call())


def test_a_logdir_that_is_a_file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_text("precious")
    assert f"--logdir={path} is a file" in complaint(call(COUNTING, f"--logdir={path}"))
    below = complaint(call(COUNTING, f"--logdir={path}/run"))
    assert str(path) in below
    assert path.read_text() == "precious" and len(list(tmp_path.iterdir())) == 1


def test_a_logdir_that_cannot_be_written():
    # Not even root can make a folder there.
    message = complaint(call(COUNTING, "--logdir=/proc/sys/run"))
    assert "/proc/sys/run" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_logdir_without_permission(tmp_path: Path):
    tmp_path.chmod(0o500)
    assert "Permission denied" in complaint(call(COUNTING, f"--logdir={tmp_path}/run"))
    tmp_path.chmod(0o700)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A logdir where a run has begun, but not come to a checkpoint."""
    logdir = tmp_path / "run"
    config = resolve(
        configs.load("debug", family="counting", options=envs.default_options("counting"))
    )
    begun = {
        "env": "counting",
        "preset": "debug",
        "agent": "dreamer",
        "seed": 3,
        "mesh": "data=1",
        "spaces": {},
        "auto": [],
    }
    manifest.write(logdir, {**begun, "config": to_dict(config)})
    return logdir


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--env=cartpole"], ("env is 'counting' there, not 'cartpole'",)),
        (["--seed=4"], ("seed is 3 there, not 4",)),
        (["--config=gym"], ("preset is 'debug' there, not 'gym'",)),
        (["--set=model.units=77"], ("model.units is", "not 77")),
        (["--set=env.length=77"], ("env.length is 10 there, not 77",)),
        (["--size=12m"], ("model.depth is 2 there, not 16",)),
        (["--seed=4", "--set=replay.batch=2"], ("seed is 3", "replay.batch is 4 there, not 2")),
        (["--mode=eval", "--set=model.bins=41"], ("model.bins is 255 there, not 41",)),
        (["--mode=eval"], ("no checkpoint in",)),
    ],
)
def test_a_contradicting_resume_names_both_values(
    run: Path, arguments: Sequence[str], parts: Sequence[str]
):
    message = complaint(call(f"--logdir={run}", *arguments))
    for part in (*parts, str(run)):
        assert part in message
    assert [path.name for path in run.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "not readable as JSON"),
        ("", "not readable as JSON"),
        ("\0\xff", "not readable as JSON"),
        ("3", "holds no run"),
        ("[]", "holds no run"),
        ('{"env": "counting"}', "preset should be of type str"),
    ],
)
def test_a_damaged_config(run: Path, text: str, part: str):
    (run / "config.json").write_text(text, "latin-1")
    message = complaint(call(f"--logdir={run}"))
    assert part in message and "config.json" in message


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("env", "cartpol", "unknown environment 'cartpol'"),
        ("preset", "fast", "unknown preset"),
        ("agent", "muzero", "has the agent 'muzero', and this program has only dreamer"),
        ("config", {}, "does not match this version"),
        ("config", 3, "config should be of type dict"),
        ("config", {"model": 3}, "does not match this version"),
    ],
)
def test_a_config_that_fits_no_longer(run: Path, name: str, value: Any, part: str):
    text = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**text, name: value}))
    assert part in complaint(call(f"--logdir={run}"))


def test_what_was_saved_can_be_read_again(run: Path):
    setup = stored(run)
    assert (setup.env, setup.preset, setup.seed) == ("counting", "debug", 3)
    assert setup.config.replay.length == 8


def test_presets_are_listed():
    result = call("--config=help")
    assert result.code == 0 and result.err == ""
    assert result.out == configs.describe() + "\n"


def test_help_shows_every_flag():
    result = call("--help")
    assert result.code == 0 and result.err == ""
    for flag in Flags._fields:
        assert f"--{flag}:" in result.out or f"--[no]{flag}:" in result.out


def test_a_process_of_its_own(tmp_path: Path):
    """What the shell sees."""
    mistakes = [
        start("--env=cartpol", f"--logdir={tmp_path}/a"),
        start(*SMALL, "--set=model.unit=1", f"--logdir={tmp_path}/b"),
    ]
    for process, part in zip(mistakes, ("'cartpol'", "did you mean units?"), strict=True):
        out, err = process.communicate(timeout=120)
        assert part in complaint(Result(process.returncode, out, err))
    assert not list(tmp_path.iterdir())
    assert not (ROOT / "logdir").exists() or "cartpol-seed0" not in os.listdir(ROOT / "logdir")
