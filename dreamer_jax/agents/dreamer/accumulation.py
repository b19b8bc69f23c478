"""Gradient accumulation: the parts of a batch one after the other, in the memory of one of them.

The result is that of the whole batch, up to the order in which numbers are added. Three things of a
batch are not sums over its sequences, so they are found before any part is differentiated:

* Its random numbers are drawn at once, and each part gets its share of them.
* The moments that scale vectors follow the whole batch, in `agent.update`.
* The return range follows the returns of the whole batch. A first pass over the parts imagines
  them, without gradients; the second one imagines them again.

Part i of k has the sequences i, i + k, i + 2 k, ...: so each device of a mesh has its share of
every part, and no sequence moves.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.batches import Batch, scaled
from dreamer_jax.agents.dreamer.losses import dream, world_model_losses
from dreamer_jax.agents.dreamer.networks import BEHAVIOR, Dreamer
from dreamer_jax.agents.dreamer.noise import DreamNoise, Noise
from dreamer_jax.agents.dreamer.stages import Outcome, Stage
from dreamer_jax.agents.dreamer.state import DreamerState, Params
from dreamer_jax.behavior import actor_critic
from dreamer_jax.behavior.metrics import spreads
from dreamer_jax.types import Metrics

Tree = TypeVar("Tree")
Differentiated = tuple[tuple[jax.Array, Outcome], Params]  # as of `jax.value_and_grad`
Differentiate = Callable[[Params, DreamerState, Batch, Noise], Differentiated]


def accumulated(dreamer: Dreamer, stage: Stage, differentiate: Differentiate) -> Differentiate:
    """`differentiate` for a batch in `dreamer.micro_batches` parts, with the same result."""

    def in_parts(
        trained: Params, state: DreamerState, batch: Batch, noise: Noise
    ) -> Differentiated:
        parts, spread = split(batch, noise, count=dreamer.micro_batches), Metrics()
        return_range = None
        if set(stage.trained) & set(BEHAVIOR):
            imagine = partial(imagined, dreamer, {**state.params, **trained}, state)
            returns, values = jax.lax.map(lambda part: imagine(*part), parts)
            rate = dreamer.config.behavior.return_rate
            return_range = actor_critic.update_return_range(state.return_range, returns, rate=rate)
            advantage = actor_critic.advantage(returns, values, range_=return_range)
            spread = spreads(returns, advantage=advantage)

        def add(
            sums: tuple[jax.Array, Params], part: tuple[Batch, Noise]
        ) -> tuple[tuple[jax.Array, Params], Outcome]:
            batch, noise = part
            batch = batch._replace(return_range=return_range)
            (total, outcome), gradients = differentiate(trained, state, batch, noise)
            return jax.tree.map(jnp.add, sums, (total, gradients)), outcome

        nothing = jnp.float32(0), jax.tree.map(jnp.zeros_like, trained)
        sums, outcomes = jax.lax.scan(add, nothing, parts)
        # All parts are of one size, so the mean over the batch is the mean over its parts.
        total, gradients = jax.tree.map(lambda x: x / dreamer.micro_batches, sums)
        metrics = {name: x.mean() for name, x in outcomes.metrics.items()} | spread
        return (total, joined(outcomes)._replace(metrics=metrics)), gradients

    return in_parts


def imagined(
    dreamer: Dreamer, params: Params, state: DreamerState, batch: Batch, noise: Noise
) -> tuple[jax.Array, jax.Array]:
    """Returns and values [H, T, B] of the dreams that the losses of behavior learn from."""
    batch = scaled(dreamer, state.moments, batch)
    latents, _, _ = world_model_losses(dreamer, params, batch, noise.latent)
    rollout = dream(dreamer, params, latents, noise.dream)
    values = dreamer.value(params["value"], rollout.features).mean()
    lambda_ = dreamer.config.behavior.lambda_
    return actor_critic.imagined_returns(rollout, values, lambda_=lambda_), values[:-1]


def split(batch: Batch, noise: Noise, *, count: int) -> tuple[Batch, Noise]:
    """The parts of a batch and of its noise, stacked along a new first axis."""
    sequences = batch.step.reward.shape[1]

    def cut(tree: Tree, axis: int) -> Tree:
        def one(x: jax.Array) -> jax.Array:
            before, after = x.shape[:axis], x.shape[axis + 1 :]
            return jnp.moveaxis(x.reshape(*before, sequences // count, count, *after), axis + 1, 0)

        return jax.tree.map(one, tree)

    parts = Batch(
        step=cut(batch.step, axis=1),
        previous_action=cut(batch.previous_action, axis=1),
        start=cut(batch.start, axis=0),
    )
    dreams = DreamNoise(*cut(tuple(noise.dream), axis=2))
    return parts, Noise(latent=cut(noise.latent, axis=1), dream=dreams)


def joined(outcomes: Outcome) -> Outcome:
    """The outcome of a batch from those of its parts; metrics keep the axis of the parts."""

    def join(x: jax.Array) -> jax.Array:
        """[k, T, B / k, ...] -> [T, B, ...]."""
        parts, steps, size = x.shape[:3]
        return jnp.moveaxis(x, 0, 2).reshape(steps, size * parts, *x.shape[3:])

    losses, fresh = jax.tree.map(join, (outcomes.losses, outcomes.fresh))
    return_range = jax.tree.map(lambda x: x[0], outcomes.return_range)  # the same in all of them
    return outcomes._replace(losses=losses, fresh=fresh, return_range=return_range)
