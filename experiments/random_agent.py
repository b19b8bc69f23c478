"""What random actions reach: python -m experiments.random_agent --env=mario_1_1 --episodes=300

Takes the flags of training, or the --logdir of a run, and plays the episodes that --mode=eval would
play. Prints their scores in one line, as --mode=eval does. It takes as long as the emulator needs.

From another folder, such as that of your own environment, start the file itself:
python <checkout>/experiments/random_agent.py --env=gym:your_module:YourEnv-v0
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from absl import flags as absl_flags

if __name__ == "__main__":  # before the imports below
    sys.path.append(str(Path(__file__).resolve().parents[1]))  # of a file that is started itself

from dreamer_jax import own_packages

if __name__ != "__main__":
    own_packages.claim()
elif not own_packages.found():
    sys.exit(2)

import configs
from dreamer_jax.commands.evaluation_players import FINAL, evaluation_env
from dreamer_jax.commands.evaluation_results import scored, show
from dreamer_jax.commands.flags import EPISODES, parse, usage
from dreamer_jax.commands.options import decide
from dreamer_jax.loops import evaluate
from dreamer_jax.main import COMMANDS, complain
from dreamer_jax.outputs.say import say_on_stderr
from envs.vector.failures import EnvironmentFailed
from experiments.random_play import random_actions

DRAWN = 10_000  # steps until the actions repeat themselves


def main(argv: Sequence[str]) -> int:
    """Plays and prints the scores; exit code 2 for a mistake of the user, 1 for a fault."""
    try:
        flags = parse(argv, COMMANDS)
        if flags.help or flags.config == "help":
            print(configs.describe() if flags.config else f"{__doc__}\n{usage(COMMANDS)}")
            return 0
        setup, episodes = decide(flags._replace(episodes=None)), flags.episodes or EPISODES
        env = evaluation_env(setup, episodes=episodes, seed=FINAL)
    except (absl_flags.Error, ValueError, OSError) as error:
        return complain(error, 2)
    try:
        with closing(env):
            actions = random_actions(env, DRAWN, setup.seed + FINAL, beyond=1.0)
            results = evaluate.play(
                env,
                lambda _, step: actions[step % DRAWN],
                episodes=episodes,
                say=say_on_stderr,
            )
    except EnvironmentFailed as error:
        return complain(error, 1)
    show(results, scored(results, env=setup.env), policy="random")
    return 0


if __name__ == "__main__":
    own_packages.search_current_folder()
    sys.exit(main(sys.argv))
