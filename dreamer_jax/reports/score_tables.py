"""Tables of scores: evaluations, milestones and seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from dreamer_jax.reports import evaluations, files, verdicts
from dreamer_jax.reports.evaluations import TRAINING, Evaluation
from dreamer_jax.reports.groups import Group
from dreamer_jax.reports.markup import Element, element, folded, table
from dreamer_jax.reports.references import UNKNOWN, Scale
from dreamer_jax.reports.run_record import RunRecord

NONE = "—"
MINUS = "\N{MINUS SIGN}"
MOST_ROWS = 300
HEAD = ("step", "policy", "episodes", "mean ± deviation", "95 % interval", "IQM", "range")
CHOSEN = "Those of --mode=eval, and the best and newest of training"
EXTRA = ("success", "human-normalized")


def value(number: float | None, *, digits: int = 4) -> str:
    """A number with few digits."""
    if number is None or not np.isfinite(number):
        return NONE
    text = f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.{digits}g}"
    return text.replace("-", MINUS)


def duration(seconds: float) -> str:
    """A time with its unit."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return (
        f"{value(seconds / 60, digits=3)} min"
        if seconds < 7200
        else f"{value(seconds / 3600, digits=3)} h"
    )


def span(ends: tuple[float | None, float | None]) -> str:
    """Both ends of an interval."""
    low, high = ends
    return NONE if low is None or high is None else f"{value(low)} to {value(high)}"


def evaluation_row(each: Evaluation, normalized: float | None) -> list[str]:
    """The cells of an evaluation, as HEAD and EXTRA name them."""
    deviation = f" ± {value(each.std, digits=3)}" if each.std is not None else ""
    iqm = value(each.iqm)
    iqm += f" ({span((each.iqm_low, each.iqm_high))})" if each.iqm_low is not None else ""
    success = NONE if each.success is None else f"{each.success:.0%}"
    if each.success_low is not None and each.success_high is not None:
        success += f" ({each.success_low:.0%} to {each.success_high:.0%})"
    return [
        f"{each.step:,}",
        f"{each.policy}{f' ({each.checkpoint})' if each.checkpoint else ''}" or NONE,
        NONE if each.episodes is None else f"{each.episodes:,}",
        f"{value(each.mean)}{deviation}",
        span((each.low, each.high)),
        iqm,
        span((each.lowest, each.highest)),
        success,
        value(normalized, digits=3),
    ]


def evaluation_tables(groups: Sequence[Group], scales: Mapping[str, Scale]) -> list[Element]:
    """The evaluations of --mode=eval with the best and newest of training; all others folded."""
    several = sum(len(group.runs) for group in groups) > 1
    chosen, others = list[list[str]](), list[list[str]]()
    for group in groups:
        for run, name in zip(group.runs, group.names, strict=True):
            scale, prefix = scales.get(run.env, UNKNOWN), f"{name} · " if several else ""
            of_training = [x for x in run.evaluations if x.name == TRAINING]
            first = [x for x in run.evaluations if x.name != TRAINING]
            first += of_training[-1:]
            best = evaluations.best(of_training)
            first += [best] if best and best not in first else []
            for each in run.evaluations:
                known = (
                    each.normalized if each.normalized is not None else scale.normalized(each.mean)
                )
                kind = "training" if each.name == TRAINING else "--mode=eval"
                word = ", best" if each is best else ", newest" if each in of_training[-1:] else ""
                row = [f"{prefix}{kind}{word}", *evaluation_row(each, known)]
                (chosen if each in first else others).append(row)
    used = [i for i in range(len(HEAD) + len(EXTRA) + 1) if i <= 5 or column(chosen + others, i)]
    head = [("evaluation", *HEAD, *EXTRA)[i] for i in used]
    tables = [
        table(head, [[row[i] for i in used] for row in rows[:MOST_ROWS]], caption=caption)
        for rows, caption in ((chosen, CHOSEN), (others, "Further evaluations by training"))
        if rows
    ]
    if len(tables) == 2 or (others and not chosen):
        tables[-1] = folded(f"{len(others)} further evaluations by training", tables[-1])
    return tables


def column(rows: Sequence[Sequence[str]], index: int) -> bool:
    """Whether a column has a value in any row."""
    return any(row[index] != NONE for row in rows)


def seed_table(groups: Sequence[Group], scales: Mapping[str, Scale]) -> Element:
    """A row for each configuration: its runs, their steps, and their scores over seeds."""
    rows = list[list[str]]()
    for group in groups:
        found = verdicts.across_seeds(group)
        best = [x.mean for run in group.runs if (x := evaluations.best(run.evaluations))]
        normalized = None
        if found and not any(run.evaluations and run.evaluations[-1].success for run in group.runs):
            normalized = scales.get(group.runs[0].env, UNKNOWN).normalized(found[0])
        steps = sorted({run.step for run in group.runs})
        rows.append(
            [
                group.name,
                f"{len(group.runs)} ({seeds(group)})",
                f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}",
                duration(sum(run.seconds for run in group.runs)),
                value(found[0]) if found else NONE,
                span((found[1], found[2])) if found and np.isfinite(found[1]) else NONE,
                span((min(best), max(best))) if best else NONE,
                value(normalized, digits=3),
            ]
        )
    head = ("configuration", "runs (seeds)", "steps", "time in all", "latest score")
    head += ("95 % interval over seeds", "best evaluations", "human-normalized")
    used = [i for i in range(len(head)) if i < 5 or column(rows, i)]
    rows = [[row[i] for i in used] for row in rows]
    return table([head[i] for i in used], rows, caption="Configurations")


def seeds(group: Group) -> str:
    """The seeds of the runs of a group."""
    return ", ".join(NONE if run.seed is None else str(run.seed) for run in group.runs)


def milestone_table(run: RunRecord) -> Element | None:
    """The milestones of a run; None if it has none."""
    if not run.milestones:
        return None
    rows = [
        [
            files.text(each, "name") or NONE,
            f"{files.number(each.get('step')) or 0:,.0f}",
            duration(3600 * (files.number(each.get("hours")) or 0)),
        ]
        for each in run.milestones[:MOST_ROWS]
    ]
    return table(("milestone", "step", "time"), rows, caption="First reached")


def notes_list(notes: Sequence[str]) -> Element | None:
    """Notes as a list; None if there are none."""
    if not notes:
        return None
    listed = [element("li", note) for note in notes[:MOST_ROWS]]
    made = element("ul", class_="notes")
    made.extend(listed)
    return made
