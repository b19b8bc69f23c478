"""What the policy reads: the encoded observation."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.networks import require_images_fit
from dreamer_jax.agents.on_policy.features import Features, Params, Seen
from dreamer_jax.agents.ppo.config import Model
from dreamer_jax.math import symlog
from dreamer_jax.nn.forms import compute_dtype
from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Obs, Step
from dreamer_jax.world_model import moments
from dreamer_jax.world_model.encoders import Encoder
from dreamer_jax.world_model.moments import Moments


class Encoding(NamedTuple):
    """The fixed part of the features."""

    model: Model
    interface: Interface
    encoder: Encoder

    def tokens(self, params: Params, scale: dict[str, Moments], obs: Obs) -> jax.Array:
        """Observations [*, ...] as the environment shows them -> [*, M]."""
        if self.model.vectors == "symlog":
            obs = {**obs, **{key: symlog(obs[key]) for key in self.interface.obs.vectors}}
        scaled = moments.standardize(scale, obs)
        return jnp.asarray(self.encoder.apply({"params": params["encoder"]}, scaled))


def make(model: Model, interface: Interface) -> Features[None]:
    """The features; ValueError if an image does not fit the convolutions."""
    encoding = Encoding(model, interface, encoder(model, interface))
    return Features(
        names=("encoder",),
        trained=("encoder",),
        sequential=False,
        init=partial(init, encoding),
        carry=lambda _: None,
        step=partial(encode, encoding),
        took=lambda carry, _: carry,
        unroll=partial(unroll, encoding),
        observe=partial(observe, encoding),
    )


def encoder(model: Model, interface: Interface) -> Encoder:
    """The network without parameters; ValueError as `make`."""
    m = model
    require_images_fit(interface.obs, depth=m.depth, blocks=1)
    return Encoder(
        spaces=interface.obs,
        depth=m.depth,
        units=m.units,
        layers=m.encoder_layers,
        text=TextSize(
            width=m.text_width, layers=m.text_layers, heads=m.text_heads, patch=m.text_patch
        ),
        dtype=compute_dtype(m.dtype),
    )


def init(encoding: Encoding, key: jax.Array) -> tuple[Params, dict[str, Moments]]:
    """Fresh parameters, and no evidence about the scale of vectors; see `Features.init`."""
    obs = encoding.interface.obs
    fresh = encoding.encoder.init(jax.random.fold_in(key, 0), spaces.zeros(obs, 1))
    scaled = obs.vectors.items() if encoding.model.vectors == "standardize" else ()
    return {"encoder": fresh["params"]}, {key: moments.initial(n) for key, n in scaled}


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
    """See `Features.step`; nothing is left in replay."""
    del is_first, key
    return carry, encoding.tokens(params, scale, obs), None


def unroll(
    encoding: Encoding, params: Params, scale: dict[str, Moments], start: None, seen: Seen
) -> jax.Array:
    """See `Features.unroll`: [*, M]."""
    del start
    return encoding.tokens(params, scale, seen.obs)
