"""How far a run has come: a bar on a terminal, plain lines elsewhere."""

import os
import sys
import time
from contextlib import suppress
from typing import TextIO

from tqdm import tqdm

BAR_SECONDS = 1.0  # between two redraws; also the interval that rates are taken over
LINE_SECONDS = 10.0  # between two plain lines


class Progress:
    """One line on stderr: steps, updates, frames/s, updates/s, latest score, time left.

    Where nobody can read it any more, such as after a terminal was closed, it is not shown.

    Rates are over the last interval, not since the start. `step`, `frames` and `updates` are
    counters since the beginning of the run, those before a resume included.
    """

    def __init__(self, total_steps: int, first_step: int) -> None:
        """Starts at `first_step`; the run ends at `total_steps`."""
        self._total = total_steps
        self._stream = sys.stderr
        self._bar = None
        if _has_columns(self._stream):
            self._bar = tqdm(
                total=total_steps,
                initial=first_step,
                file=self._stream,
                dynamic_ncols=True,
                bar_format="{desc} |{bar}|",
            )
        self._interval = BAR_SECONDS if self._bar is not None else LINE_SECONDS
        self._shown: tuple[float, int, int, int] | None = None
        self._latest: tuple[float, int, int, int] | None = None
        self._score: float | None = None
        self._waiting = False  # whether the latest counters are still to be shown

    def update(self, step: int, frames: int, updates: int, score: float | None) -> None:
        """Takes the counters, and shows them if the interval has passed; cheap to call.

        score: of the latest finished episode of the whole task, None before the first.
        """
        self._latest, self._score = (time.monotonic(), step, frames, updates), score
        self._waiting = True
        if self._shown is None:
            self._shown = self._latest
        elif self._latest[0] - self._shown[0] >= self._interval:
            self._show()

    def write(self, text: str) -> None:
        """Prints a line of its own, above the bar if there is one."""
        with suppress(OSError):
            if self._bar is None:
                print(text, file=self._stream, flush=True)
            else:
                self._bar.write(text, file=self._stream)

    def close(self) -> None:
        """Shows the last counters, if they have not been, and leaves them standing."""
        if self._waiting:
            self._show()
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()

    def _show(self) -> None:
        assert self._latest is not None and self._shown is not None
        _, step, _, updates = self._latest
        new = [now - then for now, then in zip(self._latest, self._shown, strict=True)]
        seconds = max(new[0], 1e-9)
        rates = tuple(count / seconds for count in new[1:])
        line = describe((step, self._total), updates, rates, self._score)
        self._shown, self._waiting = self._latest, False
        if self._bar is None:
            self.write(line)
        else:
            self._bar.n = step
            with suppress(OSError):
                self._bar.set_description_str(line)


def describe(
    steps: tuple[int, int], updates: int, rates: tuple[float, ...], score: float | None
) -> str:
    """The line. steps: done and in all; rates: steps, frames and updates a second."""
    done, total = steps
    step_rate, frame_rate, update_rate = rates
    left = tqdm.format_interval(max(0, total - done) / step_rate) if step_rate > 0 else "?"
    return (
        f"{_short(done)}/{_short(total)} steps {_short(updates)} updates "
        f"{_short(frame_rate)} frames/s {_short(update_rate)} updates/s "
        f"score {'-' if score is None else f'{score:.1f}'} ETA {left}"
    )


def _has_columns(stream: TextIO) -> bool:
    # Some terminals, as in containers, say that they are 0 columns wide: a bar would show nothing.
    return stream.isatty() and os.get_terminal_size(stream.fileno()).columns > 0


def _short(number: float) -> str:
    return tqdm.format_sizeof(number) if number >= 1000 else f"{number:.3g}"
