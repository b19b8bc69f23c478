"""Returns that a model dreams, against those that were realized from the same moments."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamer_jax.loops.dreams import Dreamer
from dreamer_jax.loops.stretches import Stretch

STATES = 160  # moments that are compared
SAMPLES = 4  # dreams of each of them, which are averaged


class Returns(NamedTuple):
    """Returns of the same N moments over the same numbers of steps."""

    realized: np.ndarray  # [N]
    recorded: np.ndarray  # [N], dreamt after the actions that were taken
    policy: np.ndarray  # [N], dreamt under the policy, over the whole horizon


def compare(
    dreamer: Dreamer,
    stretches: Sequence[Stretch],
    *,
    horizon: int,
    discount: float,
    seed: int,
    states: int = STATES,
    samples: int = SAMPLES,
) -> Returns:
    """Realized and dreamt returns of moments spread evenly over real play.

    All three returns are sums of discounted rewards over n steps, and beyond them the discounted
    value that the critic gives to the last state. n is `horizon`, or less where the play ends.

    1. Realized: the real rewards, and the critic at the real state n steps later, as the model
       filtered it. A terminal state has no value.
    2. Recorded: the model is fed the n actions that were taken; its rewards, its probabilities of
       continuing, and the critic at the state that it dreamt.
    3. Policy: the same for actions that the policy draws in the dream, always `horizon` of them.

    Dreamt returns are means over `samples` dreams.
    """
    chosen = spread(stretches, count=states)
    lengths = np.array([min(horizon, len(stretches[i].reward) - 1 - t) for i, t in chosen])
    starts = [stretch_at(stretches[i], t) for i, t in chosen]
    carry = jax.tree.map(lambda *x: np.repeat(np.stack(x), samples, 0), *starts)
    taken = [actions(stretches[i], t, steps=horizon) for i, t in chosen]
    action = jax.tree.map(lambda *x: np.repeat(np.stack(x, 1), samples, 1), *taken)
    values = [dreamer.read(each.carry, pictures=False).value for each in stretches]
    realized = [
        realized_return(stretches[i], values[i], t, steps=int(n), discount=discount)
        for (i, t), n in zip(chosen, lengths, strict=True)
    ]
    _, recorded = dreamer.follow(carry, action, seed=seed, pictures=False)
    policy = dreamer.wander(carry, horizon=horizon, seed=seed + 1, pictures=False)
    repeated = np.repeat(lengths, samples)
    shape = (len(chosen), samples)

    def mean(dream: Any, steps: np.ndarray) -> np.ndarray:
        returns = dreamt_returns(dream.reward, dream.continue_, dream.value, steps=steps)
        return returns.reshape(shape).mean(1)

    return Returns(
        realized=np.array(realized),
        recorded=mean(recorded, repeated),
        policy=mean(policy, np.full_like(repeated, horizon)),
    )


def realized_return(
    stretch: Stretch, value: np.ndarray, t: int, *, steps: int, discount: float
) -> float:
    """Σ_{k=1..n} γ^(k-1) r_{t+k} + γ^n v_{t+n}, without v where step t + n is terminal.

    value: [N] of the critic at each moment. t + steps must be a moment of the stretch.
    """
    end = t + steps
    weights = discount ** np.arange(steps)
    total = float(weights @ stretch.reward[t + 1 : end + 1].astype(np.float64))
    return total + (0.0 if stretch.is_terminal[end] else discount**steps * float(value[end]))


def dreamt_returns(
    reward: np.ndarray, continue_: np.ndarray, value: np.ndarray, *, steps: np.ndarray
) -> np.ndarray:
    """Σ_{k=1..n} w_k r_k + w_{n+1} v_n with w_k = Π_{i<k} c_i: [H, S] each -> [S].

    steps: [S], n of each dream, 1 to H. The discount is in `continue_`.
    """
    after = np.cumprod(continue_.astype(np.float64), 0)
    before = np.concatenate([np.ones_like(after[:1]), after[:-1]])
    last = (steps - 1)[None]
    sums = np.cumsum(before * reward, 0) + after * value
    return np.take_along_axis(sums, last, 0)[0]


def agreement(dreamt: np.ndarray, realized: np.ndarray) -> dict[str, float | int | None]:
    """Bias (mean of dreamt - realized), mean absolute error, correlation and n.

    The correlation of returns that do not differ is None.
    """
    varies = len(realized) > 1 and dreamt.std() > 1e-9 and realized.std() > 1e-9
    return {
        "bias": float((dreamt - realized).mean()),
        "absolute_error": float(np.abs(dreamt - realized).mean()),
        "correlation": float(np.corrcoef(dreamt, realized)[0, 1]) if varies else None,
        "realized_mean": float(realized.mean()),
        "n": len(realized),
    }


def spread(stretches: Sequence[Stretch], *, count: int, ahead: int = 1) -> list[tuple[int, int]]:
    """Moments (stretch, t) with at least `ahead` steps after them, evenly spaced, at most `count`.

    [] where all stretches are too short.
    """
    every = [(i, t) for i, x in enumerate(stretches) for t in range(len(x.reward) - ahead)]
    picked = np.linspace(0, len(every) - 1, min(count, len(every))).round().astype(int)
    return [every[i] for i in picked.tolist()]


def stretch_at(stretch: Stretch, t: int) -> Any:
    """The carry of one moment."""
    return jax.tree.map(lambda x: x[t], stretch.carry)


def actions(stretch: Stretch, t: int, *, steps: int) -> dict[str, np.ndarray]:
    """The actions [steps, n] from moment t on; beyond the end, the last one again."""
    index = np.minimum(np.arange(t, t + steps), len(stretch.reward) - 1)
    return {key: x[index] for key, x in stretch.action.items()}
