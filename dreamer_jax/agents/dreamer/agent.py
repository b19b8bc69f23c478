"""DreamerV3 (Hafner et al., Nature 2025): a world model, and a policy that learns in its dreams."""

from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import optax

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.acting import act_step, actor_of, initial_carry
from dreamer_jax.agents.dreamer.batches import Batch, prepare
from dreamer_jax.agents.dreamer.networks import (
    LEARNS,
    Dreamer,
    Params,
    init,
    networks,
    scale_vectors,
)
from dreamer_jax.agents.dreamer.reports import behavior_metrics, report
from dreamer_jax.behavior import actor_critic
from dreamer_jax.config import Config, factors
from dreamer_jax.nn import optim
from dreamer_jax.nn.heads import action_width, at_random, mode, sample
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import (
    Agent,
    AgentState,
    Latent,
    Learner,
    Metrics,
    Player,
    Refresh,
    ReturnRange,
    Rollout,
    Step,
    Window,
)
from dreamer_jax.world_model import moments, rssm
from dreamer_jax.world_model.decoders import reconstruction_losses

sg = jax.lax.stop_gradient


def make(config: Config, obs: Spaces, act: Spaces) -> Agent:
    """Builds the agent for what it observes and does; ValueError where no network fits."""
    if unknown := factors(config.losses).keys() - obs.keys:
        raise ValueError(
            f"losses.keys={config.losses.keys!r}: no observation {min(unknown)!r}; there are "
            f"{', '.join(sorted(obs.keys))}"
        )
    nets = networks(config, obs, act)
    dreamer = Dreamer(config, obs, act, nets, optim.make(config.optimizer))
    explore = at_random if config.train.learn == "world_model" else sample
    # Jitted, each is traced once, however many programs it is a part of.
    learner = Learner(
        init=jax.jit(partial(init, dreamer)),
        update=jax.jit(partial(update, dreamer)),
        report=jax.jit(partial(report, dreamer)),
    )
    player = Player(
        carry=partial(initial_carry, dreamer),
        actor=actor_of,
        act=jax.jit(partial(act_step, dreamer, explore)),
        greedy=jax.jit(partial(act_step, dreamer, mode)),
    )
    return Agent(learner, player)


def update(
    dreamer: Dreamer, state: AgentState, window: Window, key: jax.Array
) -> tuple[AgentState, Refresh, Metrics]:
    """One step of gradient descent on all losses, the slow critic and the running statistics.

    Returns the new state, the latents [T, B, ...] and losses [T, B] of the window under the
    parameters before this update, and scalars to log. The key is consumed.
    """
    batch = prepare(dreamer, window)
    learn, config = dreamer.config.train.learn, dreamer.config
    if learn != "behavior":  # a frozen world model keeps the scale that it was trained with
        scale = moments.update(state.moments, batch.step.obs, config.model.moments_horizon)
        state = state.replace(moments=scale)
    trained = {k: state.params[k] for k in LEARNS[learn]}
    (_, (fresh, return_range, metrics)), gradients = jax.value_and_grad(
        partial(loss, dreamer), has_aux=True
    )(trained, state, batch, key)
    changes, optimizer = dreamer.optimizer.update(gradients, state.optimizer, trained)
    params = state.params | cast(Params, optax.apply_updates(trained, changes))
    metrics |= {"optimizer/gradient_norm": optax.tree.norm(gradients)}
    metrics |= {"optimizer/update_norm": optax.tree.norm(changes)}
    state = state.replace(
        params=params,
        slow_value=optax.incremental_update(
            params["value"], state.slow_value, config.behavior.slow_rate
        ),
        optimizer=optimizer,
        return_range=return_range,
        updates=state.updates + 1,
    )
    return state, fresh, metrics


def loss(
    dreamer: Dreamer, trained: Params, state: AgentState, batch: Batch, key: jax.Array
) -> tuple[jax.Array, tuple[Refresh, ReturnRange, Metrics]]:
    """The weighted sum of all losses, each averaged over the batch. (§ Methods)"""
    learn = dreamer.config.train.learn
    params = {**state.params, **trained}
    observe_key, dream_key = jax.random.split(key)
    batch = batch._replace(
        step=batch.step.replace(obs=scale_vectors(dreamer, state.moments, batch.step.obs))
    )
    latents, losses, metrics = world_model_losses(dreamer, params, batch, observe_key)
    fresh = Refresh(rssm.compact(latents), sum(losses.values(), jnp.float32(0)))
    return_range = state.return_range
    if learn == "behavior":
        losses = {}
    if learn != "world_model":
        rollout = dream(dreamer, sg(params), sg(latents), dream_key)
        more, return_range, notes = behavior_losses(
            dreamer, params, state, batch.step, latents, rollout
        )
        losses, metrics = losses | more, metrics | notes
    total = weighted_sum(dreamer, losses, batch.step.reward.shape)
    metrics |= {f"loss/{name}": value.mean() for name, value in losses.items()}
    metrics |= {"loss/total": total}
    return total, (fresh, return_range, metrics)


def world_model_losses(
    dreamer: Dreamer, params: Params, batch: Batch, key: jax.Array
) -> tuple[Latent, dict[str, jax.Array], Metrics]:
    """Filters the batch, then asks what the latents know of it. (§ World model learning)

    Returns latents [T, B, ...], losses [T, B] and metrics.
    """
    step, scale = batch.step, dreamer.config.losses
    tokens = dreamer.apply(params, "encoder", step.obs)
    latents, posterior, prior = rssm.observe(
        dreamer.nets["rssm"],
        {"params": params["rssm"]},
        batch.start,
        batch.previous_action,
        tokens,
        step.is_first,
        key,
    )
    outputs = dreamer.apply(params, "decoder", latents)
    reconstruction = reconstruction_losses(outputs, step.obs, dreamer.obs)
    discount = 1 - 1 / dreamer.config.behavior.horizon
    # Floors apply to each step, after the sum over latents and before any mean: a step that is
    # predicted well enough gives no gradient, whatever the others do.
    dynamics = sg(posterior).kl(prior).sum(-1)
    representation = posterior.kl(sg(prior)).sum(-1)
    losses = {
        **reconstruction,
        "reward": dreamer.apply(params, "reward", latents.features).loss(step.reward),
        "continue": dreamer.apply(params, "continue", latents.features).loss(
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
        action = sample(dreamer.apply(params, "policy", features), noise)
        return action, spaces.flatten(action, dreamer.act)

    noise = jax.random.uniform(action_key, (horizon, *start.deter.shape[:-1], width))
    features, action = rssm.imagine(
        dreamer.nets["rssm"],
        {"params": params["rssm"]},
        start,
        act,
        noise,
        model_key,
        view=lambda latent: latent.features,
    )
    # XLA undoes the joining of these two parts where they are read apart: nothing is copied.
    parts = features[:-1], features[-1:]
    reward = [dreamer.apply(params, "reward", part).mean() for part in parts]
    continue_ = [dreamer.apply(params, "continue", part).probability for part in parts]
    return Rollout(features, action, jnp.concatenate(reward), jnp.concatenate(continue_))


def behavior_losses(
    dreamer: Dreamer,
    params: Params,
    state: AgentState,
    real: Step,
    latents: Latent,
    rollout: Rollout,
) -> tuple[dict[str, jax.Array], ReturnRange, Metrics]:
    """Policy and critic on the rollout, critic on the real steps. (§ Actor and critic learning)

    Returns losses [T, B] ([T - 1, B] for the replay value), the new return range and metrics.
    """
    b = dreamer.config.behavior
    slow_params = {**params, "value": state.slow_value}
    seen, end = rollout.features[:-1], rollout.features[-1:]
    value = dreamer.apply(params, "value", seen)
    slow = dreamer.apply(slow_params, "value", seen)
    policy = dreamer.apply(params, "policy", seen)
    bootstrap = dreamer.apply(params, "value", end).mean()
    values = sg(jnp.concatenate([value.mean(), bootstrap]))
    returns = actor_critic.imagined_returns(rollout, values, b.lambda_)
    return_range = actor_critic.update_return_range(state.return_range, returns, b.return_rate)
    advantage = actor_critic.advantage(returns, values[:-1], return_range)
    weight = actor_critic.rollout_weight(rollout)
    policy_losses = actor_critic.policy_loss(policy, rollout.action, advantage, weight, b.entropy)
    value_losses = actor_critic.value_loss(value, returns, slow, weight, b.slow_regularizer)
    # On real steps the critic's gradient reaches the world model: latents learn to tell value.
    features = latents.features[:-1]
    real_value = dreamer.apply(params, "value", features)
    real_slow = dreamer.apply(slow_params, "value", features)
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
        assert value.shape == shorter.get(name, shape), (name, value.shape)
        assert value.dtype == jnp.float32, (name, value.dtype)
    factor = factors(scales)
    total = jnp.float32(0)
    for name, value in losses.items():
        kind, _, key = name.partition("/")
        total += named[kind] * factor.get(key, 1.0) * value.mean()
    return total
