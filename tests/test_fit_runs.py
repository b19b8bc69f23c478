"""--mode=fit as a user runs it: from a recording to a tokenizer, dynamics, rewards, an agent."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import call

from dreamer_jax import main
from dreamer_jax.commands import fit_setup, options
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.restored_fits import restored_fit
from dreamer_jax.host import array_files
from dreamer_jax.run.initial_weights import Source

TOKENIZER = ("tokenizer.channels=4 4 4 4", "tokenizer.width=8", "tokenizer.codes=16")
TINY = ("fit.log_every=2", "fit.measure_every=4", "fit.pictures_every=4", "fit.measure_batches=1")
DYNAMICS = ("dynamics.width=16", "dynamics.layers=1", "dynamics.heads=2", "dynamics.frames=2")
DRAWS = ("windows.batch=2", "windows.measured=1", "windows.dream=2")


def run(*flags: str, sets: tuple[str, ...] = ()) -> int:
    done = call(*flags, *(f"--set={each}" for each in sets))
    sys.stderr.write(done.err)
    return done.code


def learned(logdir: Path) -> dict[str, np.ndarray]:
    setup = fit_setup.stored(logdir)
    return array_files.named(restored_fit(setup, Source(logdir)).state)


def rows(logdir: Path, name: str) -> list[float]:
    lines = [json.loads(line) for line in (logdir / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A recording, and a tokenizer that was learned from it in one go."""
    root = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        flags = ("--mode=record", "--env=cartpole_pixels", "--episodes=6", f"--out={root / 'rec'}")
        assert run(*flags) == 0
        assert tokenizer(root, "tokenizer", "--steps=8") == 0
        yield root


def tokenizer(root: Path, name: str, *flags: str) -> int:
    begin = ("--mode=fit", "--stage=tokenizer", f"--data={root / 'rec'}", f"--logdir={root / name}")
    return run(*begin, *flags, sets=(*TOKENIZER, *TINY, "batch.images=4", "batch.clips=1"))


def test_a_resumed_stage_equals_one_that_was_not(folder: Path) -> None:
    assert tokenizer(folder, "parts", "--steps=3") == 0
    assert run("--mode=fit", f"--logdir={folder / 'parts'}", "--steps=8") == 0
    whole, parts = learned(folder / "tokenizer"), learned(folder / "parts")
    assert whole.keys() == parts.keys()
    assert all(np.array_equal(x, parts[name]) for name, x in whole.items())
    for name in ("held_out/psnr", "tokenizer/loss/reconstruction"):
        assert rows(folder / "parts", name)[-1] == rows(folder / "tokenizer", name)[-1]


def test_nothing_is_done_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--mode=fit", f"--logdir={folder / 'tokenizer'}") == 0
    assert "nothing is left to do; a larger --steps takes it further" in capsys.readouterr().err


def test_dynamics_and_reward_feed_an_agent(folder: Path) -> None:
    data, begin = f"--data={folder / 'rec'}", f"--init_from={folder / 'tokenizer'}"
    for stage, sets in (("dynamics", (*DYNAMICS, *DRAWS)), ("reward", REWARD)):
        flags = ("--mode=fit", f"--stage={stage}", data, begin, f"--logdir={folder / stage}")
        assert run(*flags, "--steps=4", sets=(*TINY, *sets)) == 0
        frozen, own = learned(folder / "tokenizer"), learned(folder / stage)
        of_tokenizer = [name for name in own if name.startswith("params/tokenizer/")]
        assert of_tokenizer
        assert all(np.array_equal(own[name], frozen[name]) for name in of_tokenizer)
    agent = folder / "agent"
    flags = ("--env=cartpole_pixels", "--agent=tokens", f"--init_from={folder / 'dynamics'}")
    sets = (
        "train.envs=2",
        "replay.batch=2",
        "replay.length=8",
        "train.eval_every=0",
    )
    sets = (*sets, "ppo.epochs=1", "ppo.minibatches=2", f"reward.logdir={folder / 'reward'}")
    assert run(*flags, f"--logdir={agent}", "--steps=40", sets=sets) == 0
    assert rows(agent, "learned_reward/mean")
    record = json.loads((agent / "config.json").read_text())
    assert record["reward"]["image"] == "image"
    assert record["weights"].keys() == {"init_from", "reward.logdir"}
    assert record["config"]["agent"]["dynamics"]["width"] == 16
    assert run("--mode=eval", f"--logdir={agent}", "--episodes=1") == 0
    begin = ["", "--env=cartpole_pixels", "--agent=tokens", f"--init_from={agent}"]
    again: Any = options.decide(parse(begin, main.COMMANDS))
    theirs: Any = options.unplayed(agent).config.agent
    assert again.config.agent.tokenizer == theirs.tokenizer
    assert again.config.agent.dynamics == dataclasses.replace(theirs.dynamics, dtype="auto")


@pytest.mark.parametrize("lacking", ["", "--init_from={0}/tokenizer"])
def test_tokens_needs_what_it_does_not_learn(
    folder: Path, lacking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = [lacking.format(folder)] if lacking else []
    flags = ("--env=cartpole_pixels", "--agent=tokens", f"--logdir={folder / 'lacking'}")
    assert run(*flags, *begin, sets=TOKENIZER) == 2
    said = capsys.readouterr().err
    assert "--agent=tokens needs a trained tokenizer and dynamics: --init_from=" in said
    assert said.count("\n") == 1


REWARD = (
    "reward.variant=tokens",
    "reward.members=2",
    "reward.units=8",
    "pairs.batch=2",
    "pairs.measured=8",
)


@pytest.mark.parametrize(
    ("flags", "sets", "text"),
    [
        (["--stage=dynamics", "--data={0}/rec"], [], "needs a trained tokenizer: --init_from="),
        (["--logdir={0}/tokenizer"], ["tokenizer.codes=8"], "tokenizer.codes is 16 there, not 8"),
        (["--logdir={0}/tokenizer", "--stage=reward"], [], "stage is 'tokenizer' there"),
        (["--stage=tokenizer"], [], "--mode=fit needs --stage and --data"),
        (["--stage=tokenizer", "--data={0}/none"], [], "no recording in"),
        (["--stage=tokenizer", "--data={0}/rec", "--env=cartpole"], [], "--env=cartpole is for"),
        (["--stage=tokenizer", "--data=,"], [], "--data=, names no folder of a recording"),
        (["--stage=tokenizer", "--data={0}/rec"], ["data.image=x"], "the images of the recordings"),
        (["--stage=tokenizer", "--data={0}/rec"], ["fit.updates=0"], "must be at least 1"),
        (["--stage=tokenizer", "--data={0}/rec"], ["fit.update=1"], "did you mean updates"),
        (["--stage=tokenizer", "--data={0}/rec"], ["data.held_out=0"], "no run is held out to"),
    ],
)
def test_mistakes_take_one_line(
    folder: Path,
    flags: list[str],
    sets: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    given = [flag.format(folder) for flag in flags]
    assert run("--mode=fit", *given, sets=tuple(sets)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert text in said
    assert not (folder / "logdir").exists()


def test_a_stage_is_no_agent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--mode=eval", f"--logdir={folder / 'tokenizer'}") == 2
    assert "holds the stage 'tokenizer' of --mode=fit, and no agent" in capsys.readouterr().err
