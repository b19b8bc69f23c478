"""Is it in the dream that a button must be released? python -m experiments.press_again --logdir=...

Mario jumps once for each time that A is pressed. Here he walks and jumps, lands with A still held,
and then either holds it or releases it for one step and presses it again. Prints his height in the
game and in dreams of these actions that begin when he has landed. A dream that knows the rule stays
on the ground in the first case and jumps in the second.
"""

import argparse
import sys
from contextlib import closing
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.environment import Timestep
from dreamer_jax.main import complain
from experiments import linear_probe, open_loop
from experiments.known_play import (
    ENVS,
    Known,
    Subject,
    flags_of_a_run,
    load,
    make_env,
    own_play,
    play,
)
from experiments.linear_probe import BOTH

WALK, JUMP = 1, 2  # of `right_only`: right, right and A
BEFORE, HELD, AFTER = 8, 16, 12  # steps until A is pressed, until it may be released, and then
CASES = {"held": 0, "pressed again": 1}  # steps without A after the landing
SAMPLES = 16  # dreams of each copy


def main() -> int:
    """Prints a table; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        subject = load(args.logdir, args.checkpoint)
        if not (env := subject.setup.env).startswith("mario_"):
            raise ValueError(f"{args.logdir} is a run of {env}, not of a stage of mario")
        linear_probe.features_of(subject.carry)
        plays = {name: scripted(subject, released) for name, released in CASES.items()}
    except (ValueError, OSError) as error:
        return complain(error, 2)
    free = own_play(subject, make_env(subject.setup), steps=args.steps, random=args.random)
    height, error = height_of(subject, free)
    print(f"Mario's height is read from the latents with a mean error of {error:.1f} pixels.")
    columns = dict[str, np.ndarray]()
    for name, known in plays.items():
        columns[f"{name}: game"] = known.at["mario_y"][-AFTER:].mean(1)
        columns[f"{name}: dream"] = dreamt_height(subject, known, height)
    print("step " + " ".join(f"{name:>22}" for name in columns) + "   (pixels from above)")
    for step, row in enumerate(zip(*columns.values(), strict=True)):
        print(f"{step:4} " + " ".join(f"{x:22.1f}" for x in row))
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    return flags_of_a_run("press_again", __doc__, steps=1_000, random=0.33)


def height_of(subject: Subject, known: Known) -> tuple[linear_probe.Regression, float]:
    """A regression of Mario's height on the latents, and its mean error where it is judged."""
    carry = open_loop.watch(subject.model, subject.state, subject.carry, known)
    both = linear_probe.features_of(carry)[BOTH]
    at, shown = known.at["mario_y"], known.shown("mario_y")
    height, test = linear_probe.fitted(both, at, shown), shown & linear_probe.split().test
    return height, float(np.abs(height(both[test]) - at[test]).mean())


def scripted(subject: Subject, released: int) -> Known:
    """The game when all copies play the script, with A released for so many steps.

    ValueError where Mario has not landed when that begins, as in another stage than 1-1.
    """
    script = [WALK] * BEFORE + [JUMP] * HELD + [WALK] * released + [JUMP] * AFTER

    def choose(step: int, seen: Timestep) -> dict[str, np.ndarray]:
        del seen
        return {"action": np.full((ENVS, 1), script[step], np.int32)}

    with closing(make_env(subject.setup)) as env:
        known = play(env, choose, steps=BEFORE + HELD + AFTER)
    height = known.at["mario_y"]
    if known.steps.is_first[1:].any() or (height[BEFORE + HELD] != height[BEFORE]).any():
        raise ValueError(f"{subject.setup.env}: Mario does not land where he has jumped")
    return known


def dreamt_height(subject: Subject, known: Known, height: linear_probe.Regression) -> np.ndarray:
    """The mean height [AFTER] in dreams of the last actions of a play."""
    model, state = subject.model, subject.state
    seen = BEFORE + HELD
    before = known._replace(steps=jax.tree.map(lambda x: x[:seen], known.steps))
    carry = open_loop.watch(model, state, subject.carry, before)
    carry = jax.tree.map(lambda x: jnp.asarray(np.repeat(x[-1], SAMPLES, 0)), carry)
    heights = list[Any]()
    for step in range(AFTER):
        # The action before the first of these steps is part of what was seen.
        carry = model.imagine(state, carry, jax.random.key(step))
        features = linear_probe.features_of(jax.device_get(carry))[BOTH]
        heights.append(height(features).mean())
        action = np.repeat(known.steps.action["action"][seen + step], SAMPLES, 0)
        carry = model.took(carry, {"action": jnp.asarray(action)})
    return np.stack(heights)


if __name__ == "__main__":
    sys.exit(main())
