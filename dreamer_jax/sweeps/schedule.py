"""Runs what a sweep consists of. What is done already, the logdirs of the runs tell."""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from dreamer_jax.outputs.formats import clock
from dreamer_jax.sweeps import plan, results
from dreamer_jax.sweeps.plan import Setting, Sweep, SweptRun
from dreamer_jax.sweeps.pool import Ended, Pool
from dreamer_jax.sweeps.search import Settings

IN_USE = "is in use by"  # what a run says while the process of a killed sweep still saves
LONGEST_WAIT = 60  # seconds for it


class Schedule:
    """A sweep while it runs."""

    def __init__(
        self, sweep: Sweep, settings: Settings, pool: Pool, say: Callable[[str], None]
    ) -> None:
        """Begins nothing yet.

        settings: to be tried. pool: where. say: prints a line.
        """
        self._sweep, self._settings, self._pool, self._say = sweep, settings, pool, say
        self._queue = deque[SweptRun]()
        self._left = dict[str, int]()  # name of a setting -> its runs that have not ended
        self._began = dict[Path, float]()  # logdirs of those that run
        self._waited = dict[Path, int]()  # seconds for another process
        self.failures = dict[Path, str]()  # logdir of a run -> why it failed, in this call

    def execute(self, stopped: Callable[[], bool]) -> None:
        """Starts runs until all have ended, or until it is stopped and those that run have."""
        asked, more = False, True
        while True:
            while not stopped() and more and self._pool.free() > 0:
                more = self._start_one()
            if stopped() and not asked:
                self._pool.stop()
                asked = True
            if not self._began and (asked or not more):
                return
            for ended in self._pool.wait():
                self._ended(ended, stopped=asked)
                more = True

    def _start_one(self) -> bool:
        """Starts the next run that is not finished; False where there is none."""
        while not self._queue:
            setting = self._settings.next()
            if setting is None:
                return False
            self._add(setting)
        run = self._queue.popleft()
        self._began[run.logdir] = time.monotonic()
        self._pool.start(run)
        return True

    def _add(self, setting: Setting) -> None:
        runs = plan.runs(self._sweep, setting)
        new = [run for run in runs if not results.of(run).finished]
        if len(new) < len(runs):
            self._say(f"{label(setting)}: {len(runs) - len(new)} of {len(runs)} seeds are finished")
        self._queue.extend(new)
        self._left[setting.name] = len(new)
        if not new:
            self._tell(setting)

    def _ended(self, ended: Ended, *, stopped: bool) -> None:
        run, seconds = ended.run, time.monotonic() - self._began.pop(ended.run.logdir)
        found = results.of(run, metric=self._sweep.metric)
        name = f"{label(run.setting)} seed {run.seed}".strip()
        if found.finished:
            metric = results.metric_of([found], self._sweep.metric)
            score = found.last(metric) if metric else None
            text = "" if score is None else f", {metric} {score:.4g}"
            self._say(f"{name}: finished in {clock(seconds)}{text}")
        elif stopped or ended.code == 0:
            self._say(f"{name}: stopped at step {found.step}")
            return  # its setting stays open
        else:
            why = results.failure(run)
            if IN_USE in why and self._waited.setdefault(run.logdir, 0) < LONGEST_WAIT:
                self._waited[run.logdir] += 1
                time.sleep(1)
                self._queue.append(run)
                return
            self.failures[run.logdir] = why
            self._say(f"{name}: failed with exit code {ended.code}: {why}")
        self._left[run.setting.name] -= 1
        if not self._left[run.setting.name]:
            self._tell(run.setting)

    def _tell(self, setting: Setting) -> None:
        self._settings.tell(setting, score(self._sweep, setting))


def score(sweep: Sweep, setting: Setting) -> float | None:
    """The mean over the seeds of a setting; None if one has no score."""
    found = [results.of(run, metric=sweep.metric) for run in plan.runs(sweep, setting)]
    metric = results.metric_of(found, sweep.metric)
    values = [each.last(metric) if metric and each.finished else None for each in found]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def label(setting: Setting) -> str:
    """The setting in a line for the user."""
    return " ".join(f"{path}={value}" for path, value in setting.values.items())
