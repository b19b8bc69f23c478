"""Plays whole episodes with a fixed policy and reports their scores."""

import copy
from collections.abc import Callable
from functools import partial

import jax
import numpy as np

from dreamer_jax.environment import Environment, Timestep
from dreamer_jax.outputs.episode_sums import EpisodeSums
from dreamer_jax.outputs.evaluation_progress import EvaluationProgress
from dreamer_jax.outputs.say import Say, silent
from dreamer_jax.statistics import wilson
from dreamer_jax.types import Act, ActorT, AgentState, AnyAct, AnyPlayer, CarryT, Obs

Results = dict[str, np.ndarray]  # each [episodes]: 'score', 'length', and the sum of each event
# The event of tasks that can be solved: 1 in an episode that solves its task.
SUCCESS = "event/success"
STEP_LIMIT = 30_000  # steps for each episode; half an hour of Atari is 27,000


Actions = dict[str, np.ndarray]  # [E, n] by key
# Receives every timestep and the actions that led to it, None at the first one.
Watch = Callable[[Timestep, Actions | None], None]


def unwatched(_: Timestep, __: Actions | None) -> None:
    """Ignores a timestep."""


class Evaluator:
    """A compiled policy and its environments; can be asked for scores many times."""

    def __init__(self, player: AnyPlayer, *, act: AnyAct, env: Environment, seed: int) -> None:
        """`act` belongs to the player: `player.act` or `player.greedy`."""
        self.env = env
        self.seed = np.uint32(seed)
        self.player = player
        self.begin = jax.jit(partial(player.carry, env.num_envs))
        self.step = jax.jit(partial(step, act))

    def in_env(self, env: Environment) -> "Evaluator":
        """The same policy, compiled once, with other environments of the same task."""
        other = copy.copy(self)
        other.env = env
        return other

    def play(
        self,
        state: AgentState,
        *,
        episodes: int,
        stopped: Callable[[], bool] = lambda: False,
        watch: Watch = unwatched,
        say: Say = silent,
    ) -> Results:
        """Plays whole episodes with the parameters of `state`; may be called many times.

        Args:
          state: of the agent. Only what acting reads of it is used.
          episodes: how many, over all environments.
          stopped: once it returns True, `play` returns {}.
          watch: is called with every timestep, and with the actions that led to it.
          say: prints a line about the progress of a long evaluation.

        Returns:
          The results of `evaluate.play`, the same whenever the state is the same.
        """
        where = jax.tree.leaves(state)[0].sharding  # parameters may be copied to many devices
        seed, carry = jax.device_put((self.seed, self.begin()), where)
        actor = self.player.actor(state)

        def choose(seen: Timestep, index: int) -> Actions:
            nonlocal carry
            inputs = seen.obs, seen.is_first, np.int32(index)
            with jax.transfer_guard_host_to_device("allow"):  # as in training
                carry, action = self.step(seed, actor, carry, *inputs)
            return jax.device_get(action)

        return play(self.env, choose, episodes=episodes, stopped=stopped, watch=watch, say=say)


def step(
    act: Act[ActorT, CarryT],
    seed: jax.Array,
    actor: ActorT,
    carry: CarryT,
    obs: Obs,
    is_first: jax.Array,
    index: jax.Array,
) -> tuple[CarryT, dict[str, jax.Array]]:
    """Acts once, with a key that depends on the seed and on the number of the step alone.

    Args:
      act: `player.act` or `player.greedy`.
      seed: [] uint32, of the evaluation.
      actor: what acting reads of the state.
      carry: [E, ...], what the player remembers.
      obs: [E, ...] by key.
      is_first: [E] bool.
      index: [] int32, earlier steps.

    Returns:
      What to remember for the next step, and the actions [E, n] by key.
    """
    key = jax.random.fold_in(jax.random.key(seed), index)
    carry, action, _ = act(actor, carry, obs, is_first, key)
    return carry, action


def play(
    env: Environment,
    choose: Callable[[Timestep, int], Actions],
    *,
    episodes: int,
    stopped: Callable[[], bool] = lambda: False,
    watch: Watch = unwatched,
    say: Say = silent,
) -> Results:
    """Results of the first episodes of each environment, always the same ones.

    Every environment plays the same number of episodes. Counting those that end first would count
    short episodes too often. An episode that does not end counts up to STEP_LIMIT.

    Args:
      env: E environments.
      choose: (timestep, number of the step) -> actions [E, n] by key.
      episodes: how many, over all environments.
      stopped: once it returns True, `play` returns {}.
      watch: is called with every timestep, and with the actions that led to it.
      say: prints a line about the progress of a long evaluation, or that it was cut off.
    """
    envs = env.num_envs
    quota = quotas(episodes, envs=envs)
    finished: list[list[dict[str, float]]] = [[] for _ in range(envs)]
    running = EpisodeSums.empty(envs, env.event_keys)
    progress = EvaluationProgress(say, episodes=episodes)

    def done() -> int:
        return sum(min(len(row), n) for row, n in zip(finished, quota.tolist(), strict=True))

    seen, index = env.reset(), 0
    watch(seen, None)
    while (count := done()) < episodes:
        if stopped():
            return {}
        progress.tick(steps=index * envs, finished=count)
        if index >= STEP_LIMIT * quota.max():
            progress.cut(steps=index, finished=count)
            for i in np.flatnonzero(~seen.is_last).tolist():
                finished[i].append(running.row(i))
            break
        action = choose(seen, index)
        seen, index = env.step(action), index + 1
        watch(seen, action)
        running = running.add(seen)
        for i in np.flatnonzero(seen.is_last).tolist():
            finished[i].append(running.row(i))
    counted = [x for row, n in zip(finished, quota, strict=True) for x in row[:n]]
    return {key: np.array([x[key] for x in counted]) for key in counted[0]}


def quotas(episodes: int, *, envs: int) -> np.ndarray:
    """[E] int64, how many episodes each environment plays."""
    return episodes // envs + (np.arange(envs) < episodes % envs)


def events(results: Results) -> dict[str, float]:
    """Mean of each event that happened, by its name."""
    sums = {key: x for key, x in results.items() if key.startswith("event/") and x.any()}
    return {key.removeprefix("event/"): float(x.mean()) for key, x in sums.items()}


def summary(results: Results) -> dict[str, float]:
    """Mean, standard deviation, smallest and largest score; {} for no episodes.

    A task that can be solved also has its success rate, with the 95 % interval.
    """
    if not results:
        return {}
    scores = results["score"]
    numbers = {
        "mean": float(scores.mean()),
        "std": float(scores.std()),
        "min": float(scores.min()),
        "max": float(scores.max()),
    }
    if SUCCESS in results:
        solved = results[SUCCESS] > 0
        low, high = wilson(int(solved.sum()), trials=len(solved))
        numbers |= {"success": float(solved.mean()), "success_low": low, "success_high": high}
    return numbers
