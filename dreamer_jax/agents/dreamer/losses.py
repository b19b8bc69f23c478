"""The losses of DreamerV3: of the world model on real steps, of behavior on imagined ones."""

import chex
import jax
import jax.numpy as jnp

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.batches import Batch
from dreamer_jax.agents.dreamer.config import discount, factors
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.agents.dreamer.noise import DreamNoise
from dreamer_jax.agents.dreamer.state import DreamerState, Params
from dreamer_jax.behavior import actor_critic
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.behavior.metrics import behavior_metrics
from dreamer_jax.nn.heads import sample
from dreamer_jax.types import Action, Metrics, Rollout, Step
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.decoders import reconstruction_losses
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.motion import motion_weights

sg = jax.lax.stop_gradient
NamedLosses = dict[str, jax.Array]  # [T, B] each; [T - 1, B] for the replay value
OF_BEHAVIOR = ("policy", "value", "replay_value")  # the losses of actor and critic


def world_model_losses(
    dreamer: Dreamer, params: Params, batch: Batch, uniform: jax.Array
) -> tuple[Latent, NamedLosses, Metrics]:
    """Filters the batch, then predicts each step from its latent. (§ World model learning)

    With q the posterior, p the prior, c = (1 - terminal) (1 - 1 / horizon), for each step:

    reconstruction, reward   -ln p(x | s), -ln p(r | s); pixels have `motion_weights`
    continue                 -c ln p - (1 - c) ln(1 - p)
    dynamics                 max(free nats, KL(sg(q) || p))   the prior learns to expect
    representation           max(free nats, KL(q || sg(p)))   the posterior learns to be expected

    The reward is predicted from the state that it arrived with. The continue head learns
    terminals only: a truncated episode could have continued.

    Args:
      dreamer: networks and scales.
      params: of all networks, to differentiate with respect to.
      batch: [T, B, ...], its vectors already scaled.
      uniform: [T, B, S] numbers in [0, 1) that the latents are drawn with.

    Returns: latents [T, B, ...], losses [T, B] without their scales, and scalars to log.
    """
    step, scale = batch.step, dreamer.config.losses
    chex.assert_rank(step.reward, 2)
    chex.assert_tree_shape_prefix((step, batch.previous_action), step.reward.shape)
    tokens = dreamer.encode(params, step.obs)
    filtered = rssm.observe(
        dreamer.nets.rssm,
        {"params": params["rssm"]},
        start=batch.start,
        actions=batch.previous_action,
        tokens=tokens,
        is_first=step.is_first,
        uniform=uniform,
    )
    latents, posterior, prior = filtered.latents, filtered.posterior, filtered.prior
    outputs = dreamer.decode(params, latents)
    weights = pixel_weights(dreamer, step)
    reconstruction = reconstruction_losses(outputs, step.obs, spaces=dreamer.obs, weights=weights)
    # Floors apply to each step, after the sum over latents and before any mean: a step that is
    # predicted well enough gives no gradient, whatever the others do.
    dynamics = sg(posterior).kl(prior).sum(-1)
    representation = posterior.kl(sg(prior)).sum(-1)
    losses = {
        **reconstruction,
        "reward": dreamer.reward(params, latents.features).loss(step.reward),
        "continue": dreamer.continue_(params, latents.features).loss(
            (1 - step.is_terminal.astype(jnp.float32)) * discount(dreamer.config)
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


def pixel_weights(dreamer: Dreamer, step: Step) -> dict[str, jax.Array]:
    """`motion_weights` of each image [T, B, h, w, 1]; none where `losses.motion` is 0."""
    share = dreamer.config.losses.motion
    images = dreamer.obs.images if share else ()
    return {key: motion_weights(step.obs[key], step.is_first, share=share) for key in images}


def dream(dreamer: Dreamer, params: Params, start: Latent, noise: DreamNoise) -> Rollout:
    """Imagines H steps from every state of a batch. (§ Actor learning)

    Nothing here is differentiated: callers pass parameters and latents without gradient.

    Args:
      dreamer: the networks.
      params: of rssm, policy, reward and continue.
      start: [T, B, ...] latents, such as `world_model_losses` gives; any batch axes will do.
      noise: [H, *, ...] that actions and latents are drawn with.

    Returns: features, reward and continue of H + 1 states, [H + 1, T, B, ...], the first of them
      `start`; the H actions between them, [H, T, B, n].
    """
    chex.assert_equal_shape_prefix([start.deter, start.stoch], start.deter.ndim - 1)

    def act(features: jax.Array, noise: jax.Array) -> tuple[Action, jax.Array]:
        action = sample(dreamer.policy(params, features), noise)
        return action, spaces.flatten(action, dreamer.act)

    features, action = rssm.imagine(
        dreamer.nets.rssm,
        {"params": params["rssm"]},
        start=start,
        act=act,
        action_noise=noise.action,
        uniform=noise.latent,
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
    *,
    real: Step,
    latents: Latent,
    rollout: Rollout,
    return_range: ReturnRange | None = None,
) -> tuple[NamedLosses, ReturnRange, Metrics]:
    """Policy and critic on the rollout, critic on the real steps. (§ Actor and critic learning)

    1. λ-returns of the rollout, whose last state contributes the critic's value.
    2. The return range follows them before it scales the advantages, so that the first large
       returns already count.
    3. Policy and critic learn on the rollout, each step weighted by its probability to happen.
    4. The critic learns on the real steps, too. Its targets start from the imagined return of
       each step, which is the first return of the rollout from there.

    Args:
      dreamer: networks and scales.
      params: of policy and critic, to differentiate with respect to.
      state: its slow critic and return range; constants here.
      real: [T, B, ...] steps.
      latents: [T, B, ...] of these steps, with gradient.
      rollout: [H + 1, T, B, ...] from each of these latents, without gradient.
      return_range: where the steps are a part of a batch, the range after the whole batch.

    Returns: losses [T, B] ([T - 1, B] for the replay value) without their scales, the new return
      range and scalars to log.
    """
    shape = real.reward.shape
    chex.assert_tree_shape_prefix((real, latents), shape)
    chex.assert_shape(rollout.reward, (None, *shape))
    b = dreamer.config.behavior
    critic, slow_critic = params["value"], state.slow_value
    # The last state has no action: the critic gives its value, and nothing is learned about it.
    seen, end = rollout.features[:-1], rollout.features[-1:]
    value = dreamer.value(critic, seen)
    slow = dreamer.value(slow_critic, seen)
    policy = dreamer.policy(params, seen)
    bootstrap = dreamer.value(critic, end).mean()
    values = sg(jnp.concatenate([value.mean(), bootstrap]))
    returns = actor_critic.imagined_returns(rollout, values, lambda_=b.lambda_)
    if return_range is None:
        rate = b.return_rate
        return_range = actor_critic.update_return_range(state.return_range, returns, rate=rate)
    advantage = actor_critic.advantage(returns, values[:-1], range_=return_range)
    weight = actor_critic.rollout_weight(rollout)
    policy_losses = actor_critic.policy_loss(
        policy, rollout.action, advantage=advantage, weight=weight, entropy_scale=b.entropy
    )
    value_losses = actor_critic.value_loss(
        value, returns, slow=slow, weight=weight, slow_scale=b.slow_regularizer
    )
    replay_value, real_returns = replay_value_losses(
        dreamer, params, state, real=real, latents=latents, bootstrap=returns[0]
    )
    losses = {
        "policy": policy_losses.mean(0),
        "value": value_losses.mean(0),
        "replay_value": replay_value,
    }
    metrics = behavior_metrics(
        policy,
        rollout,
        returns=returns,
        value=values,
        advantage=advantage,
        return_range=return_range,
    )
    metrics |= {"actor_critic/replay_return": real_returns.mean()}
    return losses, return_range, metrics


def replay_value_losses(
    dreamer: Dreamer,
    params: Params,
    state: DreamerState,
    *,
    real: Step,
    latents: Latent,
    bootstrap: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The critic on real steps: `value_loss` with `replay_returns`. (§ Critic learning)

    Its gradient reaches the world model, so that latents learn to tell value.

    Args:
      dreamer: networks and scales.
      params: of the critic, to differentiate with respect to.
      state: its slow critic; constants here.
      real: [T, B, ...] steps.
      latents: [T, B, ...] of these steps, with gradient.
      bootstrap: [T, B] return of the imagined rollout from each step.

    Returns: losses and returns, both [T - 1, B].
    """
    b, features = dreamer.config.behavior, latents.features[:-1]
    value = dreamer.value(params["value"], features)
    slow = dreamer.value(state.slow_value, features)
    returns = actor_critic.replay_returns(
        real.reward,
        is_last=real.is_last,
        is_terminal=real.is_terminal,
        bootstrap=bootstrap,
        horizon=b.horizon,
        lambda_=b.lambda_,
    )
    # The step after the last one of an episode belongs to another episode.
    weight = 1 - real.is_last[:-1].astype(jnp.float32)
    losses = actor_critic.value_loss(
        value, returns, slow=slow, weight=weight, slow_scale=b.slow_regularizer
    )
    return losses, returns


def weighted_sum(dreamer: Dreamer, losses: NamedLosses, *, shape: tuple[int, ...]) -> jax.Array:
    """Σ scale_i · mean(L_i), with the scales of `config.losses`. (§ World model learning)

    No loss may have been summed or broadcast on its way here: each is checked.

    Args:
      dreamer: gives the scales, and the factors of single observations.
      losses: float32 [T, B]; the replay value [T - 1, B].
      shape: (T, B).

    Returns: the sum [] float32.
    """
    scales = dreamer.config.losses
    scale_of = {name.rstrip("_"): scale for name, scale in vars(scales).items()}
    shorter = {"replay_value": (shape[0] - 1, shape[1])}  # its last step has no step after it
    for name, value in losses.items():
        chex.assert_shape(value, shorter.get(name, shape), custom_message=name)
        chex.assert_type(value, jnp.float32)
    factor = factors(scales)
    total = jnp.float32(0)
    for name, value in losses.items():
        kind, _, key = name.partition("/")
        total += scale_of[kind] * factor.get(key, 1.0) * value.mean()
    return total


def metric_of(loss: str) -> str:
    """The metric that reports a loss: it stands in the group of the networks that it teaches."""
    return f"{'actor_critic' if loss in OF_BEHAVIOR else 'world_model'}/loss/{loss}"
