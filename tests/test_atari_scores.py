"""Scores on the scale from random play to a human."""

import pytest
from ale_py import roms

import envs
from envs.atari_scores import SCORES


@pytest.mark.parametrize(
    ("rom", "random", "human"),
    [
        ("pong", -20.7, 14.6),
        ("breakout", 1.7, 30.5),
        ("boxing", 0.1, 12.1),
        ("krull", 1598.0, 2665.5),
        ("skiing", -17098.1, -4336.9),
        ("zaxxon", 32.5, 9173.3),
    ],
)
def test_both_ends_of_the_scale(rom: str, random: float, human: float):
    assert envs.human_normalized(f"atari_{rom}", random) == 0
    assert envs.human_normalized(f"atari_{rom}", human) == 1
    halfway = envs.human_normalized(f"atari_{rom}", (random + human) / 2)
    assert halfway == pytest.approx(0.5)


@pytest.mark.parametrize(
    "env", ["cartpole", "gym:CartPole-v1", "pong", "atari_", "atari_tetris", "gym_pong", ""]
)
def test_no_scale_for_anything_else(env: str):
    assert envs.human_normalized(env, 1.0) is None


def test_the_usual_games():
    assert len(SCORES) == 57
    assert set(SCORES) <= set(roms.get_all_rom_ids())
    assert all(random < human for random, human in SCORES.values())
