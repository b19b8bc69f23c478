"""The record of a run: JSON lines for programs, TensorBoard events for people."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from dreamer_jax.faults import Fault, said
from dreamer_jax.outputs.tensorboard import Board

UNFINISHED = "unfinished"  # marks lines of metrics of an interval that was cut short


class Logger:
    """Appends to `metrics.jsonl`, `episodes.jsonl` and TensorBoard events in one logdir.

    `milestones.jsonl` is there once one was reached. A line can be read when the call returns, its
    TensorBoard events a few seconds later. Numbers that JSON cannot hold are written as null.
    Every call raises Fault where the disk will not take what it writes.
    """

    def __init__(self, logdir: str | os.PathLike[str], first_step: int) -> None:
        """Opens the record of a run that goes on after `first_step`, 0 for a new one.

        What was recorded after it is dropped, for those steps will be lived again; an episode that
        ended with the step itself is written when the run goes on.
        """
        self._root = Path(logdir)
        self._milestones = self._root / "milestones.jsonl"
        with self._writing():
            self._root.mkdir(parents=True, exist_ok=True)
            self._metrics = _continue_lines(self._root / "metrics.jsonl", first_step)
            self._episodes = _continue_lines(self._root / "episodes.jsonl", first_step - 1)
            _drop_lines(self._milestones, first_step)
            self._board = Board(self._root, first_step)

    def scalars(
        self,
        step: int,
        frames: int,
        seconds: float,
        values: dict[str, float],
        unfinished: bool = False,
    ) -> None:
        """One line of metrics; `frames` counts those of the environment, `seconds` the run's.

        unfinished: the line is of an interval that was cut short; it is dropped when the run goes
            on, and says so.
        """
        line = {"step": step, "frames": frames, "seconds": seconds, **values}
        with self._writing():
            self._metrics.write(_encode({**line, UNFINISHED: True} if unfinished else line))
            for name, value in values.items():
                self._point(name, value, step)

    def episode(self, step: int, start: str, score: float, length: float, **details: Any) -> None:
        """One line for a finished episode; `details` are written beside it.

        start: the milestone that it began at, written where it did not begin at the beginning.
        """
        line = {"step": step, "score": score, "length": length, **details}
        kind = "frontier" if start else "episode"
        with self._writing():
            self._episodes.write(_encode(line | {"start": start} if start else line))
            self._point(f"{kind}/score", score, step)
            self._point(f"{kind}/length", length, step)

    def milestone(self, step: int, hours: float, name: str, env: int) -> None:
        """One line for what environment `env` is the first ever to reach."""
        line = {"step": step, "hours": hours, "name": name, "env": env}
        with self._writing(), self._milestones.open("a") as file:
            file.write(_encode(line))

    def image(self, step: int, name: str, array: np.ndarray) -> None:
        """A picture [H, W, 3] uint8, for TensorBoard alone."""
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3:
            raise ValueError(
                f"image {name} must be [H, W, 3] uint8, not {list(array.shape)} {array.dtype}"
            )
        with self._writing():
            self._board.image(name, array, step)

    def close(self) -> None:
        """Completes the record; nothing may be added afterwards."""
        with self._writing(), ExitStack() as each:
            for part in (self._metrics, self._episodes, self._board):
                each.callback(part.close)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Fault(f"cannot write the record in {self._root}: {said(error)}") from error

    def _point(self, name: str, value: float, step: int) -> None:
        number = _plain(value)
        if number is not None:
            self._board.scalar(name, number, step)


def _continue_lines(path: Path, last_step: int) -> TextIO:
    """Opens a file of JSON lines to append, without its lines after `last_step`."""
    _drop_lines(path, last_step)
    return path.open("a", buffering=1)


def _drop_lines(path: Path, last_step: int) -> None:
    """Removes lines after `last_step`, unfinished ones, and what is no object with a step."""
    if path.exists():
        kept = path.with_suffix(".partial")
        with path.open(errors="replace") as old, kept.open("w") as new:
            new.writelines(line for line in old if _stays(line, last_step))
        kept.replace(path)


def _stays(line: str, last_step: int) -> bool:
    try:
        found = json.loads(line) if line.endswith("\n") else {}  # half a line
        return float(found["step"]) <= last_step and UNFINISHED not in found
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return False


def _encode(line: dict[str, Any]) -> str:
    return json.dumps({k: _plain(v) for k, v in line.items()}, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """A Python number for any scalar, None where it is not finite; other values as they are."""
    if isinstance(value, (np.generic, np.ndarray)) or hasattr(value, "__array__"):
        value = np.asarray(value).item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
