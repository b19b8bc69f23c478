"""Does the latent know where the ball is? python -m experiments.probe --logdir=logdir/atari_pong

Plays with a saved agent, reads positions from the memory of the emulator (`experiments.positions`),
and predicts them from the latents by linear regression. Prints for each coordinate:

* R² on copies of the game that the regression has not seen, from the deterministic part, from the
  latents, and from both. 1: a linear layer can read it; 0: no better than its mean.
* R² of the same regression in dreams of 1, 5 and 15 steps after the recorded actions.

and for each thing how much of the pixels around it the model draws rightly, in the reconstruction
and in dreams: 1 - error / variance.
"""

import argparse
import sys

from dreamer_jax.main import complain
from experiments import places, positions
from experiments.known_play import ENVS, Known, flags_of_a_run, load, make_env, own_play
from experiments.places import AHEAD, Features, Moments


def main() -> int:
    """Prints two tables; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        subject = load(args.logdir, args.checkpoint)
        places.features_of(subject.carry)
        env = make_env(subject.setup)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    known = own_play(subject, env, args)
    try:
        places.beginnings(known)
    except ValueError as error:
        return complain(error, 2)
    carry = places.watch(subject.model, subject.state, subject.carry, known)
    dreams = places.dreamt(known, carry, subject.model, subject.state)
    print(f"{args.logdir} at step {subject.step}: {args.steps * ENVS:,} steps")
    print(
        f"{'':12} {'shown':>6} {'deter':>6} {'latents':>7} {'both':>6}  dreams of {AHEAD[1:]} steps"
    )
    parts = places.features_of(carry)
    for name in sorted(known.at):
        print(line_of(name, known, parts, dreams))
    print(f"pixels around {'':6} explained by reconstructions, and by dreams of {AHEAD[1:]} steps")
    screen = positions.screen(known.env)
    for thing in positions.things(known.at):
        shares = [places.explained(thing, known, m, screen=screen) for m in dreams.values()]
        print(f"{thing:20} {' '.join(f'{share:6.2f}' for share in shares)}")
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    return flags_of_a_run("probe", __doc__)


def line_of(name: str, known: Known, parts: Features, dreams: dict[int, Moments]) -> str:
    """The line of the table for one coordinate."""
    at = known.at[name]
    shown = known.shown(name)
    guesses = {part: places.fitted(x, at, shown) for part, x in parts.items()}
    test = places.test_rows()
    scores = [places.score(guess, parts[part], at, shown, test) for part, guess in guesses.items()]
    scores += [places.in_dreams(guesses["both"], at, m) for ahead, m in dreams.items() if ahead]
    told = [f"{x:6.2f}" for x in scores]
    return f"{name:12} {shown.mean():6.0%} {' '.join(told[:3])}  {' '.join(told[3:])}"


if __name__ == "__main__":
    sys.exit(main())
