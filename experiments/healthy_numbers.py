"""What do healthy runs show? python -m experiments.healthy_numbers logdir/cartpole-seed0 ...

Prints the table of docs/healthy_numbers.md: for each metric a row, for each run its values around
some steps. A value is the mean over the lines of the last tenth before the step. A metric that has
none there, such as that of a report, shows its newest line before the step.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

STEPS = (5_000, 20_000, 40_000)
WINDOW = 0.1  # of the step that the mean goes back
LATE = 0.02  # of the step; lines come after a step of all environments
NONE = ""
LEARNS = "optimizer/loss"  # a run has a column for each step by which it has this
# Not of what is learned: they tell of the machine, or repeat what another metric says.
LEFT_OUT = ("speed/", "collection/", "step", "frames", "seconds", "unfinished")
EPISODE = ("/mean_score", "/mean_success")
GROUPS = ("episode", "evaluation", "world_model", "actor_critic", "optimizer")


def lines(logdir: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl of a run."""
    return [json.loads(line) for line in (logdir / "metrics.jsonl").read_text().splitlines()]


def around(metrics: Sequence[dict[str, Any]], name: str, *, step: int) -> float | None:
    """The value of a metric around a step; None where the run ended before, or never had it."""
    last = step * (1 + LATE)
    if not metrics or metrics[-1]["step"] < step * (1 - WINDOW):
        return None
    found = [(x["step"], x[name]) for x in metrics if name in x and x["step"] <= last]
    if not found:
        return None
    near = [value for at, value in found if at > step * (1 - WINDOW)]
    return sum(near) / len(near) if near else found[-1][1]


def names(runs: Iterable[Sequence[dict[str, Any]]]) -> list[str]:
    """All metrics of the runs that tell of learning, group by group."""
    found = {name for metrics in runs for line in metrics for name in line}
    found = {name for name in found if not name.startswith(LEFT_OUT)}
    # The events of a game would fill the table; success is the one that tasks share.
    found = {x for x in found if not x.startswith("episode/") or x.endswith(EPISODE)}
    ranks = {group: rank for rank, group in enumerate(GROUPS)}
    return sorted(found, key=lambda name: (ranks.get(name.split("/")[0], len(ranks)), name))


def short(value: float | None) -> str:
    """Three digits, such as 0.0123, 4.56 and 12,300."""
    if value is None:
        return NONE
    digits = f"{value:.3g}"
    return f"{float(digits):,.0f}" if abs(value) >= 1_000 else digits.replace("e-0", "e-")


def table(runs: dict[str, Sequence[dict[str, Any]]], *, steps: Sequence[int] = STEPS) -> str:
    """Markdown with a column for each run and step that has values.

    runs: name -> its lines of metrics.
    """
    columns = [
        (run, step)
        for run, metrics in runs.items()
        for step in steps
        if around(metrics, LEARNS, step=step) is not None
    ]
    rows = [["metric", *(f"{run} {step:,}" for run, step in columns)]]
    rows.append(["---", *("---:" for _ in columns)])
    for name in names(runs.values()):
        values = [short(around(runs[run], name, step=step)) for run, step in columns]
        if any(values):
            rows.append([f"`{name}`", *values])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logdir", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    flags = parser.parse_args()
    print(table({path.name: lines(path) for path in flags.logdir}, steps=flags.steps))


if __name__ == "__main__":
    main()
