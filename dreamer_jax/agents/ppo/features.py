"""What the policy reads: the encoded observation, or a memory of all that came before it."""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.networks import require_images_fit
from dreamer_jax.agents.on_policy.features import Features, Params, Seen
from dreamer_jax.agents.ppo.config import Model
from dreamer_jax.math import symlog
from dreamer_jax.nn.forms import compute_dtype
from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Action, Obs, Step
from dreamer_jax.world_model import moments
from dreamer_jax.world_model.encoders import Encoder
from dreamer_jax.world_model.moments import Moments


class Networks(NamedTuple):
    """Modules without parameters."""

    encoder: Encoder
    memory: nn.GRUCell | None


class GRUCarry(PyTreeNode, kw_only=True):
    """What acting remembers with a memory."""

    hidden: jax.Array  # [E, units] float32
    action: Action  # [E, n], chosen at the previous step


class Encoding(NamedTuple):
    """The fixed part of the features."""

    model: Model
    interface: Interface
    nets: Networks

    def tokens(self, params: Params, scale: dict[str, Moments], obs: Obs) -> jax.Array:
        """Observations [*, ...] as the environment shows them -> [*, M]."""
        if self.model.vectors == "symlog":
            obs = {**obs, **{key: symlog(obs[key]) for key in self.interface.obs.vectors}}
        scaled = moments.standardize(scale, obs)
        return jnp.asarray(self.nets.encoder.apply({"params": params["encoder"]}, scaled))

    def remember(
        self, params: Params, hidden: jax.Array, inputs: jax.Array, is_first: jax.Array
    ) -> jax.Array:
        """The next hidden state [B, units]; where `is_first`, of an empty one."""
        assert self.nets.memory is not None
        hidden = jnp.where(is_first[:, None], 0.0, hidden)
        found, _ = self.nets.memory.apply({"params": params["memory"]}, hidden, inputs)
        return found

    def inputs(self, tokens: jax.Array, action: Action, is_first: jax.Array) -> jax.Array:
        """Tokens [*, M] and the action before them [*, n], 0 where there was none -> [*, M + A]."""
        before = spaces.flatten(action, self.interface.act)
        before = jnp.where(is_first[..., None], 0.0, before)
        return jnp.concatenate([tokens.astype(jnp.float32), before], axis=-1)


def networks(model: Model, interface: Interface) -> Networks:
    """The networks behind the features; ValueError if an image does not fit the convolutions."""
    m = model
    dtype = compute_dtype(m.dtype)
    require_images_fit(interface.obs, depth=m.depth, blocks=1)
    text = TextSize(
        width=m.text_width, layers=m.text_layers, heads=m.text_heads, patch=m.text_patch
    )
    return Networks(
        encoder=Encoder(
            spaces=interface.obs,
            depth=m.depth,
            units=m.units,
            layers=m.encoder_layers,
            text=text,
            dtype=dtype,
        ),
        # The state of a memory is float32: small changes of it must not round to none.
        memory=nn.GRUCell(features=m.memory_units) if m.memory == "gru" else None,
    )


def features_of(encoding: Encoding) -> Features[Any]:
    """The features of an encoder, with or without a memory behind it."""
    if encoding.nets.memory is None:
        return Features(
            names=("encoder",),
            trained=("encoder",),
            sequential=False,
            init=partial(init, encoding),
            carry=lambda _: None,
            step=partial(encode, encoding),
            took=lambda carry, _: carry,
            unroll=lambda params, scale, _, seen: encoding.tokens(params, scale, seen.obs),
            observe=partial(observe, encoding),
        )
    return Features(
        names=("encoder", "memory"),
        trained=("encoder", "memory"),
        sequential=True,
        init=partial(init, encoding),
        carry=partial(empty_memory, encoding),
        step=partial(encode_and_remember, encoding),
        took=lambda carry, action: carry.replace(action=action),
        unroll=partial(unroll, encoding),
        observe=partial(observe, encoding),
    )


def init(encoding: Encoding, key: jax.Array) -> tuple[Params, dict[str, Moments]]:
    """Fresh parameters, and no evidence about the scale of vectors; the key is consumed."""
    encoder_key, memory_key = jax.random.split(key)
    obs, act, nets = encoding.interface.obs, encoding.interface.act, encoding.nets
    zeros, action = spaces.zeros(obs, 1), spaces.zeros(act, 1)
    variables: dict[str, Any] = {"encoder": nets.encoder.init(encoder_key, zeros)}
    if nets.memory is not None:
        tokens = jnp.asarray(nets.encoder.apply(variables["encoder"], zeros))
        inputs = encoding.inputs(tokens, action, jnp.ones(1, bool))
        hidden = jnp.zeros((1, nets.memory.features))
        variables["memory"] = nets.memory.init(memory_key, hidden, inputs)
    scaled = obs.vectors.items() if encoding.model.vectors == "standardize" else ()
    running = {key: moments.initial(n) for key, n in scaled}
    return {name: found["params"] for name, found in variables.items()}, running


def observe(encoding: Encoding, running: dict[str, Moments], steps: Step) -> dict[str, Moments]:
    """The scale of vectors after a rollout [T, B, ...]."""
    return moments.update(running, steps.obs, horizon=encoding.model.moments_horizon)


def encode(
    encoding: Encoding,
    params: Params,
    scale: dict[str, Moments],
    carry: None,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[None, jax.Array, None]:
    """A step without a memory, see `Features.step`."""
    del is_first, key
    return carry, encoding.tokens(params, scale, obs), None


def empty_memory(encoding: Encoding, envs: int) -> GRUCarry:
    """The carry before the first step of `envs` environments: zeros."""
    hidden = jnp.zeros((envs, encoding.model.memory_units), jnp.float32)
    return GRUCarry(hidden=hidden, action=spaces.zeros(encoding.interface.act, envs))


def encode_and_remember(
    encoding: Encoding,
    params: Params,
    scale: dict[str, Moments],
    carry: GRUCarry,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[GRUCarry, jax.Array, jax.Array]:
    """A step with a memory, whose hidden state is what the policy reads, see `Features.step`."""
    del key
    inputs = encoding.inputs(encoding.tokens(params, scale, obs), carry.action, is_first)
    hidden = encoding.remember(params, carry.hidden, inputs, is_first)
    return carry.replace(hidden=hidden), hidden, hidden


def unroll(
    encoding: Encoding, params: Params, scale: dict[str, Moments], start: jax.Array, seen: Seen
) -> jax.Array:
    """The hidden states of sequences: start [B, units], seen [T, B, ...] -> [T, B, units]."""
    tokens = encoding.tokens(params, scale, seen.obs)
    inputs = encoding.inputs(tokens, seen.previous, seen.is_first)

    def step(hidden: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        hidden = encoding.remember(params, hidden, *now)
        return hidden, hidden

    return jax.lax.scan(step, start, (inputs, seen.is_first))[1]
