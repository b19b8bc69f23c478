"""Predictions of symbols, classes and bits, each as the logits of its values."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.nn.forms import product, step_by_step

BIAS_RATE = 30  # learning rate of a bias of logits, in multiples of that of the weights


class Symbols(PyTreeNode, kw_only=True):
    """A distribution over classes for each symbol of a text, or for each of a grid.

    It holds the factors of its logits, which would be by far the largest array of an update. A
    place has one symbol in a text, and one for each of the `layers` in a grid.
    """

    features: jax.Array  # [*, places, width]
    kernel: jax.Array  # [width, classes] or [width, layers, classes]
    bias: jax.Array  # [classes] or [places, layers, classes]

    @property
    def logits(self) -> jax.Array:
        """[*, places, classes] or [*, places, layers, classes] float32."""
        width, *shape = self.kernel.shape
        found = product(self.features, self.kernel.reshape(width, -1))
        return (found.reshape(*found.shape[:-1], *shape) + self.bias).astype(jnp.float32)

    def loss(self, symbols: jax.Array) -> jax.Array:
        """-Σ ln p(symbol): [*, n] or [*, height, width, layers] integers -> [*]."""
        batch, places = self.features.shape[:-2], self.features.shape[-2]
        symbols = symbols.reshape(*batch, places, *self.kernel.shape[1:-1])
        axes = tuple(range(len(batch) - symbols.ndim, 0))

        def loss(features: jax.Array, index: jax.Array) -> jax.Array:
            return cross_entropy(self.replace(features=features).logits, index).sum(axes)

        return step_by_step(loss, self.features, symbols, batch_axes=len(batch))


class Logits(nn.Module, kw_only=True):
    """y = x W + 30 b, which is 0 in a fresh network.

    The steps of the optimizer have a fixed size, so a bias scaled by 30 learns 30 times faster. It
    absorbs what is constant, such as the blanks of a text, before the features have to.
    """

    units: int
    dtype: jnp.dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., in] -> [..., units]."""
        kernel, bias = self.weights(x.shape[-1])
        return product(x.astype(self.dtype), kernel) + bias

    @nn.compact
    def weights(self, inputs: int) -> tuple[jax.Array, jax.Array]:
        """W [inputs, units] and 30 b [units]."""
        kernel = self.param("kernel", nn.initializers.zeros, (inputs, self.units))
        bias = self.param("bias", nn.initializers.zeros, (self.units,))
        return kernel.astype(self.dtype), BIAS_RATE * bias.astype(self.dtype)


def cross_entropy(logits: jax.Array, index: jax.Array) -> jax.Array:
    """-ln softmax(logits)[index]: [*, K] float32, [*] integers -> [*].

    A product picks the class, because the gradient of indexing writes each number separately.
    """
    chex.assert_shape(index, logits.shape[:-1])
    picked = jax.nn.one_hot(index, logits.shape[-1], dtype=logits.dtype)
    return jax.nn.logsumexp(logits, axis=-1) - jnp.sum(picked * logits, axis=-1)
