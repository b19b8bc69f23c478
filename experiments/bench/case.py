"""A case to measure, and the pieces that every kind of case is made of."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import Box, MultiDiscrete

import configs
import envs
from dreamer_jax import config as config_
from dreamer_jax import mesh as meshes
from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent as dreamer
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.config import Config
from dreamer_jax.host import host_memory
from dreamer_jax.run.preflight import uncompiled
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run
from envs.kinds import Image, Vector
from experiments.bench.operations import count

Space = Mapping[str, gymnasium.Space]
Numbers = dict[str, float]
Repeat = Callable[[], Numbers]

WARM_UP = 3  # calls; the first ones touch memory for the first time

# Observations as wide as those of common tasks, with the actions that go with them.
OBSERVATIONS: dict[str, tuple[Space, Space]] = {
    "image": ({"image": Image(64, 64, 3)}, {"action": MultiDiscrete([6])}),
    "vector": ({"vector": Vector(24)}, {"action": Box(-1, 1, (6,), np.float32)}),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing to measure; a kind of case reads the fields that concern it."""

    kind: str
    size: str = ""
    dtype: str = "float32"
    observation: str = ""
    envs: int = 16  # environments, which are also the rows of the ring
    batch: int = 16  # sequences
    length: int = 64  # steps of a sequence
    capacity: int = 8_000  # steps that the ring holds
    task: str = "atari_breakout"  # for the cases that play
    preset: str = "atari"  # of the task
    ratio: int = 32  # train ratio of the loop
    updates: int = 8  # of the loop and of the profile
    least: float = 0.2  # seconds of a repeat, which makes as many calls as it takes
    width: int = 2_048  # of the matrices
    cache: str = ""  # of compiled programs: cold or warm


class Prepared(NamedTuple):
    """A case after everything that happens once."""

    facts: dict[str, Any]  # found on the way: seconds, bytes, operations
    repeat: Repeat  # measures again; gives "seconds" and "cpu_seconds" of a call, and more


class Shown(NamedTuple):
    """As much of an environment as programs are made from."""

    num_envs: int
    obs_space: Space
    act_space: Space
    event_keys: tuple[str, ...] = ()


def timed(call: Callable[[], Any], least: float) -> Repeat:
    """What measures a call: the mean over as many as take `least` seconds, once warmed up.

    The calls of a repeat follow each other directly; only the last result is waited for.
    """

    def several(calls: int) -> Numbers:
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls - 1):
            call()
        jax.block_until_ready(call())
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        return {"seconds": seconds / calls, "cpu_seconds": cpu / calls, "calls": calls}

    several(WARM_UP)
    calls = 1
    while several(calls)["seconds"] * calls < least:
        calls *= 2
    return lambda: several(calls)


def ready(run: Run, *names: str) -> tuple[Programs, dict[str, Any]]:
    """The programs of a run, of which `names` are compiled; the facts of the first of them.

    As in a run, they are compiled before any array is made, and the gaps that this leaves closed.
    """
    built, inputs = uncompiled(run)
    found = {name: compiled(getattr(built, name), getattr(inputs, name)) for name in names}
    init, _ = compiled(built.init, inputs.init)
    host_memory.close_gaps()
    programs = {name: program for name, (program, _) in found.items()}
    return built._replace(init=init, **programs), found[names[0]][1]


def compiled(function: Any, inputs: tuple[Any, ...]) -> tuple[jax.stages.Compiled, dict[str, Any]]:
    """A jitted function compiled for its inputs; what that took, and what one call takes."""
    began = time.perf_counter(), time.process_time()
    traced = function.trace(*inputs)
    lowered = traced.lower()
    tracing = time.perf_counter() - began[0]
    program = lowered.compile()
    spent = time.perf_counter() - began[0], time.process_time() - began[1]
    needs, said, counted = program.memory_analysis(), program.cost_analysis(), count(traced.jaxpr)
    facts = {
        "trace_seconds": tracing,
        "compile_seconds": spent[0] - tracing,
        "compile_cpu_seconds": spent[1],
        "temporary_bytes": needs.temp_size_in_bytes if needs else None,
        **counted._asdict(),
        "flops_by_xla": said.get("flops") if said else None,  # the body of a loop once
    }
    return program, facts


def configuration(case: Case) -> Config:
    """The preset of the case, in its size."""
    family = envs.family(case.task)
    preset = configs.load(case.preset, family=family, options=envs.default_options(case.task))
    agent = preset.agent.sized(case.size or "nano")
    assert isinstance(agent, DreamerConfig)
    agent = dataclasses.replace(agent, model=dataclasses.replace(agent.model, dtype=case.dtype))
    replay = dataclasses.replace(
        preset.replay, batch=case.batch, length=case.length, capacity=case.capacity
    )
    train = dataclasses.replace(preset.train, envs=case.envs)
    return config_.resolve(dataclasses.replace(preset, agent=agent, replay=replay, train=train))


def made_up(case: Case) -> Run:
    """A run with everything except an environment."""
    return run_of(configuration(case), Shown(case.envs, *OBSERVATIONS[case.observation]))


def run_of(config: Config, env: Any) -> Run:
    """A run without evaluations, with a logdir to be replaced if it ever trains."""
    return Run(
        agent=dreamer.make(config, spaces.of(env.obs_space, env.act_space)),
        env=env,
        config=config,
        seed=0,
        mesh=meshes.make(1),
        logdir=Path(os.devnull),
        evaluate=lambda *_: {},
        begin=lambda state: state,
    )
