"""What bench measures of whole runs: the loop around the updates, the start, all of a preset."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import psutil

import envs
from dreamer_jax.config import Config
from dreamer_jax.loops.train import train, updates_owed
from dreamer_jax.run.state import Run
from experiments.bench_cases import (
    Case,
    Numbers,
    Prepared,
    configuration,
    learner,
    ready,
    run_of,
    timed,
)
from experiments.made_up import at_random

WARM = 2  # updates of a loop before it is looked at
IDLE = 1024  # steps of a loop without updates
PATIENCE = 1800  # seconds until the first update of a start


class Watched:
    """An environment that notes when each step was asked for: the pulse of the loop around it."""

    def __init__(self, env: Any):
        self.env = env
        self.pulse: list[tuple[float, float]] = []  # seconds, CPU-seconds
        self.marks: dict[int, Callable[[], Any]] = {}  # what is done before which step

    def step(self, action: dict[str, np.ndarray]) -> Any:
        """See `VectorEnv.step`."""
        self.marks.get(len(self.pulse), lambda: None)()
        self.pulse.append((time.perf_counter(), time.process_time()))
        return self.env.step(action)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)


class Beats(NamedTuple):
    """The steps of a loop between which it is looked at; an update is under way at both."""

    first: int
    last: int
    updates: int  # in between


def loop(case: Case) -> Prepared:
    """An update in the loop, with the environment steps that pay for it, and a bare one."""
    run, beats = playing(case)
    built, facts = ready(run, "learn", "act")
    bare = timed(learner(run, built), case.least)

    def repeat() -> Numbers:
        pulse = pulse_of(run, built)
        alone = bare()["seconds"]
        seconds, cpu = per(pulse[beats.first], pulse[beats.last], beats.updates)
        return {
            **{"seconds": seconds, "cpu_seconds": cpu},
            **{"bare_seconds": alone, "overhead": seconds / alone},
        }

    return Prepared(facts, repeat)


def idle(case: Case) -> Prepared:
    """A step of every environment in the loop, without updates, and one with random actions."""
    run, beats = playing(dataclasses.replace(case, ratio=0))
    built, facts = ready(run, "act")
    rounds = beats.last - beats.first

    def repeat() -> Numbers:
        pulse, alone = pulse_of(run, built), random_pulse(run, beats.last)
        seconds, cpu = per(pulse[beats.first], pulse[beats.last], rounds)
        bare, _ = per(alone[beats.first], alone[beats.last], rounds)
        return {
            **{"seconds": seconds, "cpu_seconds": cpu},
            **{"bare_seconds": bare, "share": bare / seconds},
        }

    return Prepared(facts | {"steps": case.envs}, repeat)


def start(case: Case) -> Prepared:
    """From the start of the program to its first update done, with the preset's own prefill.

    With the cache `cold` no program was ever compiled; with a `warm` one, one start went before.
    """
    own = TemporaryDirectory()

    def once() -> Numbers:
        if case.cache == "cold":
            with TemporaryDirectory() as empty:
                return first_update(case, Path(empty))
        return first_update(case, Path(own.name if case.cache == "warm" else case.cache))

    if case.cache == "warm":
        once()
    return Prepared({}, once)


def whole(case: Case) -> Prepared:
    """All of a preset's run, from the start of the program to its end."""
    config = configuration(case)
    steps = case.steps or config.train.steps
    updates = updates_owed(steps, 0, config)

    def repeat() -> Numbers:
        with command(case, f"--steps={steps}") as (process, logdir):
            began = time.perf_counter()
            if process.wait() != 0:
                raise RuntimeError(f"the run ended with {process.returncode}")
            seconds = time.perf_counter() - began
            rates = [x for x in values(logdir, "speed/updates_per_second") if x]
            return {"seconds": seconds, "updates_per_second": float(np.median(rates or [0.0]))}

    return Prepared({"updates": updates, "steps": steps}, repeat)


# Pieces -----------------------------------------------------------------------------------------


def playing(case: Case) -> tuple[Run, Beats]:
    """A run in the environments of the case that does nothing but play and learn."""
    config = configuration(case)
    section = dataclasses.replace(
        config.train, ratio=case.ratio, prefill=0, report_every=0, eval_every=0
    )
    config = dataclasses.replace(config, train=section)
    beats = looked_at(config, case.updates) if case.ratio else Beats(IDLE // 4, IDLE - 1, 0)
    steps = case.envs * (beats.last + 1)
    section = dataclasses.replace(section, steps=steps, save_every=steps)
    env = Watched(envs.make(case.task, config.env, num_envs=case.envs, seed=0))
    return run_of(dataclasses.replace(config, train=section), env), beats


def looked_at(config: Config, updates: int) -> Beats:
    """The steps between which a loop does `updates`, or more if a step owes several."""

    def owed(step: int) -> int:
        return updates_owed(config.train.envs * (step + 1), 0, config)

    first = next(step for step in itertools.count() if owed(step) >= WARM)
    last = next(step for step in itertools.count(first) if owed(step) >= owed(first) + updates)
    return Beats(first, last, owed(last) - owed(first))


def pulse_of(run: Run, programs: Any) -> list[tuple[float, float]]:
    """Trains from the beginning; when each step of the environments was asked for."""
    env = watched(run)
    env.pulse.clear()
    with TemporaryDirectory() as logdir:
        train(dataclasses.replace(run, logdir=Path(logdir)), programs)
    return list(env.pulse)


def random_pulse(run: Run, last: int) -> list[tuple[float, float]]:
    """When each step up to `last` was asked for with random actions, from the seeds of a run."""
    env = watched(run)
    env.pulse.clear()
    run.env.reset()
    generator = np.random.default_rng(0)
    while len(env.pulse) <= last:
        env.step(at_random(run.env, generator))
    return list(env.pulse)


def watched(run: Run) -> Watched:
    """The environment of a run, which is one that notes its steps."""
    assert isinstance(run.env, Watched)
    return run.env


def per(first: tuple[float, float], last: tuple[float, float], number: int) -> tuple[float, float]:
    """Seconds and CPU-seconds between two beats, for each of `number` things done."""
    return (last[0] - first[0]) / number, (last[1] - first[1]) / number


def first_update(case: Case, cache: Path) -> Numbers:
    """Starts the program and waits until its metrics hold a loss, which the first update gives."""
    began = time.perf_counter()
    with command(case, "--set=train.log_every=1", cache=cache) as (process, logdir):
        while not values(logdir, "loss/total"):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise RuntimeError(f"no update: the run ended with {process.returncode}")
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        times = psutil.Process(process.pid).cpu_times()
    return {"seconds": seconds, "cpu_seconds": times.user + times.system}


@contextmanager
def command(
    case: Case, *more: str, cache: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The program itself on the task of the case, in a logdir that is gone afterwards.

    cache: folder for compiled programs; None: where the program keeps them anyway.
    """
    environ = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "true"}
    environ |= {"JAX_COMPILATION_CACHE_DIR": str(cache)} if cache else {}
    with TemporaryDirectory() as folder:
        logdir = Path(folder) / "run"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dreamer_jax.main", f"--env={case.task}"),
                *(f"--config={case.preset}", f"--size={case.size}", f"--logdir={logdir}"),
                *(f"--set=model.dtype={case.dtype}", f"--set=replay.batch={case.batch}"),
                *(f"--set=replay.length={case.length}", f"--set=replay.capacity={case.capacity}"),
                f"--set=train.envs={case.envs}",
                *more,
            ],
            env=environ,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield process, logdir
        finally:
            process.kill()
            process.wait()


def values(logdir: Path, name: str) -> list[float]:
    """All values of a metric that a run has written so far."""
    path = logdir / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [line[name] for line in found if line.get(name) is not None]
