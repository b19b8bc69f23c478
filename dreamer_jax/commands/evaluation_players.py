"""Policies and environments for evaluation, whose episodes begin where the game begins."""

from collections.abc import Callable
from contextlib import suppress

import envs
from dreamer_jax.commands.options import Setup
from dreamer_jax.faults import one_line
from dreamer_jax.loops import evaluate
from dreamer_jax.loops.evaluate import Evaluator
from dreamer_jax.outputs.say import Say
from dreamer_jax.types import AgentState, AnyAct, AnyPlayer
from envs.timestep import VectorEnv
from envs.vector.failures import EnvironmentFailed

EVAL_ENVS = 16  # most environments that an evaluation steps in parallel, unless the config says so
# Added to the seed of the run, so that training and both evaluations play different episodes.
PERIODIC, FINAL = 1 << 20, 2 << 20


class PeriodicEvaluation:
    """The evaluation during training. It always plays the same episodes, greedily.

    Its environments are made when they are first needed, and stay until `close`.
    """

    def __init__(self, setup: Setup, player: AnyPlayer) -> None:
        """`player` is that of the agent; makes no environment."""
        self._setup, self._player = setup, player
        self._evaluator: Evaluator | None = None
        self._not_made = ""  # why the environments could not be made

    def scores(self, state: AgentState, stopped: Callable[[], bool], say: Say) -> dict[str, float]:
        """See `Run.evaluate`; {} as well where the run never evaluates."""
        train = self._setup.config.train
        if not train.eval_every:
            return {}
        try:
            self._evaluator = self._evaluator or make_evaluator(
                self._setup,
                player=self._player,
                act=self._player.greedy,
                episodes=train.eval_episodes,
                seed=PERIODIC,
            )
        except (ValueError, OSError) as error:
            self._not_made = f"cannot make the environments of the evaluation: {one_line(error)}"
            return {}
        with suppress(EnvironmentFailed):  # `failure` reports it
            results = self._evaluator.play(
                state, episodes=train.eval_episodes, stopped=stopped, say=say
            )
            return evaluate.summary(results)
        return {}

    def failure(self) -> str:
        """Why its environments do not work; empty while they do."""
        return self._evaluator.env.failure if self._evaluator else self._not_made

    def close(self) -> None:
        """Closes the environments that were made."""
        if self._evaluator:
            self._evaluator.env.close()


def make_evaluator(
    setup: Setup, *, player: AnyPlayer, act: AnyAct, episodes: int, seed: int
) -> Evaluator:
    """A policy with environments whose episodes begin where the game begins.

    act: `player.act` or `player.greedy`. seed: PERIODIC or FINAL.
    """
    env = evaluation_env(setup, episodes=episodes, seed=seed)
    return Evaluator(player, act=act, env=env, seed=setup.seed + seed)


def evaluation_env(setup: Setup, *, episodes: int, seed: int, draws: bool = False) -> VectorEnv:
    """At most `train.eval_envs` environments, whose episodes begin where the game begins.

    draws: whether they can be drawn by their own renderer.
    """
    training = setup.config.train.envs if seed == PERIODIC else 0  # in the same program
    options = envs.evaluation_options(setup.config.env, training=training)
    most = setup.config.train.eval_envs or EVAL_ENVS
    copies = min(most, episodes)
    return envs.make(setup.env, options, num_envs=copies, seed=setup.seed + seed, draws=draws)
