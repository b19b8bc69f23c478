"""What a run tells the world: episodes, metrics, pictures and progress, off the critical path."""

import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamer_jax.config import Train
from dreamer_jax.faults import Diverged
from dreamer_jax.logger import Logger
from dreamer_jax.progress import Progress
from dreamer_jax.tally import Tally

SHOWN = 4  # sequences in a picture
MOMENTS = 8  # points in time of each


class Pending(NamedTuple):
    """Metrics that are still on the device."""

    counters: Any  # when they were complete
    since: int  # step that they began after
    sums: dict[str, jax.Array]
    updates: int  # that they are sums over


class Journal:
    """Keeps the running scores of E environments and writes what has happened.

    Metrics stay on the device until the next ones are due: asking for them at once would make the
    loop wait for every update that is still under way.
    """

    def __init__(
        self,
        logdir: Path,
        config: Train,
        env: Any,
        counters: Any,
        past: dict[str, Any],
    ) -> None:
        """Goes on from `counters` and the `state` of the journal then; {} at the beginning."""
        self.logger = Logger(logdir, counters.step)
        self.progress = Progress(config.steps, counters.step)
        self.steps = config.steps
        self.frames_per_step = env.frames_per_step
        self.pending: Pending | None = None
        self.running = (
            Tally.of(past["running"]) if past else Tally.empty(env.num_envs, env.event_keys)
        )
        self.recent: list[dict[str, float]] = past.get("recent", [])  # episodes since the last line
        self.latest: float | None = past.get("latest")
        self.owed: bool = past.get("owed", False)  # whether the last evaluation was stopped
        self.reached: list[str] = past.get("reached", [])  # milestones, in the order of their time
        self.logged = past.get("logged", [0, 0])  # step and updates at the last line of metrics
        self.since = (
            counters.step,
            counters.updates,
            time.monotonic(),
        )  # that rates are taken over

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.settle()
        finally:
            self.progress.close()
            self.logger.close()

    def state(self) -> dict[str, Any]:
        """What a later part of the run has to know, as JSON holds it; nothing may be pending."""
        return {
            "running": self.running.state(),
            "recent": list(self.recent),
            "latest": self.latest,
            "owed": self.owed,
            "reached": list(self.reached),
            "logged": list(self.logged),
        }

    def say(self, text: str) -> None:
        """Tells the user."""
        self.progress.write(text)

    def saw(self, step: int, seen: Any) -> None:
        """Adds one step of every environment to the running episodes; writes those that ended."""
        self.running = self.running.add(seen)
        for i in np.flatnonzero(seen.is_last).tolist():
            episode = self.running.row(i)
            self.logger.episode(step, **episode, env=i)
            self.latest = episode["score"]
            self.recent.append(episode)

    def passed(self, counters: Any, milestones: list[tuple[int, str]]) -> None:
        """Writes those of the milestones (environment and name) that nobody has reached before.

        They belong to `counters`: the step is the one that reached them, hours are of training.
        """
        for env, name in milestones:
            if name not in self.reached:
                self.reached.append(name)
                hours = counters.seconds / 3600
                self.logger.milestone(counters.step, hours, name, env)
                self.say(f"step {counters.step}, {hours:.2f} hours: first {name}")

    def tick(self, counters: Any) -> None:
        """Moves the progress display on."""
        frames = counters.step * self.frames_per_step
        self.progress.update(counters.step, frames, counters.updates, self.latest)

    def metrics(self, counters: Any, sums: dict[str, jax.Array], restarts: int) -> None:
        """Writes the metrics handed over last time, and keeps these for the next.

        restarts: environments that crashed or hung since the process began.
        """
        self.settle()
        step, updates = self.logged
        self.pending = Pending(counters, step, sums, counters.updates - updates)
        self.logged = [counters.step, counters.updates]
        step, updates, then = self.since
        now = time.monotonic()
        elapsed = max(now - then, 1e-9)
        rates: dict[str, float] = {
            "speed/frames_per_second": (counters.step - step) * self.frames_per_step / elapsed,
            "speed/updates_per_second": (counters.updates - updates) / elapsed,
            "env/restarts": restarts,
        }
        if self.recent:
            for key in sorted(self.recent[0].keys() - {"length"}):
                mean = float(np.mean([episode[key] for episode in self.recent]))
                rates[f"episode/mean_{key.removeprefix('event/')}"] = mean
            self.recent.clear()
        self._scalars(counters, rates)
        self.since = (counters.step, counters.updates, now)

    def settle(self) -> None:
        """Writes what is pending. Raises Diverged if a loss is not finite."""
        if self.pending is None:
            return
        (counters, since, sums, updates), self.pending = self.pending, None
        means = {k: float(v) / max(1, updates) for k, v in jax.device_get(sums).items()}
        self._scalars(counters, means)
        wrong = [k for k, v in means.items() if k.startswith("loss/") and not math.isfinite(v)]
        if wrong:
            span = f"between steps {since} and {counters.step}"
            raise Diverged(f"not finite any more {span}: {', '.join(wrong)}")

    def evaluation(self, counters: Any, scores: dict[str, float]) -> None:
        """Writes the scores of an evaluation; one that was stopped, without any, is still owed."""
        self.owed = not scores
        if self.owed:
            return
        self._scalars(counters, {f"evaluation/{key}": value for key, value in scores.items()})
        text = ", ".join(f"{key} {value:.2f}" for key, value in scores.items())
        self.say(f"step {counters.step}: evaluation {text}")

    def saved(self, counters: Any, seconds: float, bytes_before: int) -> None:
        """Writes how long training stood still for a checkpoint, and how big the one before was."""
        values = {"checkpoint/pause_seconds": seconds, "checkpoint/bytes_before": bytes_before}
        self._scalars(counters, values)

    def ended(self, counters: Any) -> None:
        """Says where the run stands, which a run that was complete already would not tell."""
        if counters.step < self.steps:
            self.say(f"stopped and saved at step {counters.step}; the same command goes on")
        else:
            self.say(f"saved at step {counters.step}; --steps takes it further")

    def report(
        self, counters: Any, metrics: dict[str, jax.Array], views: dict[str, jax.Array]
    ) -> None:
        """Writes errors of the world model, and pictures of its predictions below the truth."""
        metrics, views = jax.device_get((metrics, views))
        self._scalars(counters, {key: float(value) for key, value in metrics.items()})
        for key, view in views.items():
            self.logger.image(counters.step, f"report/{key}", picture(np.asarray(view)))

    def _scalars(self, counters: Any, values: dict[str, float]) -> None:
        frames = counters.step * self.frames_per_step
        self.logger.scalars(counters.step, frames, counters.seconds, values)


def picture(view: np.ndarray) -> np.ndarray:
    """Lays truth and prediction out on one sheet: [2, T, B, h, w, c] uint8 -> [h', w', 3] uint8.

    Each sequence is a pair of rows, truth above, and time runs to the right. The model saw the
    sequence up to the middle; what lies right of the line is predicted from actions alone.
    """
    times = np.linspace(0, view.shape[1] - 1, MOMENTS).round().astype(int)
    view = view[:, times, :SHOWN].astype(np.uint8)
    view = view[..., -3:] if view.shape[-1] >= 3 else np.repeat(view[..., -1:], 3, -1)
    _, t, n, h, w, c = view.shape
    sheet = view.transpose(2, 0, 3, 1, 4, 5).reshape(n * 2 * h, t * w, c)
    sheet[:, t // 2 * w - 1 : t // 2 * w + 1] = (255, 0, 0)
    return sheet
