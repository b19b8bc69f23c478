"""What bench measures: each case prepares functions that a run is made of, then repeats a call."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
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
from dreamer_jax.loops.train import as_step
from dreamer_jax.replay import ring as replay
from dreamer_jax.run import programs, resume
from dreamer_jax.run.layout import counted, seeded
from dreamer_jax.run.preflight import described
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run
from envs.kinds import Image, Vector
from envs.timestep import Timestep
from experiments.made_up import at_random, drawn, full
from experiments.operations import count

Space = Mapping[str, gymnasium.Space]
Numbers = dict[str, float]
Repeat = Callable[[], Numbers]

WARM_UP = 3  # calls; the first ones touch memory that nobody has touched

# Observations as wide as those of common tasks, with the actions that go with them.
OBSERVATIONS: dict[str, tuple[Space, Space]] = {
    "image": (
        {"image": Image(64, 64, 3)},
        {"action": MultiDiscrete([6])},
    ),
    "vector": (
        {"vector": Vector(24)},
        {"action": Box(-1, 1, (6,), np.float32)},
    ),
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
    steps: int = 0  # of a whole run; 0: as many as its preset has
    least: float = 0.2  # seconds of a repeat, which makes as many calls as it takes
    width: int = 2_048  # of the matrices
    cache: str = ""  # of compiled programs: cold, warm, or a folder that has some


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


# The machine ------------------------------------------------------------------------------------


def matmul(case: Case) -> Prepared:
    """A product of two square matrices: the most operations a second that there are to be had."""
    host_memory.close_gaps()  # arrays in large pages, as in a run
    x = jnp.full((case.width, case.width), 1e-3, case.dtype)
    multiply = jax.jit(jnp.matmul)
    return Prepared({"flops": 2.0 * case.width**3}, timed(lambda: multiply(x, x), case.least))


def copy(case: Case) -> Prepared:
    """An array too large for caches, read and written: the most bytes a second."""
    host_memory.close_gaps()  # arrays in large pages, as in a run
    held = [jnp.zeros((16, case.width, case.width), jnp.float32)]
    negate = jax.jit(jnp.negative, donate_argnums=0)  # memory touched for the first time is slow

    def call() -> Any:
        held[:] = [negate(held[0])]
        return held

    return Prepared({"bytes": 2.0 * held[0].nbytes}, timed(call, case.least))


# The programs -----------------------------------------------------------------------------------


def update(case: Case) -> Prepared:
    """One update: the batch is drawn from a full ring, its latents are written back."""
    run = made_up(case)
    built, facts = ready(run, "learn")
    return Prepared(facts, timed(learner(run, built), case.least))


def policy(case: Case) -> Prepared:
    """What the loop does for an action: moves what was seen, acts, remembers, fetches it."""
    run = made_up(case)
    built, facts = ready(run, "act")
    generator = np.random.default_rng(0)
    obs = {key: drawn(x, (case.envs,), generator) for key, x in run.env.obs_space.items()}
    no = np.zeros(case.envs, bool)
    seen = Timestep(obs, no.astype(np.float32), no, no, no, {})
    seed = seeded(run.layout, run.seed)
    actor = run.agent.player.actor(built.init(seed))
    held: list[Any] = [
        resume.empty(run),
        jax.device_put(run.agent.player.carry(case.envs), run.layout.carry),
    ]

    def call() -> Any:
        held[0], held[1], action = built.act(
            seed, actor, held[0], held[1], as_step(seen), np.int32(0)
        )
        return jax.device_get(action)

    return Prepared(facts, timed(call, case.least))


def add(case: Case) -> Prepared:
    """One step of every environment, appended to a full ring."""
    run, rows = made_up(case), meshes.ROWS
    host_memory.close_gaps()  # arrays in large pages, as in a run
    held = [full(run)]
    step, latent = jax.tree.map(lambda x: x[:, 0], (held[0].steps, held[0].latents))
    append = jax.jit(
        meshes.per_shard(run.mesh, replay.add, (rows, rows, rows), rows), donate_argnums=0
    )

    def call() -> Any:
        held[0] = append(held[0], step, latent)
        return held

    return Prepared({}, timed(call, case.least))


def environment(case: Case) -> Prepared:
    """One step of every environment, with random actions."""
    env = envs.make(case.task, configuration(case).env, num_envs=case.envs, seed=0)
    env.reset()
    generator = np.random.default_rng(0)
    repeat = timed(lambda: env.step(at_random(env, generator)), case.least)
    return Prepared({"steps": case.envs}, repeat)


# Pieces -----------------------------------------------------------------------------------------


def timed(call: Callable[[], Any], least: float) -> Repeat:
    """What measures a call: the mean over as many as take `least` seconds, once warmed up.

    Calls are not waited for one by one, only what the last one returned.
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
    """The programs of a run, of which `names` are compiled; what was found of the first of them.

    As in a run, they are compiled before any array is made, and the gaps that this leaves closed.
    """
    built, inputs = described(run)
    found = {name: compiled(getattr(built, name), getattr(inputs, name)) for name in names}
    init, _ = compiled(built.init, inputs.init)
    host_memory.close_gaps()
    _, facts = found[names[0]]
    _, state, *_ = inputs.learn
    facts["parameters"] = sum(x.size for x in jax.tree.leaves(state.params))
    return built._replace(init=init, **{name: found[name][0] for name in names}), facts


def learner(run: Run, built: Programs) -> Callable[[], Any]:
    """A call that updates a run whose ring is full; returns what the update does."""
    seed = seeded(run.layout, run.seed)
    held: list[Any] = [built.init(seed), full(run), programs.zeros(built.sums)]
    one = counted(run.layout, 1)

    def call() -> Any:
        state, memory, sums = held
        held[:] = built.learn(seed, state, memory, sums, one, run.recordings)
        return held

    return call


def compiled(function: Any, inputs: tuple[Any, ...]) -> tuple[jax.stages.Compiled, dict[str, Any]]:
    """A jitted function compiled for its inputs; what that took, and what XLA says of it."""
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
        "argument_bytes": needs.argument_size_in_bytes if needs else None,
        "flops": counted.flops,
        "bytes": counted.bytes,
        # These count the body of a loop once.
        "flops_by_xla": said.get("flops") if said else None,
        "bytes_by_xla": said.get("bytes accessed") if said else None,
    }
    return program, facts


def configuration(case: Case) -> Config:
    """The preset of the case, in its size."""
    family = envs.family(case.task)
    preset = configs.load(case.preset, family, envs.default_options(case.task))
    agent = preset.agent.sized(case.size or "nano")
    assert isinstance(agent, DreamerConfig)
    agent = dataclasses.replace(agent, model=dataclasses.replace(agent.model, dtype=case.dtype))
    replaced = {
        "replay": {"batch": case.batch, "length": case.length, "capacity": case.capacity},
        "train": {"envs": case.envs},
    }
    sections = {
        name: dataclasses.replace(getattr(preset, name), **values)
        for name, values in replaced.items()
    }
    return config_.resolve(dataclasses.replace(preset, agent=agent, **sections))


def made_up(case: Case) -> Run:
    """A run with everything but an environment."""
    return run_of(configuration(case), Shown(case.envs, *OBSERVATIONS[case.observation]))


def run_of(config: Config, env: Any) -> Run:
    """A run that nobody evaluates, with a logdir to be replaced if it ever trains."""
    return Run(
        agent=dreamer.make(config, *spaces.of(env.obs_space, env.act_space)),
        env=env,
        config=config,
        seed=0,
        mesh=meshes.make(1),
        logdir=Path(os.devnull),
        evaluate=lambda *_: {},
        begin=lambda state: state,
    )
