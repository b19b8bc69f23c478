"""The contract that every environment keeps."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import pytest
from extras import MARIO, POKEMON
from gymnasium import spaces

import envs
from envs.timestep import Timestep, VectorEnv

STEPS = 40

# Limits short enough that a test sees several episodes of every family.
CASES = {
    "atari_freeway": {"max_frames": 48},
    "cartpole": {"max_steps": 12},
    "cartpole_pixels": {"max_steps": 12},
    "counting": {"length": 5},
    "gameboy_demo": {"steps": 12, "wait": 9},
    "gym:Pendulum-v1": {"max_steps": 12},
    "mario_1_1": {"max_steps": 12},
}
FRAMES = {"atari_freeway": 4, "gameboy_demo": 24, "mario_1_1": 4}  # of a step, where it is not 1
NEEDS = {"gameboy_demo": POKEMON, "mario_1_1": MARIO}
NAMES = [pytest.param(name, marks=NEEDS.get(name, ())) for name in CASES]
every = pytest.mark.parametrize("name", NAMES)


def build(name: str, num_envs: int, seed: int = 3) -> VectorEnv:
    options = dataclasses.replace(envs.default_options(name), **CASES[name])
    return envs.make(name, options, num_envs, seed)


def random_actions(env: VectorEnv, steps: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Uniform actions; those of row i are the same whatever the number of rows."""
    actions = [{} for _ in range(steps)]
    for key, space in env.act_space.items():
        shape = (steps, *(space.shape or ()))
        rows = []
        for i in range(env.num_envs):
            rng = np.random.default_rng((seed, i))
            if isinstance(space, spaces.MultiDiscrete):
                rows.append(rng.integers(0, space.nvec, shape).astype(np.int32))
            else:
                rows.append(rng.uniform(-1.5, 1.5, shape).astype(np.float32))
        for step, action in enumerate(np.stack(rows, 1)):
            actions[step][key] = action
    return actions


def arrays(timestep: Timestep) -> dict[str, np.ndarray]:
    named = timestep._asdict()
    obs, events = named.pop("obs"), named.pop("events")
    return named | events | {f"obs/{key}": value for key, value in obs.items()}


def play(
    name: str,
    num_envs: int,
    seed: int = 3,
    change: Callable[[list], None] | None = None,
    episodes: np.ndarray | None = None,
) -> list[Timestep]:
    """Resets and takes STEPS steps; `change` may edit the list of actions first."""
    env = build(name, num_envs, seed)
    actions = random_actions(env, STEPS)
    if change is not None:
        change(actions)
    trace = [env.reset(episodes)] + [env.step(action) for action in actions]
    env.close()
    return trace


@functools.cache
def known(name: str) -> list[Timestep]:
    """What three copies do, for tests to compare with."""
    return play(name, 3)


def assert_same(left: list[Timestep], right: list[Timestep], rows=slice(None)) -> None:
    assert len(left) == len(right)
    for step, (a, b) in enumerate(zip(left, right, strict=True)):
        for key, value in arrays(a).items():
            other = arrays(b)[key]
            assert value.dtype == other.dtype
            assert value[rows].tobytes() == other[rows].tobytes(), f"{key} at step {step}"


@every
def test_shapes_and_dtypes_are_those_of_the_spaces(name):
    env = build(name, 3)
    for timestep in known(name):
        assert timestep.obs.keys() == env.obs_space.keys()
        for key, space in env.obs_space.items():
            value = timestep.obs[key]
            assert value.shape == (3, *(space.shape or ()))
            assert value.dtype == space.dtype
            assert all(space.contains(row) for row in value)
        assert timestep.reward.shape == (3,) and timestep.reward.dtype == np.float32
        for flag in (timestep.is_first, timestep.is_last, timestep.is_terminal):
            assert flag.shape == (3,) and flag.dtype == bool
        assert tuple(timestep.events) == env.event_keys
        for event in timestep.events.values():
            assert event.shape == (3,) and event.dtype == np.float32
    assert env.frames_per_step == FRAMES.get(name, 1)
    assert env.episodes.shape == (3,) and env.episodes.dtype == np.int64
    env.close()


@every
def test_same_seed_and_actions_give_the_same_bytes(name):
    assert_same(play(name, 3), known(name))


# What the cartridge draws from its seed can be read in one place only: see test_envs_pokemon.
ALIKE = {("counting",), ("gameboy_demo",)}


@pytest.mark.parametrize("name", [param for param in NAMES if param.values not in ALIKE])
def test_rows_episodes_and_seeds_differ(name):
    trace = known(name)
    key = next(iter(trace[0].obs))
    after = [t.obs[key] for t in trace[1:5]]
    assert any((obs[0] != obs[1]).any() for obs in after)
    starts = [{t.obs[key][i].tobytes() for t in trace if t.is_first[i]} for i in range(3)]
    assert max(len(images) for images in starts) > 1
    other = [t.obs[key] for t in play(name, 3, seed=4)[1:5]]
    assert any((a != b).any() for a, b in zip(after, other, strict=True))


@every
def test_a_row_does_not_depend_on_its_neighbours(name):
    assert_same(play(name, 1), known(name), rows=slice(0, 1))

    def disturb(actions):
        for action in actions:
            for value in action.values():
                value[:2] = np.where(value[:2] > 0, 0, 1)

    assert_same(play(name, 3, change=disturb), known(name), rows=slice(2, 3))


@every
def test_what_was_returned_is_never_written_again(name):
    env = build(name, 2)
    kept, copies = [], []
    timestep = env.reset()
    for action in random_actions(env, 30):
        kept.append(arrays(timestep) | {"episodes": env.episodes})
        copies.append({key: value.copy() for key, value in kept[-1].items()})
        timestep = env.step(action)
    for before, after in zip(copies, kept, strict=True):
        for key, value in after.items():
            np.testing.assert_array_equal(before[key], value, err_msg=key)
    assert not any(
        np.shares_memory(kept[i][key], kept[i + 1][key]) for i in range(3) for key in kept[i]
    )
    env.close()


@every
def test_autoreset_on_the_next_step(name):
    env = build(name, 3)
    before, number = env.reset(), env.episodes
    assert before.is_first.all() and not before.is_last.any()
    ended = np.zeros(3, int)
    for action in random_actions(env, STEPS):
        now = env.step(action)
        np.testing.assert_array_equal(now.is_first, before.is_last)
        np.testing.assert_array_equal(env.episodes, number + before.is_last)
        assert not now.reward[now.is_first].any()
        assert not (now.is_terminal & ~now.is_last).any()
        assert not (now.is_first & now.is_last).any()
        ended += now.is_last
        before, number = now, env.episodes
    assert (ended >= 2).all()
    env.close()


@every
def test_the_action_after_the_last_step_is_ignored(name):
    trace = known(name)

    def change(actions):
        for step, action in enumerate(actions):
            for value in action.values():
                for row in np.flatnonzero(trace[step].is_last):
                    value[row] = np.where(value[row] > 0, 0, 1)

    assert_same(trace, play(name, 3, change=change))


@every
def test_reset_starts_the_episodes_asked_for(name):
    """An episode met on the way is byte for byte the one that reset starts."""
    trace = known(name)
    start = [t for t, timestep in enumerate(trace) if timestep.is_first[1]][2]

    def from_start(actions):
        actions[:] = actions[start:]

    again = play(name, 2, change=from_start, episodes=np.array([9, 2]))
    assert_same(trace[start:], again[: len(trace) - start], rows=slice(1, 2))


@every
def test_reset_may_come_at_any_time(name):
    env = build(name, 2)
    fresh = env.reset()
    for action in random_actions(env, 3):
        env.step(action)
    assert_same([fresh], [env.reset()])
    np.testing.assert_array_equal(env.episodes, [0, 0])
    env.close()


@every
def test_actions_and_episodes_of_another_shape_are_refused(name):
    env = build(name, 2)
    env.reset()
    with pytest.raises(ValueError, match="shape"):
        env.step({"action": np.zeros((3, 1), np.int32)})
    with pytest.raises(ValueError, match="shape"):
        env.reset(np.zeros(3, np.int64))
    env.close()


def test_counting_ends_odd_episodes_terminal_and_even_ones_truncated():
    trace = play("counting", 1)
    for index, timestep in enumerate(trace):
        episode, step = divmod(index, 6)
        np.testing.assert_array_equal(timestep.obs["vector"], [[episode, step]])
        np.testing.assert_array_equal(timestep.obs["discrete"], [[step]])
        assert timestep.events["event/episode"][0] == episode
        assert timestep.reward[0] == step
        assert timestep.is_first[0] == (step == 0)
        assert timestep.is_last[0] == (step == 5)
        assert timestep.is_terminal[0] == (step == 5 and episode % 2 == 1)
