"""The state that DreamerV3 learns, the part that acting reads, and the memory of acting."""

from typing import Any

import jax
import optax
from flax.struct import PyTreeNode

from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.types import Action
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.moments import Moments

Params = dict[str, Any]  # name of a network -> its parameters, float32


class DreamerState(PyTreeNode, kw_only=True):
    """All that learning changes."""

    params: Params
    slow_value: Any  # parameters of the slow critic, a moving average of params["value"]
    optimizer: optax.OptState  # of the networks that are trained
    return_range: ReturnRange
    moments: dict[str, Moments]  # one per vector observation
    updates: jax.Array  # [] int32, updates done


class DreamerActor(PyTreeNode, kw_only=True):
    """The part of a state that acting reads. Calling a program costs time for each array."""

    params: Params  # of the networks that act
    moments: dict[str, Moments]  # one per vector observation
    updates: Any = None  # [] int32, where actions depend on it


class DreamerCarry(PyTreeNode, kw_only=True):
    """The memory of acting, from one step to the next."""

    latent: Latent  # [E, ...]
    action: Action  # [E, n], the action chosen at the previous step
