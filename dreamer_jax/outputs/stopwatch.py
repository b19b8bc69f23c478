"""How long each kind of work of a run takes."""

import time
from collections.abc import Mapping

import numpy as np

from dreamer_jax.outputs.averages import is_loss

LEARNING, REPORT, EVALUATION = "learning", "report", "evaluation"


class Stopwatch:
    """A sink that tells by the metrics which work has just been done, and measures it."""

    def __init__(self) -> None:
        """Starts now."""
        self._seconds = dict[str, float]()
        self._last = time.monotonic()

    def lap(self, work: str) -> float:
        """The seconds since the last work, which are those of `work` now; all of it in all."""
        now = time.monotonic()
        self._seconds[work] = self._seconds.get(work, 0.0) + now - self._last
        self._last = now
        return self._seconds[work]

    def seconds(self) -> dict[str, float]:
        """Work -> seconds, in the order in which it was first done."""
        return dict(self._seconds)

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """Ends the work that these are metrics of."""
        del step, frames, seconds, unfinished
        if any(name.startswith("evaluation/") for name in values):
            self.lap(EVALUATION)
        elif any(name.startswith("speed/") or is_loss(name) for name in values):
            if EVALUATION not in self._seconds and REPORT not in self._seconds:
                self.lap(LEARNING)
        else:
            self.lap(REPORT)

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """Ignored."""

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """Ignored."""

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """Ignored: the metrics of the report come before it."""

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """Ignored: the metrics of the report come before it."""

    def close(self) -> None:
        """Ignored."""
