"""Where do the nats go? python -m experiments.kl_by_step --logdir=logdir/atari_pong-seed0

Plays with a saved agent and prints, for several kinds of steps, how far the posterior is from the
prior: KL(q || p) in nats, the mean of a step; the share of all nats that these steps have; and the
share of them below `losses.free_nats`, where neither of the two is pulled. Kinds of one thing are
those where it is not shown, appears, stands, and moves.
"""

import argparse
import sys

import jax
import numpy as np

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.networks import Dreamer, scale_vectors
from dreamer_jax.agents.dreamer.state import DreamerCarry, DreamerState
from dreamer_jax.main import complain
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.rssm import RSSM
from experiments import open_loop
from experiments.known_play import Known, flags_of_a_run, load, make_env, own_play

STILL = 0.5  # pixels a step; less is standing


def main() -> int:
    """Prints a table; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        subject = load(args.logdir, args.checkpoint)
        floor = subject.config.losses.free_nats
        env = make_env(subject.setup)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    dreamer = agent.build(subject.setup.config, spaces.of(env.obs_space, env.act_space))
    known = own_play(subject, env, steps=args.steps, random=args.random)
    carry = open_loop.watch(subject.model, subject.state, subject.carry, known)
    found = kl_of(dreamer, subject.state, carry, known)
    print(f"{args.logdir} at step {subject.step}: {found.size:,} steps")
    print("\n".join(table(found, kinds(known), floor=floor)))
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    return flags_of_a_run("kl_by_step", __doc__, steps=1_000)


def kl_of(dreamer: Dreamer, state: DreamerState, carry: DreamerCarry, known: Known) -> np.ndarray:
    """KL(q || p), summed over the latents of each known step: [T, E].

    carry: [T, E, ...] as `open_loop.watch` gives it.
    """
    model, variables = dreamer.nets.rssm, {"params": state.params["rssm"]}

    @jax.jit
    def of(deter: jax.Array, obs: dict[str, jax.Array]) -> jax.Array:
        tokens = dreamer.encode(state.params, scale_vectors(dreamer, state.moments, obs))
        posterior = rssm.run(model, variables, RSSM.posterior, deter, tokens)
        return posterior.kl(rssm.run(model, variables, RSSM.prior, deter)).sum(-1)

    steps = range(len(known.steps.is_first))
    rows = [of(carry.latent.deter[t], {k: x[t] for k, x in known.steps.obs.items()}) for t in steps]
    return np.stack(jax.device_get(rows))


def kinds(known: Known) -> dict[str, np.ndarray]:
    """Kinds of steps, each [T, E] bool."""
    first = np.asarray(known.steps.is_first)
    after_first = np.concatenate([first[:1], first[:-1]])  # no places are known of first steps
    found = {"all": np.ones_like(first), "first of an episode": first}
    found["with a reward"] = np.asarray(known.steps.reward) != 0
    for name in sorted(known.at):
        at, shown = known.at[name], known.shown(name)
        before = np.concatenate([at[:1], at[:-1]])
        lasting = shown & np.concatenate([np.zeros_like(shown[:1]), shown[:-1]])
        moves = lasting & (np.abs(at - before) > STILL)
        found |= {f"{name} not shown": ~shown & ~first}
        found[f"{name} appears"] = shown & ~lasting & ~after_first
        found |= {f"{name} stands": lasting & ~moves, f"{name} moves": moves}
    return found


def table(found: np.ndarray, kinds: dict[str, np.ndarray], *, floor: float) -> list[str]:
    """One line for each kind that there is."""
    lines = [f"{'':24} {'steps':>6} {'nats':>6} {'share':>6}  below the {floor:g} free nats"]
    for name, here in kinds.items():
        if here.any():
            share = found[here].sum() / found.sum()
            told = f"{here.mean():6.1%} {found[here].mean():6.2f} {share:6.1%}"
            lines.append(f"{name:24} {told}  {(found[here] < floor).mean():.0%}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
