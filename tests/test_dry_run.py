"""--dry_run: everything once, and nothing left behind."""

import tempfile
from pathlib import Path

import pytest
from command import SMALL, call

from dreamer_jax.commands.dry_run import shortened
from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide

MODES = ("train", "eval")


def test_everything_is_done_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, logdir = tmp_path / "scratch", tmp_path / "run"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    new = call(*SMALL, f"--logdir={logdir}", "--dry_run")
    assert new.code == 0, new.err
    assert not logdir.exists() and not list(scratch.iterdir())
    done = [line.partition(" s  ")[2] for line in new.out.splitlines()[1:7]]
    assert done == [
        "environments made, programs compiled",
        "52 steps, and 3 updates after the prefill",
        "a report, its program compiled",
        "an evaluation of 2 episodes, its program compiled",
        "a checkpoint",
        "resumed from it, compiled again, and as many updates",
    ]
    assert "resumes from step 52" in new.err and "64/64 steps 6 updates" in new.err
    assert "evaluate:" not in new.err


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    result = call("--dry_run", "--mode=eval", f"--logdir={tmp_path}")
    assert (result.code, result.err) == (2, "error: --dry_run is for --mode=train, not for eval\n")
    result = call(*SMALL, "--dry_run", f"--logdir={tmp_path}", "--set=replay.batch=0")
    assert result.code == 2 and result.err.count("\n") == 1


def test_the_trial_is_short() -> None:
    """Three updates in each part, and all periodic work once, at the end of the first."""
    flags = parse(["main", "--env=cartpole", "--dry_run"], MODES)
    config = decide(flags).config
    first, second = (shortened(flags, config, Path("x"), part=part) for part in (1, 2))
    assert (first.steps, second.steps) == (1_008 + 48, 1_008 + 96)  # 16 steps an update
    assert {"train.eval_every=1056", "train.report_every=1056"} <= {*second.set}
    assert first.trackers == "jsonl" and first.logdir == "x"
