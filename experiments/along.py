"""What does the critic expect along the way? python -m experiments.along --logdir=logdir/mario_1_1

Plays with a saved agent and prints, for stretches of one coordinate, how often the agent was there,
what the critic expected, what return followed, and how much of the policy's randomness was left. A
value that falls before an obstacle says that the agent does not know a way past it.
"""

import argparse
import itertools
import sys
from contextlib import closing
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.agents.dreamer.config import DreamerConfig, discount
from dreamer_jax.main import complain
from dreamer_jax.types import AnyModel
from experiments import places
from experiments.known_play import ENVS, Known, flags_of_a_run, load, make_env, play, player
from experiments.positions import ABSENT


def main() -> int:
    """Prints a table; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        setup, saved = load(args.logdir, args.checkpoint)
        env = make_env(setup)
        if args.coordinate not in (names := [k.rpartition("/")[2] for k in env.event_keys]):
            raise ValueError(f"--coordinate={args.coordinate}: there are {', '.join(names)}")
    except (ValueError, OSError) as error:
        return complain(error, 2)
    model = saved.agent.model
    assert model is not None
    with closing(env):
        known = play(env, player(saved, env, share_at_random=args.random), steps=args.steps)
    carry = places.watch(model, saved.state, saved.agent.player.carry(ENVS), known)
    value, randomness = expectations(model, saved.state, carry, known)
    assert isinstance(setup.config.agent, DreamerConfig)
    followed = returns(known, discount(setup.config.agent))
    found = {"value": value, "return": followed, "randomness": randomness}
    print("\n".join(table(known.at[args.coordinate], found, bins=args.bins)))
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    parser = flags_of_a_run("along", __doc__)
    add = parser.add_argument
    add("--coordinate", default="stage_x", help="of experiments.positions (stage_x)")
    add("--bins", type=int, default=16, help="stretches of it (16)")
    return parser


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
    """Means over the stretches of a coordinate [T, E], as lines."""
    edges = np.linspace(at[at != ABSENT].min(), at.max() + 1, bins + 1)
    lines = [f"{'from':>8} {'to':>6} {'steps':>7} " + " ".join(f"{name:>10}" for name in found)]
    for low, high in itertools.pairwise(edges):
        here = (at >= low) & (at < high) & (at != ABSENT)
        if here.any():
            means = [
                x[here & ~np.isnan(x)].mean() if here.any() else np.nan for x in found.values()
            ]
            told = " ".join(f"{x:10.2f}" for x in means)
            lines.append(f"{low:8.0f} {high:6.0f} {here.sum():7,} {told}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
