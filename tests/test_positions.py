"""Positions from an emulator's memory are where the things are shown."""

from contextlib import closing

import numpy as np
import pytest
from gymnasium import spaces

import envs
from envs import atari
from envs.pokemon import environment as pokemon
from envs.timestep import VectorEnv
from experiments import positions
from experiments.positions import ABSENT

RAW = atari.Options(size=0, sticky=0.0, noops=0, full_actions=False)
COLORS = {"ball": (236, 236, 236), "enemy": (213, 130, 74), "player": (92, 186, 92)}


def actions(env: VectorEnv, seed: int) -> dict[str, np.ndarray]:
    space = env.act_space["action"]
    assert isinstance(space, spaces.MultiDiscrete)
    classes = space.nvec
    return {"action": np.random.default_rng(seed).integers(0, classes, (1, 1)).astype(np.int32)}


def test_things_of_pong_have_their_color_at_their_place() -> None:
    right, fixed = {name: list[bool]() for name in COLORS}, positions.fixed("atari_pong")
    with closing(positions.make("atari_pong", RAW, num_envs=1, seed=0)) as env:
        env.reset()
        for t in range(300):
            seen = env.step(actions(env, t))
            at = {k.removeprefix(positions.START): float(x[0]) for k, x in seen.events.items()}
            for name, color in COLORS.items():
                x, y = at.get(f"{name}_x", fixed.get(f"{name}_x")), at[f"{name}_y"]
                if y == ABSENT or x is None:
                    continue
                # The player's paddle, moved at random, is somewhere else in each frame of a step.
                near = 8 if name == "player" else 0
                pixels = seen.obs["image"][0, round(y) - near : round(y) + near + 1, round(x)]
                right[name].append(bool((np.abs(pixels.astype(int) - color) < 30).all(-1).any()))
    assert {name: len(x) > 80 for name, x in right.items()} == dict.fromkeys(COLORS, True)
    assert {name: np.mean(x) > 0.9 for name, x in right.items()} == dict.fromkeys(COLORS, True)


def test_the_paddle_of_breakout_has_its_color_at_its_place() -> None:
    row, places = positions.fixed("atari_breakout")["player_y"], set[float]()
    with closing(positions.make("atari_breakout", RAW, num_envs=1, seed=0)) as env:
        env.reset()
        for t in range(60):
            seen = env.step(actions(env, t))
            x = float(seen.events["event/at/player_x"][0])
            if t > 20:
                pixel = seen.obs["image"][0, round(row), round(x)]
                assert np.abs(pixel.astype(int) - (200, 72, 72)).max() < 30
                places.add(x)
    assert len(places) > 5


def test_only_things_of_atari_never_move() -> None:
    assert positions.fixed("atari_pong") == {"enemy_x": 17, "player_x": 141}
    assert positions.fixed("mario_1_1") == positions.fixed("gameboy_demo") == {}


@pytest.mark.parametrize("gray", [False, True])
def test_pictures_are_those_of_the_usual_environment(gray: bool) -> None:
    options = atari.Options(size=64, gray=gray, sticky=0.0, noops=0, full_actions=False)
    with (
        closing(positions.make("atari_breakout", options, num_envs=1, seed=0)) as known,
        closing(envs.make("atari_breakout", options, num_envs=1, seed=0)) as usual,
    ):
        one, other = known.reset(), usual.reset()
        assert one.obs["image"].shape == other.obs["image"].shape
        for t in range(40):
            chosen = actions(usual, t)
            one, other = known.step(chosen), usual.step(chosen)
            error = np.abs(one.obs["image"].astype(int) - other.obs["image"])
            assert error.max() <= 2, f"step {t}"
            np.testing.assert_array_equal(one.reward, other.reward)


def test_mario_is_told_from_its_memory() -> None:
    ram = bytearray(0x800)
    ram[positions.MARIO_X], ram[positions.MARIO_Y] = 100, 176
    ram[positions.LEFT_PAGE], ram[positions.LEFT_X] = 1, 20
    for slot, (active, page, x, y) in enumerate(
        [(1, 1, 160, 180), (1, 1, 240, 150), (0, 1, 121, 1)]
    ):
        ram[positions.ACTIVE + slot], ram[positions.ENEMY_PAGE + slot] = active, page
        ram[positions.ENEMY_X + slot], ram[positions.ENEMY_Y + slot] = x, y
    found = positions.around(memoryview(ram))
    assert found == {"mario_x": 108.0, "mario_y": 200.0, "enemy_x": 148.0, "enemy_y": 196.0}
    ram[positions.ENEMY_PAGE] = ram[positions.ENEMY_PAGE + 1] = 3
    assert positions.around(memoryview(ram))["enemy_x"] == ABSENT


def test_what_is_not_known_is_said_in_one_line() -> None:
    with pytest.raises(ValueError, match="positions are known of pong, breakout, not of 'boxing'"):
        positions.make("atari_boxing", RAW, num_envs=1, seed=0)
    with pytest.raises(
        ValueError, match="positions are known of atari, mario, pokemon, not of 'cartpole'"
    ):
        positions.make("cartpole", None, num_envs=1, seed=0)


def test_the_cell_of_the_cartridge_is_that_of_its_observation() -> None:
    options = pokemon.Options(size=48, wait=0, buttons="down left right a")
    with closing(positions.make("gameboy_demo", options, num_envs=1, seed=0)) as env:
        env.reset()
        cells, random = set[tuple[float, float]](), np.random.default_rng(1)
        for _ in range(150):
            seen = env.step({"action": random.integers(0, 4, (1, 1)).astype(np.int32)})
            if seen.is_first[0]:
                continue  # it has no events
            x, y = (float(seen.events[f"{positions.START}{name}"][0]) for name in positions.CELL)
            np.testing.assert_allclose(seen.obs["numbers"][0, :2], [x / 10, y / 9], rtol=1e-6)
            cells.add((x, y))
        assert len(cells) > 2
