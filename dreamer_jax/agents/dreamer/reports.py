"""Pictures of the world model's expectations, and their errors."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.diagnosis import Look, diagnosis
from dreamer_jax.agents.dreamer.networks import Dreamer, scale_vectors
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.types import Metrics, Obs, Window
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.categoricals import Symbols
from dreamer_jax.world_model.decoders import Prediction, reconstruction_losses

SIDE = 64  # pixels that a smaller grid of symbols is enlarged to, by a whole factor
TURN = 0.618  # of the color circle between two symbols, so that neighbors look different


def report(
    dreamer: Dreamer, diagnosed: bool, state: DreamerState, window: Window, key: jax.Array
) -> tuple[Metrics, Obs]:
    """The model's view of a window: filtered in the first half, predicted in the second half.

    The second half is predicted from its actions alone. Its errors grow with time if the model has
    not learned how the environment moves, however well it reconstructs single observations.

    Args:
      dreamer: the networks.
      diagnosed: whether to measure what `diagnosis` measures as well.
      state: its parameters and scale of vectors; not changed.
      window: [W, B, ...] as replay drew it.
      key: consumed.

    Returns: errors per key for both halves, under `world_model/seen/` and `world_model/expected/`,
      and the measures of the diagnosis;
      for each image key the truth and the model's view of it, [2, T, B, h, w, c] uint8, and the
      same for each grid of symbols, of which every symbol has a color.
    """
    batch = prepare(dreamer, window)
    scaled = scale_vectors(dreamer, state.moments, batch.step.obs)
    observe_key, dream_key, diagnosis_key = jax.random.split(key, 3)
    steps, sequences = batch.step.reward.shape
    half = steps // 2
    tokens = dreamer.encode(state.params, scaled)
    model, variables = dreamer.nets.rssm, {"params": state.params["rssm"]}
    seen = rssm.observe(
        model,
        variables,
        start=batch.start,
        actions=batch.previous_action[:half],
        tokens=tokens[:half],
        is_first=batch.step.is_first[:half],
        uniform=jax.random.uniform(observe_key, (half, sequences, model.stoch)),
    )
    expected, _ = rssm.imagine(
        model,
        variables,
        start=jax.tree.map(lambda x: x[-1], seen.latents),
        act=_replay,
        action_noise=batch.previous_action[half:],
        uniform=jax.random.uniform(dream_key, (steps - half, sequences, model.stoch)),
        view=lambda latent: latent,
    )
    # The first of the expected latents is the last one that was seen.
    latents = jax.tree.map(lambda a, b: jnp.concatenate([a, b[1:]]), seen.latents, expected)
    outputs = dreamer.decode(state.params, latents)
    errors = reconstruction_losses(outputs, scaled, spaces=dreamer.obs)
    metrics = {f"world_model/seen/{key}": error[:half].mean() for key, error in errors.items()}
    metrics |= {f"world_model/expected/{key}": error[half:].mean() for key, error in errors.items()}
    if diagnosed:
        look = Look(batch=batch, scaled=scaled, tokens=tokens, seen=seen, outputs=outputs)
        metrics |= diagnosis(dreamer, state, look, diagnosis_key)
    return metrics, pictures(dreamer, batch.step.obs, outputs)


def pictures(dreamer: Dreamer, obs: Obs, outputs: dict[str, Prediction]) -> Obs:
    """Truth and prediction of images, and of grids of symbols in colors: see `report`.

    obs, outputs: [T, B, ...] for each key.
    """
    found: Obs = {}
    for name in dreamer.obs.images:
        pixels = outputs[name]
        assert isinstance(pixels, jax.Array)
        view = jnp.round(255 * pixels).astype(jnp.uint8)
        found[name] = jnp.stack([obs[name], view])
    for name, (*_, classes) in dreamer.obs.symbols.items():
        grid = outputs[name]
        assert isinstance(grid, Symbols)
        truth = obs[name].astype(jnp.int32)
        guess = jnp.argmax(grid.logits, axis=-1).reshape(truth.shape)
        found[name] = painted(jnp.stack([truth, guess]), classes=classes)
    return found


def _replay(features: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A policy for `rssm.imagine` that repeats recorded actions, given in place of noise."""
    del features
    return action, action


def painted(symbols: jax.Array, *, classes: int) -> jax.Array:
    """Colors of symbols, 0 black: [..., h, w, layers] integers -> [..., H, W, 3] uint8.

    Layers of a cell are mixed: of each primary color, the brightest counts. Cells become squares.
    """
    height, width, layers = symbols.shape[-3:]
    hues = [TURN * i % 1 for i in range(layers * classes)]
    palette = np.array([colorsys.hsv_to_rgb(hue, 0.7, 1) for hue in hues])
    palette[::classes] = 0
    colors = jnp.asarray(np.rint(255 * palette), jnp.uint8)
    mixed = colors[symbols + classes * np.arange(layers)].max(-2)
    factor = max(1, SIDE // max(height, width))
    return mixed.repeat(factor, -3).repeat(factor, -2)
