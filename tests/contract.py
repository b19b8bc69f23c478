"""What an environment has to satisfy: a list of clauses, each a function of a family.

A clause raises an error where the family breaks it. `test_contract` applies all of them to every
family, and each of them to an environment that was made to break it.
"""

import dataclasses
import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import psutil
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

import envs
from dreamer_jax.spaces import KINDS
from envs.single import SingleEnv
from envs.timestep import Timestep, VectorEnv
from experiments.random_play import memory_growth, random_actions

STEPS = 40
LONG = 10_000  # steps in which memory must not grow
LEAK = 4_000_000  # bytes that it may; a small image for each step would take 123 MB

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """An environment, with limits so short that a test sees several episodes of it."""

    name: str
    options: dict[str, Any]
    limit: int  # steps after which `options` truncate an episode
    ends: Callable[[Arrays, int, int], bool] = lambda *_: False  # obs, episode, step: terminal
    frames: int = 1  # of a step
    shows_seed: bool = True  # in the first steps of an episode
    quick: bool = False  # takes LONG steps in moments; `experiments.env_speed` is for the others
    make: Callable[..., VectorEnv] = envs.make

    def build(self, num_envs: int, seed: int = 3) -> VectorEnv:
        """Copies of it."""
        options = dataclasses.replace(envs.default_options(self.name), **self.options)
        return self.make(self.name, options, num_envs=num_envs, seed=seed)


class Recording(NamedTuple):
    """What three copies did in STEPS steps; lists begin with the reset."""

    env: VectorEnv  # closed since
    actions: list[Arrays]
    trace: list[Timestep]
    kept: list[Arrays]  # copies of the arrays, made as soon as they were returned
    episodes: list[np.ndarray]
    snapshots: list[Arrays]


@functools.cache
def recorded(family: Family) -> Recording:
    """The run that the clauses look at and compare with."""
    env = family.build(3)
    actions = random_actions(env, STEPS)
    found = Recording(env, actions, [], [], [], [])
    for action in [None, *actions]:
        timestep = env.reset() if action is None else env.step(action)
        found.trace.append(timestep)
        found.episodes.append(env.episodes)
        returned = arrays(timestep) | {"episodes": env.episodes}
        found.kept.append({key: value.copy() for key, value in returned.items()})
        found.snapshots.append(env.snapshot())
    env.close()
    return found


def arrays(timestep: Timestep) -> Arrays:
    """All of its arrays by name."""
    named = timestep._asdict()
    obs, events = named.pop("obs"), named.pop("events")
    return named | events | {f"obs/{key}": value for key, value in obs.items()}


def play(env: VectorEnv, actions: list[Arrays], episodes: Any = None) -> list[Timestep]:
    """Resets and takes the actions, as many rows of them as there are copies."""
    taken = [{key: value[: env.num_envs] for key, value in action.items()} for action in actions]
    return [env.reset(episodes), *(env.step(action) for action in taken)]


def assert_same(left: list[Timestep], right: list[Timestep], rows=slice(None)) -> None:
    """The same bytes in the same dtypes, everywhere."""
    assert len(left) == len(right)
    for step, (a, b) in enumerate(zip(left, right, strict=True)):
        for key, value in arrays(a).items():
            other = arrays(b)[key]
            assert value.dtype == other.dtype
            assert value[rows].tobytes() == other[rows].tobytes(), f"{key} at step {step}"


def differ(left: list[Timestep], right: list[Timestep]) -> bool:
    """Whether an observation of the first rows differs anywhere."""
    pairs = zip(left, right, strict=True)
    return any((a.obs[key][0] != b.obs[key][0]).any() for a, b in pairs for key in a.obs)


def other(action: np.ndarray) -> np.ndarray:
    """Another valid action."""
    return np.where(action > 0, 0, 1).astype(action.dtype)


# The clauses -----------------------------------------------------------------------------------


def shapes_and_dtypes_are_those_of_the_spaces(family: Family) -> None:
    run = recorded(family)
    for timestep in run.trace:
        assert timestep.obs.keys() == run.env.obs_space.keys()
        for key, space in run.env.obs_space.items():
            value = timestep.obs[key]
            assert value.shape == (3, *(space.shape or ())) and value.dtype == space.dtype
            assert getattr(space, "kind", None) in KINDS
            assert all(space.contains(row) for row in value)
        assert timestep.reward.shape == (3,) and timestep.reward.dtype == np.float32
        for flag in (timestep.is_first, timestep.is_last, timestep.is_terminal):
            assert flag.shape == (3,) and flag.dtype == bool
        assert tuple(timestep.events) == run.env.event_keys
        for event in timestep.events.values():
            assert event.shape == (3,) and event.dtype == np.float32
    assert all(episode.dtype == np.int64 for episode in run.episodes)
    assert (run.env.num_envs, run.env.frames_per_step) == (3, family.frames)
    assert (run.env.restarts, run.env.failure) == (0, "")


def episodes_begin_and_end_where_they_should(family: Family) -> None:
    """Step by step: first, last, terminal, truncated, and the numbers of the episodes."""
    run = recorded(family)
    for row in range(3):
        episode, step = 0, 0
        for now, number in zip(run.trace, run.episodes, strict=True):
            obs = {key: value[row] for key, value in now.obs.items()}
            terminal = step > 0 and family.ends(obs, episode, step)
            assert now.is_first[row] == (step == 0)
            assert now.is_terminal[row] == terminal
            assert now.is_last[row] == (terminal or step == family.limit)
            assert number[row] == episode
            assert step or now.reward[row] == 0
            episode, step = (episode + 1, 0) if now.is_last[row] else (episode, step + 1)
        assert episode >= 2


def the_same_actions_give_the_same_bytes(family: Family) -> None:
    """Whether it was prepared for them or not; what follows the end of an episode is ignored."""
    run = recorded(family)
    again = [{key: value.copy() for key, value in action.items()} for action in run.actions]
    for timestep, action in zip(run.trace[:-1], again, strict=True):
        for value in action.values():
            value[timestep.is_last] = other(value[timestep.is_last])
    (env := family.build(3)).prepare()
    assert_same(play(env, again), run.trace)
    env.close()


def an_episode_depends_on_its_seed_and_actions_alone(family: Family) -> None:
    """Not on its neighbours, nor on what was played before, nor on how many copies there are."""
    run = recorded(family)
    start = [t for t, timestep in enumerate(run.trace) if timestep.is_first[1]][2]
    actions = [
        {key: np.stack([other(value[0]), value[1]]) for key, value in action.items()}
        for action in run.actions[start:]
    ]
    env = family.build(2)
    play(env, actions[:3])
    again = play(env, actions, np.array([9, 2]))
    env.close()
    assert_same(run.trace[start:], again, rows=slice(1, 2))


def seeds_rows_and_episodes_differ(family: Family) -> None:
    """With the same actions, so that it can only be chance that differs."""
    if not family.shows_seed:
        return
    actions = [
        {key: np.repeat(value[:1], 2, 0) for key, value in action.items()}
        for action in recorded(family).actions[:8]
    ]
    env, reseeded = family.build(2), family.build(1, seed=4)
    first, second = play(env, actions), play(env, actions, np.array([1, 1]))
    neighbour = [t._replace(obs={key: value[1:] for key, value in t.obs.items()}) for t in first]
    assert differ(first, neighbour)
    assert differ(first, second)
    assert differ(first, play(reseeded, actions))
    env.close()
    reseeded.close()


def what_was_returned_is_never_written_again(family: Family) -> None:
    run = recorded(family)
    for step, (timestep, kept) in enumerate(zip(run.trace, run.kept, strict=True)):
        for key, value in (arrays(timestep) | {"episodes": run.episodes[step]}).items():
            assert value.tobytes() == kept[key].tobytes(), f"{key} of step {step}"
    for now, after in zip(run.trace[:3], run.trace[1:4], strict=True):
        pairs = zip(arrays(now).values(), arrays(after).values(), strict=True)
        assert not any(np.shares_memory(a, b) for a, b in pairs)


def a_snapshot_holds_the_actions_of_the_running_episodes(family: Family) -> None:
    run = recorded(family)
    act_space = run.env.act_space
    for t, snapshot in enumerate(run.snapshots):
        assert snapshot["over"].tolist() == run.trace[t].is_last.tolist()
        taken: dict[str, list[np.ndarray]] = {key: [] for key in act_space}
        for row in range(3):
            first = max(s for s in range(t + 1) if run.trace[s].is_first[row])
            length = 0 if run.trace[t].is_last[row] else t - first
            assert snapshot["length"][row] == length
            for key, values in taken.items():
                values += [action[key][row] for action in run.actions[t - length : t]]
        for key, values in taken.items():
            found = snapshot[f"actions/{key}"]
            assert found.dtype == run.actions[0][key].dtype
            expected = np.reshape(values, (-1, *(act_space[key].shape or ())))
            np.testing.assert_array_equal(found, expected)


def a_snapshot_goes_on_where_it_was(family: Family) -> None:
    """In the middle, at an end and after it; in another environment, whatever it did before."""
    run = recorded(family)
    end = next(t for t, timestep in enumerate(run.trace) if timestep.is_last.any())
    (env := family.build(3)).prepare()
    for moment in (end + 5, end, end + 1):
        replayed = [env.restore(run.snapshots[moment])]
        assert env.lost == 0
        assert_equal_snapshots(env.snapshot(), run.snapshots[moment])
        replayed += [env.step(action) for action in run.actions[moment : moment + 6]]
        assert_same(replayed, run.trace[moment : moment + 7])
        assert_equal_snapshots(env.snapshot(), run.snapshots[moment + 6])
    env.close()


def assert_equal_snapshots(left: Arrays, right: Arrays) -> None:
    """The same names, dtypes and numbers."""
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert value.dtype == right[key].dtype
        np.testing.assert_array_equal(value, right[key], err_msg=key)


def other_shapes_are_refused(family: Family) -> None:
    env = family.build(1)
    env.reset()
    with pytest.raises(ValueError, match="shape"):
        env.step({key: np.zeros((3, 1), np.int32) for key in env.act_space})
    with pytest.raises(ValueError, match="shape"):
        env.reset(np.zeros(3, np.int64))
    env.close()


def gymnasium_accepts_it(family: Family) -> None:
    """Each copy by itself, with all that Gymnasium checks; its warnings are errors here."""
    spec = EnvSpec("Contract-v0", entry_point=lambda **_: SingleEnv(family.build(1)))
    env = gymnasium.make(spec)
    check_env(env.unwrapped, skip_close_check=True)
    env.close()
    env.close()


def closing_leaves_nothing_behind(family: Family) -> None:
    before = threading.active_count(), len(psutil.Process().children())
    env = family.build(1)
    play(env, recorded(family).actions[:1])
    env.close()
    assert (threading.active_count(), len(psutil.Process().children())) == before


def memory_stays_flat(family: Family) -> None:
    if not family.quick:
        return
    env = family.build(1)
    env.reset()
    assert any(memory_growth(env, LONG // 10, LONG) < LEAK for _ in range(3))  # leaks always show
    env.close()


CLAUSES = (
    shapes_and_dtypes_are_those_of_the_spaces,
    episodes_begin_and_end_where_they_should,
    the_same_actions_give_the_same_bytes,
    an_episode_depends_on_its_seed_and_actions_alone,
    seeds_rows_and_episodes_differ,
    what_was_returned_is_never_written_again,
    a_snapshot_holds_the_actions_of_the_running_episodes,
    a_snapshot_goes_on_where_it_was,
    other_shapes_are_refused,
    gymnasium_accepts_it,
    closing_leaves_nothing_behind,
    memory_stays_flat,
)
