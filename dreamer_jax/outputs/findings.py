"""Judges what was measured of an agent: which check fails, since when, and what to say about it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

DIAGNOSIS = "diagnosis/"  # the names of the measures
PACE = f"{DIAGNOSIS}effective_updates"
BEGINS, ENDS = "begins", "ends"


@dataclass(frozen=True, kw_only=True)
class Check:
    """A range that a healthy agent's measure stays in, and what it means if it does not."""

    name: str
    metric: str  # after `diagnosis/`; with a slash at its end, every metric that begins so
    low: float = -math.inf  # smallest healthy value
    high: float = math.inf  # largest healthy value
    why: str  # the reason for these limits
    after: int  # effective updates before it applies: healthy runs begin badly
    times: int = 3  # reports in a row that must agree before it begins, and before it ends
    needs: Mapping[str, float] = field(default_factory=dict[str, float])
    """other metrics, after `diagnosis/`, and the least value of each for this one to count"""
    sentence: str  # what is wrong, with {value}, and {key} for metrics that have one
    advice: str  # what to try


@dataclass(frozen=True)
class Finding:
    """A check that began to fail, or holds again."""

    check: str  # with the key of an observation or an action, if it is about one: 'stuck/image/x'
    state: str  # BEGINS or ENDS
    value: float  # newest
    threshold: float  # that it lies beyond, or has come back across
    sentence: str
    advice: str


class Watched(NamedTuple):
    """A check in the course of a run."""

    fails: bool = False
    contrary: int = 0  # the newest reports in a row that say otherwise
    threshold: float = math.nan  # that was crossed last


Watch = Mapping[str, Watched]  # check -> its course


def judge(
    checks: Sequence[Check], watch: Watch, values: Mapping[str, float]
) -> tuple[dict[str, Watched], list[Finding]]:
    """Follows every check by one report.

    A check that is not measured in a report stays as it was.

    Args:
      checks: the checks of the run.
      watch: their courses so far.
      values: metrics of one report, by their full names.

    Returns: the new courses, and what began or ended.
    """
    found: list[Finding] = []
    after = dict(watch)
    for check in checks:
        if not _applies(check, values):
            continue
        for key, value in _measured(check, values):
            name = f"{check.name}/{key}" if key else check.name
            course = after.get(name, Watched())
            beyond = crossed(check, value)
            threshold = course.threshold if beyond is None else beyond
            contrary = course.contrary + 1 if (beyond is not None) != course.fails else 0
            course = Watched(course.fails, contrary, threshold)
            if contrary >= check.times:
                course = Watched(not course.fails, 0, threshold)
                found.append(
                    Finding(
                        check=name,
                        state=BEGINS if course.fails else ENDS,
                        value=value,
                        threshold=threshold,
                        sentence=check.sentence.format(value=value, key=key),
                        advice=check.advice,
                    )
                )
            after[name] = course
    return after, found


def crossed(check: Check, value: float) -> float | None:
    """The limit that a value lies beyond; None for a healthy one."""
    if value < check.low:
        return check.low
    return check.high if value > check.high else None


def measured(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics without measures that the batch could not tell, which are not finite."""
    return {
        name: x for name, x in metrics.items() if math.isfinite(x) or not name.startswith(DIAGNOSIS)
    }


def watch_to_json(watch: Watch) -> dict[str, Any]:
    """Courses as lists, for a checkpoint."""
    return {
        name: [x.fails, x.contrary, None if math.isnan(x.threshold) else x.threshold]
        for name, x in watch.items()
    }


def watch_from_json(saved: Any) -> dict[str, Watched]:
    """The inverse; TypeError, ValueError or AttributeError for anything else."""
    return {
        str(name): Watched(
            bool(fails), int(contrary), math.nan if threshold is None else float(threshold)
        )
        for name, (fails, contrary, threshold) in saved.items()
    }


def _applies(check: Check, values: Mapping[str, float]) -> bool:
    if values.get(PACE, math.inf) < check.after:
        return False
    others = ((values.get(f"{DIAGNOSIS}{name}"), least) for name, least in check.needs.items())
    return all(value is not None and value >= least for value, least in others)


def _measured(check: Check, values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """The key and the value of each metric of a check; the key is empty for a single metric."""
    metric = f"{DIAGNOSIS}{check.metric}"
    for name, value in values.items():
        if math.isfinite(value):
            if metric.endswith("/") and name.startswith(metric):
                yield name.removeprefix(metric), value
            elif name == metric:
                yield "", value
