"""Records episodes of an environment, played at random or by the agent of a run."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import envs
from dreamer_jax.commands.chosen_checkpoints import load_one
from dreamer_jax.commands.flag_modes import require_of_mode
from dreamer_jax.commands.flags import RECORDED, Flags
from dreamer_jax.commands.options import Setup, begun, decide, place
from dreamer_jax.commands.restored_agents import Restored
from dreamer_jax.outputs.say import say_on_stderr
from dreamer_jax.run import spaces_record
from dreamer_jax.types import AnyAct, CarryT, Obs
from envs.play import recorder, recordings
from envs.play.recorder import Actions, Moment, RandomPolicy
from envs.settings import flatten
from envs.timestep import Timestep, VectorEnv

RANDOM, SAMPLED, GREEDY = "random", "sampled", "greedy"
COPIES = 8  # most environments that step at once, unless the config says so
# Added to the seed of a run: its agent plays other episodes than in training and evaluation.
APART = 3 << 20


class Asked(NamedTuple):
    """What is to be played, and by whom."""

    setup: Setup
    policy: str
    seed: int  # of the episodes
    out: Path
    episodes: int


def recording(flags: Flags) -> Callable[[], None]:
    """Prepares to record episodes, or to continue a recording."""
    asked = read(flags)
    setup = asked.setup
    saved = None if asked.policy == RANDOM else load_one(setup, flags.checkpoint)
    env = environment(asked)
    try:
        if flags.logdir is not None:
            spaces_record.require_same(
                setup.logdir, obs_space=env.obs_space, act_space=env.act_space
            )
        options = flatten(envs.without_curriculum(setup.config.env))
        begun_ = recordings.begin(asked.out, env, name=setup.env, options=options, seed=asked.seed)
    except BaseException:
        env.close()
        raise
    policy = RandomPolicy(env.act_space, seed=asked.seed)
    choose = policy if saved is None else AgentPolicy(saved, asked, copies=env.num_envs)

    def play() -> None:
        with closing(env):
            found = recorder.record(begun_, env, choose, episodes=asked.episodes, say=say_on_stderr)
        count = len(recordings.runs(found))
        print(f"{found.folder} has {count:,} episodes, {found.steps:,} steps")

    return play


def read(flags: Flags) -> Asked:
    """What the flags ask for; ValueError where they contradict each other."""
    require_of_mode(flags)
    if not flags.out:
        raise ValueError("--mode=record needs the folder of the recording: --out=recordings/x")
    run = flags.logdir is not None
    policy = flags.policy or (SAMPLED if run else RANDOM)
    if policy != RANDOM and not run:
        raise ValueError(f"--policy={policy} needs the --logdir of the run whose agent plays")
    if policy == RANDOM and flags.checkpoint:
        raise ValueError(f"--checkpoint={flags.checkpoint} is for an agent; random play has none")
    setup = decide(flags) if run else begun(place(flags), flags)
    seed = setup.seed + APART * run
    return Asked(setup, policy, seed, Path(flags.out), flags.episodes or RECORDED)


def environment(asked: Asked) -> VectorEnv:
    """Copies of the environment whose episodes begin where the game begins."""
    setup = asked.setup
    options = envs.evaluation_options(setup.config.env, training=0)
    copies = min(setup.config.train.eval_envs or COPIES, asked.episodes)
    return envs.make(setup.env, options, num_envs=copies, seed=asked.seed)


class AgentPolicy:
    """The agent of a run as a `recorder.Choose`.

    Each row has its own random numbers, which depend on the seed, the row, the number of the
    episode and the step alone, so that an episode is the same whenever it is played.
    """

    def __init__(self, saved: Restored, asked: Asked, *, copies: int) -> None:
        """Compiles nothing yet."""
        player = saved.agent.player
        act = player.greedy if asked.policy == GREEDY else player.act
        rows = jnp.arange(copies)
        where = jax.tree.leaves(saved.state)[0].sharding
        carry = jax.vmap(lambda _: player.carry(1))(rows)
        self._carry = jax.device_put(carry, where)
        self._key = jax.device_put(jax.random.key(asked.seed), where)
        self._actor = player.actor(saved.state)
        self._step = jax.jit(partial(rowwise, act))

    def __call__(self, timestep: Timestep, moments: list[Moment]) -> Actions:
        """See `recorder.Choose`."""
        at = np.array([(i, m.number, m.step) for i, m in enumerate(moments)], np.uint32)
        carry, action = self._step(
            self._key, self._actor, self._carry, timestep.obs, timestep.is_first, at
        )
        self._carry = carry
        found: Any = jax.device_get(action)
        return found


def rowwise(
    act: AnyAct,
    key: jax.Array,
    actor: Any,
    carry: CarryT,
    obs: Obs,
    is_first: jax.Array,
    at: jax.Array,
) -> tuple[CarryT, dict[str, jax.Array]]:
    """Acts once in each row by itself.

    Args:
      act: `player.act` or `player.greedy`.
      key: of all random numbers; the key of a row is folded from it and `at`.
      actor: what acting reads of the state.
      carry: [E, 1, ...], what the player remembers of each row.
      obs: [E, ...] by key.
      is_first: [E] bool.
      at: [E, 3] uint32, row, number of the episode and step.

    Returns:
      What to remember, and the actions [E, n] by key.
    """

    def one(carry: Any, obs: Obs, first: jax.Array, at: jax.Array) -> Any:
        own = key
        for i in range(at.shape[0]):
            own = jax.random.fold_in(own, at[i])
        alone = {name: x[None] for name, x in obs.items()}
        carry, action, _ = act(actor, carry, alone, first[None], own)
        return carry, {name: x[0] for name, x in action.items()}

    return jax.vmap(one)(carry, obs, is_first, at)
