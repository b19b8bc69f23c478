"""The rates of the machine, and the programs of a run: update and act."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.host import host_memory
from dreamer_jax.loops.train import as_step
from dreamer_jax.run import programs, resume
from dreamer_jax.run.layout import count_on_device, seed_on_device
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run
from envs.timestep import Timestep
from experiments.bench.case import Case, Prepared, made_up, ready, timed
from experiments.bench.ring import drawn, full


def matmul(case: Case) -> Prepared:
    """A product of two square matrices: the most operations a second."""
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


def update(case: Case) -> Prepared:
    """One update: the batch is drawn from a full ring, its latents are written back."""
    run = made_up(case)
    built, facts = ready(run, "learn")
    return Prepared(facts, timed(learner(run, built), case.least))


def act(case: Case) -> Prepared:
    """One action for all environments: observations moved, acted on, remembered; action fetched."""
    run = made_up(case)
    built, facts = ready(run, "act")
    generator = np.random.default_rng(0)
    obs = {key: drawn(x, (case.envs,), generator) for key, x in run.env.obs_space.items()}
    no = np.zeros(case.envs, bool)
    seen = as_step(Timestep(obs, no.astype(np.float32), no, no, no, {}))
    seed = seed_on_device(run.layout, run.seed)
    actor = run.agent.player.actor(built.init(seed))
    first = jax.device_put(run.agent.player.carry(case.envs), run.layout.carry)
    held: list[Any] = [resume.empty(run), first]

    def call() -> Any:
        memory, carry = held
        *held[:], action = built.act(seed, actor, memory, carry, seen, np.int32(0))
        return jax.device_get(action)

    return Prepared(facts, timed(call, case.least))


def learner(run: Run, built: Programs) -> Callable[[], Any]:
    """A call that updates a run whose ring is full; returns what the update does."""
    seed = seed_on_device(run.layout, run.seed)
    held: list[Any] = [built.init(seed), full(run), programs.zeros(built.sums)]
    one = count_on_device(run.layout, 1)

    def call() -> Any:
        state, memory, sums = held
        held[:] = built.learn(seed, state, memory, sums, one, run.recordings)
        return held

    return call
