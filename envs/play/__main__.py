"""Plays an environment by hand: python -m envs.play --env=atari_pong"""

import sys

from envs.play.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
