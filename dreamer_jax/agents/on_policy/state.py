"""The state that an on-policy agent learns, and the part of it that acting reads."""

from typing import Any

import jax
from flax.struct import PyTreeNode

from dreamer_jax.behavior.ppo import ReturnScale


class OnPolicyState(PyTreeNode, kw_only=True):
    """All that learning changes."""

    params: dict[str, Any]  # name of a network -> its parameters; "policy" and "value" are two
    moments: Any  # running statistics of the features
    optimizer: dict[str, Any]  # "ppo", and "extra" if something else learns
    return_scale: ReturnScale
    updates: jax.Array  # [] int32, updates done


class OnPolicyActor(PyTreeNode, kw_only=True):
    """The part of a state that acting reads."""

    params: dict[str, Any]  # of the networks that act
    moments: Any
    return_scale: ReturnScale
