"""Predicted rewards, ends, returns and values against the real ones of replayed sequences."""

import math

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.batches import Batch
from dreamer_jax.agents.dreamer.config import discount
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.behavior.actor_critic import replay_returns
from dreamer_jax.nn.dists import BoundedNormal, Choices
from dreamer_jax.types import Metrics, Step
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.rssm import Filtered

EVENT_QUANTILE = 0.95  # of the sizes of rewards: those at least as large are events


def mean(x: jax.Array, where: jax.Array) -> jax.Array:
    """The mean of the entries where a mask of the same shape is True; NaN if there are none."""
    return jnp.sum(jnp.where(where, x, 0.0)) / where.sum()


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

    Without its discount: `continue_at_end` is 0 if right, `continue_elsewhere` 1. `end_contrast` is
    how many times as likely an end is predicted where there is one as elsewhere, where chances
    below a thousandth count as one. `ends` is how many steps are terminal.
    """
    probability = dreamer.continue_(state.params, latents.features).probability
    continue_ = probability / discount(dreamer.config)
    at_end, elsewhere = mean(continue_, step.is_terminal), mean(continue_, ~step.is_terminal)
    return {
        "continue_at_end": at_end,
        "continue_elsewhere": elsewhere,
        "end_contrast": jnp.maximum(1 - at_end, 1e-3) / jnp.maximum(1 - elsewhere, 1e-3),
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

    imagined_return_bias
        mean of imagined minus real G, relative to the mean Σ w_i |r_{t+i}|, or to a tenth of the
        return range if that is larger
    imagined_return_correlation
        of the sums of rewards, without the values; NaN where the real ones hardly differ
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

    actions = batch.previous_action[ahead[1:]]
    imagined, _ = rssm.imagine(
        dreamer.nets.rssm,
        {"params": state.params["rssm"]},
        start=jax.tree.map(lambda x: x[:starts], latents),
        act=act,
        action_noise=actions,
        uniform=jax.random.uniform(key, (*actions.shape[:-1], dreamer.nets.rssm.stoch)),
        view=view,
    )
    continues = discount(dreamer.config) * (1 - step.is_terminal.astype(jnp.float32))
    dreamt, dreamt_weight = discounted(*imagined)
    real, real_weight = discounted(step.reward[ahead], continues[ahead])
    sizes, _ = discounted(jnp.abs(step.reward)[ahead], continues[ahead])
    # An end without a terminal hides what would have come.
    hidden = (step.is_last & ~step.is_terminal)[ahead[:-1]].any(0)
    counted = ~hidden & ~step.is_last[:starts]
    bootstrap = value[horizon:]
    difference = dreamt + dreamt_weight * bootstrap - real - real_weight * bootstrap
    unit = jnp.maximum(mean(sizes, counted), 0.1 * _return_scale(state))
    return {
        "imagined_return_bias": mean(difference, counted) / unit,
        "imagined_return_correlation": correlation(dreamt, real, counted, least=0.1 * unit),
    }


def discounted(reward: jax.Array, continue_: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Σ w_i r_i over i = 1..H, and w_{H+1}: entries 0..H of both, [H + 1, *] -> [*], [*]."""
    weight = jnp.cumprod(continue_[1:], axis=0)
    before = jnp.concatenate([jnp.ones_like(weight[:1]), weight[:-1]])
    return jnp.sum(before * reward[1:], axis=0), weight[-1]


def correlation(x: jax.Array, y: jax.Array, where: jax.Array, *, least: jax.Array) -> jax.Array:
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


def randomness(dreamer: Dreamer, state: DreamerState, latents: Latent) -> Metrics:
    """The entropy of each action key: 0 is as little as the policy can have, 1 the most."""
    policy = dreamer.policy(state.params, latents.features)
    unimix = dreamer.config.model.unimix
    return {
        f"randomness/{key}": jnp.maximum(dist.entropy().mean() - least, 0)
        / (dist.max_entropy() - least)
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
