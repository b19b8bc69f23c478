"""Latents back to observations, and the loss of each."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.convs import upsample_conv5x5
from dreamer_jax.dists import Choices
from dreamer_jax.nets import (
    MLP,
    STAGES,
    BlockLinear,
    Conv,
    Linear,
    NormAct,
    batch_major,
    batch_minor,
)
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import Latent

HALVINGS = len(STAGES)


class Decoder(nn.Module):
    """Predicts every observation: images from one deconvolutional stack, the rest from one MLP."""

    spaces: Spaces
    depth: int
    units: int
    layers: int
    blocks: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, latent: Latent) -> dict[str, jax.Array]:
        """Latent [*, ...] -> float32 outputs [*, ...] per key.

        Images: pixels in [0, 1]. Vectors: scaled as the encoder saw them. Choices: logits
        [*, Σ classes].
        """
        stoch = latent.stoch.reshape(*latent.stoch.shape[:-2], -1)
        outputs = {}
        if self.spaces.images:
            outputs |= self._images(latent.deter, stoch)
        if self.spaces.flat:
            mlp = MLP(self.layers, self.units, self.dtype, name="vector")
            x = mlp(jnp.concatenate([stoch, latent.deter], axis=-1))
            sizes = {**self.spaces.vectors, **_totals(self.spaces)}
            for key in self.spaces.flat:
                head = Linear(sizes[key], 1.0, self.dtype, name=f"{key}_head")
                outputs[key] = head(x).astype(jnp.float32)
        return outputs

    def _images(self, deter: jax.Array, stoch: jax.Array) -> dict[str, jax.Array]:
        shapes = self.spaces.images
        height, width, _ = next(iter(shapes.values()))
        channels = [shape[-1] for shape in shapes.values()]
        decoder = ImageDecoder(
            side=(height >> HALVINGS, width >> HALVINGS),
            channels=sum(channels),
            depth=self.depth,
            units=self.units,
            blocks=self.blocks,
            dtype=self.dtype,
            name="image",
        )
        ends = [sum(channels[: i + 1]) for i in range(len(channels) - 1)]
        parts = jnp.split(decoder(deter, stoch), ends, axis=-1)
        return dict(zip(shapes, parts, strict=True))


class ImageDecoder(nn.Module):
    """Mirror image of the encoder: four times upsampling and convolution, sigmoid at the end."""

    side: tuple[int, int]
    channels: int
    depth: int
    units: int
    blocks: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, deter: jax.Array, stoch: jax.Array) -> jax.Array:
        """deter [*, D], stoch [*, S K] -> pixels [*, h, w, channels] in [0, 1], float32."""
        batch = deter.shape[:-1]
        deter, stoch = batch_major(deter, 1), batch_major(stoch, 1)
        x = self._from_deter(deter) + self._from_stoch(stoch)
        x = NormAct(self.dtype, name="space_norm")(x)
        for i in reversed(range(HALVINGS - 1)):
            x = Conv(STAGES[i] * self.depth, upsample_conv5x5, self.dtype, name=f"conv{i}")(x)
            x = NormAct(self.dtype, name=f"norm{i}")(x)
        x = Conv(self.channels, upsample_conv5x5, self.dtype, name="pixels")(x)
        return batch_minor(jax.nn.sigmoid(x.astype(jnp.float32)), batch)

    def _from_deter(self, deter: jax.Array) -> jax.Array:
        """Each block of `deter` paints its own share of the channels, everywhere."""
        height, width = self.side
        share = STAGES[-1] * self.depth // self.blocks
        blocks = deter.reshape(deter.shape[0], self.blocks, -1)
        x = BlockLinear(height * width * share, self.dtype, name="deter_space")(blocks)
        x = x.reshape(-1, self.blocks, height, width, share)
        return jnp.moveaxis(x, 1, 3).reshape(-1, height, width, self.blocks * share)

    def _from_stoch(self, stoch: jax.Array) -> jax.Array:
        height, width = self.side
        channels = STAGES[-1] * self.depth
        x = MLP(1, 2 * self.units, self.dtype, name="stoch_mlp")(stoch)
        x = Linear(height * width * channels, 1.0, self.dtype, name="stoch_space")(x)
        return x.reshape(-1, height, width, channels)


def reconstruction_losses(
    outputs: dict[str, jax.Array], obs: dict[str, jax.Array], spaces: Spaces
) -> dict[str, jax.Array]:
    """How far each prediction is from what was seen, summed over the observation.

    Returns [*] for each key, under the name `<kind>/<key>`, such as `image/screen`.

    Images: Σ (x / 255 - x̂)². Vectors, scaled as for the encoder: Σ (x - x̂)². Choices: -Σ ln p(x).
    """
    losses = {}
    for key, shape in spaces.images.items():
        error = obs[key].astype(jnp.float32) / 255 - outputs[key]
        losses[f"image/{key}"] = jnp.square(error).sum(tuple(range(-len(shape), 0)))
    for key in spaces.vectors:
        losses[f"vector/{key}"] = jnp.square(obs[key] - outputs[key]).sum(-1)
    for key, classes in spaces.choices.items():
        choices = Choices.from_logits(outputs[key], classes, unimix=0.0)
        losses[f"choice/{key}"] = -choices.log_prob(obs[key])
    return losses


def _totals(spaces: Spaces) -> dict[str, int]:
    return {key: sum(classes) for key, classes in spaces.choices.items()}
