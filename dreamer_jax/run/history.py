"""The list `history` of config.json: what was changed of a run since it was started.

[{"step": 4000, "updates": 120, "time": "2026-11-29T15:04:05+00:00",
  "changes": {"optimizer.learning_rate": [4e-05, 0.0001]}}]
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from dreamer_jax.counters import BEGINNING, Counters

# A run that changes one of these owes updates at its new pace from then on, none for the past.
PACE = ("train.ratio", "train.prefill", "replay.batch", "replay.length")
FIELDS = {"step": int, "updates": int, "time": str, "changes": dict}


def entry(changes: Mapping[str, tuple[Any, Any]], at: Counters) -> dict[str, Any]:
    """A new entry, of now: path -> (old value, new value), and the counters of the checkpoint."""
    return {
        "step": at.step,
        "updates": at.updates,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "changes": {path: list(values) for path, values in changes.items()},
    }


def in_words(changes: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """A line for each change, such as `train.ratio: 32 -> 64`."""
    return [f"{path}: {old!r} -> {new!r}" for path, (old, new) in changes.items()]


def up_to(history: Sequence[Any], at: Counters) -> list[dict[str, Any]]:
    """The history of a run that is at these counters: later changes count from there.

    A run goes back behind a change where the checkpoints after it are damaged.

    Raises ValueError in one line for what is no history.
    """
    return [
        {**each, "step": min(each["step"], at.step), "updates": min(each["updates"], at.updates)}
        for each in map(_checked, history)
    ]


def paced_since(history: Sequence[Mapping[str, Any]]) -> Counters:
    """The counters at the last change of the pace; zeros where there was none."""
    since = BEGINNING
    for each in history:
        if any(path in each["changes"] for path in PACE):
            since = Counters(step=each["step"], updates=each["updates"])
    return since


def _checked(found: Any) -> Mapping[str, Any]:
    right = isinstance(found, dict)
    for name, kind in FIELDS.items():
        right = right and type(cast(dict[str, Any], found).get(name)) is kind
    if not right or min(found["step"], found["updates"]) < 0:
        raise ValueError(f"config.json: history holds {str(found)[:60]!r}, which is no change")
    return found
