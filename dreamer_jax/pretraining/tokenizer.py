"""The stage `tokenizer`: learns to write images as tokens, and to read them again."""

from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from flax.struct import PyTreeNode

from dreamer_jax.nn import optim
from dreamer_jax.nn.forms import compute_dtype
from dreamer_jax.pretraining import token_pictures
from dreamer_jax.pretraining.image_keys import image_key
from dreamer_jax.pretraining.tokenizer_config import TokenizerConfig
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Clips, Draw, Fit, Metrics, Obs
from dreamer_jax.world_model import code_averages, image_metrics
from dreamer_jax.world_model import tokenizer as tokenizers
from dreamer_jax.world_model.code_averages import CodeAverages
from dreamer_jax.world_model.quantizers import Quantized
from dreamer_jax.world_model.tokenizer import Params, Tokenizer

sg = jax.lax.stop_gradient
RMS_DECAY = 0.99  # of Adam's second moment, per update
LEAST_CONTRAST = 1e-4  # of images, as a squared error: a standstill is not divided by


def frozen(config: TokenizerConfig) -> tuple[str, ...]:
    """Networks that do not learn: none."""
    del config
    return ()


class TokenizerState(PyTreeNode, kw_only=True):
    """All that learning changes."""

    params: dict[str, Params]  # "tokenizer"
    optimizer: optax.OptState  # of the parts that gradients change
    averages: CodeAverages | None  # of the codebook; None where gradients change it
    mean_image: jax.Array  # [h, w, c] float32 in [0, 1], of all images so far
    updates: jax.Array  # [] int32


class Stage(NamedTuple):
    """The fixed part of the stage."""

    config: TokenizerConfig
    tokenizer: Tokenizer
    optimizer: optax.GradientTransformation
    key: str  # of the image


class Outcome(NamedTuple):
    """What a loss computes on the way."""

    losses: Metrics  # [] each, without their scales
    errors: jax.Array  # [*], mean squared error of each image
    vectors: jax.Array  # [*, n, width], before quantization
    quantized: Quantized


def make(config: TokenizerConfig, interface: Interface) -> Fit[TokenizerState]:
    """The stage for recordings with these spaces.

    Raises:
      ValueError: the recording has no such image, or it does not fit the tokenizer; in one line.
    """
    config, batch, o = config.resolved(), config.batch, config.optimizer
    key = image_key(interface)
    dtype = compute_dtype(batch.dtype)
    stage = Stage(
        config=config,
        tokenizer=tokenizers.make(config.tokenizer, image=interface.obs.images[key], dtype=dtype),
        optimizer=optim.adamw(
            learning_rate=o.learning_rate,
            warmup=o.warmup,
            clip=o.clip,
            weight_decay=o.weight_decay,
            rms_decay=RMS_DECAY,
        ),
        key=key,
    )
    return Fit(
        draw=Draw(batch=batch.images, length=1),
        init=partial(init, stage),
        update=partial(update, stage),
        measure=partial(measure, stage),
        pictures=partial(pictures, stage),
        examined=Draw(batch=batch.clips, length=batch.frames),
    )


def init(stage: Stage, key: jax.Array) -> TokenizerState:
    """Fresh parameters; the key is consumed."""
    tokenizer = stage.tokenizer
    params, averages = tokenizer.init(key), None
    if tokenizer.quantizer.averages:
        averages = code_averages.initial(codes=tokenizer.codes, width=tokenizer.width)
    return TokenizerState(
        params={"tokenizer": params},
        optimizer=stage.optimizer.init(trained(stage, params)),
        averages=averages,
        mean_image=jnp.zeros(tokenizer.image),
        updates=jnp.zeros((), jnp.int32),
    )


def trained(stage: Stage, params: Params) -> Params:
    """The parts that gradients change: not a codebook of averages."""
    held = ("codebook",) if stage.tokenizer.quantizer.averages else ()
    return {name: part for name, part in params.items() if name not in held}


def update(
    stage: Stage, state: TokenizerState, clips: Clips, key: jax.Array
) -> tuple[TokenizerState, Metrics]:
    """Descends the losses, then lets the codebook follow; the key is consumed.

    Args:
      stage: networks and scales.
      state: before the update.
      clips: [T, B, ...], of which each image counts alike.
      key: for the revival of codes.

    Returns: the state after the update, and metrics [] of it.
    """
    images, params = clips.steps.obs[stage.key], state.params["tokenizer"]
    mean_image = follow(state.mean_image, images, updates=state.updates)

    def loss(part: Params) -> tuple[jax.Array, Outcome]:
        return weighted_loss(stage, {**params, **part}, images, mean_image)

    learned = trained(stage, params)
    gradients, outcome = jax.grad(loss, has_aux=True)(learned)
    change, optimizer = stage.optimizer.update(gradients, state.optimizer, learned)
    params = {**params, **cast(Params, optax.apply_updates(learned, change))}
    averages, quantized = state.averages, outcome.quantized
    shares = image_metrics.shares(quantized.tokens, codes=stage.tokenizer.codes)
    metrics = {
        **{f"loss/{name}": x for name, x in outcome.losses.items()},
        "psnr": image_metrics.psnr(outcome.errors).mean(),
        "codes_in_use": (shares > 0).mean(),
        "perplexity": image_metrics.perplexity(shares),
        "gradient_norm": optax.tree.norm(gradients),
    }
    if averages is not None:
        averages, dead = moved(stage, averages, outcome, key)
        vectors = code_averages.code_vectors(averages, smoothing=stage.config.averages.smoothing)
        params = {**params, "codebook": {"vectors": vectors}}
        metrics["revived_codes"] = dead.sum()
    state = TokenizerState(
        params={"tokenizer": params},
        optimizer=optimizer,
        averages=averages,
        mean_image=mean_image,
        updates=state.updates + 1,
    )
    return state, named(metrics)


def weighted_loss(
    stage: Stage, params: Params, images: jax.Array, mean_image: jax.Array
) -> tuple[jax.Array, Outcome]:
    """reconstruction + codebook + commitment, each with its scale. (van den Oord et al., eq. 3)

    The reconstruction error counts relative to that of the mean image, so that the scales mean the
    same for pictures of high and of low contrast.

    Args:
      stage: networks and scales.
      params: of the tokenizer, to differentiate with respect to.
      images: [*, h, w, c] uint8.
      mean_image: [h, w, c].
    """
    tokenizer, scales = stage.tokenizer, stage.config.losses
    vectors = tokenizer.vectors(params, images)
    quantized = tokenizer.quantize(params, vectors)
    true = images / 255
    pixels = tokenizer.pixels(params, quantized.vectors)
    errors = jnp.square(pixels - true).mean((-3, -2, -1))
    contrast = jnp.maximum(jnp.square(true - mean_image).mean(), LEAST_CONTRAST)
    losses = {name: x.mean() for name, x in quantized.losses.items()}
    total = scales.reconstruction * errors.mean() / contrast
    total += sum(getattr(scales, name) * x for name, x in losses.items())
    losses["reconstruction"] = errors.mean()
    return total, Outcome(losses, errors, vectors=sg(vectors), quantized=sg(quantized))


def moved(
    stage: Stage, averages: CodeAverages, outcome: Outcome, key: jax.Array
) -> tuple[CodeAverages, jax.Array]:
    """The averages after a batch, and which codes were dead [codes] and are revived."""
    config, vectors = stage.config.averages, outcome.vectors
    error = jnp.square(vectors - outcome.quantized.vectors).sum(-1)
    averages = code_averages.updated(
        averages, vectors, outcome.quantized.tokens, decay=config.decay
    )
    return code_averages.revived(averages, vectors, error, key, threshold=config.revive)


def follow(mean_image: jax.Array, images: jax.Array, *, updates: jax.Array) -> jax.Array:
    """The mean of all batches: [h, w, c] and images [*, h, w, c] uint8 -> [h, w, c]."""
    mean = (images / 255).mean(tuple(range(images.ndim - 3)))
    return mean_image + (mean - mean_image) / (updates + 1)


def measure(stage: Stage, state: TokenizerState, clips: Clips, key: jax.Array) -> Metrics:
    """How well clips [T, B, ...] survive as tokens, in bytes, as `decode` gives them.

    What moves is the pixels that differ from the frame before; the rest, such as a background that
    always stays the same, is easily remembered without being understood.
    """
    del key
    tokenizer, params = stage.tokenizer, state.params["tokenizer"]
    images = clips.steps.obs[stage.key]
    tokens = tokenizer.encode(params, images)
    decoded, true = tokenizer.decode(params, tokens) / 255, images / 255
    which = image_metrics.moving(images, clips.steps.is_first)
    moving = image_metrics.error_within(decoded, true, which)
    trivial = image_metrics.error_within(state.mean_image, true, which)
    errors = jnp.square(decoded - true).mean((-3, -2, -1))
    shares = image_metrics.shares(tokens, codes=tokenizer.codes)
    return named(
        {
            "psnr": image_metrics.psnr(errors).mean(),
            "ssim": image_metrics.ssim(decoded, true).mean(),
            "psnr_moving": image_metrics.psnr(moving),
            "error_moving": moving / trivial,
            "moving": which.mean(),
            "codes_in_use": (shares > 0).mean(),
            "perplexity": image_metrics.perplexity(shares),
        }
    )


def pictures(stage: Stage, state: TokenizerState, clips: Clips, key: jax.Array) -> Obs:
    """Clips [T, B, ...] above what their tokens say, and these in colors: a picture and a film."""
    del key
    tokenizer, params = stage.tokenizer, state.params["tokenizer"]
    images = clips.steps.obs[stage.key]
    tokens = tokenizer.encode(params, images)
    decoded = tokenizer.decode(params, tokens)
    grid = tokens.reshape(*tokens.shape[:-1], *tokenizer.grid)
    return named(
        {
            "picture": token_pictures.sheet(images, decoded, grid),
            "film": token_pictures.film(images, decoded, grid),
        }
    )


def named(values: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The values under the name of this stage."""
    return {f"tokenizer/{name}": x for name, x in values.items()}
