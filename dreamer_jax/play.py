"""Plays an environment by hand, from any folder: python -m dreamer_jax.play --env=atari_pong

The program is `envs.play`; from a folder with an `envs` of its own, Python would not find that.
"""

import sys

from dreamer_jax import own_packages

if not own_packages.found():  # before the import below
    sys.exit(2)

from envs.play.program import main


def run() -> int:
    """What the console script `dreamer-jax-play` calls; returns the exit code."""
    own_packages.search_current_folder()
    return main(sys.argv)


if __name__ == "__main__":
    sys.exit(run())
