"""The world model learns from the rollout that the policy has just learned from."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dreamer_jax.agents.dreamer.batches import Batch, prepare, scaled
from dreamer_jax.agents.dreamer.losses import metric_of, weighted_sum, world_model_losses
from dreamer_jax.agents.dreamer.networks import WORLD_MODEL, Dreamer
from dreamer_jax.agents.hybrid.config import WorldModel
from dreamer_jax.agents.hybrid.features import restored
from dreamer_jax.agents.on_policy.features import Extra, Params
from dreamer_jax.behavior import ppo as equations
from dreamer_jax.types import Metrics, Window
from dreamer_jax.world_model.latents import compact


class Learned(NamedTuple):
    """What a step of gradient descent changes."""

    params: Params  # of the world model
    optimizer: optax.OptState
    key: jax.Array  # for the latents of the steps to come


def extra_of(dreamer: Dreamer, config: WorldModel) -> Extra:
    """The world model's own losses, on the windows of PPO, several times each.

    The ring of an on-policy run is one rollout long, and a second, longer one would cost the memory
    of Dreamer's without its benefit, dreams: the latents have to suit the states that the policy
    visits now. What the rollouts of the past could teach is lost instead.
    """
    return Extra(init=partial(init, dreamer), update=partial(update, dreamer, config))


def init(dreamer: Dreamer, params: Params) -> optax.OptState:
    """The state of the optimizer of the world model."""
    return dreamer.optimizer.init(of_world_model(params))


def of_world_model(params: Params) -> Params:
    """The parameters of the world model alone."""
    return {name: params[name] for name in WORLD_MODEL}


def dreamers(dreamer: Dreamer, window: Window) -> Window:
    """The window with its latents as an agent `dreamer` keeps them."""
    latent = restored(window.latents.memory, classes=dreamer.config.model.classes)
    return window.replace(latents=compact(latent))


def update(
    dreamer: Dreamer,
    config: WorldModel,
    params: Params,
    optimizer: optax.OptState,
    moments: Any,
    window: Window,
    key: jax.Array,
) -> tuple[Params, optax.OptState, Metrics]:
    """Epochs of the losses of the world model on a window, see `Extra.update`."""
    order_key, latent_key = jax.random.split(key)
    batch = scaled(dreamer, moments, prepare(dreamer, dreamers(dreamer, window)))

    def take(at: jax.Array) -> Batch:
        step, action = jax.tree.map(lambda x: x[:, at], (batch.step, batch.previous_action))
        start = jax.tree.map(lambda x: x[at], batch.start)
        return Batch(step=step, previous_action=action, start=start)

    learned, metrics = equations.descend(
        partial(gradient_step, dreamer),
        Learned(params=of_world_model(params), optimizer=optimizer, key=latent_key),
        take,
        order_key,
        size=batch.step.reward.shape[1],
        epochs=config.epochs,
        minibatches=config.minibatches,
    )
    found = {name: x.mean() for name, x in metrics.items()}
    return params | learned.params, learned.optimizer, found


def gradient_step(dreamer: Dreamer, learned: Learned, batch: Batch) -> tuple[Learned, Metrics]:
    """One step of LaProp on sequences."""
    key, now = jax.random.split(learned.key)
    differentiate = jax.value_and_grad(partial(loss, dreamer), has_aux=True)
    (_, metrics), gradients = differentiate(learned.params, batch, now)
    changes, optimizer = dreamer.optimizer.update(gradients, learned.optimizer, learned.params)
    params: Any = optax.apply_updates(learned.params, changes)
    return Learned(params=params, optimizer=optimizer, key=key), metrics


def loss(
    dreamer: Dreamer, params: Params, batch: Batch, key: jax.Array
) -> tuple[jax.Array, Metrics]:
    """Σ scale_i · mean(L_i) over the losses of the world model; the key is consumed."""
    shape = batch.step.reward.shape
    uniform = jax.random.uniform(key, (*shape, dreamer.nets.rssm.stoch))
    _, losses, metrics = world_model_losses(dreamer, params, batch, uniform)
    total = weighted_sum(dreamer, losses, shape=(shape[0], shape[1]))
    named = {metric_of(name): jnp.mean(value) for name, value in losses.items()}
    return total, metrics | named | {"world_model/loss/total": total}
