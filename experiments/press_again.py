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

from dreamer_jax.commands.options import Setup
from dreamer_jax.commands.restored_agents import Restored
from dreamer_jax.environment import Timestep
from dreamer_jax.main import complain
from experiments import places
from experiments.known_play import ENVS, Known, flags_of_a_run, load, make_env, play, player

WALK, JUMP = 1, 2  # of `right_only`: right, right and A
STANDING, HELD, AFTER = 8, 16, 12  # steps until A is pressed, until it may be released, and then
SAMPLES = 16  # dreams of each copy


def main() -> int:
    """Prints a table; exit code 2 for a mistake of the user."""
    args = flags().parse_args()
    try:
        setup, saved = load(args.logdir, args.checkpoint)
        if not setup.env.startswith("mario_"):
            raise ValueError(f"{args.logdir} is a run of {setup.env}, not of a stage of mario")
        height = height_of(setup, saved, args)
    except (ValueError, OSError) as error:
        return complain(error, 2)
    columns = dict[str, np.ndarray]()
    for name, released in (("held", 0), ("pressed again", 1)):
        script = [WALK] * STANDING + [JUMP] * HELD + [WALK] * released + [JUMP] * AFTER
        known = scripted(setup, script[: STANDING + HELD + AFTER])
        columns[f"{name}: game"] = known.at["mario_y"][-AFTER:].mean(1)
        columns[f"{name}: dream"] = dreamt_height(saved, known, height)
    print("step " + " ".join(f"{name:>22}" for name in columns) + "   (pixels from above)")
    for step, row in enumerate(zip(*columns.values(), strict=True)):
        print(f"{step:4} " + " ".join(f"{x:22.1f}" for x in row))
    return 0


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    return flags_of_a_run("press_again", __doc__, steps=1_000, random=0.33)


def height_of(setup: Setup, saved: Restored, args: argparse.Namespace) -> places.Regression:
    """A regression of Mario's height on the latents of the agent's own play."""
    model = saved.agent.model
    assert model is not None
    with closing(make_env(setup)) as env:
        choose = player(saved, env, share_at_random=args.random)
        known = play(env, choose, steps=args.steps)
    carry = places.watch(model, saved.state, saved.agent.player.carry(ENVS), known)
    both = places.features_of(carry)["both"]
    return places.fitted(both, known.at["mario_y"], known.shown("mario_y"))


def scripted(setup: Setup, script: list[int]) -> Known:
    """The game when all copies play a script of actions."""

    def choose(step: int, seen: Timestep) -> dict[str, np.ndarray]:
        del seen
        return {"action": np.full((ENVS, 1), script[step], np.int32)}

    with closing(make_env(setup)) as env:
        return play(env, choose, steps=len(script))


def dreamt_height(saved: Restored, known: Known, height: places.Regression) -> np.ndarray:
    """The mean height [AFTER] in dreams of the last actions of a play."""
    model, state = saved.agent.model, saved.state
    assert model is not None
    seen = STANDING + HELD
    before = known._replace(steps=jax.tree.map(lambda x: x[:seen], known.steps))
    carry = places.watch(model, state, saved.agent.player.carry(ENVS), before)
    carry = jax.tree.map(lambda x: jnp.asarray(np.repeat(x[-1], SAMPLES, 0)), carry)
    heights = list[Any]()
    for step in range(AFTER):
        # The action before the first of these steps is part of what was seen.
        carry = model.imagine(state, carry, jax.random.key(step))
        features = places.features_of(jax.device_get(carry))["both"]
        heights.append(height(features).mean())
        action = np.repeat(known.steps.action["action"][seen + step], SAMPLES, 0)
        carry = model.took(carry, {"action": jnp.asarray(action)})
    return np.stack(heights)


if __name__ == "__main__":
    sys.exit(main())
