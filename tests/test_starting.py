"""How a run starts while somebody else does, and what is said where nothing is left to do."""

import os
import shutil
from pathlib import Path
from typing import Any

import jax
import pytest
from command import SMALL, call
from test_trust import begun
from witness import Witness, run_to_the_end

from dreamer_jax.commands import prepared
from dreamer_jax.commands import train as command
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.faults import Damaged
from dreamer_jax.run import checkpoint, fit, manifest, resume
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


def test_files_of_somebody_else_stay_as_they_are(tmp_path: Path) -> None:
    logdir = tmp_path / "mine"
    (logdir / "photos").mkdir(parents=True)
    (logdir / "notes.txt").write_text("precious")
    flags = (*SMALL, "--set=train.envs=64", "--set=replay.capacity=64", f"--logdir={logdir}")
    assert call(*flags).code == 2  # a mistake that is found first says nothing else
    found = decide(parse(["main", *SMALL, f"--logdir={logdir}"], ("train", "eval")))
    assert found.logdir == logdir
    manifest.unlock(logdir, manifest.lock(logdir))
    assert (logdir / "notes.txt").read_text() == "precious" and (logdir / "photos").is_dir()
    assert manifest.require_free(logdir) == ["notes.txt", "photos"]  # and not the lock
    assert manifest.require_free(tmp_path / "new") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lock", "combination: 12-34-56"),
        ("lock", "process 3 on a\nand more"),
        ("events.out.tfevents.17.host", ""),
    ],
)
def test_files_that_a_run_would_write_over(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    result = call(*SMALL, f"--logdir={tmp_path}")
    assert result.code == 2 and f"{tmp_path} has {name}, but no config.json" in result.err
    assert (tmp_path / name).read_text() == text and len(list(tmp_path.iterdir())) == 1


def test_links_of_somebody_else_are_seen_before_a_run_begins(tmp_path: Path) -> None:
    """A run among them could not be resumed."""
    (tmp_path / "latest").symlink_to(tmp_path / "nowhere")
    result = call(*SMALL, f"--logdir={tmp_path}")
    assert result.code == 2 and "latest is neither a plain file nor a folder" in result.err


def test_the_disk_counts_only_what_the_run_has_written(tmp_path: Path) -> None:
    run = Witness().run(tmp_path)
    (tmp_path / "stranger").write_bytes(bytes(10**6))
    other = fit.free_disk(run)
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "0.npz").write_bytes(bytes(10**8))
    assert abs(fit.free_disk(run) - other) < 5 * 10**7
    (tmp_path / "stranger").unlink()


def test_blocks_that_are_gone_are_found_before_anything_is_compiled(tmp_path: Path) -> None:
    run = Witness().run(tmp_path, steps=400)
    run_to_the_end(run)
    newest = checkpoint.latest(tmp_path / "checkpoints") or 0
    found = resume.find(run)
    assert found is not None and found.step == newest
    blocks = sorted((tmp_path / "replay").iterdir())
    blocks[-1].unlink()
    before = resume.find(run)  # which does not need it
    assert before is not None and before.step < newest
    for step in checkpoint.steps(tmp_path / "checkpoints")[:-1]:
        shutil.rmtree(tmp_path / "checkpoints" / str(step))
    with pytest.raises(Damaged, match=f"{blocks[-1].name} is missing"):
        resume.find(run)
    assert resume.find(Witness().run(tmp_path / "new")) is None


def test_no_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "train", lambda *_, **__: jax.numpy.zeros(1 << 50))
    result = call(*SMALL, f"--logdir={tmp_path / 'run'}")
    assert result.code == 1 and "Traceback" not in result.err
    assert result.err.splitlines()[-1].startswith("error: out of memory: ")
