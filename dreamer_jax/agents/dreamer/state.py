"""What DreamerV3 learns, what acting reads of it, and what acting remembers."""

from typing import Any

import jax
from flax.struct import PyTreeNode

from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.moments import Moments

Params = dict[str, Any]  # name of a network -> its parameters, float32


class DreamerState(PyTreeNode):
    """All that learning changes."""

    params: Params
    slow_value: Any  # parameters of the slow critic
    optimizer: Any  # optax state
    return_range: ReturnRange
    moments: dict[str, Moments]  # one per vector observation
    updates: jax.Array  # [] int32, updates done


class Actor(PyTreeNode):
    """What acting reads of a state. Calling a program costs time for each array."""

    params: Params  # of the networks that act
    moments: dict[str, Moments]  # one per vector observation


class Carry(PyTreeNode):
    """What acting remembers from one step to the next."""

    latent: Latent  # [E, ...]
    action: dict[str, jax.Array]  # [E, n], the action chosen at the previous step
