"""What came of a sweep: a table, files of numbers, and curves."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from dreamer_jax.statistics import t_quantile
from dreamer_jax.sweeps import plan, results
from dreamer_jax.sweeps.plan import Setting, Sweep
from dreamer_jax.sweeps.results import Result

CONFIDENCE = 0.95  # of the intervals, for readers of the JSON
POINTS = 200  # of a curve
JSON, CSV, PLOT = "summary.json", "summary.csv", "curves.png"


class Row(NamedTuple):
    """A setting, over its seeds."""

    setting: Setting
    runs: list[Result]
    scores: list[float]  # of the finished ones
    mean: float | None
    half: float | None  # of the interval around the mean; None with fewer than two scores
    failures: dict[int, str]  # seed -> why


class Summary(NamedTuple):
    """All settings, the best one first."""

    metric: str | None  # that the scores are of, its last value in each run
    rows: list[Row]


def summarize(sweep: Sweep, settings: Sequence[Setting], failures: Mapping[Path, str]) -> Summary:
    """Reads the logdirs of all runs.

    failures: logdir of a run -> why it failed.
    """
    found = {
        setting.name: [results.of(run, metric=sweep.metric) for run in plan.runs(sweep, setting)]
        for setting in settings
    }
    finished = [each for runs in found.values() for each in runs if each.finished]
    metric = results.metric_of(finished, sweep.metric)
    rows = [row(setting, found[setting.name], metric, failures) for setting in settings]
    sign = 1 if sweep.minimize else -1
    rows.sort(key=lambda x: math.inf if x.mean is None else sign * x.mean)
    return Summary(metric, rows)


def row(
    setting: Setting, runs: list[Result], metric: str | None, failures: Mapping[Path, str]
) -> Row:
    """One setting."""
    values = [each.last(metric) if metric and each.finished else None for each in runs]
    scores = [value for value in values if value is not None]
    why = {each.run.seed: failures[each.run.logdir] for each in runs if each.run.logdir in failures}
    mean = fmean(scores) if scores else None
    return Row(setting, runs, scores, mean, half_interval(scores), why)


def half_interval(scores: Sequence[float]) -> float | None:
    """Half of the 95 % interval of the mean, by Student's t; None with fewer than two scores."""
    if len(scores) < 2:
        return None
    return float(t_quantile(len(scores))) * stdev(scores) / math.sqrt(len(scores))


def table(summary: Summary) -> str:
    """Lines of columns: each setting, its score with the interval, and its runs."""
    paths = list(dict.fromkeys(path for x in summary.rows for path in x.setting.values))
    lines = [[*paths, summary.metric or "score", "95 % interval", "seeds", "failed"]]
    for x in summary.rows:
        interval = "-"
        if x.mean is not None and x.half is not None:
            interval = f"{x.mean - x.half:.4g} to {x.mean + x.half:.4g}"
        mean = "-" if x.mean is None else f"{x.mean:.4g}"
        done = f"{sum(each.finished for each in x.runs)} of {len(x.runs)}"
        values = [x.setting.values.get(path, "") for path in paths]
        lines.append([*values, mean, interval, done, str(len(x.failures) or "-")])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [
        "  ".join(f"{cell:{width}}" for cell, width in zip(x, widths, strict=True)) for x in lines
    ]
    text += [
        f"{x.setting.name} seed {seed}: {why}"
        for x in summary.rows
        for seed, why in x.failures.items()
    ]
    return "\n".join(line.rstrip() for line in text)


def write(sweep: Sweep, summary: Summary) -> None:
    """Writes the settings with their runs as JSON, and a line for each run as CSV."""
    shown = [
        {
            "values": dict(x.setting.values),
            "folder": x.setting.name,
            "mean": x.mean,
            "low": None if x.mean is None or x.half is None else x.mean - x.half,
            "high": None if x.mean is None or x.half is None else x.mean + x.half,
            "runs": [of_run(each, summary.metric, x) for each in x.runs],
        }
        for x in summary.rows
    ]
    text = json.dumps(
        {"metric": summary.metric, "confidence": CONFIDENCE, "settings": shown}, indent=2
    )
    (sweep.folder / JSON).write_text(text + "\n")
    with (sweep.folder / CSV).open("w", newline="") as file:
        fields = ["seed", "state", "step", "score", "error"]
        writer = csv.DictWriter(file, [*sweep.choices, *fields])
        writer.writeheader()
        for x in summary.rows:
            for each in x.runs:
                writer.writerow({**x.setting.values, **of_run(each, summary.metric, x)})


def of_run(result: Result, metric: str | None, row: Row) -> dict[str, Any]:
    """One run in the files."""
    error = row.failures.get(result.run.seed, "")
    state = "finished" if result.finished else "failed" if error else "unfinished"
    score = result.last(metric) if metric else None
    seed, step = result.run.seed, result.step
    return {"seed": seed, "state": state, "step": step, "score": score, "error": error}


def plot(sweep: Sweep, summary: Summary) -> bool:
    """Draws the score of each setting against the steps; False without matplotlib or curves.

    A line is the mean over the seeds, its band the 95 % interval.
    """
    drawn = [(x, curve(x.runs, summary.metric)) for x in summary.rows if summary.metric]
    drawn = [(x, found) for x, found in drawn if found is not None]
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if not drawn:
        return False
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for x, (steps, mean, half) in drawn:
        values = ", ".join(f"{k.rpartition('.')[2]}={v}" for k, v in x.setting.values.items())
        (line,) = axes.plot(steps, mean, label=values or sweep.folder.name)
        axes.fill_between(steps, mean - half, mean + half, alpha=0.2, color=line.get_color())
    axes.set(xlabel="steps", ylabel=summary.metric)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(sweep.folder / PLOT, dpi=120)
    return True


def curve(
    runs: Sequence[Result], metric: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Steps, mean and half of its interval, over the steps that all runs with a curve have."""
    known = [each.curves[metric] for each in runs if metric and metric in each.curves]
    known = [np.array(points, float).T for points in known if points]
    if not known:
        return None
    start, end = max(x[0, 0] for x in known), min(x[0, -1] for x in known)
    steps = np.linspace(start, max(start, end), POINTS)
    values = np.array([np.interp(steps, x[0], x[1]) for x in known])
    half = [half_interval(column) or 0.0 for column in values.T.tolist()]
    return steps, values.mean(0), np.array(half)
