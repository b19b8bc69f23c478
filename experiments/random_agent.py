"""What random actions reach: python -m experiments.random_agent --env=mario_1_1 --episodes=300

Takes the flags of training, or the --logdir of a run, and plays the episodes that --mode=eval would
play. Prints their scores in one line, as --mode=eval does. It takes as long as the emulator needs.
"""

import sys
from collections.abc import Sequence
from contextlib import closing

from absl import flags as absl_flags

from dreamer_jax.commands.evaluate import show
from dreamer_jax.commands.evaluation_players import FINAL, evaluation_env
from dreamer_jax.commands.options import EPISODES, decide, parse
from dreamer_jax.loops import evaluate
from dreamer_jax.main import COMMANDS, complain
from experiments.random_play import random_actions

DRAWN = 10_000  # steps until the actions repeat themselves


def main(argv: Sequence[str]) -> int:
    """Plays and prints the scores; exit code 2 for a mistake of the user."""
    try:
        flags = parse(argv, COMMANDS)
        setup, episodes = decide(flags), flags.episodes or EPISODES
        env = evaluation_env(setup, episodes=episodes, seed=FINAL)
    except (absl_flags.Error, ValueError, OSError) as error:
        return complain(error, 2)
    with closing(env):
        actions = random_actions(env, DRAWN, setup.seed + FINAL, beyond=1.0)
        results = evaluate.play(env, lambda _, step: actions[step % DRAWN], episodes=episodes)
    show(results, policy="random", env=setup.env)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
