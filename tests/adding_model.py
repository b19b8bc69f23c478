"""A model that adds up the actions of which it dreams."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.state import DreamerCarry
from dreamer_jax.types import Action
from dreamer_jax.world_model.latents import Latent
from experiments.known_play import ENVS


class Adding:
    """What it sees resets the sum."""

    @staticmethod
    def empty() -> DreamerCarry:
        """A carry of ENVS copies, with a sum of 0."""
        latent = Latent(deter=jnp.zeros((ENVS, 1)), stoch=jnp.zeros((ENVS, 1, 1)))
        return DreamerCarry(latent=latent, action={"action": jnp.zeros((ENVS, 1), jnp.int32)})

    def see(self, _state: Any, carry: DreamerCarry, *_seen: jax.Array) -> DreamerCarry:
        return carry.replace(latent=carry.latent.replace(deter=jnp.zeros((ENVS, 1))))

    def took(self, carry: DreamerCarry, action: Action) -> DreamerCarry:
        return carry.replace(action=action)

    def imagine(self, _state: Any, carry: DreamerCarry, _key: jax.Array) -> DreamerCarry:
        added = carry.latent.deter + carry.action["action"]
        return carry.replace(latent=carry.latent.replace(deter=added))

    def read(self, _state: Any, carry: DreamerCarry) -> Any:
        image = jnp.zeros((len(carry.latent.deter), 8, 8, 1), jnp.uint8)
        return SimpleNamespace(obs={"image": image})
