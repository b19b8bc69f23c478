"""Somebody else's options: a function that they name is called only if the user names it, too."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from command import call
from test_trust import begun

import envs
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.run import manifest
from envs.gym_options import Options
from envs.play import program as play

WRAP = "evil_module:wrap"
CODE = """
import pathlib

pathlib.Path({path!r}).touch()


def wrap(env):
    return env
"""


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module that says when it was imported."""
    (tmp_path / "evil_module.py").write_text(CODE.format(path=str(tmp_path / "imported")))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_module", raising=False)
    return tmp_path


def edited(logdir: Path, **options: str) -> Path:
    run = manifest.read(logdir)
    run["config"]["env"] |= options
    (logdir / manifest.NAME).write_text(json.dumps(run))
    return logdir


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("named", [[], ["--env=gym:CartPole-v1"], ["--override"]])
def test_a_config_wraps_nothing_unasked(evil: Path, mode: str, named: list[str]) -> None:
    logdir = edited(begun(evil / "run", "gym:CartPole-v1"), wrap=WRAP)
    result = call(f"--logdir={logdir}", f"--mode={mode}", *named)
    assert result.code == 2 and result.err.count("\n") == 1
    assert f"would call {WRAP}: if you trust it, say so by --set env.wrap={WRAP}" in result.err
    assert not (evil / "imported").exists()


def test_asked_it_wraps(evil: Path) -> None:
    logdir = edited(begun(evil / "run", "gym:CartPole-v1"), wrap=WRAP, kwargs='{"no": 1}')
    result = call(f"--logdir={logdir}", f"--set=env.wrap={WRAP}")
    assert result.code == 2 and "no keyword 'no'" in result.err  # the wrapper would come next
    logdir = edited(logdir, kwargs="{}", wrap="evil_module:missing")
    result = call(f"--logdir={logdir}", "--set=env.wrap=evil_module:missing")
    assert result.code == 2 and "no function missing" in result.err


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_another_function_takes_its_place_if_that_is_said(evil: Path, mode: str) -> None:
    logdir = edited(begun(evil / "run", "gym:CartPole-v1"), wrap=WRAP)
    flags = (f"--logdir={logdir}", f"--mode={mode}", "--set=env.wrap=json:missing")
    result = call(*flags)
    assert result.code == 2 and "add --override" in result.err
    assert f"env.wrap is '{WRAP}' there, not 'json:missing'" in result.err
    setup = decide(parse(["main", *flags, "--override"], ("train", "eval")))
    assert setup.config.env.wrap == "json:missing"
    assert setup.changes == {"env.wrap": (WRAP, "json:missing")}
    assert not (evil / "imported").exists()


def test_a_keyword_imports_nothing_unasked(evil: Path) -> None:
    """A compatibility environment imports the module that its keyword names."""
    name = "gym:GymV26Environment-v0"
    logdir = edited(begun(evil / "run", name), kwargs='{"env_id": "evil_module:Evil-v0"}')
    result = call(f"--logdir={logdir}")
    assert result.code == 2 and f"say so by --env={name}" in result.err
    assert not (evil / "imported").exists()


@pytest.mark.parametrize("name", ["gym:highway-v0", "gym:parking-v0"])
def test_neither_does_a_keyword_inside_of_another(evil: Path, name: str) -> None:
    kwargs = '{"config": {"other_vehicles_type": "evil_module.wrap"}}'
    result = call(f"--logdir={edited(begun(evil / 'run', name), kwargs=kwargs)}")
    assert result.code == 2 and result.err.count("\n") == 1
    told = "would import any module that its env.kwargs name: if you trust it"
    assert f"{told}, say so by --env={name}\n" in result.err
    assert not (evil / "imported").exists()


def test_neither_does_a_recording(evil: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, name = evil / "recording", "gym:CartPole-v1"
    (evil / "script").write_text("1")
    flags = f"--env={name}", f"--script={evil}/script", f"--record={recording}"
    assert play.main(["play", *flags]) == 0
    fields = json.loads((recording / "index.json").read_text())
    fields["options"]["env.wrap"] = WRAP
    (recording / "index.json").write_text(json.dumps(fields))
    assert play.main(["play", f"--replay={recording}"]) == 2
    assert capsys.readouterr().err.endswith(f"say so by --set env.wrap={WRAP}\n")
    assert not (evil / "imported").exists()
    assert play.main(["play", f"--replay={recording}", "--set", f"env.wrap={WRAP}"]) == 0
    assert (evil / "imported").exists(), "asked, it would not have been found either"


@pytest.mark.parametrize(
    ("name", "wrap", "flags"),
    [
        ("gym:CartPole-v1", "", []),
        ("cartpole", "", []),
        ("gym:my_envs:Mine-v0", "", ["--env=gym:my_envs:Mine-v0"]),
        ("gym:highway-v0", "", ["--env=gym:highway-v0"]),
        ("gym:CartPole-v1", "a:b,c:d", ["--set=env.wrap=a:b,c:d"]),
    ],
)
def test_flags_that_trust_a_run(tmp_path: Path, name: str, wrap: str, flags: list[str]) -> None:
    options = envs.default_options(name)
    if isinstance(options, Options):
        options = dataclasses.replace(options, wrap=wrap)
    assert envs.trust_flags(name, options) == flags
    named = flags[0].removeprefix("--env=") if flags and flags[0].startswith("--env") else None
    envs.require_trusted(tmp_path, name, named)
    envs.require_trusted_options(tmp_path, options, [x.removeprefix("--set=") for x in flags])
