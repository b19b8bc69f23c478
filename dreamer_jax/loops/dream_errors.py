"""How wrong a model's predictions are, by the number of steps that they look ahead."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from dreamer_jax.loops.dream_returns import actions, spread, stretch_at
from dreamer_jax.loops.dreams import Dreamer
from dreamer_jax.loops.stretches import Stretch
from dreamer_jax.spaces import Spaces

AHEAD = (1, 5, 15, 50)  # steps
STATES = 96  # moments that predictions start from
TINY = 1e-12  # a variance that counts as none

Errors = dict[str, float | None]  # 'error', 'copy', 'mean', 'relative'


def by_horizon(
    dreamer: Dreamer,
    stretches: Sequence[Stretch],
    obs: Spaces,
    *,
    horizon: int,
    seed: int,
    states: int = STATES,
) -> dict[str, dict[str, Any]]:
    """Errors of predictions from moments spread evenly over real play, fed the actions taken.

    The error of an image is the mean squared difference of its pixels in [0, 1]. That of a vector
    is the squared difference of each number over its variance in this play, averaged; numbers that
    never change are left out. That of everything else is the share of wrong entries. That of the
    reward is the squared difference.

    Args:
      dreamer: of the agent.
      stretches: real play.
      obs: the spaces of its observations.
      horizon: steps; of AHEAD, those up to it.
      seed: of what the model draws.
      states: moments to start from, at most.

    Returns:
      Steps ahead -> `n`, `reward`, and `observations` by key. Each has the `error` of the model,
      that of two simple guesses, and `relative`: the error over the smaller one of theirs, None
      where that is 0. `copy` repeats the observation of the start, and `mean` guesses the average
      observation or the most frequent entry of this play.
    """
    chosen = spread(stretches, count=states)
    starts = [stretch_at(stretches[i], t) for i, t in chosen]
    carry = jax.tree.map(lambda *x: np.stack(x), *starts)
    ahead = [steps for steps in AHEAD if steps <= horizon]
    taken = [actions(stretches[i], t, steps=ahead[-1]) for i, t in chosen]
    action = jax.tree.map(lambda *x: np.stack(x, 1), *taken)
    left = np.array([len(stretches[i].reward) - 1 - t for i, t in chosen])
    typical, scale = averages(stretches, obs), variances(stretches, obs)
    rewards = np.concatenate([each.reward[1:] for each in stretches])
    found = dict[str, dict[str, Any]]()
    for step in range(1, ahead[-1] + 1):
        now = {key: x[step - 1 : step] for key, x in action.items()}
        carry, _ = dreamer.follow(carry, now, seed=seed + step, pictures=False)
        if step not in ahead or not (left >= step).any():
            continue
        guess = dreamer.read(jax.device_get(carry), pictures=True)
        rows = np.flatnonzero(left >= step)
        moments = [(stretches[chosen[r][0]], chosen[r][1]) for r in rows.tolist()]
        observations = dict[str, Errors]()
        for key in sorted(obs.keys):
            truth = np.stack([x.obs[key][t + step] for x, t in moments])
            first = np.stack([x.obs[key][t] for x, t in moments])
            guesses = guess.obs[key][rows], first, np.broadcast_to(typical[key], truth.shape)
            observations[key] = compared([error(truth, x, scale.get(key)) for x in guesses])
        truth = np.array([x.reward[t + step] for x, t in moments])
        first = np.array([x.reward[t] for x, t in moments])
        guesses = guess.reward[rows], first, rewards.mean()
        reward = compared([float(np.square(truth - x).mean()) for x in guesses])
        found[str(step)] = {"n": len(rows), "reward": reward, "observations": observations}
    return found


def compared(errors: Sequence[float]) -> Errors:
    """The errors of the model, of the copied observation and of the mean, with their ratio."""
    model, copy, mean = errors
    better = min(copy, mean)
    relative = model / better if better > TINY else None
    return {"error": model, "copy": copy, "mean": mean, "relative": relative}


def error(truth: np.ndarray, guess: np.ndarray, variance: np.ndarray | None) -> float:
    """The mean error of guesses [N, ...]; see `by_horizon`.

    variance: [n] of each number of a vector, [] 65025 for pixels, None for entries that are right
      or wrong.
    """
    if variance is None:
        return float((truth != guess).mean())
    varies = variance > TINY
    squares = np.square(truth.astype(np.float64) - guess) / np.where(varies, variance, 1)
    return float(np.where(varies, squares, 0).sum() / max(1, (varies & (squares >= 0)).sum()))


def averages(stretches: Sequence[Stretch], obs: Spaces) -> dict[str, np.ndarray]:
    """Of each key, the mean [...] of numbers and pixels, or the most frequent entries [...]."""
    found = dict[str, np.ndarray]()
    for key in obs.keys:
        every = np.concatenate([each.obs[key] for each in stretches])
        if key in obs.images or key in obs.vectors:
            found[key] = every.mean(0, dtype=np.float64)
        else:
            flat = every.reshape(len(every), -1)
            common = [np.bincount(column).argmax() for column in flat.T]
            found[key] = np.array(common).reshape(every.shape[1:])
    return found


def variances(stretches: Sequence[Stretch], obs: Spaces) -> Mapping[str, np.ndarray]:
    """What squared errors are divided by, of images and vectors; see `error`."""
    found = {key: np.array(255.0**2) for key in obs.images}
    for key in obs.vectors:
        found[key] = np.concatenate([x.obs[key] for x in stretches]).var(0, dtype=np.float64)
    return found
