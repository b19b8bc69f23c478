"""What random actions reach: python -m experiments.random_agent --env=mario_1_1 --episodes=300

Takes the flags of training, trains nothing, and prints scores as --mode=eval does.
"""

import sys
from collections.abc import Sequence
from contextlib import closing

import envs
from dreamer_jax import evaluate
from dreamer_jax.main import EVAL_ENVS, show
from dreamer_jax.options import FLAGS, decide
from experiments.random_play import random_actions

DRAWN = 10_000  # steps until the actions repeat themselves


def main(argv: Sequence[str]) -> None:
    """Plays, and prints what came of it."""
    FLAGS(argv)
    setup = decide()
    count = min(EVAL_ENVS, FLAGS.episodes)
    options = envs.from_the_beginning(setup.config.env)
    with closing(envs.make(setup.env, options, count, setup.seed)) as env:
        actions = random_actions(env, DRAWN, setup.seed)
        results = evaluate.play(env, lambda _, step: actions[step % DRAWN], FLAGS.episodes)
    show("random", setup.env, results)


if __name__ == "__main__":
    main(sys.argv)
