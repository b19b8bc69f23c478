"""Records episodes that a policy plays in several copies of an environment at once."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from envs.kinds import AnySpace, is_multi_discrete
from envs.play import recordings
from envs.play.recordings import Recording
from envs.play.run_writer import RunWriter, step_arrays
from envs.timestep import Timestep, VectorEnv
from envs.vector.failures import EnvironmentFailed

Actions = dict[str, np.ndarray]  # [E, n] by key


class Moment(NamedTuple):
    """Where a copy of the environment is."""

    number: int  # of the episode
    step: int  # within it


Choose = Callable[[Timestep, list[Moment]], Actions]
"""(timestep, moment of each row) -> the actions [E, n] of all rows.

What it does in a row must depend on the row, on the number and on the steps of its episode alone.
"""


class RandomPolicy:
    """Uniform actions, drawn for each episode from the seed, the row and the number."""

    def __init__(self, act_space: Mapping[str, AnySpace], *, seed: int) -> None:
        """`seed` is that of the recording."""
        self._space, self._seed = dict(act_space), seed
        self._random: dict[int, np.random.Generator] = {}

    def __call__(self, timestep: Timestep, moments: list[Moment]) -> Actions:
        """See `Choose`."""
        del timestep
        for row, moment in enumerate(moments):
            if moment.step == 0:
                self._random[row] = generator(self._seed, row, moment)
        return {
            key: np.stack([_drawn(space, self._random[row]) for row in range(len(moments))])
            for key, space in sorted(self._space.items())
        }


def generator(seed: int, row: int, moment: Moment) -> np.random.Generator:
    """Random numbers of the policy in one episode."""
    return np.random.default_rng((seed, 7, row, moment.number))


def record(
    recording: Recording,
    env: VectorEnv,
    choose: Choose,
    *,
    episodes: int,
    say: Callable[[str], None] = print,
) -> Recording:
    """Plays until the recording has `episodes` episodes; returns it with all of them.

    Every copy plays its episodes in their order, each exactly once: they are a function of the
    seed and the row. So an interrupted recording ends as if it had not been interrupted, apart
    from the order of its files.

    Args:
        recording: see `recordings.begin`; it may have episodes.
        env: E copies.
        choose: the policy.
        episodes: how many in all.
        say: is told of each episode.

    Raises:
        EnvironmentFailed: the environment no longer works.
        ValueError: the episodes in the recording are not the first ones of each row.
    """
    done, goal = _quotas(recording, env.num_envs, episodes)
    if done == goal:
        return recording
    timestep = env.reset(np.array(done))
    moments = [Moment(number, 0) for number in done]
    writers: dict[int, RunWriter] = {}
    try:
        while done != goal:
            action = choose(timestep, moments)
            for row, moment in enumerate(moments):
                if moment.step == 0 and moment.number < goal[row]:
                    writers[row] = RunWriter(recording, number=moment.number, row=row)
                if row in writers:
                    writers[row].add(step_arrays(timestep, action, row=row))
                if row in writers and timestep.is_last[row]:
                    recording = writers.pop(row).finish(recording)
                    done[row] += 1
                    say(_summary(recording, timestep, row, episodes))
            if env.failure:
                raise EnvironmentFailed(env.failure.splitlines()[-1])
            over, timestep = timestep.is_last, env.step(action)
            numbers = env.episodes.tolist()
            moments = [
                Moment(numbers[row], 0 if over[row] else moment.step + 1)
                for row, moment in enumerate(moments)
            ]
    finally:
        for writer in writers.values():
            writer.drop()
    return recording


def _quotas(recording: Recording, rows: int, episodes: int) -> tuple[list[int], list[int]]:
    """How many episodes each row has played, and how many it will have."""
    played: dict[int, list[int]] = {}
    for run in recordings.runs(recording):
        played.setdefault(run.parts[0].row, []).append(run.parts[0].number)
    for numbers in played.values():
        if sorted(numbers) != list(range(len(numbers))):
            raise ValueError(f"{recording.folder} lacks an episode of before; use another folder")
    done = [len(played.get(row, ())) for row in range(rows)]
    goal = list(done)
    for _ in range(episodes - len(recordings.runs(recording))):
        goal[int(np.argmin(goal))] += 1
    return done, goal


def _drawn(space: AnySpace, random: np.random.Generator) -> np.ndarray:
    """A uniform action [n] of a space."""
    if is_multi_discrete(space):
        return random.integers(0, space.nvec).astype(np.int32)
    return random.uniform(-1, 1, space.shape or ()).astype(np.float32)


def _summary(recording: Recording, last: Timestep, row: int, episodes: int) -> str:
    """One line about the newest episode."""
    runs = recordings.runs(recording)
    run = runs[-1]
    how = "ended" if last.is_terminal[row] else "truncated"
    text = f"{len(runs)} of {episodes}: episode {run.parts[0].number} of copy {row}"
    return f"{text}, score {run.score:g}, {run.steps:,} steps, {how}; {recording.steps:,} in all"
