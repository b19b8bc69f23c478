"""When a finding begins and ends, and where it is written."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command import SMALL, call, lines

from dreamer_jax.counters import Counters
from dreamer_jax.outputs.checks import CHECKS
from dreamer_jax.outputs.findings import (
    Check,
    Finding,
    Watched,
    judge,
    measured,
    watch_from_json,
    watch_to_json,
)
from dreamer_jax.outputs.journal import Journal
from dreamer_jax.run import checkpoint
from envs.counting import Counting

CHECK = Check(
    name="high",
    metric="size/",
    low=-5.0,
    high=1.0,
    why="",
    after=100,
    times=2,
    needs={"seen": 3},
    sentence="{key} is {value:.1f}",
    advice="--set nothing=1",
)


def follow(*reports: dict[str, float], watch: dict[str, Watched] | None = None) -> list[Finding]:
    """The findings of reports in a row, by `CHECK` alone."""
    found, courses = list[Finding](), watch or {}
    for values in reports:
        named = {f"diagnosis/{name}": x for name, x in values.items()}
        courses, news = judge([CHECK], courses, named)
        found += news
    return found


def sized(value: float, **others: float) -> dict[str, float]:
    return {"size/a": value, "seen": 3.0, "effective_updates": 100.0, **others}


def test_a_finding_begins_and_ends_when_reports_in_a_row_agree() -> None:
    assert not follow(sized(2.0), sized(0.0), sized(2.0))
    begins, ends = follow(*(sized(x) for x in (2, 3, 0.5, 4, 0.5, 0.25, 2)))
    assert begins == Finding("high/a", "begins", 3, 1.0, "a is 3.0", "--set nothing=1")
    assert ends == Finding("high/a", "ends", 0.25, 1.0, "a is 0.2", "--set nothing=1")
    (low,) = follow(sized(-6), sized(-7))
    assert low.threshold == -5.0


@pytest.mark.parametrize(
    "other",
    [sized(2.0, effective_updates=99.0), sized(2.0, seen=2.0), {"size/b": 2.0}, {"seen": 3.0}],
)
def test_a_report_that_cannot_tell_changes_nothing(other: dict[str, float]) -> None:
    """Too early, of too few steps, of another key, or not measured."""
    assert not follow(sized(2.0), other)
    assert len(follow(sized(2.0), other, sized(2.0))) == 1


def test_what_is_not_finite_was_not_measured() -> None:
    values = {"diagnosis/a": float("nan"), "diagnosis/b": 1.0, "world_model/loss/a": float("inf")}
    assert measured(values).keys() == {"diagnosis/b", "world_model/loss/a"}
    assert not follow(sized(2.0), sized(float("nan")))


def test_courses_survive_a_checkpoint() -> None:
    watch = {"high/a": Watched(True, 1, 1.0), "high/b": Watched()}
    found = watch_from_json(json.loads(json.dumps(watch_to_json(watch))))
    assert found["high/a"] == watch["high/a"] and found["high/b"][:2] == (False, 0)
    for wrong in ([1], {"a": 3}, {"a": [1]}, {"a": [1, "x", None]}):
        with pytest.raises((TypeError, ValueError, AttributeError)):
            watch_from_json(wrong)


def test_every_check_says_what_is_wrong_why_and_what_to_try() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS) >= 19
    for check in CHECKS:
        assert "{value" in check.sentence and check.why.endswith(".") and "--set" in check.advice
        assert ("{key}" in check.sentence) == check.metric.endswith("/")
        assert check.low > -np.inf or check.high < np.inf


def journal(logdir: Path, *, step: int, past: Journal | None = None) -> Journal:
    state = past.state() if past else None
    counters = Counters(step=step)
    return Journal(logdir, Counting(5, 1), counters=counters, past=state, steps=99, sinks=[])


def test_findings_are_said_and_written_and_a_resume_drops_later_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with journal(tmp_path, step=0) as written:
        assert not (tmp_path / "diagnosis.jsonl").exists()
        for step, value in ((10, 3.0), (20, 3.0), (30, 3.0), (40, 0.1), (50, 0.1), (60, 0.1)):
            metrics = {"diagnosis/prior_error": jnp.float32(value), "diagnosis/x": jnp.nan}
            written.report(metrics, {}, counters=Counters(step=step))
            if step == 50:
                saved = written
        begins, ends = lines(tmp_path, "diagnosis")
    assert (begins["step"], begins["check"], begins["state"]) == (30, "useless_prior", "begins")
    assert (ends["step"], ends["state"], ends["threshold"]) == (60, "ends", 2.0)
    said = capsys.readouterr().err
    assert "warning: step 30: the prior is 3.0 times as wrong" in said
    assert "step 60: no longer useless_prior: the prior is 0.1 times" in said
    with journal(tmp_path, step=50, past=saved):
        assert lines(tmp_path, "diagnosis") == [begins]


FAULTY = (
    *SMALL,
    *("--set=losses.reward=0", "--set=optimizer.learning_rate=0.01", "--steps=260"),
    *("--set=optimizer.warmup=1", "--set=train.report_every=20", "--set=train.eval_every=0"),
)


def test_a_run_with_a_fault_says_so(tmp_path: Path) -> None:
    """Rewards are not learned. Turning the diagnosis off changes nothing that is learned."""
    logdirs = tmp_path / "on", tmp_path / "off"
    on, off = (
        call(*FAULTY, f"--logdir={logdir}", f"--set=train.diagnosis={flag}")
        for logdir, flag in zip(logdirs, (True, False), strict=True)
    )
    assert on.code == off.code == 0
    assert "where rewards are, the model predicts only 0% of them" in on.err
    assert "warning: step" in on.err and "warning: step" not in off.err
    assert "missed_rewards" in {line["check"] for line in lines(logdirs[0], "diagnosis")}
    assert not (logdirs[1] / "diagnosis.jsonl").exists()
    names = [{name for line in lines(logdir) for name in line} for logdir in logdirs]
    new = names[0] - names[1]
    assert "diagnosis/event_reward" in new and all(x.startswith("diagnosis/") for x in new)
    one, two = (checkpoint.read_arrays(logdir / "checkpoints", 260) for logdir in logdirs)
    for name in ("agent", "replay", "acting", "sums"):
        jax.tree.map(np.testing.assert_array_equal, one[name], two[name])
