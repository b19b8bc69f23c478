"""Moments of real episodes at which a dream may begin."""

from functools import partial
from typing import Any, NamedTuple

import jax

from dreamer_jax.environment import Environment
from dreamer_jax.playable import graphs
from dreamer_jax.types import AnyModel


class Start(NamedTuple):
    """A moment of an episode that the policy played."""

    carry: Any  # [1, ...] what the model remembers
    said: graphs.Arrays  # [1, ...] what the model says of it, see `graphs.said`


def recorded(
    model: AnyModel, state: Any, carry: Any, env: Environment, *, seed: int, count: int, apart: int
) -> list[Start]:
    """Plays with the sampled policy, and keeps a moment of every `apart` steps.

    Args:
      model: of the agent.
      state: of the agent.
      carry: [1, ...] before the first step.
      env: one copy.
      seed: of the policy.
      count: how many moments.
      apart: steps from one to the next; an end of an episode is put off to the next step.

    Raises what the environment raises.
    """
    speak = jax.jit(partial(graphs.said, model))
    timestep, starts, due = env.reset(), list[Start](), 0
    for index in range(count * apart + count):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), index))
        obs, is_first = jax.device_put((timestep.obs, timestep.is_first))
        carry = model.see(state, carry, obs, is_first, keys[0])
        if index >= due and not timestep.is_last[0]:
            starts.append(Start(carry, jax.device_get(speak(state, carry))))
            due = len(starts) * apart
        if len(starts) == count:
            break
        action = model.choose(state, carry, keys[1])
        carry = model.took(carry, action)
        timestep = env.step(jax.device_get(action))
    return starts
