"""Latents back to observations, and the loss of each."""

from collections.abc import Mapping
from types import MappingProxyType

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.dists import Bernoulli
from dreamer_jax.nn.forms import batch_apply, upsample_conv5x5
from dreamer_jax.nn.layers import CHANNELS, MLP, BlockLinear, Conv, Linear, NormAct
from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.spaces import Spaces
from dreamer_jax.world_model.categoricals import Logits, Symbols, cross_entropy
from dreamer_jax.world_model.grids import GridDecoder
from dreamer_jax.world_model.latents import Latent

HALVINGS = len(CHANNELS)  # of the sides of an image, on its way through the encoder
Prediction = jax.Array | Symbols  # of one key, as `Decoder` gives it
UNWEIGHTED: Mapping[str, jax.Array] = MappingProxyType({})


class ImageDecoder(nn.Module, kw_only=True):
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
        chex.assert_rank([deter, stoch], 2)
        x = self._from_deter(deter) + self._from_stoch(stoch)
        x = NormAct(dtype=self.dtype, name="space_norm")(x)
        for i in reversed(range(HALVINGS - 1)):
            channels = CHANNELS[i] * self.depth
            x = Conv(channels=channels, conv=upsample_conv5x5, dtype=self.dtype, name=f"conv{i}")(x)
            x = NormAct(dtype=self.dtype, name=f"norm{i}")(x)
        x = Conv(channels=self.channels, conv=upsample_conv5x5, dtype=self.dtype, name="pixels")(x)
        return jax.nn.sigmoid(x.astype(jnp.float32))

    def _from_deter(self, deter: jax.Array) -> jax.Array:
        """[N, D] -> [N, side, side, channels].

        Each block of `deter` gives its own share of the channels of all pixels: a dense layer
        would have most of the parameters of the decoder.
        """
        height = width = self.side
        share = CHANNELS[-1] * self.depth // self.blocks
        blocks = deter.reshape(deter.shape[0], self.blocks, -1)
        x = BlockLinear(units=height * width * share, dtype=self.dtype, name="deter_space")(blocks)
        x = x.reshape(-1, self.blocks, height, width, share)
        return jnp.moveaxis(x, 1, 3).reshape(-1, height, width, self.blocks * share)

    def _from_stoch(self, stoch: jax.Array) -> jax.Array:
        """[N, S K] -> [N, side, side, channels], by two dense layers."""
        height = width = self.side
        channels = CHANNELS[-1] * self.depth
        x = MLP(layers=1, units=2 * self.units, dtype=self.dtype, name="stoch_mlp")(stoch)
        units = height * width * channels
        x = Linear(units=units, scale=1.0, dtype=self.dtype, name="stoch_space")(x)
        return x.reshape(-1, height, width, channels)


class Decoder(nn.Module, kw_only=True):
    """Predicts every observation. (§ World model learning)

    Images of one size come from one deconvolutional stack, each text and each grid of symbols from
    a network, and every other key from an MLP. A single MLP for all of them failed to learn
    changing keys next to constant ones, such as the 256 zeros of an empty bag.
    """

    spaces: Spaces
    depth: int  # channels of the convolutions, in multiples of `CHANNELS`
    units: int  # of every MLP
    layers: int  # of every MLP
    blocks: int  # of `deter`, each of which paints its own channels
    text: TextSize
    dtype: jnp.dtype
    image_decoder: type[ImageDecoder] = ImageDecoder  # draws the images of one size

    @nn.compact
    def __call__(self, latent: Latent) -> dict[str, Prediction]:
        """Predicts one observation of every key.

        Args:
          latent: [*, ...], filtered or imagined.

        Returns: float32 for each key. Images: pixels [*, h, w, c] in [0, 1]. Vectors: [*, n],
          scaled as the encoder saw them. Choices: logits [*, Σ classes]. Bits: logits [*, n].
          Texts and grids: `Symbols`.
        """
        chex.assert_equal_shape_prefix([latent.deter, latent.stoch], latent.deter.ndim - 1)
        stoch = latent.flat_stoch
        joined = jnp.concatenate([stoch, latent.deter], axis=-1)
        outputs: dict[str, Prediction] = {}
        for side, keys in self.spaces.stacks.items():
            outputs |= self._images(side, keys, latent.deter, stoch)
        for key, (length, alphabet) in self.spaces.texts.items():
            text = TextDecoder(
                length=length,
                alphabet=alphabet,
                units=self.units,
                layers=self.layers,
                size=self.text,
                dtype=self.dtype,
                name=f"{key}_text",
            )
            outputs[key] = text(joined)
        for key, (height, width, symbols, classes) in self.spaces.symbols.items():
            grid = GridDecoder(
                height=height,
                width=width,
                symbols=symbols,
                classes=classes,
                depth=self.depth,
                units=self.units,
                layers=self.layers,
                dtype=self.dtype,
                name=f"{key}_symbols",
            )
            outputs[key] = grid(joined)
        choices = {key: sum(classes) for key, classes in self.spaces.choices.items()}
        for key in self.spaces.flat:
            mlp = MLP(layers=self.layers, units=self.units, dtype=self.dtype, name=f"{key}_mlp")
            if key in self.spaces.vectors:
                size = self.spaces.vectors[key]
                head = Linear(units=size, scale=1.0, dtype=self.dtype, name=f"{key}_head")
            else:
                size = (choices | self.spaces.bits)[key]
                head = Logits(units=size, dtype=self.dtype, name=f"{key}_head")
            outputs[key] = head(mlp(joined)).astype(jnp.float32)
        return outputs

    def _images(
        self, side: int, keys: tuple[str, ...], deter: jax.Array, stoch: jax.Array
    ) -> dict[str, jax.Array]:
        channels = [self.spaces.images[key][-1] for key in keys]
        decoder = self.image_decoder(
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


class TextDecoder(nn.Module, kw_only=True):
    """A vector for each patch of symbols, then one for each symbol, then logits for all of them."""

    length: int
    alphabet: int
    units: int
    layers: int
    size: TextSize
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> Symbols:
        """[*, F] -> distributions of symbols [*, length]."""
        width, patch = self.size.width, self.size.patch
        patches = -(-self.length // patch)  # rounded up
        x = MLP(layers=self.layers, units=self.units, dtype=self.dtype, name="mlp")(x)
        x = Linear(units=patches * width, scale=1.0, dtype=self.dtype, name="patches")(x)
        x = NormAct(dtype=self.dtype, name="patch_norm")(x.reshape(*x.shape[:-1], patches, width))
        x = Linear(units=patch * width, scale=1.0, dtype=self.dtype, name="symbols")(x)
        x = x.reshape(*x.shape[:-2], patches * patch, width)[..., : self.length, :]
        x = NormAct(dtype=self.dtype, name="symbol_norm")(x)
        logits = Logits(units=self.alphabet, dtype=self.dtype, name="logits")
        kernel, bias = logits.weights(width)
        return Symbols(features=x, kernel=kernel, bias=bias)


def reconstruction_losses(
    outputs: dict[str, Prediction],
    obs: dict[str, jax.Array],
    *,
    spaces: Spaces,
    weights: Mapping[str, jax.Array] = UNWEIGHTED,
) -> dict[str, jax.Array]:
    """The error of each prediction, summed over the observation. (§ World model learning)

    Images: Σ w (x / 255 - x̂)². Vectors: Σ (x - x̂)². All others: -Σ ln p(x).

    The numbers of a key are summed and not averaged, as in a log-likelihood. So a large image
    weighs more than a short vector.

    Args:
      outputs: predictions [*, ...] from `Decoder`.
      obs: [*, ...] for each key, vectors scaled as for the encoder.
      spaces: the kind of each key.
      weights: w of images by their keys, [*, h, w, 1]; 1 for those without.

    Returns: [*] float32 for each key, under the name `<kind>/<key>`, such as `image/screen`.
    """
    losses: dict[str, jax.Array] = {}
    numbers = {key: x for key, x in outputs.items() if isinstance(x, jax.Array)}
    symbols = {key: x for key, x in outputs.items() if isinstance(x, Symbols)}
    for key, shape in spaces.images.items():
        chex.assert_equal_shape([obs[key], numbers[key]])
        error = obs[key].astype(jnp.float32) / 255 - numbers[key]
        squares = jnp.square(error)
        if key in weights:
            chex.assert_shape(weights[key], (*error.shape[:-1], 1))
            squares *= weights[key]
        losses[f"image/{key}"] = squares.sum(tuple(range(-len(shape), 0)))
    for key in spaces.vectors:
        chex.assert_equal_shape([obs[key], numbers[key]])
        losses[f"vector/{key}"] = jnp.square(obs[key] - numbers[key]).sum(-1)
    for key, classes in spaces.choices.items():
        ends = [sum(classes[: i + 1]) for i in range(len(classes) - 1)]
        parts = jnp.split(numbers[key], ends, axis=-1)
        each = [cross_entropy(part, obs[key][..., i]) for i, part in enumerate(parts)]
        losses[f"choice/{key}"] = sum(each, jnp.float32(0))
    for key in spaces.bits:
        each_bit = Bernoulli(numbers[key]).loss(obs[key].astype(jnp.float32))
        losses[f"bits/{key}"] = each_bit.sum(-1)
    for key in spaces.texts:
        losses[f"text/{key}"] = symbols[key].loss(obs[key])
    for key in spaces.symbols:
        losses[f"symbols/{key}"] = symbols[key].loss(obs[key])
    return losses


def most_likely(output: Prediction, *, key: str, spaces: Spaces) -> jax.Array:
    """The most likely observation of one key, as the environment would show it: [*, ...].

    Images are uint8. Choices, bits, texts and grids are int32. Vectors stay as the encoder sees
    them, scaled.

    output: of `Decoder` for this key.
    """
    if isinstance(output, Symbols):
        symbols = jnp.argmax(output.logits, axis=-1).astype(jnp.int32)
        if key in spaces.symbols:
            return symbols.reshape(*symbols.shape[:-2], *spaces.symbols[key][:3])
        return symbols
    if key in spaces.images:
        return jnp.round(255 * output).astype(jnp.uint8)
    if key in spaces.choices:
        classes = spaces.choices[key]
        ends = [sum(classes[: i + 1]) for i in range(len(classes) - 1)]
        parts = jnp.split(output, ends, axis=-1)
        return jnp.stack([jnp.argmax(part, axis=-1) for part in parts], axis=-1).astype(jnp.int32)
    if key in spaces.bits:
        return (output > 0).astype(jnp.int32)
    return output
