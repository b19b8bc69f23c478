"""The curves of a page as data for its script."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dreamer_jax.reports import curves, markup, metric_names
from dreamer_jax.reports.curves import Curve
from dreamer_jax.reports.evaluations import TRAINING
from dreamer_jax.reports.groups import Group
from dreamer_jax.reports.references import UNKNOWN, Scale
from dreamer_jax.reports.run_record import RunRecord

SCORE, EVALUATION = "episode/mean_score", "evaluation/mean"
MAIN = {SCORE: "Training episodes", EVALUATION: "Evaluation"}
DIGITS = 5  # of a value
TIME_DIGITS = 7  # of a step or a second between two points
GRID = 120  # places of a band, at most
MOST_DOTS = 2_500  # episodes of a run


def numbers(values: np.ndarray, digits: int = DIGITS) -> list[float | int | None]:
    """Numbers for JSON with few digits; None for what is not finite."""
    texts = (f"{x:.{digits}g}" if np.isfinite(x) else "" for x in values.tolist())
    found = (float(x) if x else None for x in texts)
    return [int(x) if x is not None and x == int(x) else x for x in found]


def whole(values: np.ndarray) -> list[float | int | None]:
    """Numbers for JSON, rounded to whole ones."""
    return numbers(np.round(values), 15)


def charts(
    groups: Sequence[Group], scales: Mapping[str, Scale], *, points: int
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A chart for each metric, and the metrics that never change with their values.

    Scores of different environments are not comparable, so they have charts of their own.

    Args:
      groups: the lines of a chart.
      scales: environment -> known scores.
      points: of a curve, about.
    """
    runs = [run for group in groups for run in group.runs]
    names = sorted({name for run in runs for name in run.curves}, key=metric_names.order)
    envs = list(dict.fromkeys(run.env for run in runs))
    made, constant = list[dict[str, Any]](), dict[str, float]()
    for env in envs:
        suffix = f" · {env or 'unknown'}" if len(envs) > 1 else ""
        made += [
            score_chart(groups, scales, env=env, name=name, points=points, suffix=suffix)
            for name in MAIN
        ]
    for name in names:
        values = [run.curves[name].value for run in runs if name in run.curves]
        if all((x == values[0][0]).all() for x in values) and sum(map(len, values)) > 1:
            constant[name] = float(values[0][0])
        elif name not in MAIN:
            made.append(chart(name, groups, points=points))
    return [each for each in made if each["series"] or each.get("marks")], constant


def chart(name: str, groups: Sequence[Group], *, points: int) -> dict[str, Any]:
    """The chart of one metric."""
    return {
        "id": markup.clean(name, most=100),
        "group": metric_names.group(name),
        "title": markup.clean(name.partition("/")[2] or name, most=100),
        "text": metric_names.meaning(name),
        "series": series(name, groups, points=points),
    }


def score_chart(
    groups: Sequence[Group],
    scales: Mapping[str, Scale],
    *,
    env: str,
    name: str,
    points: int,
    suffix: str,
) -> dict[str, Any]:
    """The chart of the scores of one environment: with episodes, intervals and known scores."""
    chosen = [(i, g) for i, g in enumerate(groups) if g.runs[0].env == env]
    made = chart(name, groups, points=points)
    made["series"] = [x for x in made["series"] if x["g"] in {i for i, _ in chosen}]
    made |= {"id": f"{name}{suffix}", "title": MAIN[name] + suffix, "main": True}
    lines = scales.get(env, UNKNOWN).lines()
    made["refs"] = [{"label": label, "value": value} for label, value in lines.items()]
    if name == SCORE:
        made["dots"] = [
            {"g": i, **dots(run, points)} for i, g in chosen for run in g.runs if len(g.runs) == 1
        ]
    else:
        made["marks"] = [mark for i, g in chosen for run in g.runs for mark in marks(i, run)]
    return made


def series(name: str, groups: Sequence[Group], *, points: int) -> list[dict[str, Any]]:
    """The curves of a metric: those of every run, and the band of each group of several."""
    found = list[dict[str, Any]]()
    for i, group in enumerate(groups):
        lines = [
            (j, run.curves[name], run) for j, run in enumerate(group.runs) if name in run.curves
        ]
        if not lines:
            continue
        each = max(12, points // max(1, len(lines)))
        made: dict[str, Any] = {
            "g": i,
            "runs": [
                {"r": j, **line(curve, run, name=name, points=each)} for j, curve, run in lines
            ],
        }
        if len(lines) > 1:
            made["s"] = band([(c.step, c.value) for _, c, _ in lines], points)
            timed = [(c.seconds, c.value) for _, c, _ in lines if np.isfinite(c.seconds).all()]
            if len(timed) > 1:
                made["t"] = band([in_order(x, y) for x, y in timed], points)
        found.append(made)
    return found


def in_order(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve sorted by x."""
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def line(curve: Curve, run: RunRecord, *, name: str, points: int) -> dict[str, Any]:
    """The curve of one run; that of its evaluations with their intervals."""
    few = curves.thinned(curve, most=points)
    made = {"s": whole(few.step), "t": numbers(few.seconds, TIME_DIGITS), "v": numbers(few.value)}
    if name == EVALUATION:
        found = {x.step: x for x in run.evaluations if x.name == TRAINING}
        known = [found.get(int(step)) for step in few.step]
        ends = [(x.low, x.high) if x else (None, None) for x in known]
        made |= {
            key: numbers(np.array([np.nan if x is None else x for x in side], float))
            for key, side in zip("lh", zip(*ends, strict=True), strict=True)
        }
    return made


def band(lines: Sequence[tuple[np.ndarray, np.ndarray]], points: int) -> dict[str, Any]:
    """The statistics of several curves."""
    longest = max(len(x) for x, _ in lines)
    found = curves.band(lines, points=min(points, GRID, 2 * longest))
    return {
        "x": numbers(found.x, TIME_DIGITS),
        "v": numbers(found.mean),
        "l": numbers(found.low),
        "h": numbers(found.high),
        "a": numbers(found.lowest),
        "b": numbers(found.highest),
        "n": found.runs.tolist(),
    }


def dots(run: RunRecord, points: int) -> dict[str, Any]:
    """The scores of episodes; of many every k-th."""
    every = -(-len(run.episodes.step) // min(MOST_DOTS, 5 * points)) or 1
    some = [x[::every] for x in run.episodes[:3]]
    return {
        "s": whole(some[0]),
        "t": numbers(some[1], TIME_DIGITS),
        "v": numbers(some[2]),
        "every": every,
    }


def marks(group: int, run: RunRecord) -> list[dict[str, Any]]:
    """The evaluations of --mode=eval, which are points with intervals."""
    found = [x for x in run.evaluations if x.name != TRAINING]
    times = next((c for c in run.curves.values() if np.isfinite(c.seconds).all()), None)
    return [
        {
            "g": group,
            "s": x.step,
            "t": None if times is None else float(np.interp(x.step, times.step, times.seconds)),
            "v": x.mean,
            "l": x.low,
            "h": x.high,
            "label": markup.clean(f"{x.policy} {x.checkpoint}".strip(), most=60),
        }
        for x in found
    ]
