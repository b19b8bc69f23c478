"""The latent state of a world model, as it is computed and as replay keeps it."""

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode


class Latent(PyTreeNode):
    """The state of the recurrent state-space model."""

    deter: jax.Array  # [*, D] float32, the recurrent part
    stoch: jax.Array  # [*, S, K] float32, one-hot samples

    @property
    def features(self) -> jax.Array:
        """[*, F], what every head reads."""
        return jnp.concatenate(
            [self.deter, self.stoch.reshape(*self.stoch.shape[:-2], -1)], axis=-1
        )


class CompactLatent(PyTreeNode):
    """A latent as replay keeps it: 2 D + S bytes.

    The bfloat16 travel as their bits: XLA on CPU writes into an array of bfloat16 by widening all
    of it to float32 and back, which for a whole ring costs more than all else that acting does.
    """

    deter: jax.Array  # [*, D] uint16, the bits of bfloat16
    stoch: jax.Array  # [*, S] uint8, index of the sampled class
