"""Small on-policy agents, and rollouts that they have acted out."""

import dataclasses
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tiny

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.config import Losses
from dreamer_jax.agents.hybrid import agent as hybrid
from dreamer_jax.agents.hybrid.config import Heads, HybridConfig, WorldModel
from dreamer_jax.agents.on_policy import acting, networks
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.agents.on_policy.networks import OnPolicy
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.agents.ppo import agent as ppo
from dreamer_jax.agents.ppo.config import Model, PPOConfig
from dreamer_jax.config import Config, Replay, Train, resolve
from dreamer_jax.nn.heads import sample
from dreamer_jax.types import Step, Window

T, B = 8, 4
LEARNING = PPO(epochs=2, minibatches=1, discount=0.9)
MODEL = Model(depth=1, units=8, memory_units=8)
AGENTS: dict[str, Any] = {
    "mlp": PPOConfig(model=MODEL, ppo=LEARNING),
    "gru": PPOConfig(model=dataclasses.replace(MODEL, memory="gru"), ppo=LEARNING),
    "hybrid": HybridConfig(
        model=dataclasses.replace(tiny.AGENT.model, vectors="standardize"),
        losses=Losses(),
        world_model=WorldModel(epochs=2),  # the first step of a warm-up has length 0
        heads=Heads(units=8, layers=1),
        ppo=LEARNING,
        optimizer=Adam(),
    ),
}
EPISODES = {"is_first": [(1, 0), (4, 1), (5, 2)], "is_last": [(3, 1), (4, 2), (8, 3)]}


def config(name: str, *, replay: Any = None, train: Any = None) -> Config:
    """A small on-policy run, with some fields of two sections replaced."""
    newest = Replay(capacity=100, batch=B, length=T, sampler="newest")
    loop = Train(envs=B, ratio=1, prefill=0, steps=1_000)
    return resolve(
        Config(
            agent=AGENTS[name],
            replay=dataclasses.replace(newest, **replay or {}),
            train=dataclasses.replace(loop, **train or {}),
        )
    )


@cache
def made(name: str) -> OnPolicy:
    """The fixed part of an agent that makes a choice and sets two values."""
    interface = spaces.of(tiny.VECTOR, tiny.BOTH)
    if name != "hybrid":
        return ppo.build(config(name), interface)
    frozen = {"learn": "behavior", "world_model": "somewhere"}
    return hybrid.build(config(name, train=frozen), interface).ppo


class Played(NamedTuple):
    """A rollout, and the state of the agent that acted it out."""

    state: OnPolicyState
    window: Window


def made_up(agent: OnPolicy) -> OnPolicyState:
    """A state whose parameters are all random: heads that begin at zero would hide features."""
    shapes = jax.eval_shape(partial(networks.init, agent), jax.random.key(0))
    generator = np.random.default_rng(0)

    def fill(path: Any, x: jax.ShapeDtypeStruct) -> jax.Array:
        middle = 1.0 if path[-1].key == "scale" else 0.0
        return jnp.asarray(np.asarray(middle + 0.3 * generator.normal(size=x.shape), x.dtype))

    state = jax.tree.map(lambda x: jnp.asarray(np.zeros(x.shape, x.dtype)), shapes)
    scale = state.return_scale.replace(variance=jnp.float32(1))
    params = jax.tree_util.tree_map_with_path(fill, shapes.params)
    moments = jax.tree.map(jnp.ones_like, state.moments)
    return state.replace(params=params, moments=moments, return_scale=scale)


@cache
def played(name: str) -> Played:
    """T + 1 steps of B environments in which episodes begin and end, acted out one by one."""
    agent, generator = made(name), np.random.default_rng(1)
    state = made_up(agent)
    act = jax.jit(partial(acting.act_step, agent, sample))
    actor, carry = acting.actor_of(agent, state), agent.features.carry(B)
    flags = {name: np.zeros((T + 1, B), bool) for name in ("is_first", "is_last")}
    for name_, places in EPISODES.items():
        for at in places:
            flags[name_][at] = True
    obs = {"state": generator.normal(size=(T + 1, B, 3)).astype(np.float32)}
    steps, latents = list[Any](), list[Any]()
    for t in range(T + 1):
        now = {key: jnp.asarray(x[t]) for key, x in obs.items()}
        is_first = jnp.asarray(flags["is_first"][t])
        carry, action, kept = act(actor, carry, now, is_first, jax.random.key(t))
        # As the program `act` leaves them in replay.
        void = flags["is_last"][t][:, None]
        steps.append({key: np.where(void, 0, x) for key, x in action.items()})
        latents.append(kept)

    def stacked(trees: list[Any]) -> Any:
        return jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *trees)

    found = Step(
        obs=jax.tree.map(jnp.asarray, obs),
        action=stacked(steps),
        reward=jnp.asarray(generator.normal(size=(T + 1, B)), jnp.float32),
        is_terminal=jnp.asarray(flags["is_last"]) & (jnp.arange(B) != 2),
        events={},
        **{key: jnp.asarray(x) for key, x in flags.items()},
    )
    time = jnp.broadcast_to(jnp.arange(T + 1)[:, None], (T + 1, B))
    return Played(
        state, Window(steps=found, latents=stacked(latents), row=jnp.arange(B), time=time)
    )
