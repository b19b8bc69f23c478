"""The progress of a run: a view at the bottom of a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from dreamer_jax.host import memory_use
from dreamer_jax.outputs.formats import clock, short
from dreamer_jax.outputs.live_view import LiveView, Shown, is_suited

VIEW_SECONDS = 0.5  # between two redraws
VIEWED_SECONDS = 10.0  # that its rates are taken over
WARNINGS = 2  # that it shows, of those that were printed last
LINE_SECONDS = 10.0  # between two plain lines; also the interval that their rates are taken over
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
    """A sink that shows on stderr: counters, rates, latest scores and time left.

    On a terminal this is a view that is rewritten in place, elsewhere a line now and then.
    It prints milestones and evaluations as well. It has two verbs more than other sinks, `tick`
    and `write`. Only a display is of use at every step and for free text; a record is not. So the
    journal has one `Progress` next to its other sinks, and `Sink` stays at six verbs.

    Rates are over the last ten seconds or more, not since the start. The time left is estimated
    from the whole time since updates began: steps of the prefill are much faster, and single
    intervals differ.
    Nothing is shown once stderr cannot be written, such as after its terminal was closed.
    """

    def __init__(self, total_steps: int, *, prefill: int = 0) -> None:
        """Of a run that ends at `total_steps`.

        prefill: steps before the first update.
        """
        self._total, self._prefill = total_steps, prefill
        self._stream = sys.stderr
        self._view = LiveView(self._stream) if is_suited(self._stream) else None
        self._interval = VIEW_SECONDS if self._view else LINE_SECONDS
        self._viewed = deque[Moment]()  # that were shown within VIEWED_SECONDS
        self._warnings = deque[str](maxlen=WARNINGS)
        self._evaluation: tuple[float, int] | None = None  # mean and step of the latest
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
        """Prints a line, above the view if there is one. The view keeps the latest warnings."""
        if text.startswith("warning"):
            self._warnings.append(text)
        if self._view:
            self._view.write(text)
        else:
            with suppress(OSError):
                print(text, file=self._stream, flush=True)

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
        if f"{EVALUATION}mean" in values:
            self._evaluation = (values[f"{EVALUATION}mean"], step)
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

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """Ignored."""

    def close(self) -> None:
        """Shows the last counters unless they were shown, and leaves them on the screen."""
        if self._waiting and self._latest and self._shown:
            self._show(self._latest, self._shown)
        if self._view:
            self._view.close()
            self._view = None

    def _show(self, now: Moment, before: Moment) -> None:
        self._shown, self._waiting = now, False
        left = seconds_left(now, since=self._learning, total=self._total)
        if self._view:
            rates = rates_between(self._viewed[0] if self._viewed else before, now)
            while self._viewed and now.time - self._viewed[0].time >= VIEWED_SECONDS:
                self._viewed.popleft()
            self._viewed.append(now)
            self._view.draw(
                Shown(
                    step=now.step,
                    total=self._total,
                    prefill=self._prefill,
                    updates=now.updates,
                    frames_per_second=rates.frames,
                    updates_per_second=rates.updates,
                    left=left,
                    score=self._score,
                    evaluation=self._evaluation,
                    memory=memory_use.in_use(),
                    warnings=tuple(self._warnings),
                )
            )
        else:
            self.write(
                progress_line(
                    now.step,
                    total=self._total,
                    prefill=self._prefill,
                    updates=now.updates,
                    rates=rates_between(before, now),
                    score=self._score,
                    left=left,
                )
            )


def rates_between(before: Moment, now: Moment) -> Rates:
    """Counts in each second between two moments."""
    seconds = max(now.time - before.time, 1e-9)
    return Rates(
        steps=(now.step - before.step) / seconds,
        frames=(now.frames - before.frames) / seconds,
        updates=(now.updates - before.updates) / seconds,
    )


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
    end = f"ETA {'?' if left is None else clock(left)}"
    return (
        f"{short(step)}/{short(total)} steps {short(updates)} updates "
        f"{short(rates.frames)} frames/s {short(rates.updates)} updates/s "
        f"score {'-' if score is None else f'{score:.1f}'} "
        f"{f'prefill {short(step)}/{short(prefill)}' if step < prefill else end}"
    )


def seconds_left(now: Moment, *, since: Moment | None, total: int) -> float | None:
    """Seconds until `total` steps at the rate since a moment; None where there is no rate yet."""
    if now.step >= total:
        return 0.0
    if since is None or now.time - since.time < RATE_SECONDS or now.step <= since.step:
        return None
    return (total - now.step) * (now.time - since.time) / (now.step - since.step)
