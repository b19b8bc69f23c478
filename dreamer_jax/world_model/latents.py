"""The latent state of a world model, as it is computed and as replay keeps it."""

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode


class Latent(PyTreeNode, kw_only=True):
    """The state of the recurrent state-space model."""

    deter: jax.Array  # [*, D] float32, the recurrent part
    stoch: jax.Array  # [*, S, K] float32, one-hot samples

    @property
    def flat_stoch(self) -> jax.Array:
        """The one-hots of all categorical latents side by side: [*, S * K]."""
        return self.stoch.reshape(*self.stoch.shape[:-2], -1)

    @property
    def features(self) -> jax.Array:
        """[*, F], the input of every head."""
        return jnp.concatenate([self.deter, self.flat_stoch], axis=-1)


class CompactLatent(PyTreeNode, kw_only=True):
    """A latent as replay keeps it: 2 D + S bytes instead of 4 D + 4 S K.

    Numbers in bfloat16 are stored as their bits. XLA on a CPU writes into an array of bfloat16 by
    widening all of it to float32 and back, which for a whole ring costs more than acting itself.
    """

    deter: jax.Array  # [*, D] uint16, the bits of bfloat16
    stoch: jax.Array  # [*, S] uint8, index of the sampled class


def compact(latent: Latent) -> CompactLatent:
    """A latent for replay: [*, ...] -> [*, ...]. `deter` is rounded to bfloat16."""
    deter = jax.lax.bitcast_convert_type(latent.deter.astype(jnp.bfloat16), jnp.uint16)
    stoch = jnp.argmax(latent.stoch, axis=-1).astype(jnp.uint8)
    return CompactLatent(deter=deter, stoch=stoch)


def expand(latent: CompactLatent, *, classes: int) -> Latent:
    """A latent from replay, for a model with `classes` classes: [*, ...] -> [*, ...]."""
    chex.assert_type([latent.deter, latent.stoch], [jnp.uint16, jnp.uint8])
    deter = jax.lax.bitcast_convert_type(latent.deter, jnp.bfloat16).astype(jnp.float32)
    stoch = jax.nn.one_hot(latent.stoch, classes, dtype=jnp.float32)
    return Latent(deter=deter, stoch=stoch)
