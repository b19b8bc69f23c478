"""Parameter counts are exactly those of the reference, at every size."""

import math
from typing import Any

import jax
import numpy as np
import pytest
from gymnasium import spaces as gym

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent as dreamer
from dreamer_jax.agents.dreamer.config import SIZES, DreamerConfig, Model
from dreamer_jax.config import Config, resolve
from envs.kinds import Image, Vector

# Slow critic not counted.          64x64x3, 6 actions   96x96x1, 18 actions
COUNTS = {
    "1m": (686_456, 769_762),
    "12m": (10_492_616, 11_808_850),
    "25m": (23_487_016, 26_444_402),
    "50m": (41_646_984, 46_900_882),
    "100m": (93_463_624, 105_276_626),
    "200m": (165_942_536, 186_936_082),
    "400m": (372_887_176, 420_106_130),
}
MODULES = {
    "encoder": 14_304,
    "rssm": 376_704,
    "decoder": 80_595,
    "reward": 57_663,
    "continue": 41_153,
    "policy": 49_926,
    "value": 66_111,
}


def shapes(size: str, side: int, channels: int, actions: int) -> dict[str, Any]:
    """Parameters of an agent as shapes; nothing is computed."""
    config = resolve(Config(agent=DreamerConfig(model=Model(depth=SIZES[size]))))
    image = Image(side, side, channels)
    action = gym.MultiDiscrete([actions])
    agent = dreamer.make(config, spaces.of({"image": image}, {"action": action}))
    return jax.eval_shape(agent.learner.init, jax.random.key(0)).params


def count(tree: Any) -> int:
    return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))


@pytest.mark.parametrize("size", COUNTS)
def test_counts_of_every_size(size: str) -> None:
    color, gray = COUNTS[size]
    assert count(shapes(size, 64, 3, 6)) == color
    assert count(shapes(size, 96, 1, 18)) == gray


def test_counts_of_every_module() -> None:
    assert {name: count(tree) for name, tree in shapes("1m", 64, 3, 6).items()} == MODULES


def test_counts_of_a_vector_agent() -> None:
    config = resolve(Config(agent=DreamerConfig(model=Model(depth=SIZES["1m"]))))
    state, action = Vector(24), gym.Box(-1, 1, (6,), np.float32)
    agent = dreamer.make(config, spaces.of({"state": state}, {"action": action}))
    assert count(jax.eval_shape(agent.learner.init, jax.random.key(0)).params) == 640_867
