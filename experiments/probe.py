"""Does the latent know where the ball is? python -m experiments.probe --logdir=...

Plays with a saved agent, reads positions from the memory of the emulator (`experiments.positions`),
and predicts them from the latents by linear regression. Prints for each coordinate:

* R² on copies of the game that the regression has not seen, from the deterministic part, from the
  stochastic part, and from both. 1: a linear layer can read it; 0: no better than its mean; nan:
  it is never shown or never changes.
* R² of the last regression in dreams of 0, 1, 5 and 15 steps after the recorded actions. They begin
  where the episode lasts for as long, so 0 steps need not be like all steps.

and for each thing how much of the pixels around it the model draws rightly in these dreams: 1 -
error / variance. 0 steps are the reconstruction.
"""

import argparse
import sys
from collections.abc import Mapping

from dreamer_jax.main import complain
from experiments import linear_probe, open_loop, positions
from experiments.known_play import ENVS, Known, flags_of_a_run, load, make_env, own_play
from experiments.linear_probe import BOTH, DETER, STOCH
from experiments.open_loop import AHEAD


def main() -> int:
    """Prints two tables; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        subject = load(args.logdir, args.checkpoint)
        linear_probe.features_of(subject.carry)
        env = make_env(subject.setup)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    known = own_play(subject, env, steps=args.steps, random=args.random)
    try:
        open_loop.beginnings(known)
    except ValueError as error:
        return complain(error, 2)
    found = open_loop.measures(subject.model, subject.state, subject.carry, known)
    print(f"{args.logdir} at step {subject.step}: {args.steps * ENVS:,} steps")
    print("\n".join(table(known, found)))
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    return flags_of_a_run("probe", __doc__)


def table(known: Known, found: Mapping[str, float]) -> list[str]:
    """Both tables of what `open_loop.measures` found."""
    seen, dreams = f"{DETER:>6} {STOCH:>6} {BOTH:>6}", f"dreams of {AHEAD} steps"
    lines = [f"{'':12} {'shown':>6} {seen}  {dreams}"]
    for name in sorted(known.at):
        keys = [f"/{DETER}", f"/{STOCH}", "", *(f"/{n}" for n in AHEAD)]
        told = [f"{found[f'r2/{name}{key}']:6.2f}" for key in keys]
        shown = f"{known.shown(name).mean():6.0%}"
        lines.append(f"{name:12} {shown} {' '.join(told[:3])}  {' '.join(told[3:])}")
    lines.append(f"pixels around {'':6} explained in {dreams}")
    for thing in positions.things(known.at):
        shares = (found[f"pixels/{thing}/{n}"] for n in AHEAD)
        lines.append(f"{thing:20} {' '.join(f'{share:6.2f}' for share in shares)}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
