"""The record of a run for programs: files of JSON lines."""

import json
import math
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import numpy as np

UNFINISHED = "unfinished"  # marks metrics of an interval that was cut short


class JsonLines:
    """A sink that appends to `metrics.jsonl`, `episodes.jsonl` and `milestones.jsonl`.

    Each line is on its way to the disk when the call returns. Numbers that JSON cannot hold are
    written as null. `milestones.jsonl` exists once a milestone was reached. Images and
    films are ignored.
    """

    def __init__(self, logdir: str | os.PathLike[str], first_step: int) -> None:
        """Opens the files of a run that continues after `first_step`, 0 for a new one.

        Drops the lines of later steps, which the run will take again. Drops episodes that ended at
        `first_step` as well: the run writes them when it acts on that step.
        """
        root = Path(logdir)
        root.mkdir(parents=True, exist_ok=True)
        self._milestones = root / "milestones.jsonl"
        self._metrics = _continue_lines(root / "metrics.jsonl", first_step)
        self._episodes = _continue_lines(root / "episodes.jsonl", first_step - 1)
        drop_lines(self._milestones, first_step)

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """One line of metrics; unfinished ones say so, and are dropped when the run resumes."""
        line = {"step": step, "frames": frames, "seconds": seconds, **values}
        self._metrics.write(encode({**line, UNFINISHED: True} if unfinished else line))

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """One line for a finished episode; 'start' only where it began at a milestone."""
        first = {"step": step, "score": sums["score"], "length": sums["length"]}
        line = {**first, **{k: x for k, x in sums.items() if k not in first}, "env": env}
        self._episodes.write(encode({**line, "start": start} if start else line))

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """One line for a milestone."""
        line = {"step": step, "hours": hours, "name": name, "env": env}
        with self._milestones.open("a") as file:
            file.write(encode(line))

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """Ignored."""

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """Ignored."""

    def close(self) -> None:
        """Closes the files, all of them even if one fails."""
        with ExitStack() as each:
            each.callback(self._metrics.close)
            each.callback(self._episodes.close)


def _continue_lines(path: Path, last_step: int) -> TextIO:
    """Opens a file of JSON lines for appending, without its lines after `last_step`."""
    drop_lines(path, last_step)
    return path.open("a", buffering=1)


def drop_lines(path: Path, last_step: int) -> None:
    """Removes lines after `last_step`, unfinished ones, and those that are no object with a step.

    Whenever the process dies, the file is complete: either as it was or without these lines.
    """
    if path.exists():
        kept = path.with_suffix(".partial")
        with path.open(errors="replace") as old, kept.open("w") as new:
            new.writelines(line for line in old if _stays(line, last_step))
        kept.replace(path)


def _stays(line: str, last_step: int) -> bool:
    try:
        found: Any = json.loads(line) if line.endswith("\n") else {}  # half a line
        return float(found["step"]) <= last_step and UNFINISHED not in found
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return False


def encode(line: Mapping[str, Any]) -> str:
    return json.dumps({k: _plain(v) for k, v in line.items()}, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """A Python number for any scalar, None where it is not finite; other values unchanged."""
    if hasattr(value, "__array__"):  # of NumPy or JAX
        value = np.asarray(value).item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
