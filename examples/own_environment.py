"""Trains in your own environment, from a checkout: python examples/own_environment.py

Dreamer needs only a registered environment. The same from a shell, in this folder:
`dreamer-jax --env=gym:own_environment:Corridor-v0`.
"""

import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from dreamer_jax.main import main

NAME = "gym:own_environment:Corridor-v0"
LENGTH = 5  # cells; the goal is the last one


class Corridor(gymnasium.Env[np.ndarray, np.int64]):
    """Walk right to the goal: 1 for arriving, -0.05 for every other step."""

    observation_space = spaces.Box(0, 1, (LENGTH,), np.float32)
    action_space = spaces.Discrete(2)  # left, right

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins in any cell except the goal; the seed decides which."""
        super().reset(seed=seed, options=options)
        self._cell = int(self.np_random.integers(LENGTH - 1))
        return self._seen(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Moves one cell; walls stop."""
        self._cell = max(self._cell + (1 if action else -1), 0)
        arrived = self._cell == LENGTH - 1
        return self._seen(), 1.0 if arrived else -0.05, arrived, False, {}

    def _seen(self) -> np.ndarray:
        """float32 [LENGTH], 1 at the cell."""
        return np.eye(LENGTH, dtype=np.float32)[self._cell]


if "Corridor-v0" not in gymnasium.registry:  # this file may be imported after it was started
    gymnasium.register("Corridor-v0", "own_environment:Corridor", max_episode_steps=20)


def train(logdir: Path, *flags: str) -> int:
    """Trains as the command line does; returns its exit code."""
    return main(["dreamer-jax", f"--env={NAME}", f"--logdir={logdir}", *flags])


if __name__ == "__main__":
    # The preset `debug` only shows that everything runs. Drop it to train the preset `gym`.
    sys.exit(train(Path("logdir/corridor"), "--config=debug", *sys.argv[1:]))
