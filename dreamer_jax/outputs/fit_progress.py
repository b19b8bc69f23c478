"""The progress of learning from recordings, as lines on stderr."""

import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from dreamer_jax.outputs.averages import is_loss
from dreamer_jax.outputs.formats import clock, short

LINE_SECONDS = 10.0  # between two lines
SHOWN = 4  # most losses of a line


class FitProgress:
    """Prints counters, rate, losses and time left now and then, and every measurement.

    Nothing is printed once stderr cannot be written.
    """

    def __init__(self, total: int, *, begun: int) -> None:
        """Of a run that ends at `total` updates and continues after `begun`."""
        self._total, self._begun = total, begun
        self._began = self._written = time.monotonic()
        self._losses = dict[str, float]()

    def tick(self, updates: int) -> None:
        """Takes the number of updates, and prints a line if the interval has passed."""
        now = time.monotonic()
        if now - self._written < LINE_SECONDS and updates < self._total:
            return
        self._written = now
        rate = (updates - self._begun) / max(now - self._began, 1e-9)
        left = clock((self._total - updates) / rate) if rate else "?"
        losses = [f"{name} {value:.4g}" for name, value in self._losses.items()]
        counts = f"{short(updates)}/{short(self._total)} updates {short(rate)} updates/s"
        self.write(" ".join([counts, *losses, f"ETA {left}"]))

    def losses(self, metrics: Mapping[str, float]) -> None:
        """Takes the metrics of an interval, whose losses the next lines show."""
        found = [(name.rpartition("/")[2], x) for name, x in metrics.items() if is_loss(name)]
        self._losses = dict(found[:SHOWN])

    def measured(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Prints what was measured on runs that are held out."""
        values = ", ".join(f"{name.partition('/')[2]} {x:.4g}" for name, x in metrics.items())
        self.write(f"update {step}: held out: {values}")

    def write(self, text: str) -> None:
        """Prints a line."""
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)
