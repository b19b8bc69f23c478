"""Dreams: compares what the model of a saved agent predicts with real play, and films it."""

import sys
from collections.abc import Callable
from contextlib import ExitStack, closing

from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.commands.changes import naming_what_does_not_fit
from dreamer_jax.commands.chosen_checkpoints import load_one
from dreamer_jax.commands.evaluation_players import evaluation_env
from dreamer_jax.commands.flags import CONTEXT, DREAM_EPISODES, HORIZON, Flags
from dreamer_jax.commands.options import decide
from dreamer_jax.host import host_memory
from dreamer_jax.run import spaces_record

SEED = 3 << 20  # added to that of the run, so that no episode is one of an evaluation


def dreaming(flags: Flags) -> Callable[[], None]:
    """Prepares to play real episodes and to dream from them.

    Raises:
      ValueError, OSError: a mistake of the user, such as an agent without a model.
    """
    setup = decide(flags)
    host_memory.close_gaps()  # for large pages, although programs are compiled later
    with naming_what_does_not_fit(setup.changes):
        saved = load_one(setup, flags.checkpoint)
    if saved.agent.model is None:
        raise ValueError(f"{setup.logdir}: the agent {setup.agent!r} has no model to dream with")
    episodes = flags.episodes or DREAM_EPISODES
    with ExitStack() as opened:
        env = opened.enter_context(closing(evaluation_env(setup, episodes=episodes, seed=SEED)))
        spaces_record.require_same(setup.logdir, obs_space=env.obs_space, act_space=env.act_space)
        kept = opened.pop_all()
    print(f"{setup.logdir} at step {saved.step}", file=sys.stderr)

    def task() -> None:
        from dreamer_jax.commands import dream_files  # loads what films need

        discount = AGENTS[setup.agent].discount
        with kept:
            dream_files.make(
                setup,
                saved,
                env,
                episodes=episodes,
                horizon=flags.horizon or HORIZON,
                context=flags.context or CONTEXT,
                discount=discount(setup.config.agent) if discount else 1.0,
                seed=setup.seed + SEED,
            )

    return task
