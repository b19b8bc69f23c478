"""The world model alone for the first updates of a run, then everything, in the same programs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from dreamer_jax.agents.dreamer.acting import act_step, actor_of
from dreamer_jax.agents.dreamer.networks import BEHAVIOR, WORLD_MODEL, Dreamer
from dreamer_jax.agents.dreamer.state import DreamerActor, DreamerCarry, DreamerState
from dreamer_jax.nn import optim
from dreamer_jax.nn.heads import Policy, at_random, sample
from dreamer_jax.types import Action, Metrics, Obs, Refresh, Window
from dreamer_jax.world_model.latents import CompactLatent

Updated = tuple[DreamerState, Refresh, Metrics]
Update = Callable[[DreamerState, Window, jax.Array], Updated]
ACTIVE = "actor_critic/active"  # whether actor and critic learned; see `outputs.averages`


def optimizer(each: optax.GradientTransformation) -> optax.GradientTransformation:
    """World model and behavior have a state each: behavior warms up when it begins."""
    return optim.separate(each, {"world_model": WORLD_MODEL, "behavior": BEHAVIOR})


def update(
    after: int,
    alone: Update,
    everything: Update,
    state: DreamerState,
    window: Window,
    key: jax.Array,
) -> Updated:
    """`alone` until `after` updates are done, then `everything`.

    Metrics of what did not learn are 0, and ACTIVE is, too. No program can leave a metric out.

    Args:
      after: updates.
      alone, everything: the update of the world model, and that of all networks; as
        `Learner.update`.
      state, window, key: as for these.
    """
    _, _, reported = jax.eval_shape(everything, state, window, key)

    def first(state: DreamerState, window: Window, key: jax.Array) -> Updated:
        learned, fresh, metrics = alone(state, window, key)
        nothing = {name: jnp.zeros(x.shape, x.dtype) for name, x in reported.items()}
        # The average of a critic and its copy is the critic, up to rounding.
        learned = learned.replace(slow_value=state.slow_value)
        return learned, fresh, nothing | metrics | {ACTIVE: jnp.float32(0)}

    def then(state: DreamerState, window: Window, key: jax.Array) -> Updated:
        learned, fresh, metrics = everything(state, window, key)
        return learned, fresh, metrics | {ACTIVE: jnp.float32(1)}

    return jax.lax.cond(state.updates < after, first, then, state, window, key)


def actor(state: DreamerState) -> DreamerActor:
    """As `actor_of`, with the number of updates."""
    return actor_of(state).replace(updates=state.updates)


def act(
    dreamer: Dreamer,
    after: int,
    actor: DreamerActor,
    carry: DreamerCarry,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[DreamerCarry, Action, CompactLatent | None]:
    """As `act_step`; actions are random until `after` updates are done, then the policy's."""

    def choose(policy: Policy, noise: jax.Array) -> Action:
        learned, random = sample(policy, noise), at_random(policy, noise)
        began = actor.updates >= after
        return {name: jnp.where(began, learned[name], random[name]) for name in learned}

    return act_step(dreamer, choose, actor, carry, obs, is_first, key)
