"""The progress of a run: a bar on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, TextIO

import numpy as np
from tqdm import tqdm

BAR_SECONDS = 1.0  # between two redraws; also the interval that rates are taken over
LINE_SECONDS = 10.0  # between two plain lines
RATE_SECONDS = 10.0  # of updates before the time left is estimated
EVALUATION = "evaluation/"  # metrics that are shown at once


class Moment(NamedTuple):
    """Counters since the beginning of the run, those before a resume included."""

    time: float  # s, of a clock that never goes back
    step: int
    frames: int
    updates: int


class Rates(NamedTuple):
    """Counts in each second."""

    steps: float
    frames: float
    updates: float


class Progress:
    """A sink that shows one line on stderr: counters, rates, latest score and time left.

    It prints milestones and evaluations as well. It has two verbs more than other sinks, `tick`
    and `write`. Only a display is of use at every step and for free text; a record is not. So the
    journal has one `Progress` next to its other sinks, and `Sink` stays at five verbs.

    Rates are over the last interval, not since the start. The time left is estimated from the whole
    time since updates began: steps of the prefill are much faster, and single intervals differ.
    Nothing is shown once stderr cannot be written, such as after its terminal was closed.
    """

    def __init__(self, total_steps: int, *, first_step: int, prefill: int = 0) -> None:
        """Starts at `first_step`; the run ends at `total_steps`.

        prefill: steps before the first update.
        """
        self._total, self._prefill = total_steps, prefill
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
        self._shown: Moment | None = None
        self._latest: Moment | None = None
        self._learning: Moment | None = None  # when updates began, in this process
        self._score: float | None = None
        self._waiting = False  # whether the latest counters are still to be shown

    def tick(self, step: int, *, frames: int, updates: int, score: float | None) -> None:
        """Takes the counters, and shows them if the interval has passed; cheap to call.

        score: of the latest finished episode of the whole task, None before the first.
        """
        self._latest = Moment(time=time.monotonic(), step=step, frames=frames, updates=updates)
        self._score = score
        self._waiting = True
        if self._learning is None and step >= self._prefill:
            self._learning = self._latest
        if self._shown is None:
            self._shown = self._latest
        elif self._latest.time - self._shown.time >= self._interval:
            self._show(self._latest, self._shown)

    def write(self, text: str) -> None:
        """Prints a line, above the bar if there is one."""
        with suppress(OSError):
            if self._bar is None:
                print(text, file=self._stream, flush=True)
            else:
                self._bar.write(text, file=self._stream)

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """Prints the scores of an evaluation; ignores other metrics."""
        del frames, seconds, unfinished
        scores = [
            f"{key.removeprefix(EVALUATION)} {value:.2f}"
            for key, value in values.items()
            if key.startswith(EVALUATION)
        ]
        if scores:
            self.write(f"step {step}: evaluation {', '.join(scores)}")

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """Ignored: the next `tick` has the score."""

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """Prints a milestone."""
        del env
        self.write(f"step {step}, {hours:.2f} hours: first {name}")

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """Ignored."""

    def close(self) -> None:
        """Shows the last counters unless they were shown, and leaves them on the screen."""
        if self._waiting and self._latest and self._shown:
            self._show(self._latest, self._shown)
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()

    def _show(self, now: Moment, before: Moment) -> None:
        seconds = max(now.time - before.time, 1e-9)
        rates = Rates(
            steps=(now.step - before.step) / seconds,
            frames=(now.frames - before.frames) / seconds,
            updates=(now.updates - before.updates) / seconds,
        )
        line = progress_line(
            now.step,
            total=self._total,
            prefill=self._prefill,
            updates=now.updates,
            rates=rates,
            score=self._score,
            left=seconds_left(now, since=self._learning, total=self._total),
        )
        self._shown, self._waiting = now, False
        if self._bar is None:
            self.write(line)
        else:
            self._bar.n = now.step
            with suppress(OSError):
                self._bar.set_description_str(line)


def progress_line(
    step: int,
    *,
    total: int,
    prefill: int,
    updates: int,
    rates: Rates,
    score: float | None,
    left: float | None,
) -> str:
    """The line after `step` of `total` steps.

    prefill: steps before the first update. left: seconds until the end, None if not known yet.
    """
    end = f"ETA {'?' if left is None else tqdm.format_interval(left)}"
    return (
        f"{_short(step)}/{_short(total)} steps {_short(updates)} updates "
        f"{_short(rates.frames)} frames/s {_short(rates.updates)} updates/s "
        f"score {'-' if score is None else f'{score:.1f}'} "
        f"{f'prefill {_short(step)}/{_short(prefill)}' if step < prefill else end}"
    )


def seconds_left(now: Moment, *, since: Moment | None, total: int) -> float | None:
    """Seconds until `total` steps at the rate since a moment; None where there is no rate yet."""
    if now.step >= total:
        return 0.0
    if since is None or now.time - since.time < RATE_SECONDS or now.step <= since.step:
        return None
    return (total - now.step) * (now.time - since.time) / (now.step - since.step)


def _has_columns(stream: TextIO) -> bool:
    # Some terminals, as in containers, say that they are 0 columns wide: a bar would show nothing.
    return stream.isatty() and os.get_terminal_size(stream.fileno()).columns > 0


def _short(number: float) -> str:
    return tqdm.format_sizeof(number) if number >= 1000 else f"{number:.3g}"
