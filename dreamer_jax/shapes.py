"""Shapes of what an agent keeps, found by tracing; nothing is computed."""

from typing import Any

import jax

from dreamer_jax.types import AnyAgent


def state_shapes(agent: AnyAgent) -> Any:
    """The state of an agent, with `jax.ShapeDtypeStruct`s for its arrays."""
    return jax.eval_shape(agent.learner.init, jax.random.key(0))


def carry_shapes(agent: AnyAgent, *, rows: int) -> Any:
    """The carry [E, ...] of an agent's player for E = `rows`, as `jax.ShapeDtypeStruct`s."""
    return jax.eval_shape(lambda: agent.player.carry(rows))
