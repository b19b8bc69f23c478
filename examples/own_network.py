"""Reads an observation with a network of your own, from a checkout:

    python examples/own_network.py

Everything else is Dreamer as it is. A run that was begun with this program is resumed and evaluated
with it, because its parameters belong to these networks.
"""

import sys
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.agents.dreamer.networks import Networks, networks
from dreamer_jax.main import main
from dreamer_jax.nn.layers import MLP
from dreamer_jax.spaces import Spaces

KEY = "vector"  # the observation, as --env=cartpole names it
OCTAVES = 4


class WithWaves(nn.Module):
    """The usual tokens, and those of KEY as sines of several frequencies."""

    usual: nn.Module
    units: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, obs: dict[str, jax.Array]) -> jax.Array:
        """[*, ...] for each key, vectors already scaled -> tokens [*, M]."""
        frequencies = 2.0 ** jnp.arange(OCTAVES)
        angles = obs[KEY][..., None] * frequencies  # [*, n, OCTAVES]
        waves = jnp.sin(angles).reshape(*obs[KEY].shape[:-1], -1)
        read = MLP(layers=1, units=self.units, dtype=self.dtype, name="waves")(waves)
        return jnp.concatenate([self.usual(obs), read], axis=-1)


def own_networks(config: DreamerConfig, *, obs: Spaces, act: Spaces) -> Networks:
    """The networks of Dreamer, of which the encoder is another one."""
    usual = networks(config, obs=obs, act=act)
    encoder = WithWaves(usual.encoder, units=config.model.units, dtype=usual.encoder.dtype)
    return usual._replace(encoder=encoder)


AGENTS["dreamer"] = AGENTS["dreamer"]._replace(make=partial(agent.make, make_networks=own_networks))

if __name__ == "__main__":
    sys.exit(main(["dreamer-jax", "--env=cartpole", *sys.argv[1:]]))
