"""A small world, and a small agent that has learned it: for what only a trained agent can show.

Seven places in a row. Actions 0 and 1 go left and right, episodes begin in the middle, a step onto
the first place earns 1, and a step onto the last one ends the episode.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from command import hastily
from gymnasium import spaces as gym

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.config import (
    Behavior,
    DreamerConfig,
    Losses,
    Model,
    Optimizer,
)
from dreamer_jax.agents.dreamer.networks import Dreamer, init
from dreamer_jax.agents.dreamer.reports import report
from dreamer_jax.agents.dreamer.stages import STAGES
from dreamer_jax.agents.dreamer.state import DreamerState
from dreamer_jax.config import Config, Replay, resolve
from dreamer_jax.types import Step, Window
from envs.kinds import Vector

PLACES, START, LENGTH, BATCH = 7, 3, 20, 16
UPDATES = 280
OBS: dict[str, gymnasium.Space] = {"place": Vector(2)}
ACT: dict[str, gymnasium.Space] = {"action": gym.MultiDiscrete([2])}
AGENT = DreamerConfig(
    model=Model(
        depth=1,
        deter=64,
        hidden=32,
        classes=4,
        units=32,
        stoch=8,
        blocks=4,
        encoder_layers=1,
        decoder_layers=1,
        policy_layers=1,
        value_layers=1,
    ),
    losses=Losses(free_nats=0.1, vector=10.0),
    behavior=Behavior(imagination=8, horizon=20.0, entropy=0.03),
    optimizer=Optimizer(learning_rate=2e-3, warmup=20),
)


class Walked(NamedTuple):
    """An agent in the course of its learning."""

    dreamer: Dreamer
    states: list[DreamerState]  # after every 40 updates; the last one is trained


def walk(generator: np.random.Generator) -> Window:
    """A window of random actions, [1 + LENGTH, BATCH, ...]."""
    places = np.full(BATCH, START)
    begins = np.ones(BATCH, bool)
    steps = []
    reward = np.zeros(BATCH, np.float32)
    for _ in range(1 + LENGTH):
        action = generator.integers(0, 2, BATCH)
        ends = places == PLACES - 1
        steps.append((places, np.where(ends, 0, action), reward, begins, ends))
        moved = np.clip(places + 2 * action - 1, 0, PLACES - 1)
        reward = np.where(~ends & (places == 1) & (moved == 0), 1.0, 0.0).astype(np.float32)
        places, begins = np.where(ends, START, moved), ends
    at, act, earned, first, last = (np.stack(x) for x in zip(*steps, strict=True))
    seen = np.stack([at / 3 - 1, (at % 2) - 0.5], -1).astype(np.float32)
    return Window(
        steps=Step(
            obs={"place": jnp.asarray(seen)},
            action={"action": jnp.asarray(act[..., None], jnp.int32)},
            reward=jnp.asarray(earned),
            is_first=jnp.asarray(first),
            is_last=jnp.asarray(last),
            is_terminal=jnp.asarray(last),
            events={},
        ),
        latents=None,
        row=jnp.arange(BATCH),
        time=jnp.zeros((1 + LENGTH, BATCH), jnp.int32),
    )


def windows(seed: int) -> Iterator[Window]:
    """Windows without an end."""
    generator = np.random.default_rng(seed)
    while True:
        yield walk(generator)


@cache
def learned() -> Walked:
    """The agent, trained once for all tests."""
    with hastily():
        return _learned()


def _learned() -> Walked:
    config = resolve(Config(agent=AGENT, replay=replace(Replay(), latents=False)))
    dreamer, stage = agent.build(config, spaces.of(OBS, ACT)), STAGES["all"]
    update = jax.jit(partial(agent.update, dreamer, stage))
    state = jax.jit(partial(init, dreamer, stage.trained))(jax.random.key(0))
    states, drawn = list[DreamerState](), windows(0)
    for i in range(UPDATES):
        state, _, _ = update(state, next(drawn), jax.random.key(i))
        if (i + 1) % 40 == 0:
            states.append(state)
    return Walked(dreamer=dreamer, states=states)


@cache
def reporter() -> Any:
    """The compiled report of this agent, with its diagnosis: (state, window, key) -> metrics."""
    return jax.jit(lambda *inputs: report(learned().dreamer, True, *inputs)[0])


def measures(state: DreamerState, reports: int = 6) -> list[dict[str, float]]:
    """What some reports say of a state."""
    pairs = zip(range(reports), windows(1), strict=False)
    with hastily():
        found = [reporter()(state, window, jax.random.key(i)) for i, window in pairs]
    return [{name: float(x) for name, x in each.items()} for each in jax.device_get(found)]
