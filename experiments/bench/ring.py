"""A ring full of random experience: how long a program takes does not depend on its content."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, MultiDiscrete

from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.run.state import Run, row_capacity
from dreamer_jax.types import ReplayState, Step
from dreamer_jax.world_model.latents import Latent, compact


def full(run: Run) -> ReplayState:
    """A ring full of random steps, none of which waits in the queue."""
    env, agent, generator = run.env, run.config.agent, np.random.default_rng(0)
    assert isinstance(agent, DreamerConfig)
    model = agent.model
    shape = (env.num_envs, row_capacity(run))
    no = np.zeros(shape, bool)
    steps: dict[str, Any] = {
        "obs": {key: drawn(space, shape, generator) for key, space in env.obs_space.items()},
        "action": {key: drawn(space, shape, generator) for key, space in env.act_space.items()},
        "reward": generator.normal(size=shape).astype(np.float32),
        **dict.fromkeys(("is_first", "is_last", "is_terminal"), no),
        "events": {key: no.astype(np.float32) for key in env.event_keys},
    }
    index = generator.integers(0, model.classes, (*shape, model.stoch))
    deter = generator.uniform(-1, 1, (*shape, model.deter)).astype(np.float32)
    total = np.full(shape[0], shape[1], np.int32)

    def place(
        steps: dict[str, Any], deter: jax.Array, index: jax.Array, total: jax.Array
    ) -> ReplayState:
        latents = compact(Latent(deter=deter, stoch=jax.nn.one_hot(index, model.classes)))
        return ReplayState(steps=Step(**steps), latents=latents, total=total, sampler=total - 1)

    return jax.jit(place, out_shardings=run.layout.ring)(
        *jax.tree.map(jnp.array, (steps, deter, index, total))
    )


def drawn(
    space: gymnasium.Space, shape: tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    """Random elements of a space, normal ones where it has no bounds: [*shape, ...]."""
    if isinstance(space, MultiDiscrete):
        values = generator.integers(0, space.nvec, (*shape, *space.shape))
        return values.astype(np.uint8 if space.dtype == np.uint8 else np.int32)
    assert isinstance(space, Box)
    shape = (*shape, *space.shape)
    if space.dtype == np.uint8:
        return generator.integers(0, 256, shape, np.uint8)
    if space.is_bounded():
        return generator.uniform(space.low, space.high, shape).astype(np.float32)
    return generator.normal(size=shape).astype(np.float32)
