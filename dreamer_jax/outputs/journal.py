"""Decides what a run reports and when: episodes, metrics, pictures and progress."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import jax
import numpy as np

from dreamer_jax.counters import Counters
from dreamer_jax.environment import Environment, Timestep
from dreamer_jax.faults import Diverged, Fault
from dreamer_jax.host import memory_use
from dreamer_jax.outputs.averages import average, computed, is_loss, means
from dreamer_jax.outputs.diagnosis import Diagnosis
from dreamer_jax.outputs.findings import measured
from dreamer_jax.outputs.guarded import Guarded
from dreamer_jax.outputs.journal_state import JournalState
from dreamer_jax.outputs.pictures import FILM_RATE, film, picture
from dreamer_jax.outputs.progress import Progress
from dreamer_jax.outputs.sink import AllSinks, Sink, sink_faults


class Pending(NamedTuple):
    """Metrics that are still on the device."""

    counters: Counters  # when they were complete
    since: int  # the step after which they began
    sums: dict[str, jax.Array]
    updates: int  # in the sums


class Rated(NamedTuple):
    """The moment that rates are taken from."""

    step: int
    updates: int
    time: float  # s, of a clock that never goes back


class Journal:
    """Keeps the scores of E environments and tells its sinks what happened; a context.

    Metrics stay on the device until it has computed them. Fetching them at once would make the
    loop wait for every update that is still running.

    Raises Fault where a sink fails. On leaving the context every sink is closed, even if one fails.
    """

    def __init__(
        self,
        logdir: Path,
        env: Environment,
        *,
        counters: Counters,
        past: JournalState | None,
        steps: int,
        prefill: int = 0,
        sinks: Sequence[Sink],
    ) -> None:
        """Continues from `counters`.

        past: the `state` of the journal at these counters, None for a new run.
        steps: at which the run ends.
        prefill: steps before the first update.
        sinks: the outputs, opened for this step; see `dreamer_jax.outputs.sinks`. The progress line
            is added to them.
        """
        self.logdir = logdir
        self.progress = Progress(steps, prefill=prefill)
        self.sinks = AllSinks([*sinks, self.progress], logdir)
        for sink in sinks:
            if isinstance(sink, Guarded):
                sink.say = self.say
        self.steps = steps
        self.frames_per_step = env.frames_per_step
        self.pending: Pending | None = None
        past = past or JournalState.empty(env)
        self.running = past.running
        self.recent, self.recent_later = [*past.recent], [*past.recent_later]
        self.latest, self.logged, self.episodes = past.latest, past.logged, past.episodes
        with sink_faults(logdir):
            step = counters.step
            self.diagnosis = Diagnosis(logdir, step, watch=past.watch, say=self.say)
        self.owes_evaluation, self.reached = past.owes_evaluation, [*past.reached]
        self.rated = Rated(counters.step, counters.updates, time.monotonic())
        self.begun = self.drawn = self.rated.time  # when this process began, and drew pictures last

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
                self.flush()
        finally:
            # The error that ended the run is reported, not the one that follows from it here.
            with suppress(Fault) if kind else nullcontext():
                self.sinks.close()

    def state(self) -> JournalState:
        """Everything a resumed run has to know; nothing may be pending."""
        return JournalState(
            running=self.running,
            recent=[*self.recent],
            recent_later=[*self.recent_later],
            latest=self.latest,
            owes_evaluation=self.owes_evaluation,
            reached=[*self.reached],
            logged=self.logged,
            watch=self.diagnosis.watch,
            episodes=self.episodes,
        )

    def say(self, text: str) -> None:
        """Prints a line for the user; it goes into no record."""
        self.progress.write(text)

    def tick(self, counters: Counters) -> None:
        """Updates the progress line, and reports the pending metrics if they are computed.

        Raises Diverged if a loss is not finite.
        """
        if self.pending and computed(self.pending.sums):
            self.flush()
        frames = counters.step * self.frames_per_step
        updates, score = counters.updates, self.latest
        self.progress.tick(counters.step, frames=frames, updates=updates, score=score)

    def timestep(self, seen: Timestep, *, step: int, starts: Sequence[str]) -> None:
        """Adds a timestep to the running episodes and reports those that it ends.

        step: when it was acted on.
        starts: [E], the milestone at which each episode began; empty for the beginning of the game.
            Only the scores of the latter are scores of the task.
        """
        self.running = self.running.add(seen)
        for i in np.flatnonzero(seen.is_last).tolist():
            sums = self.running.row(i)
            self._episode(sums, step=step, env=i, start=starts[i])
            (self.recent_later if starts[i] else self.recent).append(sums)
            self.episodes += 1
            if not starts[i]:
                self.latest = sums["score"]

    def milestones(self, reached: Sequence[tuple[int, str]], *, counters: Counters) -> None:
        """Reports the milestones, environment and name, that no environment has reached before.

        counters: after the step that reached them.
        """
        hours = counters.seconds / 3600
        for env, name in reached:
            if name not in self.reached:
                self.reached.append(name)
                self.sinks.milestone(name, step=counters.step, hours=hours, env=env)

    def metrics(self, sums: dict[str, jax.Array], *, counters: Counters, restarts: int) -> None:
        """Keeps metrics until they are computed; they are reported with a `tick` after that.

        sums: over the updates since the last call, each [] on the device.
        restarts: environments restarted after a failure since the process began.
        Raises Diverged if a loss is not finite.
        """
        self.flush()
        step, updates = self.logged
        self.pending = Pending(
            counters=counters, since=step, sums=sums, updates=counters.updates - updates
        )
        self.logged = (counters.step, counters.updates)
        values = self._rates(counters, restarts) | {"collection/episodes": self.episodes}
        values |= means("episode", self.recent) | means("collection/frontier", self.recent_later)
        self._scalars(values, counters)
        self.recent.clear()
        self.recent_later.clear()
        self.rated = Rated(counters.step, counters.updates, time.monotonic())

    def unfinished(
        self, sums: dict[str, jax.Array], seen: Timestep, *, counters: Counters, env: Environment
    ) -> None:
        """Reports the metrics since the last line, and the episodes that `seen` ends.

        Called at the end of a run. If the run resumes from this step, it reports them again.

        sums: over the updates since the last call of `metrics`. seen: the newest timestep.
        """
        running, recent, later = self.running.add(seen), [*self.recent], [*self.recent_later]
        ended = np.flatnonzero(seen.is_last).tolist()
        for i in ended:
            episode, start = running.row(i), env.starts[i]
            (later if start else recent).append(episode)
            self._episode(episode, step=counters.step, env=i, start=start)
        step, updates = self.logged
        if counters.step > step:
            values = self._rates(counters, env.restarts)
            values |= {"collection/episodes": self.episodes + len(ended)}
            values |= means("episode", recent) | means("collection/frontier", later)
            values |= average(sums, counters.updates - updates)
            self._scalars(values, counters, unfinished=True)

    def flush(self) -> None:
        """Reports the pending metrics. Raises Diverged if a loss is not finite."""
        if self.pending is None:
            return
        pending, self.pending = self.pending, None
        values = average(pending.sums, pending.updates)
        if values:
            self._scalars(values, pending.counters)
        wrong = [k for k, v in values.items() if is_loss(k) and not math.isfinite(v)]
        if wrong:
            span = f"between steps {pending.since} and {pending.counters.step}"
            raise Diverged(f"no longer finite {span}: {', '.join(wrong)}")

    def evaluation(self, scores: Mapping[str, float], *, counters: Counters) -> None:
        """Reports the scores of an evaluation. Without scores it was stopped and is still owed."""
        self.owes_evaluation = not scores
        if scores:
            self._scalars({f"evaluation/{key}": x for key, x in scores.items()}, counters)

    def checkpoint(self, *, counters: Counters, seconds: float, bytes_before: int) -> None:
        """Reports how long training paused for a checkpoint, and the size of the one before."""
        values = {"speed/checkpoint_seconds": seconds, "speed/checkpoint_bytes": bytes_before}
        self._scalars(values, counters)

    def report(
        self,
        metrics: dict[str, jax.Array],
        views: dict[str, jax.Array],
        *,
        counters: Counters,
    ) -> None:
        """Reports the diagnostics of an agent, what they say, and what it sees beside the truth.

        metrics: each [], those of the diagnosis NaN where there is nothing to measure.
        views: each [2, T, B, h, w, c] uint8, see `picture` and `film`.
        """
        metrics, views = jax.device_get((metrics, views))
        values = measured({key: float(value) for key, value in metrics.items()})
        self._scalars(values, counters)
        step = counters.step
        with sink_faults(self.logdir):
            self.diagnosis.judge(values, step=step)
        for key, view in views.items():
            pixels, frames = picture(np.asarray(view)), film(np.asarray(view))
            self.sinks.image(f"world_model/{key}", pixels, step=step)
            self.sinks.video(f"world_model/video/{key}", frames, step=step, rate=FILM_RATE)
        self.drawn = time.monotonic()

    def end(self, *, counters: Counters) -> None:
        """Prints where the run ended, also for a run that was complete before it started."""
        self.progress.close()
        if counters.step < self.steps:
            text = "the same command resumes"
            self.say(f"stopped and saved at step {counters.step} in {self.logdir}; {text}")
        else:
            text = "a larger --steps takes it further"
            self.say(f"saved at step {counters.step} in {self.logdir}; {text}")

    def _rates(self, counters: Counters, restarts: int) -> dict[str, float]:
        """How fast the run was since the last line of metrics."""
        before = self.rated
        seconds = max(time.monotonic() - before.time, 1e-9)
        frames = (counters.step - before.step) * self.frames_per_step
        return {
            "speed/steps_per_second": (counters.step - before.step) / seconds,
            "speed/frames_per_second": frames / seconds,
            "speed/updates_per_second": (counters.updates - before.updates) / seconds,
            **{f"speed/{name}": number for name, number in memory_use.in_use().items()},
            "collection/restarts": restarts,
        }

    def _scalars(
        self, values: Mapping[str, float], counters: Counters, *, unfinished: bool = False
    ) -> None:
        step, seconds = counters.step, counters.seconds
        frames = step * self.frames_per_step
        self.sinks.scalars(values, step=step, frames=frames, seconds=seconds, unfinished=unfinished)

    def _episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        self.sinks.episode(sums, step=step, env=env, start=start)
