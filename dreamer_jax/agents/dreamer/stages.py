"""What an update learns: everything, the world model alone, or behavior on a frozen world model."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.acting import Choose
from dreamer_jax.agents.dreamer.batches import Batch
from dreamer_jax.agents.dreamer.losses import behavior_losses, dream, sg, world_model_losses
from dreamer_jax.agents.dreamer.networks import BEHAVIOR, WORLD_MODEL, Dreamer
from dreamer_jax.agents.dreamer.state import DreamerState, Params
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.nn.heads import at_random, sample
from dreamer_jax.types import Metrics, Refresh
from dreamer_jax.world_model import moments, rssm
from dreamer_jax.world_model.latents import Latent

Losses = dict[str, jax.Array]  # [T, B] each; [T - 1, B] for the replay value


class Outcome(NamedTuple):
    """What the loss functions of a stage return for one batch."""

    losses: Losses  # those that are descended
    fresh: Refresh  # for the replay buffer
    return_range: ReturnRange
    metrics: Metrics


class Stage(NamedTuple):
    """A choice of what is trained, how it is judged, and how experience is gathered meanwhile."""

    trained: tuple[str, ...]  # names of the networks that gradients change
    losses: Callable[[Dreamer, Params, DreamerState, Batch, jax.Array], Outcome]
    rescale: moments.Rescale  # how the running scale of vectors follows a batch
    explore: Choose  # how actions are chosen while training


def joint_losses(
    dreamer: Dreamer, params: Params, state: DreamerState, batch: Batch, key: jax.Array
) -> Outcome:
    """World model and behavior at once, on the same latents. The key is consumed."""
    observe_key, dream_key = jax.random.split(key)
    latents, model, notes = world_model_losses(dreamer, params, batch, observe_key)
    rollout = dream(dreamer, sg(params), sg(latents), dream_key)
    behavior, return_range, metrics = behavior_losses(
        dreamer, params, state, batch.step, latents, rollout
    )
    return Outcome(model | behavior, refresh(latents, model), return_range, notes | metrics)


def world_model_alone(
    dreamer: Dreamer, params: Params, state: DreamerState, batch: Batch, key: jax.Array
) -> Outcome:
    """The world model alone; nothing is imagined. The key is consumed."""
    observe_key, _ = jax.random.split(key)
    latents, losses, metrics = world_model_losses(dreamer, params, batch, observe_key)
    return Outcome(losses, refresh(latents, losses), state.return_range, metrics)


def behavior_alone(
    dreamer: Dreamer, params: Params, state: DreamerState, batch: Batch, key: jax.Array
) -> Outcome:
    """As `joint_losses`, without descending those of the world model. The key is consumed."""
    outcome = joint_losses(dreamer, params, state, batch, key)
    losses = {name: outcome.losses[name] for name in ("policy", "value", "replay_value")}
    return outcome._replace(losses=losses)


def refresh(latents: Latent, losses: Losses) -> Refresh:
    """Latents [T, B, ...] of a batch, and the sum of its world model losses, for replay."""
    return Refresh(rssm.compact(latents), sum(losses.values(), jnp.float32(0)))


STAGES = {  # train.learn -> stage
    "all": Stage(WORLD_MODEL + BEHAVIOR, joint_losses, moments.update, sample),
    "world_model": Stage(WORLD_MODEL, world_model_alone, moments.update, at_random),
    # A frozen world model keeps the scale that it was trained with.
    "behavior": Stage(BEHAVIOR, behavior_alone, moments.keep, sample),
}
