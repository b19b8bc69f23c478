"""Evaluates: plays whole episodes with checkpoints of a run, keeps the scores, films episodes."""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamer_jax.commands import evaluation_films, evaluation_results
from dreamer_jax.commands.changes import naming_what_does_not_fit, that_matter
from dreamer_jax.commands.chosen_checkpoints import NEWEST, Chosen, choose, load
from dreamer_jax.commands.evaluation_films import ActionLog
from dreamer_jax.commands.evaluation_players import (
    FINAL,
    evaluation_env,
    make_evaluator,
)
from dreamer_jax.commands.flags import EPISODES, Flags
from dreamer_jax.commands.options import Setup, decide
from dreamer_jax.commands.restored_agents import Restored
from dreamer_jax.faults import one_line
from dreamer_jax.host import host_memory
from dreamer_jax.loops import evaluate
from dreamer_jax.loops.evaluate import Evaluator
from dreamer_jax.outputs.say import Say, say_on_stderr
from dreamer_jax.run import history, spaces_record
from envs.vector.failures import EnvironmentFailed

ON, OFF = ("true", "1"), ("false", "0")  # values of a flag that may also name a place


class Films(NamedTuple):
    """Which films were asked for."""

    folder: Path | None = None  # of the best, median and worst episode of each policy
    gifs: bool = False  # of these three as well
    first: Path | None = None  # a GIF of the first greedy episode


class Played(NamedTuple):
    """What an evaluation of one policy left."""

    results: evaluate.Results
    log: ActionLog | None  # None without films
    quota: np.ndarray  # [E], episodes of each environment
    seconds: float


def evaluation(flags: Flags) -> Callable[[], None]:
    """Prepares to play whole episodes with checkpoints of a run, greedily and by sampling."""
    setup = decide(flags)
    films = asked_films(flags, setup)
    host_memory.close_gaps()  # for large pages, although policies are compiled later
    first, *others = choose(setup.logdir, flags.checkpoint or NEWEST)
    with naming_what_does_not_fit(setup.changes):
        saved = load(setup, first)
    # An environment that cannot be made is found here, before anything is compiled.
    with closing(evaluation_env(setup, episodes=1, seed=FINAL)) as env:
        spaces_record.require_same(setup.logdir, obs_space=env.obs_space, act_space=env.act_space)
    episodes = flags.episodes or EPISODES
    announce(setup, saved.step)

    def play() -> None:
        player = saved.agent.player
        acts = {"greedy": player.greedy, "sampled": player.act}
        policies = dict[str, Evaluator]()
        for i, chosen in enumerate((first, *others)):
            found = load(setup, chosen) if i else saved
            if i:
                announce(setup, found.step)
            for name, act in acts.items():
                if name not in policies:
                    policies[name] = make_evaluator(
                        setup, player=player, act=act, episodes=episodes, seed=FINAL
                    )
                else:
                    env = evaluation_env(setup, episodes=episodes, seed=FINAL)
                    policies[name] = policies[name].in_env(env)
                played = one(policies[name], found, episodes=episodes, keeps=films != Films())
                finish(setup, chosen, played, films, step=found.step, policy=name)

    return play


def announce(setup: Setup, step: int) -> None:
    """Prints which checkpoint is evaluated, and what was changed of its run."""
    changed = history.in_words(that_matter(setup.changes))
    print(f"{setup.logdir} at step {step}", *changed, sep="\n", file=sys.stderr)


def asked_films(flags: Flags, setup: Setup) -> Films:
    """Reads --video and --gif; ValueError where a file or a folder cannot be written."""
    video, gif = flags.video or OFF[0], flags.gif or OFF[0]
    results = setup.logdir / evaluation_results.FOLDER
    folder = None if video in OFF else results if video in ON else Path(video)
    if gif in (*ON, *OFF):
        gifs, first = gif in ON, None
        folder = results if gifs and folder is None else folder
    else:
        gifs, first = False, Path(gif)
        evaluation_films.require_gif(first)
    if folder is not None:
        evaluation_films.require_folder(folder)
    return Films(folder, gifs, first)


def one(evaluator: Evaluator, saved: Restored, *, episodes: int, keeps: bool) -> Played:
    """Plays episodes with one policy and closes its environments.

    keeps: whether actions are kept, for films.
    """
    env: Any = evaluator.env
    log = ActionLog(env) if keeps else None
    began = time.monotonic()
    with closing(env):
        results = evaluator.play(
            saved.state, episodes=episodes, watch=log or evaluate.unwatched, say=say_on_stderr
        )
    quota = evaluate.quotas(episodes, envs=env.num_envs)
    return Played(results, log, quota, time.monotonic() - began)


def finish(
    setup: Setup, chosen: Chosen, played: Played, films: Films, *, step: int, policy: str
) -> None:
    """Prints the scores of a policy at a step, keeps them in the logdir and makes the films."""
    results, say = played.results, cache(say_on_stderr)  # each line once, for all films
    scores = evaluation_results.scored(results, env=setup.env)
    evaluation_results.show(results, scores, policy=policy)
    stem = evaluation_results.stem(
        step=step,
        policy=policy,
        episodes=len(results["score"]),
        seed=setup.seed,
        changes=setup.changes,
    )
    record = evaluation_results.record(
        results,
        scores,
        step=step,
        checkpoint=chosen.name,
        policy=policy,
        seed=setup.seed + FINAL,
        env=setup.env,
        seconds=played.seconds,
        changes=setup.changes,
    )
    path = setup.logdir / evaluation_results.FOLDER / f"{stem}.json"
    keep(path, record)
    if films.first is not None and policy == "greedy":
        film(setup, played, 0, [films.first], what="first", say=say)
    if films.folder is not None:
        made = dict[str, str]()
        films.folder.mkdir(parents=True, exist_ok=True)
        for what, index in evaluation_films.typical(results["score"]).items():
            suffixes = (".mp4", ".gif") if films.gifs else (".mp4",)
            paths = [films.folder / f"{stem}-{what}{suffix}" for suffix in suffixes]
            if film(setup, played, index, paths, what=what, say=say):
                beside = films.folder.absolute() == path.parent.absolute()
                made[what] = paths[0].name if beside else str(paths[0].absolute())
        keep(path, {**record, "videos": made})


def keep(path: Path, record: dict[str, Any]) -> None:
    """Writes a result. A logdir that cannot be written to costs the file, not the evaluation."""
    try:
        evaluation_results.write(path, record)
    except OSError as error:
        say_on_stderr(f"warning: the result is not kept: {one_line(error)}")


def film(
    setup: Setup, played: Played, index: int, paths: list[Path], *, what: str, say: Say
) -> bool:
    """Films one episode of an evaluation, and says where; False if its environment failed."""
    assert played.log is not None
    row, within = evaluation_films.place(index, played.quota)
    try:
        shown = evaluation_films.filmed(setup, played.log.episode(row, index=within), say=say)
    except (ValueError, EnvironmentFailed) as error:
        say_on_stderr(f"warning: no film of the {what} episode: {one_line(error)}")
        return False
    score = float(played.results["score"][index])
    if not shown.cut and not np.isclose(shown.score, score, rtol=1e-4, atol=1e-4):
        text = f"the {what} episode scored {score:.2f} and {shown.score:.2f} when it was filmed"
        say_on_stderr(f"warning: {text}: the environment does not repeat itself")
    for path in paths:
        evaluation_films.save(path, shown)
        say_on_stderr(f"{what} episode: {path}")
    return True
