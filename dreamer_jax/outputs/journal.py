"""What a run tells the world: episodes, metrics, pictures and progress, off the critical path."""

import math
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamer_jax.config import Train
from dreamer_jax.faults import Diverged, Fault
from dreamer_jax.outputs.episode_scores import Tally
from dreamer_jax.outputs.logger import Logger
from dreamer_jax.outputs.progress import Progress

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
        # Episodes since the last line: of the whole task, and begun at one of its milestones.
        self.recent: list[dict[str, float]] = past.get("recent", [])
        self.recent_later: list[dict[str, float]] = past.get("recent_later", [])
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
            # What has ended the run is said, not that the rest of the record is lost with it.
            with suppress(Fault) if kind else nullcontext():
                self.logger.close()

    def state(self) -> dict[str, Any]:
        """What a later part of the run has to know, as JSON holds it; nothing may be pending."""
        return {
            "running": self.running.state(),
            "recent": list(self.recent),
            "recent_later": list(self.recent_later),
            "latest": self.latest,
            "owed": self.owed,
            "reached": list(self.reached),
            "logged": list(self.logged),
        }

    def say(self, text: str) -> None:
        """Tells the user."""
        self.progress.write(text)

    def saw(self, step: int, seen: Any, starts: list[str]) -> None:
        """Adds one step of every environment to the running episodes; writes those that ended.

        starts: the milestone that each of them began at. Their scores are no scores of the task,
        unless this is empty: at the beginning.
        """
        self.running = self.running.add(seen)
        for i in np.flatnonzero(seen.is_last).tolist():
            episode = self.running.row(i)
            self.logger.episode(step, starts[i], **episode, env=i)
            (self.recent_later if starts[i] else self.recent).append(episode)
            if not starts[i]:
                self.latest = episode["score"]

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
        values = self._rates(counters, restarts)
        values |= means("episode", self.recent) | means("frontier", self.recent_later)
        self._scalars(counters, values)
        self.recent.clear()
        self.recent_later.clear()
        self.since = (counters.step, counters.updates, time.monotonic())

    def conclude(self, counters: Any, seen: Any, sums: dict[str, jax.Array], env: Any) -> None:
        """Writes what came together since the last line of metrics, and the episodes in `seen`.

        For whoever does not go on; a run that does, from the same step, writes it anew.
        """
        running, recent, later = self.running.add(seen), [*self.recent], [*self.recent_later]
        for i in np.flatnonzero(seen.is_last).tolist():
            episode, start = running.row(i), env.starts[i]
            (later if start else recent).append(episode)
            self.logger.episode(counters.step, start, **episode, env=i)
        step, updates = self.logged
        if counters.step > step:
            values = self._rates(counters, env.restarts)
            values |= means("episode", recent) | means("frontier", later)
            values |= average(sums, counters.updates - updates)
            self._scalars(counters, values, unfinished=True)

    def _rates(self, counters: Any, restarts: int) -> dict[str, float]:
        """How fast the run was since the last line of metrics."""
        step, updates, then = self.since
        elapsed = max(time.monotonic() - then, 1e-9)
        return {
            "speed/frames_per_second": (counters.step - step) * self.frames_per_step / elapsed,
            "speed/updates_per_second": (counters.updates - updates) / elapsed,
            "env/restarts": restarts,
        }

    def settle(self) -> None:
        """Writes what is pending. Raises Diverged if a loss is not finite."""
        if self.pending is None:
            return
        (counters, since, sums, updates), self.pending = self.pending, None
        values = average(sums, updates)
        if values:
            self._scalars(counters, values)
        wrong = [k for k, v in values.items() if k.startswith("loss/") and not math.isfinite(v)]
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
        self.progress.close()
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

    def _scalars(self, counters: Any, values: dict[str, float], unfinished: bool = False) -> None:
        frames = counters.step * self.frames_per_step
        self.logger.scalars(counters.step, frames, counters.seconds, values, unfinished)


def means(kind: str, episodes: list[dict[str, float]]) -> dict[str, float]:
    """Mean score of episodes, and of the sum of each event in them; nothing of none.

    kind: first part of the names; 'frontier' for episodes that began at milestones.
    """
    keys = sorted(episodes[0].keys() - {"length"}) if episodes else []
    return {
        f"{kind}/mean_{key.removeprefix('event/')}": float(np.mean([x[key] for x in episodes]))
        for key in keys
    }


def average(sums: dict[str, jax.Array], updates: int) -> dict[str, float]:
    """The mean of each metric over the updates that they are sums over; nothing over none."""
    return {k: float(v) / updates for k, v in jax.device_get(sums).items()} if updates else {}


def checked(past: Any, env: Any) -> dict[str, Any]:
    """The `state` of a journal of `env`, read from JSON; ValueError or TypeError if it is not."""
    running, keys = Tally.of(past["running"]), {"score", *env.event_keys}
    columns = [running.length, *running.sums.values()]
    recent, latest = past.get("recent", []) + past.get("recent_later", []), past.get("latest")
    logged, reached = past.get("logged", [0, 0]), past.get("reached", [])
    right = (
        running.sums.keys() == keys
        and all(x.shape == (env.num_envs,) and x.dtype.kind in "if" for x in columns)
        and all(episode.keys() == {"length", *keys} for episode in recent)
        and all(isinstance(x, (int, float)) for episode in recent for x in episode.values())
        and (latest is None or isinstance(latest, (int, float)))
        and all(isinstance(name, str) for name in reached)
        and [type(number) for number in logged] == [int, int]
    )
    if not right:
        raise ValueError("not the state of a journal of this environment")
    return past


def picture(view: np.ndarray) -> np.ndarray:
    """Lays truth and prediction out on one sheet: [2, T, B, h, w, c] uint8 -> [h', w', 3] uint8.

    Each sequence is a pair of rows, truth above, and time runs to the right. The model saw the
    sequence up to the middle; what lies right of the line is predicted from actions alone.
    """
    times = np.linspace(0, view.shape[1] - 1, MOMENTS).round().astype(int)
    view = view[:, times, :SHOWN].astype(np.uint8)
    view = view[..., -3:] if view.shape[-1] % 3 == 0 else np.repeat(view[..., -1:], 3, -1)
    _, t, n, h, w, c = view.shape
    sheet = view.transpose(2, 0, 3, 1, 4, 5).reshape(n * 2 * h, t * w, c)
    sheet[:, t // 2 * w - 1 : t // 2 * w + 1] = (255, 0, 0)
    return sheet
