"""What a linear layer reads from the latents of a world model.

A regression is learned on some copies of a game, its penalty is chosen on others, and it is judged
on the last quarter.
"""

from typing import Any, NamedTuple

import numpy as np

from experiments.known_play import ENVS

PENALTIES = (1.0, 10.0, 100.0, 1_000.0)
DETER, LATENTS, BOTH = "deter", "latents", "both"  # parts of the latent

Features = dict[str, np.ndarray]  # DETER, LATENTS or BOTH -> [*, F]


class Regression(NamedTuple):
    """A linear regression on standardized features."""

    mean: np.ndarray  # [F]
    deviation: np.ndarray  # [F]
    weight: np.ndarray  # [F]
    offset: float

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """[N, F] -> [N]."""
        return (features - self.mean) / self.deviation @ self.weight + self.offset


def features_of(carry: Any) -> Features:
    """What a moment [*, ...] of the model knows, by part."""
    if not hasattr(carry, "latent"):
        raise ValueError("only the latents of DreamerV3's world model can be probed")
    deter, stoch = carry.latent.deter, carry.latent.stoch
    flat = stoch.reshape(*stoch.shape[:-2], -1)
    return {DETER: deter, LATENTS: flat, BOTH: np.concatenate([deter, flat], -1)}


def test_rows() -> np.ndarray:
    """The copies of the game that test."""
    return np.arange(ENVS) >= ENVS - ENVS // 4


def fitted(features: np.ndarray, at: np.ndarray, shown: np.ndarray) -> Regression:
    """The regression [T, E, F] -> [T, E], on copies that neither test nor choose the penalty.

    It is a ridge regression. The offset is not penalized.
    """
    choosing = (np.arange(ENVS) >= ENVS - 2 * (ENVS // 4)) & ~test_rows()
    used = shown & ~(choosing | test_rows())
    x, y = features[used], at[used]
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    inputs, offset = (x - mean) / deviation, float(y.mean())
    gram, target = inputs.T @ inputs, inputs.T @ (y - offset)
    found = [
        Regression(
            mean, deviation, np.linalg.solve(gram + penalty * np.eye(len(gram)), target), offset
        )
        for penalty in PENALTIES
    ]
    chosen = shown & choosing
    return max(found, key=lambda line: r_squared(line(features[chosen]), at[chosen]))


def r_squared(guess: np.ndarray, truth: np.ndarray) -> float:
    """1 - squared error / variance; NaN where there is none."""
    if len(truth) < 2 or truth.std() == 0:
        return float("nan")
    return float(1 - np.square(guess - truth).mean() / truth.var())
