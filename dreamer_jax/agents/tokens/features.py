"""What policy and critic read: the transformer's summary of the frames before the action."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from dreamer_jax.agents.on_policy.features import Features, Params, Seen
from dreamer_jax.agents.tokens.world import NETWORKS, TokensCarry, World, took
from dreamer_jax.types import Obs, Step
from dreamer_jax.world_model.token_frames import Frames


def frozen(world: World) -> Features[TokensCarry]:
    """The features of a transformer that does not learn. Replay keeps them as they are."""
    return Features(
        names=NETWORKS,
        trained=(),
        sequential=False,
        init=partial(init, world),
        carry=world.carry,
        step=partial(step, world, summary),
        took=took,
        unroll=kept,
        observe=unchanged,
    )


def learning(world: World) -> Features[TokensCarry]:
    """The features of a transformer that learns with the policy. Replay keeps the frames."""
    return frozen(world)._replace(
        trained=("dynamics",), step=partial(step, world, window), unroll=partial(unroll, world)
    )


def tokens_alone(world: World) -> Features[TokensCarry]:
    """The features of a policy that learns in dreams. Replay keeps the tokens [E, n] of frames."""
    return frozen(world)._replace(step=partial(step, world, newest))


def init(world: World, key: jax.Array) -> tuple[Params, dict[str, Any]]:
    """Fresh parameters, and no moments; the key is consumed."""
    return world.init(jax.random.fold_in(key, 0)), {}


def step(
    world: World,
    memory: Callable[[TokensCarry], Any],
    params: Params,
    moments: dict[str, Any],
    carry: TokensCarry,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[TokensCarry, jax.Array, Any]:
    """See `Features.step`; `memory` says what a moment leaves in replay."""
    del moments, key
    carry = world.seen(params, carry, obs, is_first)
    return carry, carry.summary, memory(carry)


def summary(carry: TokensCarry) -> jax.Array:
    """The features themselves, [E, width]."""
    return carry.summary


def window(carry: TokensCarry) -> Frames:
    """The frames, [E, K, ...], whose tokens are uint16: there are at most 65,536 codes."""
    return carry.frames._replace(tokens=carry.frames.tokens.astype(jnp.uint16))


def newest(carry: TokensCarry) -> jax.Array:
    """The tokens of the newest frame, [E, n] uint16."""
    return window(carry).tokens[:, -1]


def unroll(
    world: World, params: Params, moments: dict[str, Any], start: None, seen: Seen
) -> jax.Array:
    """The summaries of the windows that replay has kept: [*, K, ...] -> [*, width]."""
    del moments, start
    axes = seen.is_first.shape
    flat: Frames = jax.tree.map(lambda x: x.reshape(-1, *x.shape[len(axes) :]), seen.memory)
    flat = flat._replace(tokens=flat.tokens.astype(jnp.int32))
    return world.summary(params, flat).reshape(*axes, -1)


def kept(params: Params, moments: dict[str, Any], start: None, seen: Seen) -> jax.Array:
    """The features [*, width] that acting has left in replay."""
    del params, moments, start
    return seen.memory


def unchanged(moments: dict[str, Any], steps: Step) -> dict[str, Any]:
    """There are no moments."""
    del steps
    return moments
