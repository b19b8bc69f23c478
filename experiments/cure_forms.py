"""Forms of the world model and of its losses that `experiments.cures` weighs against each other."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.agents.dreamer.batches import Batch
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.agents.dreamer.losses import NamedLosses, world_model_losses
from dreamer_jax.agents.dreamer.networks import Dreamer, MakeNetworks, Networks, networks
from dreamer_jax.agents.dreamer.noise import Noise
from dreamer_jax.agents.dreamer.stages import Outcome, refresh
from dreamer_jax.agents.dreamer.state import DreamerState, Params
from dreamer_jax.config import Config
from dreamer_jax.nn.dists import Categorical
from dreamer_jax.nn.layers import MLP, BlockLinear, Linear
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import Step
from dreamer_jax.world_model.decoders import (
    Decoder,
    ImageDecoder,
    Prediction,
    reconstruction_losses,
)
from dreamer_jax.world_model.encoders import CHANNELS
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.motion import motion_weights
from dreamer_jax.world_model.rssm import RSSM

sg = jax.lax.stop_gradient
# (step [T, B, ...], images in [0, 1] and squared errors, both [T, B, h, w, c]) -> weights
Weigh = Callable[[Step, jax.Array, jax.Array], jax.Array]
# (dreamer, step, outputs of decoder and encoder, losses) -> losses that replace some of them
Change = Callable[[Dreamer, Step, dict[str, Prediction], NamedLosses], NamedLosses]
IMAGE = (2, 3, 4)  # axes
CELLS = 16  # 4 x 4 places of the smallest stage of an image of 64 x 64
QUERY, TOKENS = "query", "tokens"  # further outputs: of a decoder, and the encoder's own
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def unchanged(
    dreamer: Dreamer, step: Step, outputs: dict[str, Prediction], losses: NamedLosses
) -> NamedLosses:
    """No other loss."""
    del dreamer, step, outputs, losses
    return {}


class Cure(NamedTuple):
    """What a cure changes."""

    change: Change = unchanged
    networks: MakeNetworks = networks
    weighs: bool = False  # whether it weighs pixels, in place of `losses.motion`

    def losses(
        self, dreamer: Dreamer, params: Params, state: DreamerState, batch: Batch, noise: Noise
    ) -> Outcome:
        """Those of the stage `world_model`, changed."""
        latents, losses, metrics = world_model_losses(dreamer, params, batch, noise.latent)
        # The losses have computed both. XLA joins equal computations.
        outputs = dreamer.decode(params, latents)
        outputs[TOKENS] = dreamer.encode(params, batch.step.obs)
        losses |= self.change(dreamer, batch.step, outputs, losses)
        return Outcome(losses, refresh(latents, losses), state.return_range, metrics)


def weighted(weigh: Weigh) -> Cure:
    """Pixels with other weights, which get no gradient."""

    def change(
        dreamer: Dreamer, step: Step, outputs: dict[str, Prediction], losses: NamedLosses
    ) -> NamedLosses:
        del losses
        drawn = image_of(outputs)
        truth = step.obs["image"].astype(jnp.float32) / 255
        weights = {"image": sg(weigh(step, truth, jnp.square(truth - drawn)))}
        return reconstruction_losses(outputs, step.obs, spaces=dreamer.obs, weights=weights)

    return Cure(change=change, weighs=True)


def require_plain_weights(cure: Cure, config: Config) -> None:
    """ValueError where pixels would have the weights of a cure and of `losses.motion`."""
    assert isinstance(config.agent, DreamerConfig)
    if cure.weighs and config.agent.losses.motion:
        raise ValueError("--set losses.motion: this cure has its own weights of pixels")


def image_of(outputs: dict[str, Prediction]) -> jax.Array:
    """The image [T, B, h, w, c] that the decoder draws."""
    image = outputs["image"]
    assert isinstance(image, jax.Array)
    return image


def half(x: jax.Array) -> jax.Array:
    """Half of the weight of an image evenly, half of it in proportion to x [T, B, h, w, 1]."""
    return 0.5 + 0.5 * x / (x.mean(IMAGE, keepdims=True) + 1e-8)


def by_error(step: Step, truth: jax.Array, error: jax.Array) -> jax.Array:
    """Pixels that are drawn badly."""
    del step, truth
    return half(error.mean(-1, keepdims=True))


def by_detail(step: Step, truth: jax.Array, error: jax.Array) -> jax.Array:
    """Pixels whose neighborhood of 5 x 5 varies."""
    del step, error
    variance = jnp.maximum(0, blurred(truth**2, 5) - blurred(truth, 5) ** 2)
    return half(variance.mean(-1, keepdims=True))


def by_rarity(step: Step, truth: jax.Array, error: jax.Array) -> jax.Array:
    """Pixels that vary little over the batch, as in standardized images."""
    del step, error
    weights = 1 / (truth.var((0, 1)).mean(-1, keepdims=True) + 1e-3)
    return jnp.broadcast_to(weights / weights.mean(), (*truth.shape[:-1], 1))


def near_motion(step: Step, truth: jax.Array, error: jax.Array) -> jax.Array:
    """Pixels within 3 of those that move."""
    del truth, error
    weights = blurred(motion_weights(step.obs["image"], step.is_first, share=0.5), 7)
    return weights / weights.mean(IMAGE, keepdims=True)


def blurred(x: jax.Array, side: int) -> jax.Array:
    """The mean of the square around each pixel, as far as it is in the image: [T, B, h, w, c]."""

    def summed(x: jax.Array) -> jax.Array:
        window = (1, 1, side, side, 1)
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, window, (1,) * 5, "SAME")

    return summed(x) / summed(jnp.ones_like(x))


def calibrated(
    dreamer: Dreamer, step: Step, outputs: dict[str, Prediction], losses: NamedLosses
) -> NamedLosses:
    """Images with the variance that fits best (Rybkin et al., 2021), at a hundredth.

    One variance is shared by the batch. The gradient of n / 2 ln Σ (x - x̂)² for n numbers is that
    of n / 2 times the squared error, over its size. So this is the plain loss at a scale that
    grows as the error falls: 11 where the error of an image of 64 x 64 is 5.6.
    """
    del dreamer, step
    n, image = np.prod(image_of(outputs).shape[2:]), losses["image/image"]
    return {"image/image": 0.005 * float(n) * image / sg(image.mean())}


def harmony(
    dreamer: Dreamer, step: Step, outputs: dict[str, Prediction], losses: NamedLosses
) -> NamedLosses:
    """Losses in balance (HarmonyDream, Ma et al., 2024).

    The learned scales σ of Σ L / σ + ln(1 + σ) are at their optimum for this batch,
    σ = (L + √(L² + 4 L)) / 2. Both KL losses share one, and their own scales sum to 1.
    """
    del step, outputs
    scales = dreamer.config.losses
    kl = scales.dynamics + scales.representation
    found = NamedLosses()
    for name, by, factor in (
        ("image/image", "image/image", 1),
        ("reward", "reward", 1),
        ("dynamics", "dynamics", kl),
        ("representation", "dynamics", kl),
    ):
        size = sg(losses[by].mean())
        found[name] = 2 * losses[name] / (size + jnp.sqrt(size**2 + 4 * size)) / factor
    return found


def contrastive(
    dreamer: Dreamer, step: Step, outputs: dict[str, Prediction], losses: NamedLosses
) -> NamedLosses:
    """`deter`, which knows the last action, tells its own image from those of other moments.

    InfoNCE over the T B moments of the batch, as TWISTER (Burchi and Timofte, 2025) has it for
    more steps and with augmented images. Keys are a fixed random projection of the encoder's
    tokens, which have not seen `deter`. The loss is added to that of the reward.
    """
    del dreamer, step
    query, tokens = (outputs[name] for name in (QUERY, TOKENS))
    assert isinstance(query, jax.Array) and isinstance(tokens, jax.Array)
    shape, width = query.shape[:2], query.shape[-1]
    projection = jax.random.normal(jax.random.key(0), (tokens.shape[-1], width))
    key = (tokens @ projection).reshape(-1, width)
    key = key / jnp.sqrt(jnp.square(key).mean(-1, keepdims=True) + 1e-6)
    likeness = query.reshape(-1, width) @ key.T / width**0.5
    right = jnp.diagonal(jax.nn.log_softmax(likeness, axis=-1))
    return {"reward": losses["reward"] - right.reshape(shape)}


class SpatialRSSM(RSSM):
    """Each latent also sees one of 4 x 4 cells of the image, the only observation, of 64 x 64."""

    def setup(self) -> None:
        super().setup()
        self.cells = BlockLinear(units=self.stoch * self.classes // CELLS, dtype=self.dtype)

    def posterior(self, deter: jax.Array, tokens: jax.Array) -> Categorical:
        """See `RSSM.posterior`."""
        joined = jnp.concatenate([deter.astype(self.dtype), tokens.astype(self.dtype)], axis=-1)
        logits = self.posterior_logits(self.posterior_mlp(joined))
        cells = self.cells(tokens.reshape(*tokens.shape[:-1], CELLS, -1))
        return self._latent(logits + cells.reshape(logits.shape))


class SpatialDecoder(ImageDecoder):
    """Each latent also paints one of 4 x 4 cells of the image."""

    def _from_stoch(self, stoch: jax.Array) -> jax.Array:
        x = super()._from_stoch(stoch)
        cells = BlockLinear(units=x.shape[-1], dtype=self.dtype, name="cells")
        return x + cells(stoch.reshape(len(stoch), CELLS, -1)).reshape(x.shape)


class DenseDecoder(ImageDecoder):
    """Every part of a latent paints every pixel of the first stage, by one dense layer."""

    def _from_deter(self, deter: jax.Array) -> jax.Array:
        return self._dense(deter, "deter_space")

    def _from_stoch(self, stoch: jax.Array) -> jax.Array:
        return self._dense(stoch, "stoch_space")

    def _dense(self, x: jax.Array, name: str) -> jax.Array:
        shape = (self.side, self.side, CHANNELS[-1] * self.depth)
        dense = Linear(units=int(np.prod(shape)), scale=1.0, dtype=self.dtype, name=name)
        return dense(x).reshape(-1, *shape)


class ContrastiveDecoder(Decoder):
    """One more output: a projection of `deter`, for `contrastive`."""

    @nn.compact
    def __call__(self, latent: Latent) -> dict[str, Prediction]:
        """See `Decoder`."""
        outputs = super().__call__(latent)
        x = MLP(layers=1, units=self.units, dtype=self.dtype, name="query_mlp")(latent.deter)
        x = Linear(units=self.units, scale=1.0, dtype=self.dtype, name="query")(x)
        return {**outputs, QUERY: x.astype(jnp.float32)}


def contrastive_networks(config: DreamerConfig, *, obs: Spaces, act: Spaces) -> Networks:
    """`networks` with the output that `contrastive` needs."""
    made = networks(config, obs=obs, act=act)
    return made._replace(decoder=ContrastiveDecoder(**fields_of(made.decoder)))


def dense_networks(config: DreamerConfig, *, obs: Spaces, act: Spaces) -> Networks:
    """`networks` whose images are drawn by a `DenseDecoder`."""
    made = networks(config, obs=obs, act=act)
    return made._replace(decoder=made.decoder.clone(image_decoder=DenseDecoder))


def spatial_networks(config: DreamerConfig, *, obs: Spaces, act: Spaces) -> Networks:
    """`networks` with latents that have a place; ValueError where they do not fit the image."""
    sides = [shape[:2] for shape in obs.images.values()]
    if sides != [(64, 64)] or len(obs.keys) > 1 or config.model.stoch % CELLS:
        needed = f"one image of 64 x 64 and a multiple of {CELLS} latents"
        raise ValueError(f"latents with a place need {needed}")
    made = networks(config, obs=obs, act=act)
    decoder = made.decoder.clone(image_decoder=SpatialDecoder)
    return made._replace(decoder=decoder, rssm=SpatialRSSM(**fields_of(made.rssm)))


def fields_of(module: nn.Module) -> dict[str, Any]:
    """The fields of a module, for one of a subclass."""
    names = {field.name for field in dataclasses.fields(module)} - {"parent", "name"}
    return {name: getattr(module, name) for name in names}


def gray(steps: Step) -> Step:
    """Images [..., 3] of a play as their brightness [..., 1]; NumPy."""
    image = np.round(np.asarray(steps.obs["image"], np.float32) @ LUMA).astype(np.uint8)
    return steps.replace(obs={**steps.obs, "image": image[..., None]})


CURES = {
    "none": Cure(),
    "by_error": weighted(by_error),
    "by_detail": weighted(by_detail),
    "by_rarity": weighted(by_rarity),
    "near_motion": weighted(near_motion),
    "calibrated": Cure(change=calibrated),
    "harmony": Cure(change=harmony),
    "contrastive": Cure(change=contrastive, networks=contrastive_networks),
    "dense_decoder": Cure(networks=dense_networks),
    "spatial": Cure(networks=spatial_networks),
}
