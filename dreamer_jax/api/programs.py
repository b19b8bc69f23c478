"""The compiled programs of a loaded agent."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

from dreamer_jax.loops import evaluate
from dreamer_jax.types import AnyAgent, AnyModel


class Programs(NamedTuple):
    """Compiled when they are first called, and once more for each number of rows."""

    act: dict[bool, Any]
    """greedy -> (seed, actor, carry, obs, is_first, index) -> carry, action

    Those of an evaluation, so actions are the same to the bit.
    """
    read: Callable[..., Any]
    """(state, carry) -> readout"""
    follow: Callable[..., Any]
    """(state, carry, action, seed, index) -> carry, action, readout: of the imagined next moment"""
    dream: dict[bool, Any]
    """greedy -> (state, carry, seed, index) -> as `follow`, with an action of the policy"""


def build(agent: AnyAgent) -> Programs:
    """The programs of an agent; without a model, those of `act` alone can be called."""
    player, model = agent.player, agent.model
    acts = {True: player.greedy, False: player.act}
    act = {greedy: jax.jit(partial(evaluate.step, choose)) for greedy, choose in acts.items()}
    if model is None:
        return Programs(act, read=_no_model, follow=_no_model, dream={})
    return Programs(
        act,
        read=model.read,
        follow=jax.jit(partial(_follow, model)),
        dream={greedy: jax.jit(partial(_dream, model, greedy)) for greedy in acts},
    )


def _no_model(*_: Any) -> Any:
    raise ValueError("this agent has no model of its environment")


def _follow(model: AnyModel, state: Any, carry: Any, action: Any, seed: Any, index: Any) -> Any:
    key = jax.random.fold_in(jax.random.key(seed), index)
    return _next(model, state, carry, action, jax.random.split(key)[1])


def _dream(model: AnyModel, greedy: bool, state: Any, carry: Any, seed: Any, index: Any) -> Any:
    key = jax.random.fold_in(jax.random.key(seed), index)
    choose_key, imagine_key = jax.random.split(key)
    choose = model.greedy if greedy else model.choose
    return _next(model, state, carry, choose(state, carry, choose_key), imagine_key)


def _next(model: AnyModel, state: Any, carry: Any, action: Any, key: Any) -> Any:
    carry = model.imagine(state, model.took(carry, action), key)
    return carry, action, model.read(state, carry)
