"""How a run starts while somebody else does, and what is said where nothing is left to do."""

import os
from pathlib import Path
from typing import Any

import jax
import pytest
from command import SMALL, call
from test_trust import begun

from dreamer_jax.commands import prepared
from dreamer_jax.commands import train as command
from dreamer_jax.run import checkpoint, manifest
from dreamer_jax.run.preflight import measure


@pytest.mark.parametrize("what", ["began another run", "saved a checkpoint"])
def test_what_was_decided_holds_until_the_logdir_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Another process comes and goes between the first look at the logdir and the lock on it."""
    logdir = tmp_path / "run"

    def meanwhile(run: Any) -> Any:
        if what == "began another run":
            begun(logdir, "counting")
        else:
            (logdir / "checkpoints" / "40").mkdir(parents=True)
        return measure(run)

    monkeypatch.setattr(prepared, "measure", meanwhile)
    result = call(*SMALL, f"--logdir={logdir}", "--seed=7")
    assert result.code == 2 and result.err.count("\n") == 1
    assert f"error: another process has just changed {logdir}" in result.err
    assert not manifest.exists(logdir) or manifest.read(logdir)["seed"] == 0
    manifest.lock(logdir).close()  # it is free again


def test_nothing_is_left_to_do_where_the_end_can_be_read(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    ends = (*SMALL, "--steps=60", "--set=train.save_every=40")
    assert call(*ends, f"--logdir={whole}").code == 0
    assert checkpoint.steps(whole / "checkpoints") == [40, 60]
    result = call(f"--logdir={whole}")
    assert result.code == 0 and "is at step 60 of 60: nothing is left to do" in result.err
    checkpoints = whole / "checkpoints"
    for pattern in ("60/env.npz", "60/tail.npz", "60/arrays/agent/d/*"):
        file = next(checkpoints.glob(pattern))
        content = file.read_bytes()
        os.truncate(file, 10)
        assert not checkpoint.is_whole(checkpoints, 60)
        if file.suffix:
            file.write_bytes(content)
    result = call(f"--logdir={whole}")
    assert result.code == 0 and "nothing is left" not in result.err
    assert "checkpoint 60 is damaged and passed over" in result.err
    assert checkpoint.is_whole(checkpoints, 60)  # the way there was gone again
    assert (checkpoints / "60.damaged").is_dir()


@pytest.mark.parametrize("name", manifest.RECORD)
def test_nothing_of_an_unknown_run_is_touched(tmp_path: Path, name: str) -> None:
    """Other programs write files of the same names, and a config can be lost."""
    (tmp_path / name / "5").mkdir(parents=True)
    result = call(*SMALL, f"--logdir={tmp_path}")
    assert result.code == 2 and f"{tmp_path} has {name}, but no config.json" in result.err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "train", lambda *_: jax.numpy.zeros(1 << 50))
    result = call(*SMALL, f"--logdir={tmp_path / 'run'}")
    assert result.code == 1 and "Traceback" not in result.err
    assert result.err.splitlines()[-1].startswith("error: out of memory: ")
