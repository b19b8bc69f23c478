"""A small agent, and windows of made-up experience for it."""

import dataclasses
from functools import cache
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces as gym

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.config import DreamerConfig, Model, Optimizer
from dreamer_jax.agents.dreamer.losses import world_model_losses
from dreamer_jax.agents.dreamer.networks import Dreamer, MakeNetworks, init
from dreamer_jax.agents.dreamer.noise import Noise, for_batch
from dreamer_jax.agents.dreamer.stages import STAGES
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.config import Config, resolve
from dreamer_jax.types import Step, Window
from dreamer_jax.world_model.latents import Latent, compact
from envs.kinds import Bits, Choice, Image, Symbols, Text, Vector

Space = dict[str, gymnasium.Space]

LENGTH, BATCH = 4, 3
VECTOR: Space = {"state": Vector(3)}
PIXELS: Space = {"image": Image(48, 48, 1)}
MIXED: Space = {
    **VECTOR,
    **PIXELS,
    "inventory": Choice([3, 2]),
    "door": Bits(2),
    "sign": Text(18, 32),
    "board": Symbols(9, 5, 2, classes=4),
}
TURN: Space = {"action": gym.MultiDiscrete([3])}
BOTH: Space = {**TURN, "speed": gym.Box(-1, 1, (2,), np.float32)}

AGENT = DreamerConfig(
    model=Model(
        depth=1,
        deter=16,
        hidden=8,
        classes=4,
        units=8,
        stoch=3,
        blocks=4,
        bins=41,
        policy_layers=1,
        value_layers=1,
    ),
    optimizer=Optimizer(learning_rate=3e-3, warmup=2),
).resolved()
CONFIG = resolve(Config(agent=AGENT))
ALL = STAGES["all"]


def changed(section: str, **values: Any) -> Config:
    """The small config with some fields of one section replaced."""
    part = dataclasses.replace(getattr(AGENT, section), **values)
    return dataclasses.replace(CONFIG, agent=dataclasses.replace(AGENT, **{section: part}))


def make(
    obs: Space = VECTOR, act: Space = TURN, config: Config = CONFIG, **more: MakeNetworks
) -> Dreamer:
    """The networks and the optimizer, for calling the functions of an agent one by one."""
    return agent.build(config, spaces.of(obs, act), **more)


def made_up(dreamer: Dreamer, size: float = 0.3) -> DreamerState:
    """A state in which everything depends on everything: no parameter is where it starts."""
    shapes = jax.eval_shape(lambda key: init(dreamer, ALL.trained, key), jax.random.key(0))
    generator = np.random.default_rng(0)

    def fill(path: Any, x: jax.ShapeDtypeStruct) -> jax.Array:
        middle = 1.0 if path[-1].key == "scale" else 0.0
        return jnp.asarray(middle + size * generator.normal(size=x.shape), x.dtype)

    state = jax.tree.map(lambda x: jnp.asarray(np.zeros(x.shape), x.dtype), shapes)
    return state.replace(
        params=jax.tree_util.tree_map_with_path(fill, shapes.params),
        slow_value=jax.tree_util.tree_map_with_path(fill, shapes.slow_value),
    )


def experience(dreamer: Dreamer, steps: int = LENGTH, seed: int = 0) -> Step:
    """Random steps [steps, B, ...] of episodes that do not end."""
    generator = np.random.default_rng(seed)

    def fill(known: spaces.Spaces) -> dict[str, jax.Array]:
        values: dict[str, Any] = {
            k: generator.integers(0, 256, (steps, BATCH, *shape))
            for k, shape in known.images.items()
        }
        for key, size in known.vectors.items():
            values[key] = generator.normal(size=(steps, BATCH, size))
        for key, classes in known.choices.items():
            values[key] = generator.integers(0, classes, (steps, BATCH, len(classes)))
        for key, size in known.bits.items():
            values[key] = generator.integers(0, 2, (steps, BATCH, size))
        for key, (length, alphabet) in known.texts.items():
            values[key] = generator.integers(0, alphabet, (steps, BATCH, length))
        for key, (*shape, classes) in known.symbols.items():
            values[key] = generator.integers(0, classes, (steps, BATCH, *shape))
        kinds = spaces.zeros(known)
        return {key: jnp.asarray(x, kinds[key].dtype) for key, x in values.items()}

    nothing = jnp.zeros((steps, BATCH), bool)
    return Step(
        obs=fill(dreamer.obs),
        action=fill(dreamer.act),
        reward=jnp.asarray(generator.normal(size=(steps, BATCH)), jnp.float32),
        is_first=nothing,
        is_last=nothing,
        is_terminal=nothing,
        events={},
    )


def latents(dreamer: Dreamer, *batch: int) -> Latent:
    """Random latents, such as replay may hold."""
    generator, model = np.random.default_rng(9), dreamer.config.model
    index = generator.integers(0, model.classes, (*batch, model.stoch))
    deter = jnp.asarray(generator.normal(size=(*batch, model.deter)), jnp.float32)
    return Latent(deter=deter, stoch=jax.nn.one_hot(index, model.classes))


def noise(dreamer: Dreamer, key: jax.Array) -> Noise:
    """What an update of a window draws."""
    return for_batch(dreamer, key, shape=(LENGTH, BATCH))


def window(dreamer: Dreamer, steps: Step | None = None, stored: bool = True) -> Window:
    """A window [1 + T, B, ...] with one context step; no ends unless `steps` has some."""
    steps = steps or experience(dreamer, 1 + LENGTH)
    time = jnp.broadcast_to(jnp.arange(1 + LENGTH)[:, None], (1 + LENGTH, BATCH))
    kept = compact(latents(dreamer, 1 + LENGTH, BATCH)) if stored else None
    return Window(steps=steps, latents=kept, row=jnp.arange(BATCH), time=time)


@cache
def updater() -> Any:
    """The small vector agent's compiled update: (state, window, key) -> as `Learner.update`."""
    dreamer = make()
    return jax.jit(lambda *inputs: agent.update(dreamer, ALL, *inputs))


@cache
def model_losses(free_nats: float = 1.0) -> Any:
    """The compiled `world_model_losses`: (params, batch, uniform) -> latents, losses, metrics."""
    dreamer = make(config=changed("losses", free_nats=free_nats))
    return jax.jit(lambda *inputs: world_model_losses(dreamer, *inputs))
