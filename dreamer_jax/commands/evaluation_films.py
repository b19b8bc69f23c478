"""Films of episodes that an evaluation played, made after it.

An evaluation keeps the actions of its episodes, which are small, and no pictures. An episode is a
function of seed, copy, number and actions. So the few that are filmed are played again with the
same actions: evaluations are as fast and as small as without films, no policy is needed, and
renderers draw only what is shown.
"""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamer_jax.commands.evaluation_players import FINAL, evaluation_env
from dreamer_jax.commands.options import Setup
from dreamer_jax.environment import Timestep
from dreamer_jax.loops.evaluate import Actions
from dreamer_jax.media import video
from dreamer_jax.run import manifest, spaces_record
from envs.codecs import no_actions
from envs.play.film import MAX_STEPS, Film
from envs.timestep import VectorEnv
from envs.vector import drawn

BEST, MEDIAN, WORST = "best", "median", "worst"


class Episode(NamedTuple):
    """One episode as it was played."""

    row: int  # of the environment
    number: int  # of the episode, as the environment counts
    actions: list[Actions]  # [n] by key each


class ActionLog:
    """A `Watch` that keeps the actions of every episode."""

    def __init__(self, env: VectorEnv) -> None:
        """`env` is the one that is watched."""
        self._env = env
        self._actions = list[Actions | None]()
        self._begun: list[list[tuple[int, int]]] = [[] for _ in range(env.num_envs)]

    def __call__(self, timestep: Timestep, action: Actions | None) -> None:
        for row in np.flatnonzero(timestep.is_first).tolist():
            self._begun[row].append((len(self._actions), int(self._env.episodes[row])))
        self._actions.append(action)

    def episode(self, row: int, *, index: int) -> Episode:
        """The episode that copy `row` played as its `index`th, from 0."""
        begun = [*self._begun[row], (len(self._actions), 0)]
        (first, number), (end, _) = begun[index : index + 2]
        # The action of the first timestep belongs to the episode before.
        taken = [x for x in self._actions[first + 1 : end] if x is not None]
        return Episode(row, number, [{k: x[row] for k, x in each.items()} for each in taken])


def typical(scores: np.ndarray) -> dict[str, int]:
    """The indices of the best, the worst and the median episode; of one or two, no index twice.

    scores: [episodes]. The median of an even number is the lower one of the two in the middle.
    """
    order = np.argsort(scores, kind="stable").tolist()
    wanted = {BEST: order[-1], WORST: order[0], MEDIAN: order[(len(order) - 1) // 2]}
    found = dict[str, int]()
    for name, index in wanted.items():
        if index not in found.values():
            found[name] = index
    return found


def place(index: int, quota: np.ndarray) -> tuple[int, int]:
    """The row and the number within it, from 0, of the episode `index` of an evaluation's results.

    quota: [E], episodes of each environment.
    """
    ends = np.cumsum(quota)
    row = int(np.searchsorted(ends, index, side="right"))
    return row, index - int(ends[row] - quota[row])


def filmed(setup: Setup, episode: Episode, *, say: Callable[[str], None]) -> Film:
    """Plays an episode again and films it.

    say: is told why there is no picture, where a renderer has none.
    Raises ValueError or EnvironmentFailed if the environment does not work.
    """
    row, said = episode.row, list[str]()
    shown = spaces_record.spaces_of(manifest.read(setup.logdir)).obs
    draws = not (shown.images or shown.symbols)
    with closing(evaluation_env(setup, episodes=row + 1, seed=FINAL, draws=draws)) as env:

        def draw() -> np.ndarray | None:
            if not draws or said:
                return None
            picture = drawn.draw(env, row)
            if isinstance(picture, str):
                said.append(picture)
                say(f"the film shows numbers alone: {picture}")
                return None
            return picture

        film = Film(setup.env, env, options=setup.config.env, row=row)
        return _played(film, env, episode, draw=draw)


def _played(
    film: Film, env: VectorEnv, episode: Episode, *, draw: Callable[[], np.ndarray | None]
) -> Film:
    rows, row = env.num_envs, episode.row
    film.add(env.reset(np.arange(rows) * 0 + episode.number), None, picture=draw())
    for taken in episode.actions[:MAX_STEPS]:
        action = {key: no_actions(space, rows) for key, space in env.act_space.items()}
        for key, value in taken.items():
            action[key][row] = value
        seen = env.step(action)
        film.add(seen, action, picture=draw())
        if film.over:
            break
    return film


def save(path: Path, film: Film) -> None:
    """Writes a film, in the format of the suffix. Raises OSError."""
    video.save(path, film.frames(), rate=film.rate)


def require_gif(path: Path) -> None:
    """ValueError unless `path` looks like a GIF that can be written; does not try it."""
    free = os.access(path if path.exists() else path.parent, os.W_OK)
    right = path.is_file() if path.exists() else path.parent.is_dir()
    if path.suffix != ".gif" or not right or not free:
        raise ValueError(f"--gif={path}: expected a .gif file in a writable folder")


def require_folder(path: Path) -> None:
    """ValueError unless `path` is a folder that can be written to, or can be made."""
    there = next((each for each in (path, *path.absolute().parents) if each.exists()), path)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"--video={path}: expected a folder that can be written to")
