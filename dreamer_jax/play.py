"""Plays an environment by hand, from any folder: python -m dreamer_jax.play --env=atari_pong

The program is `envs.play`. In a folder that has another `envs`, Python would not find it.
"""

import sys

from dreamer_jax import own_packages

# Before the import below. Only the program itself ends the process.
if __name__ != "__main__":
    own_packages.claim()
elif not own_packages.found():
    sys.exit(2)

from envs.play.program import main


def run() -> int:
    """The console script `dreamer-jax-play`; returns the exit code."""
    own_packages.search_current_folder()
    return main(sys.argv)


if __name__ == "__main__":
    sys.exit(run())
