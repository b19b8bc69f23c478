"""Is what the agent believes true? Measured on replayed sequences, for the checks of a run.

Every number is named `diagnosis/<name>`. One that a batch cannot tell, such as the prediction at
the end of an episode where none ends, is NaN.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.batches import Batch
from dreamer_jax.agents.dreamer.calibration import (
    continue_calibration,
    mean,
    randomness,
    return_errors,
    reward_calibration,
    value_errors,
)
from dreamer_jax.agents.dreamer.config import Optimizer
from dreamer_jax.agents.dreamer.losses import pixel_weights
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.nn.dists import Categorical
from dreamer_jax.types import Metrics, Obs
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.decoders import Prediction
from dreamer_jax.world_model.relative_errors import relative_errors
from dreamer_jax.world_model.rssm import RSSM, Filtered

HORIZONS = (5, 15, 50)  # steps that are predicted without looking
SILENT = 0.02  # of the entropy of a uniform latent: one that tells less about a step is dead
SMALLEST = 1e-6  # error of the batch mean below which an observation counts as constant


class Look(NamedTuple):
    """A batch as the model sees it: filtered in the first half, predicted in the second one."""

    batch: Batch
    scaled: Obs  # [T, B, ...] observations as the encoder sees them
    tokens: jax.Array  # [T, B, M]
    seen: Filtered  # of the first half
    outputs: dict[str, Prediction]  # [T, B, ...], decoded


def diagnosis(dreamer: Dreamer, state: DreamerState, look: Look, key: jax.Array) -> Metrics:
    """All measures of one batch.

    Args:
      dreamer: the networks.
      state: its parameters, return range and slow critic; not changed.
      look: what the report has computed already.
      key: consumed.

    Returns: scalars [] float32, NaN where the batch cannot tell.
    """
    observe_key, dream_key, prior_key = jax.random.split(key, 3)
    half = look.seen.latents.deter.shape[0]
    model, is_first = dreamer.nets.rssm, look.batch.step.is_first[half:]
    rest = rssm.observe(
        model,
        {"params": state.params["rssm"]},
        start=jax.tree.map(lambda x: x[-1], look.seen.latents),
        actions=look.batch.previous_action[half:],
        tokens=look.tokens[half:],
        is_first=is_first,
        uniform=jax.random.uniform(observe_key, (*is_first.shape, model.stoch)),
    )
    filtered = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), look.seen, rest)
    step, latents = look.batch.step, filtered.latents
    surprise = filtered.posterior.kl(filtered.prior).sum(-1)
    value = dreamer.value(state.params["value"], latents.features).mean()
    free_nats = dreamer.config.losses.free_nats
    found = {
        **observation_errors(dreamer, look, half=half),
        **reward_calibration(dreamer, state, step, filtered, prior_key),
        **continue_calibration(dreamer, state, step, latents),
        **return_errors(dreamer, state, look.batch, latents, value, dream_key),
        **value_errors(dreamer, state, step, latents, value),
        "action_effect": action_effect(dreamer, state, look.batch, filtered, surprise),
        "prior_error": prior_error(filtered.posterior, surprise, least=free_nats),
        "under_free_nats": (surprise <= free_nats).mean(),
        "dead_latents": dead_latents(filtered.posterior, unimix=dreamer.config.model.unimix),
        **randomness(dreamer, state, latents),
        "effective_updates": effective_updates(dreamer, state),
    }
    return {f"diagnosis/{name}": x.astype(jnp.float32) for name, x in found.items()}


def effective_updates(dreamer: Dreamer, state: DreamerState) -> jax.Array:
    """Updates so far in multiples of those at the default learning rate.

    The optimizer's steps are proportional to the learning rate, whatever the size of gradients is.
    So it says how far the agent may have come, for presets with any learning rate.
    """
    pace = dreamer.config.optimizer.learning_rate / Optimizer().learning_rate
    return state.updates * jnp.float32(pace)


def observation_errors(dreamer: Dreamer, look: Look, *, half: int) -> Metrics:
    """Errors of each observation, relative to those of guesses that need no model.

    Pixels have the weights of the loss: a model that looks at what moves draws the rest less well.

    `reconstruction/<kind>/<key>`: of the steps that were seen, relative to the error of the batch
    mean. 0 is perfect, 1 is as bad as no model.

    `open_loop_<n>/<kind>/<key>`: of predictions from actions alone, up to n steps ahead and further
    than the next smaller n, relative to the better one of two guesses: the batch mean, and the
    observation that was seen last. Steps beyond the end of the episode do not count.
    """
    step = look.batch.step
    errors = relative_errors(
        look.outputs,
        look.scaled,
        last=half - 1,
        spaces=dreamer.obs,
        weights=pixel_weights(dreamer, step),
    )
    same_episode = jnp.cumsum(step.is_first[half:], axis=0) == 0
    ahead = 1 + jnp.arange(step.reward.shape[0] - half)[:, None]
    found: Metrics = {}
    for name, error in errors.items():
        usual = error.mean[:half].mean()
        found[f"reconstruction/{name}"] = _ratio(error.model[:half].mean(), usual)
        model, average, copy = (x[half:] for x in error)
        for shorter, longer in zip((0, *HORIZONS), HORIZONS, strict=False):
            if shorter < len(ahead):
                counted = same_episode & (ahead > shorter) & (ahead <= longer)
                guess = jnp.minimum(mean(average, counted), mean(copy, counted))
                found[f"open_loop_{longer}/{name}"] = _ratio(mean(model, counted), guess)
    return found


def _ratio(x: jax.Array, to: jax.Array) -> jax.Array:
    return jnp.where(to > SMALLEST, x / to, jnp.nan)


def action_effect(
    dreamer: Dreamer, state: DreamerState, batch: Batch, filtered: Filtered, surprise: jax.Array
) -> jax.Array:
    """How much worse the prior expects a step after another action than the real one: [], in nats.

    The other action is that of the next sequence of the batch. Steps at which both are the same do
    not count, nor do first steps.

    surprise: [T, B], KL(posterior || prior) after the real action.
    """
    latents, is_first = filtered.latents, batch.step.is_first
    before = jax.tree.map(
        lambda first, x: jnp.concatenate([first[None], x[:-1]]), batch.start, latents
    )
    other = jnp.roll(batch.previous_action, 1, axis=1)
    model, variables = dreamer.nets.rssm, {"params": state.params["rssm"]}
    deter = rssm.run(model, variables, RSSM.recurrence, before, other)
    prior = rssm.run(model, variables, RSSM.prior, deter)
    differs = (other != batch.previous_action).any(-1) & ~is_first
    return mean(filtered.posterior.kl(prior).sum(-1) - surprise, differs)


def prior_error(posterior: Categorical, surprise: jax.Array, *, least: float) -> jax.Array:
    """How wrong the prior is, relative to a guess that is the same at every step: [].

    mean KL(posterior || prior) / mean KL(posterior || mean posterior of the batch)

    surprise: [T, B], the former. least: free nats, up to which the prior does not learn; the
    divisor is no smaller.
    """
    usual = Categorical(jnp.log(posterior.probs.mean((0, 1))))
    told = jnp.sum(posterior.probs * (posterior.log_probs - usual.log_probs), axis=(-1, -2))
    return surprise.mean() / jnp.maximum(told.mean(), max(least, SMALLEST))


def dead_latents(posterior: Categorical, *, unimix: float) -> jax.Array:
    """Share of the latents that tell nothing about a step: [].

    What a latent tells is H(mean p) - mean H(p) over the batch, its mutual information with the
    step. It is 0 for a latent that always has the same class, and for one that is pure chance.

    posterior: [T, B, S, K]. unimix: share of a uniform distribution in it, which is taken out.
    """
    classes = posterior.log_probs.shape[-1]
    probs = jnp.maximum((posterior.probs - unimix / classes) / (1 - unimix), 1e-9)

    def entropy(p: jax.Array) -> jax.Array:
        return -jnp.sum(p * jnp.log(p), axis=-1) / jnp.log(classes)

    told = entropy(probs.mean((0, 1))) - entropy(probs).mean((0, 1))
    return (told < SILENT).mean()
