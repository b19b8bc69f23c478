"""Atari: endings, rewards, options and errors, on the real emulator."""

import dataclasses

import numpy as np
import pytest
from gymnasium.spaces import MultiDiscrete

import envs
from envs import atari
from envs.timestep import Timestep, VectorEnv

FIRE, RIGHT, LEFT = 1, 3, 4


def build(game: str, num_envs: int = 1, **changes) -> VectorEnv:
    options = dataclasses.replace(envs.default_options(f"atari_{game}"), **changes)
    return envs.make(f"atari_{game}", options, num_envs=num_envs, seed=0)


def play(env: VectorEnv, actions: np.ndarray) -> list[Timestep]:
    """Resets and plays `actions` [steps], the same in every row."""
    column = np.ones((env.num_envs, 1), np.int32)
    return [env.reset()] + [env.step({"action": a * column}) for a in actions]


def test_spaces_and_frames():
    env = build("pong")
    assert env.obs_space["image"].shape == (64, 64, 3)
    assert env.act_space["action"] == MultiDiscrete([18])
    assert env.frames_per_step == 4
    env.close()


def test_options_change_the_spaces():
    env = build("pong", gray=True, size=96, full_actions=False)
    image = env.reset().obs["image"]
    assert image.shape == (1, 96, 96, 1) and image.std() > 1
    assert env.act_space["action"] == MultiDiscrete([6])
    env.close()


def test_the_time_limit_truncates_on_the_exact_step():
    env = build("pong", 2, max_frames=40)
    trace = play(env, np.zeros(34, np.int32))
    last = [t for t, timestep in enumerate(trace) if timestep.is_last.all()]
    assert last == [10, 21, 32]
    assert not any(timestep.is_terminal.any() for timestep in trace)
    assert [t for t, timestep in enumerate(trace) if timestep.is_last.any()] == last
    env.close()


def test_the_end_of_a_game_is_terminal_and_lives_are_not():
    env = build("breakout", sticky=0.0)
    trace = play(env, np.full(260, FIRE, np.int32))
    ends = [t for t, timestep in enumerate(trace) if timestep.is_last[0]]
    # Five balls that are missed. A loss of life after about 20 steps would show as an early end.
    assert len(ends) >= 1 and 60 < ends[0] < 260
    assert trace[ends[0]].is_terminal[0]
    assert trace[ends[0] + 1].is_first[0]
    env.close()


def test_rewards_are_not_clipped():
    env = build("ms_pacman", sticky=0.0)
    rewards = {float(timestep.reward[0]) for timestep in play(env, np.full(120, LEFT, np.int32))}
    assert max(rewards) >= 10
    env.close()


def test_sticky_actions_are_the_only_chance_after_the_start():
    actions = np.random.default_rng(0).choice([RIGHT, LEFT, FIRE], 60).astype(np.int32)

    def frames(sticky: float) -> list[bytes]:
        env = build("breakout", 2, sticky=sticky, noops=0)
        trace = play(env, actions)
        env.close()
        return [t.obs["image"][0].tobytes() == t.obs["image"][1].tobytes() for t in trace]

    assert all(frames(0.0))
    assert not all(frames(0.25))


def test_no_ops_vary_the_start():
    starts = {}
    for noops in (0, 30):
        env = build("freeway", 3, noops=noops)
        starts[noops] = len({image.tobytes() for image in env.reset().obs["image"]})
        env.close()
    assert starts[0] == 1 and starts[30] > 1


def test_the_first_image_holds_nothing_of_the_episode_before():
    """In Breakout without no-ops every episode starts with the same picture."""
    env = build("breakout", noops=0, sticky=0.0, max_frames=160)
    actions = np.array([FIRE] + [RIGHT] * 41, np.int32)
    trace = play(env, np.tile(actions, 3))
    firsts = [t.obs["image"].tobytes() for t in trace if t.is_first[0]]
    lasts = {t.obs["image"].tobytes() for t in trace if t.is_last[0]}
    assert len(firsts) == 4 and len(set(firsts)) == 1
    assert firsts[0] not in lasts
    env.close()


def test_an_action_that_the_game_lacks_is_refused():
    env = build("pong", full_actions=False)
    env.reset()
    with pytest.raises(ValueError, match="6"):
        env.step({"action": np.array([[6]], np.int32)})
    env.close()


@pytest.mark.parametrize(
    ("rom", "hint"), [("pnog", "pong"), ("MsPacman", "ms_pacman"), ("zzzzzz", "there are")]
)
def test_unknown_roms_get_one_line(rom, hint):
    with pytest.raises(ValueError, match="unknown Atari ROM") as caught:
        build(rom)
    message = str(caught.value)
    assert repr(rom) in message and hint in message and "\n" not in message


def test_roms_that_the_emulator_cannot_play_are_refused():
    with pytest.raises(ValueError, match="'combat'"):
        build("combat")


def test_an_episode_that_is_prepared_already_is_not_loaded_again(monkeypatch: pytest.MonkeyPatch):
    seeds, load = [], atari.AtariGame._load

    def counted(game: atari.AtariGame, seed: int) -> np.ndarray:
        seeds.append(seed)
        return load(game, seed)

    monkeypatch.setattr(atari.AtariGame, "_load", counted)
    env = build("pong", 2)
    env.prepare()
    env.reset()
    env.close()
    assert len(seeds) == len(set(seeds)) >= 2


def test_what_was_only_prepared_can_be_closed():
    env = build("pong", 6)
    env.prepare()
    env.close()
