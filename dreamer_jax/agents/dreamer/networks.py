"""The networks of the agent, and their first parameters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dreamer_jax import spaces
from dreamer_jax.config import Config
from dreamer_jax.math import symlog
from dreamer_jax.nn.heads import ContinueHead, CriticEnsemble, PolicyHead, TwoHotHead
from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import AgentState, Moments, ReturnRange
from dreamer_jax.world_model import moments
from dreamer_jax.world_model.decoders import Decoder
from dreamer_jax.world_model.encoders import Encoder
from dreamer_jax.world_model.rssm import RSSM

Params = dict[str, Any]

WORLD_MODEL = ("encoder", "rssm", "decoder", "reward", "continue")
BEHAVIOR = ("policy", "value")
ACTS = ("encoder", "rssm", "policy")
LEARNS = {"all": WORLD_MODEL + BEHAVIOR, "world_model": WORLD_MODEL, "behavior": BEHAVIOR}


class Dreamer(NamedTuple):
    """The networks by name, and the numbers that every function below needs."""

    config: Config
    obs: Spaces
    act: Spaces
    nets: dict[str, Any]
    optimizer: optax.GradientTransformation

    def apply(self, params: Params, name: str, *inputs: Any) -> Any:
        """Runs the network `name` with its own parameters."""
        return self.nets[name].apply({"params": params[name]}, *inputs)


def networks(config: Config, obs: Spaces, act: Spaces) -> dict[str, Any]:
    """Every network of the agent, by the name of its parameters."""
    m = config.model
    on_cpu = jax.default_backend() == "cpu"
    dtype = jnp.dtype(m.dtype if m.dtype != "auto" else "float32" if on_cpu else "bfloat16")
    image_fits(obs, m.depth, m.blocks)
    text = TextSize(m.text_width, m.text_layers, m.text_heads, m.text_patch)
    return {
        "encoder": Encoder(obs, m.depth, m.units, m.encoder_layers, text, dtype),
        "rssm": RSSM(
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
        "decoder": Decoder(obs, m.depth, m.units, m.decoder_layers, m.blocks, text, dtype),
        "reward": TwoHotHead(m.reward_layers, m.units, m.bins, dtype),
        "continue": ContinueHead(m.continue_layers, m.units, dtype),
        "policy": PolicyHead(act, m.policy_layers, m.units, m.unimix, dtype),
        "value": critic(config, dtype),
    }


def critic(config: Config, dtype: jnp.dtype) -> TwoHotHead | CriticEnsemble:
    """One critic, or several."""
    m, b = config.model, config.behavior
    if b.critics == 1:
        return TwoHotHead(m.value_layers, m.units, m.bins, dtype)
    combine = {"mean": jnp.mean, "min": jnp.min}[b.ensemble]
    return CriticEnsemble(b.critics, combine, m.value_layers, m.units, m.bins, dtype)


def image_fits(obs: Spaces, depth: int, blocks: int) -> None:
    """ValueError unless every image ends 3..16 wide after four halvings."""
    for key, (height, width, _) in obs.images.items():
        if height != width or height % 16 or not 3 <= height // 16 <= 16:
            raise ValueError(
                f"image {key!r} is {height}x{width}; images must be square with a side that is "
                "a multiple of 16 from 48 to 256"
            )
    if obs.images and 4 * depth % blocks:
        raise ValueError(f"model.depth={depth}: images need 4 * depth divisible by {blocks} blocks")


def init(dreamer: Dreamer, key: jax.Array) -> AgentState:
    """Fresh parameters; the slow critic starts as a copy of the critic. The key is consumed."""
    keys = dict(zip(dreamer.nets, jax.random.split(key, len(dreamer.nets)), strict=True))
    obs = spaces.zeros(dreamer.obs, 1)
    latent, action = dreamer.nets["rssm"].initial(1), spaces.zeros(dreamer.act, 1)
    encoder = dreamer.nets["encoder"].init(keys["encoder"], obs)
    tokens = dreamer.nets["encoder"].apply(encoder, obs)
    encoded = spaces.flatten(action, dreamer.act)
    inputs = dict.fromkeys(dreamer.nets, (latent.features,))
    inputs |= {"encoder": (obs,), "rssm": (latent, encoded, tokens), "decoder": (latent,)}
    params = {k: net.init(keys[k], *inputs[k])["params"] for k, net in dreamer.nets.items()}
    trained = {k: params[k] for k in LEARNS[dreamer.config.train.learn]}
    zero = jnp.zeros((), jnp.float32)
    return AgentState(
        params=params,
        slow_value=jax.tree.map(jnp.copy, params["value"]),
        optimizer=dreamer.optimizer.init(trained),
        return_range=ReturnRange(low=zero, high=zero),
        moments=initial_moments(dreamer),
        updates=jnp.zeros((), jnp.int32),
    )


def initial_moments(dreamer: Dreamer) -> dict[str, Moments]:
    """Moments for every vector, or none where vectors are scaled by symlog."""
    if dreamer.config.model.vectors == "symlog":
        return {}
    return {key: moments.initial(n) for key, n in dreamer.obs.vectors.items()}


def scale_vectors(
    dreamer: Dreamer, running: dict[str, Moments], obs: dict[str, jax.Array]
) -> dict[str, jax.Array]:
    """Vectors as encoder and decoder see them; everything else as it is."""
    if dreamer.config.model.vectors == "symlog":
        return {**obs, **{key: symlog(obs[key]) for key in dreamer.obs.vectors}}
    return moments.standardize(running, obs)
