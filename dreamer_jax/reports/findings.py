"""What the diagnosis of a run has found."""

from collections.abc import Sequence

from dreamer_jax.reports import files, verdicts
from dreamer_jax.reports.markup import Element, element, folded, table
from dreamer_jax.reports.run_record import RunRecord
from dreamer_jax.reports.score_tables import MOST_ROWS, NONE, value

GROUP = "diagnosis/"  # of the metrics


def was_made(run: RunRecord) -> bool:
    """Whether a run has a diagnosis."""
    return bool(run.findings) or any(name.startswith(GROUP) for name in run.curves)


def diagnosis(run: RunRecord) -> list[Element]:
    """The state of a run in words, with advice, and everything found before."""
    if not run.findings:
        return [element("p", "Nothing was found: all checks are quiet.", class_="quiet")]
    current = verdicts.open_findings(run.findings)
    made = [
        element(
            "div",
            element("strong", files.text(each, "sentence") or files.text(each, "check") or NONE),
            element("p", files.text(each, "advice")) if files.text(each, "advice") else None,
            element(
                "small",
                f"{files.text(each, 'check')} since step {step(each)}: {value_of(each, 'value')}, "
                f"threshold {value_of(each, 'threshold')}",
            ),
            class_="finding",
        )
        for each in current[:MOST_ROWS]
    ]
    if not current:
        made.append(element("p", "All checks are quiet now.", class_="quiet"))
    return [*made, timeline(run.findings)]


def timeline(found: Sequence[dict[str, object]]) -> Element:
    """When findings began and ended, folded."""
    rows = [
        [
            step(each),
            files.text(each, "check") or NONE,
            files.text(each, "state") or NONE,
            value_of(each, "value"),
            value_of(each, "threshold"),
            files.text(each, "sentence") or NONE,
        ]
        for each in found[:MOST_ROWS]
    ]
    head = ("step", "check", "state", "value", "threshold", "in words")
    return folded(f"{len(found)} entries", table(head, rows, caption="Findings over time"))


def step(found: dict[str, object]) -> str:
    """The step of a finding."""
    number = files.number(found.get("step"))
    return NONE if number is None else f"{number:,.0f}"


def value_of(found: dict[str, object], name: str) -> str:
    """A number of a finding."""
    return value(files.number(found.get(name)))
