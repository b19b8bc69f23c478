"""The seam between PPO and what a policy sees: any agent's features, as pure functions."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple

import chex
import jax
from flax.struct import PyTreeNode

from dreamer_jax.types import Action, CarryT, Metrics, Obs, Step, Window

Params = dict[str, Any]  # name of a network -> its parameters


class Kept(PyTreeNode, kw_only=True):
    """What replay keeps of a step as the latents of an on-policy agent; [*] any axes."""

    log_prob: jax.Array  # [*] float32, of the action, under the policy that chose it
    value: jax.Array  # [*] float32, of the critic then, in the unit of the reward
    memory: Any  # pytree of [*, ...], see `Features.step`


class Seen(PyTreeNode, kw_only=True):
    """Steps of a rollout, as features are computed from them; [*] is [T, B] or [N]."""

    obs: Obs  # [*, ...]
    is_first: jax.Array  # [*] bool
    previous: Action  # [*, n], chosen one step before; without meaning where `is_first`
    memory: Any  # pytree of [*, ...], as `step` gave it when the step was acted upon


class Features(NamedTuple, Generic[CarryT]):
    """What policy and critic read. Learning must compute what acting did, to the last digit.

    So `unroll` draws nothing at random: what `step` drew is a part of what it leaves in `memory`.
    """

    names: tuple[str, ...]  # of the networks that acting needs, as `init` names them
    trained: tuple[str, ...]
    """Those of them that learn from PPO's gradient; none: features are computed once a rollout"""
    sequential: bool
    """Whether `unroll` has to see the steps of an environment one after the other

    Otherwise minibatches are of any steps, whose axes are [N] instead of [T, B].
    """
    init: Callable[[jax.Array], tuple[Params, Any]]
    """(key) -> parameters of all networks of the agent but "policy" and "value", and its moments:
    running statistics, a pytree. It uses `fold_in(key, 0)`; `fold_in(key, 1)` is a memory's"""
    carry: Callable[[int], CarryT]  # (E) -> what acting remembers before the first step
    step: Callable[[Params, Any, CarryT, Obs, jax.Array, jax.Array], tuple[CarryT, jax.Array, Any]]
    """(params, moments, carry, obs [E, ...], is_first [E], key) -> carry, features [E, F], memory

    The carry knows the action before this step. Where `is_first`, it is forgotten. The memory is a
    pytree of [E, ...] for replay. It has to give the features again, together with what `Seen`
    holds, and those of the steps after this one, for which it stands in for the carry.
    """
    took: Callable[[CarryT, Action], CarryT]  # (carry, action [E, n]) -> carry that remembers it
    unroll: Callable[[Params, Any, Any, Seen], jax.Array]
    """(params, moments, start, seen) -> features [*, F]

    `start` is the memory [B, ...] of the step before the first one, or None if not `sequential`.
    """
    observe: Callable[[Any, Step], Any]
    """(moments, steps [T, B, ...]) -> moments that know these steps, for the next rollout"""


class Extra(NamedTuple):
    """What an agent learns from a rollout besides PPO, such as a world model; after it."""

    init: Callable[[Params], Any]  # (params) -> the state of its optimizer
    update: Callable[[Params, Any, Any, Window, jax.Array], tuple[Params, Any, Metrics]]
    """(params, state of its optimizer, moments, window, key) -> params, state, metrics"""


def sequences(window: Window) -> tuple[Any, Seen, Step]:
    """Cuts the context step off a window of an on-policy agent.

    An abandoned episode, which a new one follows without an end, counts as truncated.

    Returns: the memory [B, ...] of the context step; the T steps after it as features see them, and
      as they were, both [T, B, ...].
    """
    steps, memory = window.steps, window.latents.memory
    chex.assert_tree_shape_prefix((steps, window.latents), steps.reward.shape)
    abandoned = steps.is_first[1:]
    is_last = steps.is_last.at[:-1].set(steps.is_last[:-1] | abandoned)
    trained = jax.tree.map(lambda x: x[1:], steps.replace(is_last=is_last))
    seen = Seen(
        obs=trained.obs,
        is_first=trained.is_first,
        previous=jax.tree.map(lambda x: x[:-1], steps.action),
        memory=jax.tree.map(lambda x: x[1:], memory),
    )
    return jax.tree.map(lambda x: x[0], memory), seen, trained
