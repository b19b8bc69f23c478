"""What a page computes of runs: statistics over seeds, groups, names and verdicts."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_runs import CONFIG, complete, curve, lines, metrics, record, write
from scipy import special

from dreamer_jax.reports import charts, curves, evaluations, groups, metric_names, verdicts
from dreamer_jax.reports.references import Scale

DRAW = np.random.default_rng(0)


def test_interval_of_a_mean() -> None:
    # Of 1, 2, 3: s = 1, and t(0.975, 2) = 4.302653 in every table.
    mean, low, high = curves.mean_interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, low, high) == pytest.approx((2, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    mean, low, high = curves.mean_interval(np.array([5.0]))
    assert mean == 5 and math.isnan(low) and math.isnan(high)
    assert curves.t_quantile(100_000) == pytest.approx(1.95997, abs=1e-4)


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    draws = DRAW.normal(3.0, 2.0, (4000, 3))
    ends = np.array([curves.mean_interval(x)[1:] for x in draws])
    covered = ((ends[:, 0] < 3.0) & (ends[:, 1] > 3.0)).mean()
    assert covered == pytest.approx(0.95, abs=0.015)  # 4 standard errors


def test_band_equals_a_slow_loop() -> None:
    lines_ = [
        (np.array([0.0, 10.0]), np.array([0.0, 10.0])),
        (np.array([0.0, 4.0, 10.0]), np.array([2.0, 2.0, 8.0])),
        (np.array([0.0, 5.0]), np.array([1.0, 3.0])),  # ends early
    ]
    found = curves.band(lines_, points=11)
    for i, x in enumerate(range(11)):
        values = [x, 2.0 if x <= 4 else 2.0 + (x - 4)] + ([1 + 0.4 * x] if x <= 5 else [])
        count, mean = len(values), sum(values) / len(values)
        s = (sum((v - mean) ** 2 for v in values) / (count - 1)) ** 0.5
        half = special.stdtrit(count - 1, 0.975) * s / count**0.5
        expected = (x, mean, mean - half, mean + half, min(values), max(values), count)
        assert tuple(row[i] for row in found) == pytest.approx(expected)


def test_band_of_one_run_and_of_one_point() -> None:
    found = curves.band([(np.array([3.0]), np.array([7.0]))], points=5)
    assert found.x.tolist() == [3] and found.mean.tolist() == [7] and np.isnan(found.low).all()
    apart = [(np.array([0.0, 1.0]), np.ones(2)), (np.array([9.0, 10.0]), np.ones(2))]
    assert curves.band(apart, points=11).x.tolist() == [0, 1, 9, 10]


@pytest.mark.parametrize("most", [4, 10, 100])
def test_fewer_points_keep_ends_and_peaks(most: int) -> None:
    values = DRAW.normal(size=1000)
    values[437], values[711] = 50.0, -50.0
    few = curves.thinned(curve(values.tolist()), most=most)
    assert len(few.value) <= most
    assert {50.0, -50.0} <= set(few.value) and few.step[[0, -1]].tolist() == [1, 1000]
    assert (np.diff(few.step) > 0).all() and (values[few.step.astype(int) - 1] == few.value).all()
    short = curve([1.0, 2.0])
    assert curves.thinned(short, most=most) is short


def test_trend() -> None:
    noise = DRAW.normal(size=100)
    assert curves.trend(noise + np.arange(100)) == 1
    assert curves.trend(noise - np.arange(100)) == -1
    assert curves.trend(noise) == curves.trend(np.arange(10.0)) == 0
    assert curves.trend(np.full(100, 500.0)) == 0


def test_evaluations_of_training_have_the_interval_of_their_scores() -> None:
    scores = DRAW.normal(10, 3, 32)
    made = {"evaluation/mean": curve([scores.mean()]), "evaluation/std": curve([scores.std()])}
    (found,) = evaluations.of_training(made, episodes=32)
    assert (found.mean, found.low, found.high) == pytest.approx(curves.mean_interval(scores))
    (unknown,) = evaluations.of_training(made, episodes=None)
    assert unknown.low is None and unknown.std == pytest.approx(scores.std())
    assert evaluations.of_training({}, episodes=32) == []


def test_runs_are_grouped_by_all_but_the_seed(tmp_path: Path) -> None:
    def run(name: str, **changes: Any) -> Any:
        write(tmp_path / name, "config.json", {**CONFIG, **changes})
        return record(tmp_path / name)

    settings = CONFIG["config"]
    longer = {**settings, "train": {**settings["train"], "steps": 800}}
    faster = {**settings, "agent": {"optimizer": {"learning_rate": 2e-3}}}
    changed = [{"step": 5, "changes": {"optimizer.learning_rate": [1e-3, 2e-3]}}]
    runs = [
        run("a0"),
        run("a1", seed=1, config=longer),
        run("b0", config=faster),
        run("b1", seed=1, config=faster),
        run("c0", config=faster, history=changed),
    ]
    found = groups.grouped(runs)
    assert [group.names for group in found] == [("a0", "a1"), ("b0", "b1"), ("c0",)]
    assert found[0].name.startswith("optimizer.learning_rate=0.001")
    assert len({group.name for group in found}) == 3
    assert groups.grouped(runs[:1])[0].name == "a0"
    assert groups.differences([runs[0], runs[2]]) == {"optimizer.learning_rate": [1e-3, 2e-3]}


def test_runs_without_a_config_stay_apart(tmp_path: Path) -> None:
    for name in ("x/a", "x/b", "y/a"):
        lines(tmp_path / name, "metrics.jsonl", metrics())
    found = groups.grouped([record(tmp_path / name) for name in ("x/a", "x/b", "y/a")])
    assert [group.name for group in found] == ["x/a", "x/b", "y/a"]


@pytest.mark.parametrize(
    ("earlier", "today"),
    [
        ("loss/vector/state", "world_model/loss/vector/state"),
        ("loss/replay_value", "actor_critic/loss/replay_value"),
        ("loss/total", "optimizer/loss"),
        ("behavior/return_low", "actor_critic/return_low"),
        ("entropy/action", "actor_critic/entropy/action"),
        ("randomness/action", "actor_critic/randomness/action"),
        ("report/seen/image/screen", "world_model/seen/image/screen"),
        ("env/restarts", "collection/restarts"),
        ("frontier/mean_score", "collection/frontier/mean_score"),
        ("checkpoint/pause_seconds", "speed/checkpoint_seconds"),
        ("checkpoint/bytes_before", "speed/checkpoint_bytes"),
        ("world_model/kl", "world_model/kl"),
        ("world_model/loss/reward", "world_model/loss/reward"),
    ],
)
def test_earlier_names(earlier: str, today: str) -> None:
    assert metric_names.current(earlier) == today == metric_names.current(today)


@pytest.mark.parametrize(
    ("score", "success", "scale", "words"),
    [
        (500.0, None, Scale(random=22.5, largest=500), "Solved: the greedy policy reaches 500"),
        (250.0, None, Scale(random=22.5, largest=500), "48% of the way from random to the largest"),
        (6.1, None, Scale(random=0.1, human=12.1), "50% of the way from random to human play"),
        (24.1, None, Scale(random=0.1, human=12.1), "2.0 times as far from random as a human"),
        (0.1, None, Scale(random=0.1, human=12.1), "which is what random actions reach"),
        (3.0, 0.25, Scale(success=0.14), "in 25% of the episodes; random actions do in 14%"),
        (3.0, 1.0, Scale(), "Solved: the greedy policy solves the task in 100% of the episodes."),
        (3.0, None, Scale(), "The greedy policy reaches 3."),
    ],
)
def test_verdicts(score: float, success: float | None, scale: Scale, words: str) -> None:
    text = verdicts.rank(score, success=success, who="the greedy policy", scale=scale)
    assert words in text and text[0].isupper()


def test_verdict_of_a_run(tmp_path: Path) -> None:
    run = record(complete(tmp_path / "run"), age=None)
    assert verdicts.state(run) == "finished"
    text = verdicts.verdict(run, Scale(random=0.0, human=40.0))
    assert "50% of the way from random to human" in text and "still rise" in text
    assert verdicts.state(run._replace(step=100, age=5.0)) == "in training"
    assert verdicts.state(run._replace(step=100, age=1e4)) == "stopped"
    assert verdicts.state(run._replace(step=0, age=None)) == "has not begun"
    empty = run._replace(evaluations=[], episodes=type(run.episodes)(*np.zeros((4, 0))))
    assert "no score" in verdicts.verdict(empty, Scale())


def test_findings_that_are_open() -> None:
    def finding(check: str, state: str, step: int) -> dict[str, Any]:
        return {"check": check, "state": state, "step": step}

    rows = [finding("a", "begins", 1), finding("b", "begins", 2), finding("a", "ends", 3)]
    assert verdicts.open_findings(rows) == [rows[1]]
    again = finding("a", "begins", 4)
    assert verdicts.open_findings([*rows, again]) == [rows[1], again]


def test_chart_data(tmp_path: Path) -> None:
    runs = [record(complete(tmp_path / f"seed{i}", seed=i)) for i in range(3)]
    made, constant = charts.charts(groups.grouped(runs), {"cartpole": Scale(random=1)}, points=50)
    assert constant == {"constant": 7.0, "evaluation/std": 2.0}
    by_id = {each["id"]: each for each in made}
    assert by_id["evaluation/mean"]["refs"] == [{"label": "random actions", "value": 1}]
    (kl,) = by_id["world_model/kl"]["series"]
    assert [run["r"] for run in kl["runs"]] == [0, 1, 2] and kl["s"]["n"][0] == 3
    assert kl["s"]["v"][0] == 2.0 and kl["s"]["a"][0] == 1.0 and kl["s"]["b"][0] == 3.0
    assert kl["t"]["x"][0] == 2 and kl["t"]["x"][-1] == 40
    (mark, *_) = by_id["evaluation/mean"]["marks"]
    assert (mark["s"], mark["t"], mark["v"], mark["l"]) == (400, 40.0, 17.5, 17.0)
