"""What surrounds the updates: the loop with its environments, and the start of the program."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import psutil

import envs
from dreamer_jax.config import Config
from dreamer_jax.loops.train import train, updates_owed
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run
from experiments.bench.case import Case, Numbers, Prepared, configuration, ready, run_of, timed
from experiments.bench.programs import learner
from experiments.random_play import random_actions

WARM = 2  # updates of a loop before it is looked at
IDLE = 1024  # steps of a loop without updates
PATIENCE = 1800  # seconds until the first update of a start

Pulse = list[tuple[float, float]]  # of each step of the environments: seconds, CPU-seconds


class Watched:
    """An environment that notes when each step was asked for: the pulse of the loop around it."""

    def __init__(self, env: Any):
        self.env = env
        self.pulse: Pulse = []

    def step(self, action: dict[str, np.ndarray]) -> Any:
        """See `VectorEnv.step`."""
        self.pulse.append((time.perf_counter(), time.process_time()))
        return self.env.step(action)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)


class Beats(NamedTuple):
    """The steps of a loop between which it is looked at; an update is under way at both."""

    first: int
    last: int
    updates: int  # in between

    def per(self, pulse: Pulse, number: int) -> tuple[float, float]:
        """Seconds and CPU-seconds between these steps, for each of `number` things done."""
        (began, cpu), (ended, cpu_then) = pulse[self.first], pulse[self.last]
        return (ended - began) / number, (cpu_then - cpu) / number


def loop(case: Case) -> Prepared:
    """An update in the loop, with the environment steps that pay for it, and a bare one."""
    run, env, beats = playing(case)
    built, facts = ready(run, "learn", "act")
    bare = timed(learner(run, built), case.least)

    def repeat() -> Numbers:
        seconds, cpu = beats.per(pulse_of(run, env, built), beats.updates)
        alone = bare()["seconds"]
        return {
            **{"seconds": seconds, "cpu_seconds": cpu},
            **{"bare_seconds": alone, "overhead": seconds / alone},
        }

    return Prepared(facts, repeat)


def idle(case: Case) -> Prepared:
    """A step of every environment in the loop, without updates, and one with random actions."""
    run, env, beats = playing(dataclasses.replace(case, ratio=0))
    built, facts = ready(run, "act")
    rounds = beats.last - beats.first

    def repeat() -> Numbers:
        seconds, cpu = beats.per(pulse_of(run, env, built), rounds)
        bare, bare_cpu = beats.per(random_pulse(env, beats.last), rounds)
        return {
            **{"seconds": seconds, "cpu_seconds": cpu},
            **{"bare_seconds": bare, "bare_cpu_seconds": bare_cpu, "share": bare / seconds},
        }

    return Prepared(facts | {"steps": case.envs}, repeat)


def start(case: Case) -> Prepared:
    """From the start of the program to its first update done, with the preset's own prefill.

    With the cache `cold` no program was ever compiled; with a `warm` one, one start went before.
    """
    kept = TemporaryDirectory()

    def once() -> Numbers:
        with TemporaryDirectory() as empty:
            return first_update(case, kept.name if case.cache == "warm" else empty)

    if case.cache == "warm":
        once()
    return Prepared({}, once)


def playing(case: Case) -> tuple[Run, Watched, Beats]:
    """A run that does nothing except play and learn, and its environment, that of the case."""
    config = configuration(case)
    section = dataclasses.replace(
        config.train, ratio=case.ratio, prefill=0, report_every=0, eval_every=0
    )
    config = dataclasses.replace(config, train=section)
    beats = looked_at(config, case.updates) if case.ratio else Beats(IDLE // 4, IDLE - 1, 0)
    steps = case.envs * (beats.last + 1)
    section = dataclasses.replace(section, steps=steps, save_every=steps)
    env = Watched(envs.make(case.task, config.env, num_envs=case.envs, seed=0))
    return run_of(dataclasses.replace(config, train=section), env), env, beats


def looked_at(config: Config, updates: int) -> Beats:
    """The steps between which a loop does `updates`, or more if a step owes several."""

    def owed(step: int) -> int:
        return updates_owed(config.train.envs * (step + 1), updates=0, config=config)

    first = next(step for step in itertools.count() if owed(step) >= WARM)
    last = next(step for step in itertools.count(first) if owed(step) >= owed(first) + updates)
    return Beats(first, last, owed(last) - owed(first))


def pulse_of(run: Run, env: Watched, programs: Programs) -> Pulse:
    """Trains from the beginning; when each step of the environments was asked for."""
    env.pulse.clear()
    with TemporaryDirectory() as logdir:
        train(dataclasses.replace(run, logdir=Path(logdir)), programs)
    return list(env.pulse)


def random_pulse(env: Watched, last: int) -> Pulse:
    """When each step up to `last` was asked for with random actions, from the seeds of a run."""
    actions = random_actions(env.env, last + 1, beyond=1.0)
    env.pulse.clear()
    env.reset()
    for action in actions:
        env.step(action)
    return list(env.pulse)


def first_update(case: Case, cache: str) -> Numbers:
    """Starts the program and waits until its metrics hold a loss, which the first update gives.

    cache: folder for compiled programs.
    """
    settings = {
        "model.dtype": case.dtype,
        "replay.batch": case.batch,
        "replay.length": case.length,
        "replay.capacity": case.capacity,
        "train.envs": case.envs,
        "train.log_every": 1,
    }
    command = [sys.executable, "-m", "dreamer_jax.main", f"--env={case.task}"]
    command += [f"--config={case.preset}", f"--size={case.size}"]
    command += [f"--set={path}={value}" for path, value in settings.items()]
    environ = os.environ | {
        "JAX_ENABLE_COMPILATION_CACHE": "true",
        "JAX_COMPILATION_CACHE_DIR": cache,
    }
    with TemporaryDirectory() as folder:
        logdir = Path(folder) / "run"
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, f"--logdir={logdir}"], env=environ, stdout=subprocess.DEVNULL
        )
        try:
            while not has_learnt(logdir / "metrics.jsonl"):
                if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                    raise RuntimeError(f"no update: the run ended with {process.returncode}")
                time.sleep(0.02)
            seconds = time.perf_counter() - began
            times = psutil.Process(process.pid).cpu_times()
        finally:
            process.kill()
            process.wait()
    return {"seconds": seconds, "cpu_seconds": times.user + times.system}


def has_learnt(metrics: Path) -> bool:
    """Whether a run has written the loss of an update."""
    lines = metrics.read_text().splitlines(keepends=True) if metrics.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return any(line.get("optimizer/loss") is not None for line in found)
