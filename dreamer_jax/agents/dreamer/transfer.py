"""The world model of one run for another one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.networks import WORLD_MODEL
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.shapes import state_shapes
from dreamer_jax.types import AnyAgent


def inherit(
    agent: AnyAgent, other: DreamerState, source: Any
) -> Callable[[DreamerState], DreamerState]:
    """A function that puts the world model of `other` into a fresh state of `agent`.

    Args:
      agent: of this run.
      other: state of another run, whose world model is used.
      source: where the other run is, for messages.

    Raises ValueError unless both world models have the same shapes.
    """
    fresh = state_shapes(agent)
    ours, theirs = (jax.tree.map(jnp.shape, world_model(state)) for state in (fresh, other))
    for name in theirs:
        if ours[name] != theirs[name]:
            text = f"the part {name!r} of the run in {source} has another shape than this run's"
            raise ValueError(f"{text}: it needs the same size and the same kind of environment")
    return partial(with_world_model, world_model(other))


def world_model(state: DreamerState) -> dict[str, Any]:
    """The parameters of the world model, and the scale of observations that it was trained with."""
    return {**{name: state.params[name] for name in WORLD_MODEL}, "moments": state.moments}


def with_world_model(given: dict[str, Any], state: DreamerState) -> DreamerState:
    """The state with a given `world_model`, on the devices where the state is."""
    given = jax.tree.map(
        lambda x, like: jax.device_put(x, like.sharding), given, world_model(state)
    )
    moments = given.pop("moments")
    return state.replace(params={**state.params, **given}, moments=moments)
