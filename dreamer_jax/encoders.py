"""Observations to one vector of tokens."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.convs import conv5x5_max_pool
from dreamer_jax.nets import MLP, STAGES, Conv, NormAct, batch_major, batch_minor
from dreamer_jax.spaces import Spaces, flatten


class Encoder(nn.Module):
    """Images through one convolutional stack, everything else through one MLP, then joined."""

    spaces: Spaces
    depth: int
    units: int
    layers: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, obs: dict[str, jax.Array]) -> jax.Array:
        """Every key of `obs` is [*, ...] as its space says, vectors scaled -> tokens [*, M]."""
        tokens = []
        if self.spaces.images:
            stack = [obs[key] for key in self.spaces.images]
            tokens.append(ImageEncoder(self.depth, self.dtype, name="image")(stack))
        if self.spaces.flat:
            mlp = MLP(self.layers, self.units, self.dtype, name="vector")
            tokens.append(mlp(flatten(obs, self.spaces)))
        return jnp.concatenate(tokens, axis=-1)


class ImageEncoder(nn.Module):
    """Four times convolution, 2x2 max-pooling, norm, SiLU; a side of 16 n becomes n."""

    depth: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: list[jax.Array]) -> jax.Array:
        """uint8 images [*, h, w, c_i] of one size, joined along channels -> [*, M]."""
        x = jnp.concatenate(images, axis=-1)
        batch, x = x.shape[:-3], batch_major(x, 3)
        x = x.astype(self.dtype) / 255 - 0.5
        for i, multiple in enumerate(STAGES):
            x = Conv(multiple * self.depth, conv5x5_max_pool, self.dtype, name=f"conv{i}")(x)
            x = NormAct(self.dtype, name=f"norm{i}")(x)
        return batch_minor(x.reshape(x.shape[0], -1), batch)
