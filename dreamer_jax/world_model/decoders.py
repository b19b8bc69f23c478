"""Latents back to observations, and the loss of each."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.struct import PyTreeNode

from dreamer_jax.nn.dists import Bernoulli
from dreamer_jax.nn.forms import batch_apply, product, step_by_step, upsample_conv5x5
from dreamer_jax.nn.layers import MLP, STAGES, BlockLinear, Conv, Linear, NormAct
from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.spaces import Spaces
from dreamer_jax.world_model.latents import Latent

HALVINGS = len(STAGES)
BIAS_RATE = 30  # of logits, for one of the weights


class Decoder(nn.Module):
    """Predicts every observation: a deconvolutional stack for the images of each size, a network
    for each text, an MLP for each of the rest.

    With one MLP for all of the rest, what changes was not learnt beside what never does, such as
    the 256 zeros of a bag that stays empty.
    """

    spaces: Spaces
    depth: int
    units: int
    layers: int
    blocks: int
    text: TextSize
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, latent: Latent) -> dict[str, Any]:
        """Latent [*, ...] -> float32 outputs [*, ...] per key.

        Images: pixels in [0, 1]. Vectors: scaled as the encoder saw them. Choices: logits
        [*, Σ classes]. Bits: logits [*, n]. Texts: `Symbols`.
        """
        stoch = latent.stoch.reshape(*latent.stoch.shape[:-2], -1)
        joined = jnp.concatenate([stoch, latent.deter], axis=-1)
        outputs: dict[str, Any] = {}
        for side, keys in self.spaces.stacks.items():
            outputs |= self._images(side, keys, latent.deter, stoch)
        for key, (length, alphabet) in self.spaces.texts.items():
            text = TextDecoder(
                length, alphabet, self.units, self.layers, self.text, self.dtype, name=f"{key}_text"
            )
            outputs[key] = text(joined)
        choices = {key: sum(classes) for key, classes in self.spaces.choices.items()}
        for key in self.spaces.flat:
            x = MLP(self.layers, self.units, self.dtype, name=f"{key}_mlp")(joined)
            if key in self.spaces.vectors:
                head = Linear(self.spaces.vectors[key], 1.0, self.dtype, name=f"{key}_head")
            else:
                size = (choices | self.spaces.bits)[key]
                head = Logits(size, self.dtype, name=f"{key}_head")
            outputs[key] = head(x).astype(jnp.float32)
        return outputs

    def _images(
        self, side: int, keys: tuple[str, ...], deter: jax.Array, stoch: jax.Array
    ) -> dict[str, jax.Array]:
        channels = [self.spaces.images[key][-1] for key in keys]
        decoder = ImageDecoder(
            side=side >> HALVINGS,
            channels=sum(channels),
            depth=self.depth,
            units=self.units,
            blocks=self.blocks,
            dtype=self.dtype,
            name=f"image{side}",
        )
        ends = [sum(channels[: i + 1]) for i in range(len(channels) - 1)]
        pixels = batch_apply(decoder, deter, stoch, batch_axes=deter.ndim - 1)
        parts = jnp.split(pixels, ends, axis=-1)
        return dict(zip(keys, parts, strict=True))


class ImageDecoder(nn.Module):
    """Mirror image of the encoder: four times upsampling and convolution, sigmoid at the end."""

    side: int  # of the smallest stage, in pixels
    channels: int
    depth: int
    units: int
    blocks: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, deter: jax.Array, stoch: jax.Array) -> jax.Array:
        """deter [N, D], stoch [N, S K] -> pixels [N, h, w, channels] in [0, 1], float32."""
        x = self._from_deter(deter) + self._from_stoch(stoch)
        x = NormAct(self.dtype, name="space_norm")(x)
        for i in reversed(range(HALVINGS - 1)):
            x = Conv(STAGES[i] * self.depth, upsample_conv5x5, self.dtype, name=f"conv{i}")(x)
            x = NormAct(self.dtype, name=f"norm{i}")(x)
        x = Conv(self.channels, upsample_conv5x5, self.dtype, name="pixels")(x)
        return jax.nn.sigmoid(x.astype(jnp.float32))

    def _from_deter(self, deter: jax.Array) -> jax.Array:
        """Each block of `deter` paints its own share of the channels, everywhere."""
        height = width = self.side
        share = STAGES[-1] * self.depth // self.blocks
        blocks = deter.reshape(deter.shape[0], self.blocks, -1)
        x = BlockLinear(height * width * share, self.dtype, name="deter_space")(blocks)
        x = x.reshape(-1, self.blocks, height, width, share)
        return jnp.moveaxis(x, 1, 3).reshape(-1, height, width, self.blocks * share)

    def _from_stoch(self, stoch: jax.Array) -> jax.Array:
        height = width = self.side
        channels = STAGES[-1] * self.depth
        x = MLP(1, 2 * self.units, self.dtype, name="stoch_mlp")(stoch)
        x = Linear(height * width * channels, 1.0, self.dtype, name="stoch_space")(x)
        return x.reshape(-1, height, width, channels)


class Symbols(PyTreeNode):
    """A distribution over an alphabet for each symbol of a text, as what its logits are made of.

    The logits themselves are the largest array of an update by far.
    """

    features: jax.Array  # [*, n, width]
    kernel: jax.Array  # [width, alphabet]
    bias: jax.Array  # [alphabet]

    @property
    def logits(self) -> jax.Array:
        """[*, n, alphabet] float32."""
        return (product(self.features, self.kernel) + self.bias).astype(jnp.float32)

    def loss(self, symbols: jax.Array) -> jax.Array:
        """-Σ ln p(symbol): [*, n] integers -> [*]."""

        def loss(features: jax.Array, index: jax.Array) -> jax.Array:
            return cross_entropy(self.replace(features=features).logits, index).sum(-1)

        return step_by_step(loss, self.features, symbols, batch_axes=symbols.ndim - 1)


class TextDecoder(nn.Module):
    """A vector for each patch of symbols, then for each symbol, then one layer for all of them."""

    length: int
    alphabet: int
    units: int
    layers: int
    size: TextSize
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> Symbols:
        """[*, F] -> symbols [*, length]."""
        width, patch = self.size.width, self.size.patch
        patches = -(-self.length // patch)
        x = MLP(self.layers, self.units, self.dtype, name="mlp")(x)
        x = Linear(patches * width, 1.0, self.dtype, name="patches")(x)
        x = NormAct(self.dtype, name="patch_norm")(x.reshape(*x.shape[:-1], patches, width))
        x = Linear(patch * width, 1.0, self.dtype, name="symbols")(x)
        x = x.reshape(*x.shape[:-2], patches * patch, width)[..., : self.length, :]
        x = NormAct(self.dtype, name="symbol_norm")(x)
        logits = Logits(self.alphabet, self.dtype, name="logits")
        return Symbols(x, *logits.weights(width))


class Logits(nn.Module):
    """y = x W + 30 b, 0 at first.

    The bias learns 30 times faster, as the optimiser makes steps of one size: what is nearly always
    so, such as the blanks of a text, is learnt in it and not by pushing the features.
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

    Picked by a product, as the gradient of picking by index writes each number on its own.
    """
    picked = jax.nn.one_hot(index, logits.shape[-1], dtype=logits.dtype)
    return jax.nn.logsumexp(logits, axis=-1) - jnp.sum(picked * logits, axis=-1)


def reconstruction_losses(
    outputs: dict[str, Any], obs: dict[str, jax.Array], spaces: Spaces
) -> dict[str, jax.Array]:
    """How far each prediction is from what was seen, summed over the observation.

    Returns [*] for each key, under the name `<kind>/<key>`, such as `image/screen`.

    Images: Σ (x / 255 - x̂)². Vectors, scaled as for the encoder: Σ (x - x̂)². Choices, bits and
    texts: -Σ ln p(x).
    """
    losses = {}
    for key, shape in spaces.images.items():
        error = obs[key].astype(jnp.float32) / 255 - outputs[key]
        losses[f"image/{key}"] = jnp.square(error).sum(tuple(range(-len(shape), 0)))
    for key in spaces.vectors:
        losses[f"vector/{key}"] = jnp.square(obs[key] - outputs[key]).sum(-1)
    for key, classes in spaces.choices.items():
        parts = jnp.split(outputs[key], np.cumsum(classes)[:-1], axis=-1)
        each = [cross_entropy(part, obs[key][..., i]) for i, part in enumerate(parts)]
        losses[f"choice/{key}"] = sum(each, jnp.float32(0))
    for key in spaces.bits:
        coins = Bernoulli(outputs[key]).loss(obs[key].astype(jnp.float32))
        losses[f"bits/{key}"] = coins.sum(-1)
    for key in spaces.texts:
        losses[f"text/{key}"] = outputs[key].loss(obs[key])
    return losses
