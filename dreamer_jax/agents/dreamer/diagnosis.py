"""Is what the agent believes true? Measured on replayed sequences, for the checks of a run.

Every number is named `diagnosis/<name>`. One that a batch cannot tell, such as the prediction at
the end of an episode where none ends, is NaN.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.batches import Batch
from dreamer_jax.agents.dreamer.config import Optimizer
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.behavior.actor_critic import replay_returns
from dreamer_jax.nn.dists import BoundedNormal, Categorical, Choices
from dreamer_jax.types import Metrics, Obs, Step
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.decoders import Prediction
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.relative_errors import relative_errors
from dreamer_jax.world_model.rssm import RSSM, Filtered

HORIZONS = (5, 15, 50)  # steps that are predicted without looking
EVENT_QUANTILE = 0.95  # of the sizes of rewards: those at least as large are events
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
    rest = rssm.observe(
        dreamer.nets.rssm,
        {"params": state.params["rssm"]},
        start=jax.tree.map(lambda x: x[-1], look.seen.latents),
        actions=look.batch.previous_action[half:],
        tokens=look.tokens[half:],
        is_first=look.batch.step.is_first[half:],
        key=observe_key,
    )
    filtered = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), look.seen, rest)
    step, latents = look.batch.step, filtered.latents
    surprise = filtered.posterior.kl(filtered.prior).sum(-1)
    value = dreamer.value(state.params["value"], latents.features).mean()
    found = {
        **observation_errors(dreamer, look, half=half),
        **reward_calibration(dreamer, state, step, filtered, prior_key),
        **continue_calibration(dreamer, state, step, latents),
        **return_errors(dreamer, state, look.batch, latents, value, dream_key),
        **value_errors(dreamer, state, step, latents, value),
        "action_effect": action_effect(dreamer, state, look.batch, filtered, surprise),
        "under_free_nats": (surprise <= dreamer.config.losses.free_nats).mean(),
        "dead_latents": dead_latents(filtered.posterior, unimix=dreamer.config.model.unimix),
        **randomness(dreamer, state, latents),
        "effective_updates": effective_updates(dreamer, state),
    }
    return {f"diagnosis/{name}": x.astype(jnp.float32) for name, x in found.items()}


def mean(x: jax.Array, where: jax.Array) -> jax.Array:
    """The mean of the entries where a mask of the same shape is True; NaN if there are none."""
    return jnp.sum(jnp.where(where, x, 0.0)) / where.sum()


def effective_updates(dreamer: Dreamer, state: DreamerState) -> jax.Array:
    """Updates so far in multiples of those at the default learning rate.

    The optimizer's steps are proportional to the learning rate, whatever the size of gradients is.
    So it says how far the agent may have come, for presets with any learning rate.
    """
    pace = dreamer.config.optimizer.learning_rate / Optimizer().learning_rate
    return state.updates * jnp.float32(pace)


def observation_errors(dreamer: Dreamer, look: Look, *, half: int) -> Metrics:
    """Errors of each observation, relative to those of guesses that need no model.

    `reconstruction/<kind>/<key>`: of the steps that were seen, relative to the error of the batch
    mean. 0 is perfect, 1 is as bad as no model.

    `open_loop_<n>/<kind>/<key>`: of predictions from actions alone, up to n steps ahead and further
    than the next smaller n, relative to the better one of two guesses: the batch mean, and the
    observation that was seen last. Steps beyond the end of the episode do not count.
    """
    step = look.batch.step
    errors = relative_errors(look.outputs, look.scaled, last=half - 1, spaces=dreamer.obs)
    same_episode = jnp.cumsum(step.is_first[half:], axis=0) == 0
    ahead = 1 + jnp.arange(step.reward.shape[0] - half)[:, None]
    found: Metrics = {}
    for name, error in errors.items():
        usual = error.mean.mean()
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


def reward_calibration(
    dreamer: Dreamer, state: DreamerState, step: Step, filtered: Filtered, key: jax.Array
) -> Metrics:
    """Predicted rewards against real ones, where rewards are large and elsewhere.

    A step is an event if its reward is not 0, and its size is at least the 95th percentile of the
    sizes in the batch. With r the real and r̂ the predicted reward:

    event_reward         Σ sign(r) r̂ / Σ |r| over events, 1 if right, 0 if events are not noticed
    event_reward_prior   the same for r̂ from the prior, which has not seen the step
    other_reward         mean |r̂ - r| of the other steps, relative to the mean |r| of the events
    reward_events        how many steps are events
    """
    size = jnp.abs(step.reward)
    event = (size > 0) & (size >= jnp.quantile(size, EVENT_QUANTILE))
    latents, prior = filtered.latents, filtered.prior
    drawn = prior.sample(jax.random.uniform(key, prior.log_probs.shape[:-1]))
    guessed = Latent(deter=latents.deter, stoch=prior.straight_through(drawn))
    seen, expected = (
        dreamer.reward(state.params, latent.features).mean() for latent in (latents, guessed)
    )
    usual = mean(size, event)
    return {
        "event_reward": mean(jnp.sign(step.reward) * seen, event) / usual,
        "event_reward_prior": mean(jnp.sign(step.reward) * expected, event) / usual,
        "other_reward": mean(jnp.abs(seen - step.reward), ~event) / usual,
        "reward_events": event.sum(),
    }


def continue_calibration(
    dreamer: Dreamer, state: DreamerState, step: Step, latents: Latent
) -> Metrics:
    """The predicted probability that an episode continues, where it ends and elsewhere.

    Without its discount: `continue_at_end` is 0 if right, `continue_elsewhere` 1. `ends` is how
    many steps are terminal.
    """
    discount = 1 - 1 / dreamer.config.behavior.horizon
    continue_ = dreamer.continue_(state.params, latents.features).probability / discount
    return {
        "continue_at_end": mean(continue_, step.is_terminal),
        "continue_elsewhere": mean(continue_, ~step.is_terminal),
        "ends": step.is_terminal.sum(),
    }


def return_errors(
    dreamer: Dreamer,
    state: DreamerState,
    batch: Batch,
    latents: Latent,
    value: jax.Array,
    key: jax.Array,
) -> Metrics:
    """Imagined against real returns of the same states, under the recorded actions.

    From each step t the model imagines H steps with the actions that were taken. With w_i the
    product of the continues of the steps before t + i, and v the critic's value of the real step:

    G_t = Σ_{i = 1..H} w_i r_{t+i} + w_{H+1} v_{t+H}

    once with predicted rewards and continues, once with real ones. Both have the same v, so that
    only the world model is judged. Steps before the end of a truncated episode do not count.

    imagined_return_bias           mean of imagined minus real G, relative to the mean Σ w_i |r_{t+i}|,
                                   or to a tenth of the return range if that is larger
    imagined_return_correlation    of the sums of rewards, without the values; NaN where the real
                                   ones hardly differ
    """
    step = batch.step
    length = step.reward.shape[0]
    horizon = min(dreamer.config.behavior.imagination, length - 1)
    starts = length - horizon
    ahead = jnp.arange(horizon + 1)[:, None] + jnp.arange(starts)  # [H + 1, starts] -> step

    def act(features: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
        del features
        return action, action

    def view(latent: Latent) -> tuple[jax.Array, jax.Array]:
        features = latent.features
        continue_ = dreamer.continue_(state.params, features).probability
        return dreamer.reward(state.params, features).mean(), continue_

    imagined, _ = rssm.imagine(
        dreamer.nets.rssm,
        {"params": state.params["rssm"]},
        start=jax.tree.map(lambda x: x[:starts], latents),
        act=act,
        action_noise=batch.previous_action[ahead[1:]],
        key=key,
        view=view,
    )
    discount = 1 - 1 / dreamer.config.behavior.horizon
    continues = discount * (1 - step.is_terminal.astype(jnp.float32))
    dreamt, dreamt_weight = _discounted(*imagined)
    real, real_weight = _discounted(step.reward[ahead], continues[ahead])
    sizes, _ = _discounted(jnp.abs(step.reward)[ahead], continues[ahead])
    # An end without a terminal hides what would have come.
    hidden = (step.is_last & ~step.is_terminal)[ahead[:-1]].any(0)
    counted = ~hidden & ~step.is_last[:starts]
    bootstrap = value[horizon:]
    difference = dreamt + dreamt_weight * bootstrap - real - real_weight * bootstrap
    unit = jnp.maximum(mean(sizes, counted), 0.1 * _return_scale(state))
    return {
        "imagined_return_bias": mean(difference, counted) / unit,
        "imagined_return_correlation": _correlation(dreamt, real, counted, least=0.1 * unit),
    }


def _discounted(reward: jax.Array, continue_: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Σ w_i r_i over i = 1..H, and w_{H+1}: entries 0..H of both, [H + 1, *] -> [*], [*]."""
    weight = jnp.cumprod(continue_[1:], axis=0)
    before = jnp.concatenate([jnp.ones_like(weight[:1]), weight[:-1]])
    return jnp.sum(before * reward[1:], axis=0), weight[-1]


def _correlation(x: jax.Array, y: jax.Array, where: jax.Array, *, least: jax.Array) -> jax.Array:
    """Pearson's correlation of the entries in `where`; NaN if y deviates by less than `least`."""
    dx, dy = x - mean(x, where), y - mean(y, where)
    variance = mean(dy**2, where)
    found = mean(dx * dy, where) / jnp.sqrt(jnp.maximum(mean(dx**2, where) * variance, 1e-12))
    return jnp.where(variance > least**2, found, jnp.nan)


def _return_scale(state: DreamerState) -> jax.Array:
    """What advantages are divided by: the range of imagined returns, and at least 1."""
    return jnp.maximum(1.0, state.return_range.high - state.return_range.low)


def value_errors(
    dreamer: Dreamer, state: DreamerState, step: Step, latents: Latent, value: jax.Array
) -> Metrics:
    """The critic against what replay has, against its slow copy, and against the size of rewards.

    value_bias    mean of v_t minus the real discounted return until the end of the sequence, where
                  the slow critic stands for the rest; relative to the return range
    critic_gap    mean |v - slow v|, relative to the return range
    value_size    mean |v|, relative to mean |r| · horizon, which is what rewards of the usual size
                  at every step would be worth
    return_size   the larger one of |low| and |high| of the return range, relative to the same

    NaN before behavior has learned. Sizes are NaN in a batch without rewards.
    """
    slow = dreamer.value(state.slow_value, latents.features).mean()
    horizon, range_ = dreamer.config.behavior.horizon, state.return_range
    returns = replay_returns(
        step.reward,
        is_last=step.is_last,
        is_terminal=step.is_terminal,
        bootstrap=slow,
        horizon=horizon,
        lambda_=1.0,
    )
    scale, usual = _return_scale(state), jnp.maximum(1.0, horizon * jnp.abs(step.reward).mean())
    usual = jnp.where(step.reward.any(), usual, jnp.nan)
    found = {
        "value_bias": mean(value[:-1] - returns, ~step.is_last[:-1]) / scale,
        "critic_gap": jnp.abs(value - slow).mean() / scale,
        "value_size": jnp.abs(value).mean() / usual,
        "return_size": jnp.maximum(jnp.abs(range_.low), jnp.abs(range_.high)) / usual,
    }
    begun = range_.high > range_.low
    return {name: jnp.where(begun, x, jnp.nan) for name, x in found.items()}


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


def randomness(dreamer: Dreamer, state: DreamerState, latents: Latent) -> Metrics:
    """The entropy of each action key: 0 is as little as the policy can have, 1 the most."""
    policy = dreamer.policy(state.params, latents.features)
    unimix = dreamer.config.model.unimix
    return {
        f"randomness/{key}": (dist.entropy().mean() - least) / (dist.max_entropy() - least)
        for key, dist in policy.items()
        if dist.max_entropy() > (least := least_entropy(dist, unimix=unimix))
    }


def least_entropy(dist: Choices | BoundedNormal, *, unimix: float) -> float:
    """The smallest entropy of such a distribution, in nats.

    unimix: share of a uniform distribution in choices.
    """
    if isinstance(dist, BoundedNormal):
        return dist.size * 0.5 * math.log(2 * math.pi * math.e * dist.LOW**2)
    total = 0.0
    for part in dist.parts:
        classes = part.log_probs.shape[-1]
        rare = unimix / classes
        certain = 1 - (classes - 1) * rare
        total -= certain * math.log(certain)
        total -= (classes - 1) * rare * math.log(rare) if rare else 0.0
    return total
