"""A recurrent memory behind any features: of all that an episode has shown before a step."""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax import spaces
from dreamer_jax.agents.on_policy.features import Features, Params, Seen
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Action, Obs

NAME = "memory"  # of its parameters among those of the agent


class Remembered(PyTreeNode, kw_only=True):
    """What acting carries from step to step."""

    inner: Any  # the carry of the features
    hidden: jax.Array  # [E, units] float32, which policy and critic read
    action: Action  # [E, n], chosen at this step


class Left(PyTreeNode, kw_only=True):
    """What a step leaves in replay."""

    inner: Any  # what the features leave
    hidden: jax.Array  # [E, units] float32


class Memory(NamedTuple):
    """A gated recurrent unit (Cho et al., 2014), and the actions that it sees."""

    units: int
    interface: Interface

    @property
    def cell(self) -> nn.GRUCell:
        """Its state is float32: small changes of it must not round to none."""
        return nn.GRUCell(features=self.units)

    def carry(self, inner: Any, envs: int) -> Remembered:
        """The carry before the first step of an episode, around that of the features."""
        return Remembered(
            inner=inner,
            hidden=jnp.zeros((envs, self.units), jnp.float32),
            action=spaces.zeros(self.interface.act, envs),
        )

    def inputs(self, features: jax.Array, action: Action, is_first: jax.Array) -> jax.Array:
        """Features [*, F] and the action before them [*, n], 0 where there was none: [*, F + A]."""
        before = spaces.flatten(action, self.interface.act)
        before = jnp.where(is_first[..., None], 0.0, before)
        return jnp.concatenate([features.astype(jnp.float32), before], axis=-1)

    def next(
        self, params: Params, hidden: jax.Array, inputs: jax.Array, is_first: jax.Array
    ) -> jax.Array:
        """The next hidden state [E, units]; where `is_first`, that after an empty one."""
        hidden = jnp.where(is_first[:, None], 0.0, hidden)
        found, _ = self.cell.apply({"params": params[NAME]}, hidden, inputs)
        return found

    def seen(
        self,
        params: Params,
        carry: Remembered,
        inner: Any,
        features: jax.Array,
        is_first: jax.Array,
    ) -> Remembered:
        """The carry after a step whose features [E, F] left the carry `inner`."""
        inputs = self.inputs(features, carry.action, is_first)
        hidden = self.next(params, carry.hidden, inputs, is_first)
        return carry.replace(inner=inner, hidden=hidden)


def behind(features: Features[Any], memory: Memory) -> Features[Remembered]:
    """The features [E, units] of a memory that reads other features."""
    return Features(
        names=(*features.names, NAME),
        trained=(*features.trained, NAME),
        sequential=True,
        init=partial(init, features, memory),
        carry=lambda envs: memory.carry(features.carry(envs), envs),
        step=partial(step, features, memory),
        took=lambda carry, action: carry.replace(
            inner=features.took(carry.inner, action), action=action
        ),
        unroll=partial(unroll, features, memory),
        observe=features.observe,
    )


def init(features: Features[Any], memory: Memory, key: jax.Array) -> tuple[Params, Any]:
    """See `Features.init`."""
    params, moments = features.init(key)
    example = (spaces.zeros(memory.interface.obs, 1), jnp.ones(1, bool), key)
    carry = jax.eval_shape(lambda: features.carry(1))
    _, seen, _ = jax.eval_shape(features.step, params, moments, carry, *example)
    inputs = jnp.zeros((1, seen.shape[-1] + memory.interface.act.width))
    hidden = jnp.zeros((1, memory.units))
    # The features have used `fold_in(key, 0)`.
    fresh = memory.cell.init(jax.random.fold_in(key, 1), hidden, inputs)
    return {**params, NAME: fresh["params"]}, moments


def step(
    features: Features[Any],
    memory: Memory,
    params: Params,
    moments: Any,
    carry: Remembered,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[Remembered, jax.Array, Left]:
    """See `Features.step`."""
    inner, found, left = features.step(params, moments, carry.inner, obs, is_first, key)
    carry = memory.seen(params, carry, inner, found, is_first)
    return carry, carry.hidden, Left(inner=left, hidden=carry.hidden)


def unroll(
    features: Features[Any], memory: Memory, params: Params, moments: Any, start: Left, seen: Seen
) -> jax.Array:
    """The hidden states of sequences: start [B, ...], seen [T, B, ...] -> [T, B, units]."""
    inner = seen.replace(memory=seen.memory.inner)
    before = start.inner if features.sequential else None
    found = features.unroll(params, moments, before, inner)
    inputs = memory.inputs(found, seen.previous, seen.is_first)

    def step(hidden: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        hidden = memory.next(params, hidden, *now)
        return hidden, hidden

    return jax.lax.scan(step, start.hidden, (inputs, seen.is_first))[1]
