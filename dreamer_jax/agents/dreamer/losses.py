"""The losses of DreamerV3: of the world model on real steps, of behavior on imagined ones."""

import chex
import jax
import jax.numpy as jnp

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.batches import Batch
from dreamer_jax.agents.dreamer.config import factors
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.agents.dreamer.reports import behavior_metrics
from dreamer_jax.agents.dreamer.state import DreamerState, Params
from dreamer_jax.behavior import actor_critic
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.nn.heads import action_width, sample
from dreamer_jax.types import Metrics, Rollout, Step
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.decoders import reconstruction_losses
from dreamer_jax.world_model.latents import Latent

sg = jax.lax.stop_gradient


def world_model_losses(
    dreamer: Dreamer, params: Params, batch: Batch, key: jax.Array
) -> tuple[Latent, dict[str, jax.Array], Metrics]:
    """Filters the batch, then asks what the latents know of it. (§ World model learning)

    Returns latents [T, B, ...], losses [T, B] and metrics.
    """
    step, scale = batch.step, dreamer.config.losses
    tokens = dreamer.encode(params, step.obs)
    latents, posterior, prior = rssm.observe(
        dreamer.nets.rssm,
        {"params": params["rssm"]},
        batch.start,
        batch.previous_action,
        tokens,
        step.is_first,
        key,
    )
    outputs = dreamer.decode(params, latents)
    reconstruction = reconstruction_losses(outputs, step.obs, dreamer.obs)
    discount = 1 - 1 / dreamer.config.behavior.horizon
    # Floors apply to each step, after the sum over latents and before any mean: a step that is
    # predicted well enough gives no gradient, whatever the others do.
    dynamics = sg(posterior).kl(prior).sum(-1)
    representation = posterior.kl(sg(prior)).sum(-1)
    losses = {
        **reconstruction,
        "reward": dreamer.reward(params, latents.features).loss(step.reward),
        "continue": dreamer.continue_(params, latents.features).loss(
            (1 - step.is_terminal.astype(jnp.float32)) * discount
        ),
        "dynamics": jnp.maximum(scale.free_nats, dynamics),
        "representation": jnp.maximum(scale.free_nats, representation),
    }
    metrics = {
        "world_model/kl": dynamics.mean(),
        "world_model/prior_entropy": prior.entropy().sum(-1).mean(),
        "world_model/posterior_entropy": posterior.entropy().sum(-1).mean(),
    }
    return latents, losses, metrics


def dream(dreamer: Dreamer, params: Params, start: Latent, key: jax.Array) -> Rollout:
    """Imagines on from every state of the batch: [T, B, ...] -> a rollout [H + 1, T, B, ...].

    Nothing here is differentiated; callers pass parameters and latents without gradient.
    """
    model_key, action_key = jax.random.split(key)
    horizon, width = dreamer.config.behavior.imagination, action_width(dreamer.act)

    def act(features: jax.Array, noise: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
        action = sample(dreamer.policy(params, features), noise)
        return action, spaces.flatten(action, dreamer.act)

    noise = jax.random.uniform(action_key, (horizon, *start.deter.shape[:-1], width))
    features, action = rssm.imagine(
        dreamer.nets.rssm,
        {"params": params["rssm"]},
        start,
        act,
        noise,
        model_key,
        view=lambda latent: latent.features,
    )
    # XLA undoes the joining of these two parts where they are read apart: nothing is copied.
    parts = features[:-1], features[-1:]
    reward = [dreamer.reward(params, part).mean() for part in parts]
    continue_ = [dreamer.continue_(params, part).probability for part in parts]
    return Rollout(
        features=features,
        action=action,
        reward=jnp.concatenate(reward),
        continue_=jnp.concatenate(continue_),
    )


def behavior_losses(
    dreamer: Dreamer,
    params: Params,
    state: DreamerState,
    real: Step,
    latents: Latent,
    rollout: Rollout,
) -> tuple[dict[str, jax.Array], ReturnRange, Metrics]:
    """Policy and critic on the rollout, critic on the real steps. (§ Actor and critic learning)

    Returns losses [T, B] ([T - 1, B] for the replay value), the new return range and metrics.
    """
    b = dreamer.config.behavior
    critic, slow_critic = params["value"], state.slow_value
    seen, end = rollout.features[:-1], rollout.features[-1:]
    value = dreamer.value(critic, seen)
    slow = dreamer.value(slow_critic, seen)
    policy = dreamer.policy(params, seen)
    bootstrap = dreamer.value(critic, end).mean()
    values = sg(jnp.concatenate([value.mean(), bootstrap]))
    returns = actor_critic.imagined_returns(rollout, values, b.lambda_)
    return_range = actor_critic.update_return_range(state.return_range, returns, b.return_rate)
    advantage = actor_critic.advantage(returns, values[:-1], return_range)
    weight = actor_critic.rollout_weight(rollout)
    policy_losses = actor_critic.policy_loss(policy, rollout.action, advantage, weight, b.entropy)
    value_losses = actor_critic.value_loss(value, returns, slow, weight, b.slow_regularizer)
    # On real steps the critic's gradient reaches the world model: latents learn to tell value.
    features = latents.features[:-1]
    real_value = dreamer.value(critic, features)
    real_slow = dreamer.value(slow_critic, features)
    real_returns = actor_critic.replay_returns(
        real.reward, real.is_last, real.is_terminal, returns[0], b.horizon, b.lambda_
    )
    losses = {
        "policy": policy_losses.mean(0),
        "value": value_losses.mean(0),
        "replay_value": actor_critic.value_loss(
            real_value,
            real_returns,
            real_slow,
            1 - real.is_last[:-1].astype(jnp.float32),
            b.slow_regularizer,
        ),
    }
    metrics = behavior_metrics(policy, rollout, returns, values, advantage, return_range)
    metrics |= {"behavior/replay_return": real_returns.mean()}
    return losses, return_range, metrics


def weighted_sum(
    dreamer: Dreamer, losses: dict[str, jax.Array], shape: tuple[int, ...]
) -> jax.Array:
    """Σ scale · mean of the losses, after checking that each is [T, B] (`shape`) still.

    That of the replay value is [T - 1, B].
    """
    scales = dreamer.config.losses
    named = {
        "image": scales.image,
        "vector": scales.vector,
        "choice": scales.choice,
        "bits": scales.bits,
        "text": scales.text,
        "reward": scales.reward,
        "continue": scales.continue_,
        "dynamics": scales.dynamics,
        "representation": scales.representation,
        "policy": scales.policy,
        "value": scales.value,
        "replay_value": scales.replay_value,
    }
    shorter = {"replay_value": (shape[0] - 1, shape[1])}  # its last step has no step after it
    for name, value in losses.items():
        chex.assert_shape(value, shorter.get(name, shape), custom_message=name)
        chex.assert_type(value, jnp.float32)
    factor = factors(scales)
    total = jnp.float32(0)
    for name, value in losses.items():
        kind, _, key = name.partition("/")
        total += named[kind] * factor.get(key, 1.0) * value.mean()
    return total
