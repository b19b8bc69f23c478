"""Stages of learning: everything, the world model alone, or behavior on a frozen world model."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from dreamer_jax.agents.dreamer.acting import Choose
from dreamer_jax.agents.dreamer.batches import Batch
from dreamer_jax.agents.dreamer.losses import (
    OF_BEHAVIOR,
    NamedLosses,
    behavior_losses,
    dream,
    sg,
    world_model_losses,
)
from dreamer_jax.agents.dreamer.networks import BEHAVIOR, WORLD_MODEL, Dreamer
from dreamer_jax.agents.dreamer.noise import Noise
from dreamer_jax.agents.dreamer.state import DreamerState, Params
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.nn.heads import at_random, sample
from dreamer_jax.types import Metrics, Refresh
from dreamer_jax.world_model import moments
from dreamer_jax.world_model.latents import Latent, compact


class Outcome(NamedTuple):
    """The losses of a stage for one batch, and the rest that they compute on the way."""

    losses: NamedLosses  # those that are descended
    fresh: Refresh  # for the replay buffer
    return_range: ReturnRange  # after this batch
    metrics: Metrics


class Stage(NamedTuple):
    """A choice of what is trained, how it is judged, and how experience is gathered meanwhile."""

    trained: tuple[str, ...]  # names of the networks that gradients change
    losses: Callable[[Dreamer, Params, DreamerState, Batch, Noise], Outcome]
    rescale: moments.Rescale  # how the running scale of vectors follows a batch
    explore: Choose  # how actions are chosen while training


def joint_losses(
    dreamer: Dreamer, params: Params, state: DreamerState, batch: Batch, noise: Noise
) -> Outcome:
    """World model and behavior at once, on the same latents.

    The dream gets no gradient: the policy learns from its log-probabilities alone, and nothing
    that happens in a dream changes the world model. The losses of behavior get the latents with
    their gradient, for the critic on real steps.
    """
    latents, model, notes = world_model_losses(dreamer, params, batch, noise.latent)
    rollout = dream(dreamer, sg(params), sg(latents), noise.dream)
    behavior, return_range, metrics = behavior_losses(
        dreamer,
        params,
        state,
        real=batch.step,
        latents=latents,
        rollout=rollout,
        return_range=batch.return_range,
    )
    return Outcome(
        losses=model | behavior,
        fresh=refresh(latents, model),
        return_range=return_range,
        metrics=notes | metrics,
    )


def world_model_alone(
    dreamer: Dreamer, params: Params, state: DreamerState, batch: Batch, noise: Noise
) -> Outcome:
    """The world model alone; nothing is imagined."""
    latents, losses, metrics = world_model_losses(dreamer, params, batch, noise.latent)
    return Outcome(
        losses=losses,
        fresh=refresh(latents, losses),
        return_range=state.return_range,
        metrics=metrics,
    )


def behavior_alone(
    dreamer: Dreamer, params: Params, state: DreamerState, batch: Batch, noise: Noise
) -> Outcome:
    """As `joint_losses`, without the losses of the world model.

    They are still computed, for replay: a sampler may prefer steps that the model predicts badly.
    """
    outcome = joint_losses(dreamer, params, state, batch, noise)
    losses = {name: outcome.losses[name] for name in OF_BEHAVIOR}
    return outcome._replace(losses=losses)


def refresh(latents: Latent, losses: NamedLosses) -> Refresh:
    """Latents [T, B, ...] of a batch, and the sum of its world model losses [T, B], for replay."""
    return Refresh(latents=compact(latents), loss=sum(losses.values(), jnp.float32(0)))


STAGES = {  # train.learn -> stage
    "all": Stage(
        trained=WORLD_MODEL + BEHAVIOR,
        losses=joint_losses,
        rescale=moments.update,
        explore=sample,
    ),
    "world_model": Stage(
        trained=WORLD_MODEL,
        losses=world_model_alone,
        rescale=moments.update,
        explore=at_random,
    ),
    "behavior": Stage(
        trained=BEHAVIOR,
        losses=behavior_alone,
        # A frozen world model keeps the scale that it was trained with.
        rescale=moments.keep,
        explore=sample,
    ),
}
