"""What --mode=dream measured of a run."""

from collections.abc import Mapping
from typing import Any

from dreamer_jax.reports import files
from dreamer_jax.reports.markup import Child, table
from dreamer_jax.reports.run_record import RunRecord
from dreamer_jax.reports.score_tables import MOST_ROWS, NONE, value

WHO = {"agent": "states of the policy", "random": "states of random actions"}
KINDS = {"recorded": "after the recorded actions", "policy": "under the policy"}
MOST_STEPS = 12
ERRORS = (
    "Error of dreams by steps ahead, relative to that of the better simple guess: below 1, the "
    "model knows more than it"
)
RETURNS = "Dreamt against realized return of the same states"


def newest(run: RunRecord) -> dict[str, Any]:
    """The numbers of the newest dream of a run; {} if it has none."""
    return [dict[str, Any](), *(dream.content for dream in run.dreams if dream.content)][-1]


def dream_tables(run: RunRecord) -> list[Child]:
    """Errors by horizon, and returns, of the newest dream; empty without a dream."""
    found = newest(run)
    return [errors_table(files.section(found, "errors")), returns_table(found)]


def errors_table(errors: Mapping[str, Any]) -> Child:
    """Relative error of each observation and of the reward, by steps ahead."""
    each = {who: files.section(errors, who) for who in WHO}
    steps = list(dict.fromkeys(step for found in each.values() for step in found))[:MOST_STEPS]
    rows = list[list[Child]]()
    for who, found in each.items():
        names = dict.fromkeys(
            name
            for step in steps
            for name in files.section(files.section(found, step), "observations")
        )
        for name in [*names, "reward"] if found else []:
            cells = [relative(files.section(found, step), name) for step in steps]
            rows += [[f"{name} · {WHO[who]}", *cells]] * any(cell != NONE for cell in cells)
    head = ("prediction", *(f"+{step}" for step in steps))
    return table(head, rows[:MOST_ROWS], caption=ERRORS) if rows else None


def relative(found: Mapping[str, Any], name: str) -> str:
    """The relative error of one prediction at one horizon."""
    observations = files.section(found, "observations")
    one = files.section(found, name) if name == "reward" else files.section(observations, name)
    return value(files.number(one.get("relative")), digits=3)


def returns_table(found: Mapping[str, Any]) -> Child:
    """Bias and correlation of dreamt returns."""
    returns = files.section(found, "returns")
    rows = [
        [
            KINDS[kind],
            *(value(files.number(one.get(x)), digits=3) for x in ("bias", "correlation", "n")),
        ]
        for kind in KINDS
        if (one := files.section(returns, kind))
    ]
    step = files.number(found.get("step"))
    where = "" if step is None else f", at step {step:,.0f}"
    head = ("dreams", "bias", "correlation", "states")
    return table(head, rows, caption=RETURNS + where) if rows else None
