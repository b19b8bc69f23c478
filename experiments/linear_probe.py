"""What a linear layer reads from the latents of a world model."""

from typing import Any, NamedTuple

import numpy as np

from experiments.known_play import ENVS

PENALTIES = (1.0, 10.0, 100.0, 1_000.0)
DETER, STOCH, BOTH = "deter", "stoch", "both"  # parts of the latent

Features = dict[str, np.ndarray]  # DETER, STOCH or BOTH -> [*, F]


class Split(NamedTuple):
    """Copies of the game [E] bool, each in one of these."""

    fit: np.ndarray  # learn the weights of a regression
    choose: np.ndarray  # choose its penalty
    test: np.ndarray  # judge it


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
    return {DETER: deter, STOCH: flat, BOTH: np.concatenate([deter, flat], -1)}


def split() -> Split:
    """The last quarter of the copies tests, the quarter before it chooses."""
    copy, quarter = np.arange(ENVS), ENVS // 4
    test = copy >= ENVS - quarter
    choose = (copy >= ENVS - 2 * quarter) & ~test
    return Split(fit=~(choose | test), choose=choose, test=test)


def fitted(features: np.ndarray, at: np.ndarray, shown: np.ndarray) -> Regression:
    """The ridge regression of at [T, E] on features [T, E, F] where it is shown [T, E].

    The offset is not penalized. The penalty is the one of PENALTIES with the best R² on the copies
    that choose it, the first where these show nothing. All guesses are NaN where nothing is shown.
    """
    copies = split()
    used, choosing = shown & copies.fit, shown & copies.choose
    if not used.any():
        width = features.shape[-1]
        return Regression(np.zeros(width), np.ones(width), np.zeros(width), float("nan"))
    x, y = features[used], at[used]
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    inputs, offset = (x - mean) / deviation, float(y.mean())
    gram, target = inputs.T @ inputs, inputs.T @ (y - offset)
    weights = [np.linalg.solve(gram + p * np.eye(len(gram)), target) for p in PENALTIES]
    found = [Regression(mean, deviation, weight, offset) for weight in weights]
    return max(found, key=lambda line: r_squared(line(features[choosing]), at[choosing]))


def r_squared(guess: np.ndarray, truth: np.ndarray) -> float:
    """1 - squared error / variance; NaN where there is none."""
    if len(truth) < 2 or truth.std() == 0:
        return float("nan")
    return float(1 - np.square(guess - truth).mean() / truth.var())
