"""Evaluates: plays whole episodes with the newest checkpoint, and films one."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast

import envs
from dreamer_jax.commands.changes import naming_what_does_not_fit, that_matter
from dreamer_jax.commands.evaluation_players import (
    FINAL,
    evaluation_env,
    make_evaluator,
    say_on_stderr,
)
from dreamer_jax.commands.flags import EPISODES, Flags
from dreamer_jax.commands.options import decide
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.host import host_memory
from dreamer_jax.loops import evaluate
from dreamer_jax.run import history, spaces_record
from envs.play.film import Film


def evaluation(flags: Flags) -> Callable[[], None]:
    """Prepares to play whole episodes with the newest checkpoint, greedily and by sampling."""
    setup = decide(flags)
    host_memory.close_gaps()  # for large pages, although policies are compiled later
    with naming_what_does_not_fit(setup.changes):
        saved = restored(setup)
    agent = saved.agent
    # An environment that cannot be made is found here, before anything is compiled.
    with closing(evaluation_env(setup, episodes=1, seed=FINAL)) as env:
        spaces_record.require_same(setup.logdir, obs_space=env.obs_space, act_space=env.act_space)
        film = None
        if flags.gif is not None:
            film = Film(Path(flags.gif), setup.env, env, options=setup.config.env)
    episodes = flags.episodes or EPISODES
    changed = history.in_words(that_matter(setup.changes))
    print(f"{setup.logdir} at step {saved.step}", *changed, sep="\n", file=sys.stderr)

    def play() -> None:
        shown = ("greedy", agent.player.greedy, film), ("sampled", agent.player.act, None)
        for name, act, filmed in shown:
            player = make_evaluator(
                setup, player=agent.player, act=act, episodes=episodes, seed=FINAL
            )
            watch = adder(filmed) if filmed else evaluate.unwatched
            with closing(player.env):
                results = player.play(
                    saved.state, episodes=episodes, watch=watch, say=say_on_stderr
                )
            show(results, policy=name, env=setup.env)
        if film:
            film.save()

    return play


def adder(film: Film) -> evaluate.Watch:
    """`film.add`; the environments of an evaluation are of the package `envs`, as it expects."""
    return cast(evaluate.Watch, film.add)


def show(results: evaluate.Results, *, policy: str, env: str) -> None:
    """Prints the scores of a policy, and the events of its episodes."""
    scores = evaluate.summary(results)
    normalized = envs.human_normalized(env, scores["mean"])
    if normalized is not None:
        scores["human_normalized"] = normalized
    for name, numbers in ((policy, scores), ("", evaluate.events(results))):
        text = "  ".join(f"{key} {value:.2f}" for key, value in numbers.items())
        what = f"{len(results['score'])} episodes" if name else "events, on average"
        if numbers:
            print(f"{name:8} {what}  {text}", flush=True)
