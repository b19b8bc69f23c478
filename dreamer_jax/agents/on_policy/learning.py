"""The update: one rollout, learned from in epochs of minibatches, then never again."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dreamer_jax.agents.on_policy.experiences import experience, experience_metrics
from dreamer_jax.agents.on_policy.features import Params, Seen, sequences
from dreamer_jax.agents.on_policy.networks import OnPolicy, trained
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.behavior import ppo as equations
from dreamer_jax.behavior.trajectories import Experience
from dreamer_jax.types import Metrics, Obs, Refresh, Window


class Minibatch(NamedTuple):
    """A part of a rollout: [T, B] whole sequences, or [N] steps."""

    experience: Experience
    seen: Seen | None  # None where features are given
    start: Any  # memory [B, ...] before sequences
    features: jax.Array | None  # [*, F] where they do not learn


class Learned(NamedTuple):
    """What a step of gradient descent changes."""

    params: Params  # of the networks that PPO trains
    optimizer: optax.OptState


def update(
    ppo: OnPolicy, state: OnPolicyState, window: Window, key: jax.Array
) -> tuple[OnPolicyState, Refresh, Metrics]:
    """Learns from the newest steps of every environment, each of which it sees in this update only.

    1. `sequences` cuts the context step off: its action was chosen by the policy before this one.
       The other T steps are the rollout; the action at the last one is answered too late.
    2. Returns and advantages follow from the values that the critic gave while acting.
    3. The scale of returns follows them; the critic's last layer changes so that no value does.
    4. Epochs of minibatches: features, policy and critic learn.
    5. Whatever else the agent learns from the rollout, if there is something.
    6. The moments of the features follow the observations, from the next rollout on: in this one,
       learning sees what acting saw.

    Args:
      ppo: the networks.
      state: consumed by the caller's donation; not changed here.
      window: [W, B, ...], the newest one, W = 1 + T.
      key: consumed.

    Returns: the new state; the latents [T, B, ...] of replay as they are; scalars to log.
    """
    order_key, extra_key = jax.random.split(key)
    _, _, steps = sequences(window)
    kept = jax.tree.map(lambda x: x[1:], window.latents)
    found = experience(ppo.config, steps, kept)
    state = rescaled(ppo, state, found)
    state, metrics = in_epochs(ppo, state, whole_rollout(ppo, state, window, found), order_key)
    metrics |= experience_metrics(found, steps.reward)
    metrics["actor_critic/explained_variance"] = equations.explained_variance(found)
    if ppo.extra is not None:
        params, optimizer, more = ppo.extra.update(
            state.params, state.optimizer["extra"], state.moments, window, extra_key
        )
        state = state.replace(params=params, optimizer=state.optimizer | {"extra": optimizer})
        metrics |= more
    state = state.replace(
        moments=ppo.features.observe(state.moments, steps), updates=state.updates + 1
    )
    return state, Refresh(latents=kept, loss=jnp.abs(found.advantage)), metrics


def rescaled(ppo: OnPolicy, state: OnPolicyState, found: Experience) -> OnPolicyState:
    """The state whose scale knows the returns of a rollout, and whose values are what they were."""
    if not ppo.config.normalize_returns:
        return state
    horizon = ppo.config.return_horizon
    scale = equations.rescale(
        state.return_scale, found.returns, found.value_weight, horizon=horizon
    )
    value = state.params["value"]
    output = equations.preserved(value["output"], old=state.return_scale, new=scale)
    params = state.params | {"value": value | {"output": output}}
    return state.replace(params=params, return_scale=scale)


def whole_rollout(
    ppo: OnPolicy, state: OnPolicyState, window: Window, found: Experience
) -> Minibatch:
    """All that is learned from a rollout, before it is divided; with features that do not learn."""
    start, seen, _ = sequences(window)
    if ppo.features.trained:
        return Minibatch(experience=found, seen=seen, start=start, features=None)
    given = ppo.features.unroll(state.params, state.moments, start, seen)
    return Minibatch(experience=found, seen=None, start=None, features=given)


def in_epochs(
    ppo: OnPolicy, state: OnPolicyState, whole: Minibatch, key: jax.Array
) -> tuple[OnPolicyState, Metrics]:
    """All gradient steps of an update; the key is consumed for the order of minibatches."""
    config, found = ppo.config, whole.experience
    learned = Learned(params=trained(ppo, state.params), optimizer=state.optimizer["ppo"])
    if whole.features is None and ppo.features.sequential:
        size, take = found.value.shape[1], partial(sequences_of, whole)
    else:
        whole = whole._replace(start=None)
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), whole)
        size, take = found.value.size, partial(entries_of, flat)
    learned, metrics = equations.descend(
        partial(gradient_step, ppo, state, clip_now(ppo, state)),
        learned,
        take,
        key,
        size=size,
        epochs=config.epochs,
        minibatches=config.minibatches,
    )
    state = state.replace(
        params=state.params | learned.params,
        optimizer=state.optimizer | {"ppo": learned.optimizer},
    )
    return state, equations.summary(metrics)


def sequences_of(whole: Minibatch, at: jax.Array) -> Minibatch:
    """Whole sequences [T, n] of some of the B environments."""
    start, rest = whole.start, whole._replace(start=None)
    taken = jax.tree.map(lambda x: x[:, at], rest)
    return taken._replace(start=jax.tree.map(lambda x: x[at], start))


def entries_of(flat: Minibatch, at: jax.Array) -> Minibatch:
    """Some [n] of the T B steps."""
    return jax.tree.map(lambda x: x[at], flat)


def clip_now(ppo: OnPolicy, state: OnPolicyState) -> jax.Array:
    """ε of this update: []."""
    left = 1 - state.updates / ppo.rollouts if ppo.config.clip_decay else 1.0
    # An ε of 0 would leave no gradient at all; a run may also be longer than it was planned.
    return ppo.config.clip * jnp.maximum(jnp.asarray(left, jnp.float32), 1e-3)


def gradient_step(
    ppo: OnPolicy,
    state: OnPolicyState,
    clip: jax.Array,
    learned: Learned,
    minibatch: Minibatch,
) -> tuple[Learned, Metrics]:
    """One step of Adam on a minibatch."""
    differentiate = jax.value_and_grad(partial(loss, ppo, state, clip), has_aux=True)
    (_, metrics), gradients = differentiate(learned.params, minibatch)
    changes, optimizer = ppo.optimizer.update(gradients, learned.optimizer, learned.params)
    params: Any = optax.apply_updates(learned.params, changes)
    metrics |= {
        "optimizer/gradient_norm": optax.tree.norm(gradients),
        "optimizer/update_norm": optax.tree.norm(changes),
    }
    return Learned(params=params, optimizer=optimizer), metrics


def loss(
    ppo: OnPolicy, state: OnPolicyState, clip: jax.Array, params: Params, minibatch: Minibatch
) -> tuple[jax.Array, Metrics]:
    """The loss of PPO on a minibatch, and scalars to log.

    params: to differentiate with respect to; those of all other networks are `state.params`.
    """
    everything, config = state.params | params, ppo.config
    features = minibatch.features
    if features is None:
        assert minibatch.seen is not None
        features = ppo.features.unroll(everything, state.moments, minibatch.start, minibatch.seen)
    policy = ppo.policy(everything, features)
    total, metrics = equations.loss(
        policy,
        ppo.value(everything, features),
        minibatch.experience,
        scale=state.return_scale,
        clip=clip,
        value_clip=config.value_clip,
        value_scale=config.value_scale,
        entropy_scale=config.entropy,
    )
    weight = minibatch.experience.value_weight
    for key, dist in policy.items():
        entropy = equations.mean_over(dist.entropy(), weight)
        metrics[f"actor_critic/entropy/{key}"] = entropy
        if (most := dist.max_entropy()) > 0:  # else there is nothing to choose
            metrics[f"actor_critic/randomness/{key}"] = entropy / most
    return total, metrics


def report(
    ppo: OnPolicy, state: OnPolicyState, window: Window, _: jax.Array
) -> tuple[Metrics, Obs]:
    """How well the critic knew the returns of the newest rollout; no pictures."""
    del state  # the values are those from when the rollout was acted out
    steps = sequences(window)[2]
    kept = jax.tree.map(lambda x: x[1:], window.latents)
    found = experience(ppo.config, steps, kept)
    error = equations.mean_over(found.advantage**2, found.value_weight)
    return {
        "actor_critic/newest/explained_variance": equations.explained_variance(found),
        "actor_critic/newest/value_error": jnp.sqrt(error),
    }, {}
