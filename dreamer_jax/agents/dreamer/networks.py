"""The networks of the agent, and their first parameters."""

from typing import Any, NamedTuple, Protocol, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.agents.dreamer.state import DreamerState, Params
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.math import symexp, symlog
from dreamer_jax.nn.dists import Bernoulli, Ensemble, TwoHot
from dreamer_jax.nn.forms import compute_dtype
from dreamer_jax.nn.heads import ContinueHead, CriticEnsemble, Policy, PolicyHead, TwoHotHead
from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import Obs
from dreamer_jax.world_model import moments
from dreamer_jax.world_model.decoders import Decoder, Prediction
from dreamer_jax.world_model.encoders import Encoder
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.moments import Moments
from dreamer_jax.world_model.rssm import RSSM

WORLD_MODEL = ("encoder", "rssm", "decoder", "reward", "continue")
BEHAVIOR = ("policy", "value")
ACTS = ("encoder", "rssm", "policy")


class Networks(NamedTuple):
    """Modules without parameters; `WORLD_MODEL` and `BEHAVIOR` name their parameters."""

    encoder: Encoder
    rssm: RSSM
    decoder: Decoder
    reward: TwoHotHead
    continue_: ContinueHead
    policy: PolicyHead
    value: TwoHotHead | CriticEnsemble

    @property
    def by_name(self) -> dict[str, nn.Module]:
        """Every network by the name of its parameters."""
        return {
            "encoder": self.encoder,
            "rssm": self.rssm,
            "decoder": self.decoder,
            "reward": self.reward,
            "continue": self.continue_,
            "policy": self.policy,
            "value": self.value,
        }


class Dreamer(NamedTuple):
    """The fixed part of the agent: learning changes a `DreamerState`, and nothing of this."""

    config: DreamerConfig
    obs: Spaces  # of observations
    act: Spaces  # of actions
    nets: Networks
    optimizer: optax.GradientTransformation
    keeps_latents: bool  # whether replay holds latents
    micro_batches: int  # parts of a batch that an update processes one after the other

    def encode(self, params: Params, obs: Obs) -> jax.Array:
        """Scaled observations [*, ...] -> tokens [*, M]."""
        return _run(self.nets.encoder, params["encoder"], obs)

    def decode(self, params: Params, latent: Latent) -> dict[str, Prediction]:
        """Latents [*, ...] -> a prediction of each observation, see `Decoder`."""
        return _run(self.nets.decoder, params["decoder"], latent)

    def reward(self, params: Params, features: jax.Array) -> TwoHot:
        """Features [*, F] -> distributions of rewards [*]."""
        return _run(self.nets.reward, params["reward"], features)

    def continue_(self, params: Params, features: jax.Array) -> Bernoulli:
        """Features [*, F] -> whether the episode continues, times the discount, [*]."""
        return _run(self.nets.continue_, params["continue"], features)

    def policy(self, params: Params, features: jax.Array) -> Policy:
        """Features [*, F] -> a distribution of each action [*, n]."""
        return _run(self.nets.policy, params["policy"], features)

    def value(self, value_params: Any, features: jax.Array) -> TwoHot | Ensemble:
        """Features [*, F] -> distributions of returns [*], by the critic or by the slow one."""
        return _run(self.nets.value, value_params, features)


def _run(net: nn.Module, params: Any, *inputs: Any) -> Any:
    return net.apply({"params": params}, *inputs)


class MakeNetworks(Protocol):
    """`networks`, or a function that replaces some of what it returns."""

    def __call__(self, config: DreamerConfig, *, obs: Spaces, act: Spaces) -> Networks: ...


def networks(config: DreamerConfig, *, obs: Spaces, act: Spaces) -> Networks:
    """Every network of the agent, without parameters.

    Args:
      config: resolved, so that no width is 0.
      obs: spaces of observations.
      act: spaces of actions.

    Raises ValueError if an image does not fit the convolutions.
    """
    m = config.model
    dtype = compute_dtype(m.dtype)
    require_images_fit(obs, depth=m.depth, blocks=m.blocks)
    text = TextSize(
        width=m.text_width, layers=m.text_layers, heads=m.text_heads, patch=m.text_patch
    )
    return Networks(
        encoder=Encoder(
            spaces=obs,
            depth=m.depth,
            units=m.units,
            layers=m.encoder_layers,
            text=text,
            dtype=dtype,
        ),
        rssm=RSSM(
            deter=m.deter,
            hidden=m.hidden,
            stoch=m.stoch,
            classes=m.classes,
            blocks=m.blocks,
            dynamics_layers=m.dynamics_layers,
            prior_layers=m.prior_layers,
            posterior_layers=m.posterior_layers,
            unimix=m.unimix,
            dtype=dtype,
        ),
        decoder=Decoder(
            spaces=obs,
            depth=m.depth,
            units=m.units,
            layers=m.decoder_layers,
            blocks=m.blocks,
            text=text,
            dtype=dtype,
        ),
        reward=TwoHotHead(layers=m.reward_layers, units=m.units, bins=m.bins, dtype=dtype),
        continue_=ContinueHead(layers=m.continue_layers, units=m.units, dtype=dtype),
        policy=PolicyHead(
            spaces=act, layers=m.policy_layers, units=m.units, unimix=m.unimix, dtype=dtype
        ),
        value=critic(config, dtype=dtype),
    )


def critic(config: DreamerConfig, *, dtype: jnp.dtype) -> TwoHotHead | CriticEnsemble:
    """One critic, or an ensemble of `behavior.critics`."""
    m, b = config.model, config.behavior
    if b.critics == 1:
        return TwoHotHead(layers=m.value_layers, units=m.units, bins=m.bins, dtype=dtype)
    return CriticEnsemble(
        count=b.critics,
        combine={"mean": jnp.mean, "min": jnp.min}[b.ensemble],
        layers=m.value_layers,
        units=m.units,
        bins=m.bins,
        dtype=dtype,
    )


def require_images_fit(obs: Spaces, *, depth: int, blocks: int) -> None:
    """ValueError unless every image ends 3..16 wide after four halvings."""
    for key, (height, width, _) in obs.images.items():
        if height != width or height % 16 or not 3 <= height // 16 <= 16:
            raise ValueError(
                f"image {key!r} is {height}x{width}; images must be square with a side that is "
                "a multiple of 16 from 48 to 256"
            )
    if obs.images and 4 * depth % blocks:
        raise ValueError(f"model.depth={depth}: images need 4 * depth divisible by {blocks} blocks")


def init(dreamer: Dreamer, trained: tuple[str, ...], key: jax.Array) -> DreamerState:
    """Fresh parameters, with the slow critic as a copy of the critic.

    Args:
      dreamer: the networks.
      trained: names of the networks that learn. The state of the optimizer is for these alone.
      key: consumed.
    """
    nets, named = dreamer.nets, dreamer.nets.by_name
    keys = dict(zip(named, jax.random.split(key, len(named)), strict=True))
    obs = spaces.zeros(dreamer.obs, 1)
    latent, action = nets.rssm.initial(1), spaces.zeros(dreamer.act, 1)
    encoder = nets.encoder.init(keys["encoder"], obs)
    tokens = nets.encoder.apply(encoder, obs)
    encoded = spaces.flatten(action, dreamer.act)
    inputs: dict[str, tuple[Any, ...]] = dict.fromkeys(named, (latent.features,))
    inputs |= {"encoder": (obs,), "rssm": (latent, encoded, tokens), "decoder": (latent,)}
    params = {
        name: cast(Params, net.init(keys[name], *inputs[name]))["params"]
        for name, net in named.items()
    }
    zero = jnp.zeros((), jnp.float32)
    return DreamerState(
        params=params,
        slow_value=jax.tree.map(jnp.copy, params["value"]),
        optimizer=dreamer.optimizer.init({name: params[name] for name in trained}),
        return_range=ReturnRange(low=zero, high=zero),
        moments=initial_moments(dreamer),
        updates=jnp.zeros((), jnp.int32),
    )


def initial_moments(dreamer: Dreamer) -> dict[str, Moments]:
    """Moments for every vector, or none where vectors are scaled by symlog."""
    if dreamer.config.model.vectors == "symlog":
        return {}
    return {key: moments.initial(n) for key, n in dreamer.obs.vectors.items()}


def scale_vectors(dreamer: Dreamer, running: dict[str, Moments], obs: Obs) -> Obs:
    """Vectors as encoder and decoder see them: [*, n] -> [*, n]. Other keys stay as they are.

    By symlog, or with the `running` moments, as `model.vectors` says.
    """
    if dreamer.config.model.vectors == "symlog":
        return {**obs, **{key: symlog(obs[key]) for key in dreamer.obs.vectors}}
    return moments.standardize(running, obs)


def unscaled_vectors(dreamer: Dreamer, running: dict[str, Moments], obs: Obs) -> Obs:
    """The inverse of `scale_vectors`, for predictions: [*, n] -> [*, n] in the environment's units.

    Standardized values beyond the clipped range do not come back.
    """
    if dreamer.config.model.vectors == "symlog":
        return {**obs, **{key: symexp(obs[key]) for key in dreamer.obs.vectors}}
    return moments.unstandardize(running, obs)
