"""Policies with environments to play in, whose episodes begin where the game does."""

from typing import Any

import envs
from dreamer_jax.commands.options import Setup
from dreamer_jax.loops.evaluate import Evaluator
from dreamer_jax.types import Act, Player

EVAL_ENVS = 16  # environments that an evaluation plays side by side
# Seeds of the episodes that evaluations play, apart from those of training and from each other.
PERIODIC, FINAL = 1 << 20, 2 << 20


def make_evaluator(
    setup: Setup, *, player: Player, act: Act, episodes: int, seed: int
) -> Evaluator:
    """`act`, one of the player's own, with environments whose episodes begin at the beginning."""
    env = evaluation_env(setup, episodes=episodes, seed=seed)
    return Evaluator(player, act=act, env=env, seed=setup.seed + seed)


def evaluation_env(setup: Setup, *, episodes: int, seed: int) -> Any:
    """Environments for so many episodes, all of which begin at the beginning."""
    options = envs.without_curriculum(setup.config.env)
    return envs.make(setup.env, options, num_envs=min(EVAL_ENVS, episodes), seed=setup.seed + seed)
