"""Policies and environments for evaluation, whose episodes begin where the game begins."""

import envs
from dreamer_jax.commands.options import Setup
from dreamer_jax.loops.evaluate import Evaluator
from dreamer_jax.types import AnyAct, AnyPlayer
from envs.timestep import VectorEnv

EVAL_ENVS = 16  # environments that an evaluation steps in parallel
# Added to the seed of the run, so that training and both evaluations play different episodes.
PERIODIC, FINAL = 1 << 20, 2 << 20


def make_evaluator(
    setup: Setup, *, player: AnyPlayer, act: AnyAct, episodes: int, seed: int
) -> Evaluator:
    """A policy with environments whose episodes begin where the game begins.

    act: `player.act` or `player.greedy`. seed: PERIODIC or FINAL.
    """
    env = evaluation_env(setup, episodes=episodes, seed=seed)
    return Evaluator(player, act=act, env=env, seed=setup.seed + seed)


def evaluation_env(setup: Setup, *, episodes: int, seed: int) -> VectorEnv:
    """At most EVAL_ENVS environments, whose episodes begin where the game begins."""
    training = setup.config.train.envs if seed == PERIODIC else 0  # in the same program
    options = envs.evaluation_options(setup.config.env, training=training)
    return envs.make(setup.env, options, num_envs=min(EVAL_ENVS, episodes), seed=setup.seed + seed)
