"""What does the critic expect? python -m experiments.value_along --logdir=logdir/mario_1_1-seed0

Plays with a saved agent and prints, for stretches of one coordinate, how often the agent was there,
what the critic expected, what return followed, and how much of the policy's randomness was left.
All columns are of the steps whose episode came to its true end within the play. A value that falls
before an obstacle says that the agent does not know a way past it.
"""

import argparse
import itertools
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.agents.dreamer.config import discount
from dreamer_jax.main import complain
from dreamer_jax.types import AnyModel
from envs.timestep import VectorEnv
from experiments import open_loop, positions
from experiments.known_play import ENVS, Known, flags_of_a_run, load, make_env, own_play, positive
from experiments.positions import ABSENT


def main() -> int:
    """Prints a table; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        subject = load(args.logdir, args.checkpoint)
        factor = discount(subject.config)
        env = make_env(subject.setup)
        require_coordinate(args.coordinate, env)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    known = own_play(subject, env, steps=args.steps, random=args.random)
    carry = open_loop.watch(subject.model, subject.state, subject.carry, known)
    value, randomness = expectations(subject.model, subject.state, carry, known)
    followed = returns(known, factor)
    # All means are of the same steps.
    at = np.where(np.isnan(followed), ABSENT, known.at[args.coordinate])
    found = {"value": value, "return": followed, "randomness": randomness}
    print("\n".join(table(at, found, bins=args.bins)))
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    parser = flags_of_a_run("value_along", __doc__)
    add = parser.add_argument
    add("--coordinate", default="stage_x", help="of experiments.positions (stage_x)")
    add("--bins", type=positive, default=16, help="stretches of it (16)")
    return parser


def require_coordinate(name: str, env: VectorEnv) -> None:
    """ValueError, and a closed environment, where no place has this coordinate."""
    starts = positions.START
    known = [key.removeprefix(starts) for key in env.event_keys if key.startswith(starts)]
    if name not in known:
        env.close()
        raise ValueError(f"--coordinate={name}: there are {', '.join(known)}")


def expectations(
    model: AnyModel, state: Any, carry: Any, known: Known
) -> tuple[np.ndarray, np.ndarray]:
    """Values [T, E], and the share of the policy's largest entropy that is left, [T, E].

    carry: [T, E, ...] of the known steps.
    """
    explicit = model.explicit
    assert explicit is not None

    @jax.jit
    def of(carry: Any) -> tuple[jax.Array, jax.Array]:
        (chosen,) = explicit.policy(state, carry).values()
        p = chosen["probabilities"]
        entropy = -jnp.sum(p * jnp.log(jnp.maximum(p, 1e-12)), -1)
        return model.read(state, carry).value, entropy / jnp.log(p.shape[-1])

    rows = [
        jax.device_get(of(jax.tree.map(lambda x, t=t: x[t], carry)))
        for t in range(len(known.steps.is_first))
    ]
    value, randomness = zip(*rows, strict=True)
    return np.stack(value), np.stack(randomness)


def returns(known: Known, factor: float) -> np.ndarray:
    """Σ γ^i r of what followed each step in its episode: [T, E]; NaN where the play ended first."""
    steps = jax.tree.map(np.asarray, known.steps)
    found, after = np.full(steps.reward.shape, np.nan), np.full(ENVS, np.nan)
    for t in reversed(range(len(found) - 1)):
        ends = np.where(steps.is_terminal[t + 1], 0, np.nan)
        after = np.where(steps.is_last[t + 1], ends, after)
        after = steps.reward[t + 1] + factor * after
        found[t] = np.where(steps.is_last[t], np.nan, after)
    return found


def table(at: np.ndarray, found: dict[str, np.ndarray], *, bins: int) -> list[str]:
    """Means over the stretches of a coordinate [T, E] where it is not ABSENT, as lines."""
    if not (at != ABSENT).any():
        return ["No episode that ended has this coordinate. Try more --steps."]
    edges = np.linspace(at[at != ABSENT].min(), at.max() + 1, bins + 1)
    lines = [f"{'from':>8} {'to':>6} {'steps':>7} " + " ".join(f"{name:>10}" for name in found)]
    for low, high in itertools.pairwise(edges):
        here = (at >= low) & (at < high) & (at != ABSENT)
        if here.any():
            told = " ".join(f"{x[here].mean():10.2f}" for x in found.values())
            lines.append(f"{low:8.0f} {high:6.0f} {here.sum():7,} {told}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
