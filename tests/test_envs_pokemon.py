"""The Pokémon family on the real emulator, with a cartridge that counts presses.

Right and down move, up changes the map, A sets the first events, B badges, START begins a battle.
"""

import dataclasses

import numpy as np
import press_counter
import pytest
from contract import assert_same, random_actions
from gymnasium.spaces import MultiDiscrete
from press_counter import FRAMES, build, cartridge, play, values
from red_ram import box, member, party

from envs.kinds import Bits, Choice, Image, Text, Vector
from envs.pokemon.environment import (
    Options,
    PokemonGame,
    PokemonRewards,
    action_names,
    make,
    make_for_cartridge,
)
from envs.pokemon.gameboy import BUTTONS, Gameboy
from envs.pokemon.text import decode
from envs.pokemon.view import shrink

pytest.importorskip("pyboy", reason="needs pip install -e .[pokemon]", exc_type=ImportError)


def test_spaces():
    env = build()
    assert env.act_space["action"] == MultiDiscrete([7]) and env.frames_per_step == 24
    shapes = {key: space.shape for key, space in env.obs_space.items()}
    assert shapes == {
        **{"screen": (80, 80, 1), "visited": (48, 48, 1), "text": (360,), "numbers": (21,)},
        **{"bag": (256,), "map": (1,), "facing": (1,), "types": (12,), "badges": (8,)},
        **{"events": (3,), "battle": (1,)},
    }
    classes = {k: set(s.nvec) for k, s in env.obs_space.items() if isinstance(s, MultiDiscrete)}
    assert classes["text"] == {256} and classes["types"] == {28} and classes["events"] == {2}
    kinds = {key: type(space) for key, space in env.obs_space.items()}
    assert kinds == {
        **dict.fromkeys(("screen", "visited"), Image),
        **dict.fromkeys(("numbers", "bag"), Vector),
        **dict.fromkeys(("map", "facing", "types", "battle"), Choice),
        **dict.fromkeys(("badges", "events"), Bits),
        "text": Text,
    }
    env.close()


def test_each_button_shows_in_the_observation():
    env = build()
    last = play(env, "right", "down", "down", "up", "b", "a", "start", "left")[-1].obs
    expected = [0.1, 2 / 9, np.log10(10_001), 0, 0]
    np.testing.assert_allclose(last["numbers"][0, :5], expected, atol=1e-6)
    assert (last["map"][0, 0], last["battle"][0, 0]) == (1, 1)
    assert last["badges"][0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert np.flatnonzero(last["events"][0]).tolist() == [0]
    assert np.argwhere(last["visited"][0, ..., 0]).tolist() == [[24, 24]]
    env.close()


def test_party_bag_and_pokedex_show_in_the_observation():
    pokes = {**party(member(5, 20, 12, (0, 3)), member(9, 9, 30, (22, 200))), 0xC109: b"\x0c"}
    pokes |= {0xD31D: b"\x02", 0xD31E: bytes([4, 3, 255, 99]), 0xD30A: b"\x07", 0xD2F7: b"\x01"}
    pokes |= {0xD057: b"\x02", 0xD015: b"\x00\x05", 0xD022: b"\x0c\x00\x14"}
    pokes |= {0xCFE6: b"\x01\x00", 0xCFF3: b"\x32\x02\x00"}
    env = build(1, pokes)
    obs = {key: value[0] for key, value in env.reset().obs.items()}
    fighting, members = [1.2, 0.25, 5, 0.5], [1.2, 0.25, 3, 1] + [0] * 8
    np.testing.assert_allclose(obs["numbers"][3:], [0.3, 0.1, *fighting, *members], atol=1e-6)
    assert obs["types"].tolist() == [1, 4, 23, 27] + [0] * 8
    assert obs["facing"].tolist() == [3] and obs["battle"].tolist() == [2]
    bag = {int(i): float(obs["bag"][i]) for i in np.flatnonzero(obs["bag"])}
    assert bag == pytest.approx({4: np.log(4), 255: np.log(100)})
    env.close()


def test_the_screen_keeps_its_proportions():
    screen = np.random.default_rng(0).integers(0, 256, (144, 160), np.uint8)
    whole, half = shrink(screen, 160)[..., 0], shrink(screen, 80)[..., 0]
    np.testing.assert_array_equal(whole, np.pad(screen, ((8, 8), (0, 0))))
    means = screen.reshape(72, 2, 80, 2).mean((1, 3))
    np.testing.assert_array_equal(half, np.pad(np.rint(means), ((4, 4), (0, 0))))
    env = build(wait=0)
    screen = env.reset().obs["screen"][0]
    assert screen.shape == (80, 80, 1) and screen[5:-5].any() and not screen[[3, -4]].any()
    env.close()


def test_rewards_are_weighted_events():
    weights = {name: 2.0**i for i, name in enumerate(dataclasses.asdict(PokemonRewards()))}
    env = build(rewards=PokemonRewards(**weights))
    trace = play(env, "right", "a", "a", "b", "up", "left", "down")
    events = {name: sum(values(trace, name)) for name in weights}
    found = sum(float(timestep.reward[0]) for timestep in trace)
    assert found == pytest.approx(sum(weights[name] * events[name] for name in weights))
    expected = {"flags": 2, "badges": 1, "maps": 1, "cells": 3}
    explored = pytest.approx(2 * (2**0.5 - 1) + 1)
    assert events == {**dict.fromkeys(weights, 0), **expected, "explored": explored}
    assert values(trace, "two") == [0, 0, 0, 1, 0, 0, 0, 0]
    env.close()


def test_the_goal_is_success_and_terminal():
    env = build()
    trace = play(env, "a", "a", "a", "a", "a")
    reached = [False, False, False, False, True, False]
    assert [bool(t.is_terminal[0]) for t in trace] == reached == values(trace, "success")
    assert [bool(t.is_last[0]) for t in trace] == reached and trace[5].is_first[0]
    env.close()


def test_a_game_that_cannot_be_won_any_more_ends_without_success():
    env = make_for_cartridge(cartridge(lost=0xD361), Options(), num_envs=1, seed=0)
    trace = play(env, "right", "a", "down")
    assert [bool(t.is_terminal[0]) for t in trace] == [False, False, False, True]
    assert not any(values(trace, "success"))
    env.close()


def test_episodes_are_cut_off_later_for_milestones():
    for more, length in ((0, 3), (2, 11)):
        env = build(steps=3, steps_per_milestone=more)
        trace = play(env, "right", "a", "a", "up", *["b"] * 8)  # two flags, a map, a badge
        lengths = [t for t, timestep in enumerate(trace) if timestep.is_last[0]]
        assert lengths[0] == length and not trace[length].is_terminal[0]
        env.close()


def test_actions_are_the_buttons_that_were_chosen():
    options = Options(buttons="b right")
    env = make_for_cartridge(cartridge(), options, num_envs=1, seed=0)
    assert env.act_space["action"] == MultiDiscrete([2])
    assert action_names("gameboy_demo", options) == ("right", "b")
    trace = [env.reset(), *(env.step({"action": np.array([[i]], np.int32)}) for i in (1, 0, 1))]
    columns = [timestep.obs["numbers"][0, 0] for timestep in trace]
    np.testing.assert_allclose(columns, [0, 0, 0.1, 0.1], atol=1e-6)
    env.close()


@pytest.mark.parametrize("chosen", ["", "a select", "a b a"])
def test_buttons_that_there_are_not(chosen):
    with pytest.raises(ValueError, match=r"buttons=.*expected some of down, left, right, up"):
        make("gameboy_demo", Options(buttons=chosen), num_envs=1, seed=0)


def test_milestones_are_those_of_the_step():
    env = build(2)
    env.reset()
    found = [env.milestones]
    for pressed in (("a", "up"), ("b", "b"), ("b", "left")):
        actions = [[BUTTONS.index(button)] for button in pressed]
        env.step({"action": np.array(actions, np.int32)})
        found.append(env.milestones)
    both = [(0, "badge/stone"), (1, "badge/stone")]
    assert found == [[], [(0, "flag/one"), (1, "map/road")], both, []]
    env.close()


def test_an_episode_is_a_function_of_its_seed_and_actions():
    """Neither earlier games nor others in parallel change it."""
    env, alone = build(3, steps=12), build(1, steps=12)
    actions = random_actions(env, 40)
    trace = [env.reset(), *(env.step(action) for action in actions)]
    again = [env.reset(), *(env.step(action) for action in actions)]
    assert_same(again, trace)
    start = env.reset(np.array([2, 1, 0]))
    assert start.obs["screen"][0].tobytes() == trace[26].obs["screen"][0].tobytes()
    rows = [alone.reset(), *(alone.step({"action": a["action"][:1]}) for a in actions)]
    for one, three in zip(rows, trace, strict=True):
        for key, value in one.obs.items():
            np.testing.assert_array_equal(value[0], three.obs[key][0])
    env.close()
    alone.close()


def test_the_seed_decides_how_long_the_start_is_waited_for_and_what_chance_starts_from():
    starts = {}
    for wait in (0, 3):
        env = build(8, wait=wait)
        starts[wait] = len({screen.tobytes() for screen in env.reset().obs["screen"]})
        env.close()
    assert starts[0] == 1 and starts[3] > 1
    env = make_for_cartridge(cartridge(seeds=(0xD362, 0xD361)), Options(), num_envs=4, seed=0)
    places = env.reset().obs["numbers"][:, :2]
    assert len(np.unique(places)) == 8
    env.close()


def test_scripts_are_skipped_by_pressing_a():
    for skip, events in ((True, [0]), (False, [])):
        env = build(1, {0xCD6B: b"\xfc"}, skip_scripts=skip)
        last = play(env, "right")[-1].obs
        assert np.flatnonzero(last["events"][0]).tolist() == events
        assert (last["numbers"][0, 0] == 0) == skip
        env.close()


def test_text_is_shown_fast_and_other_settings_stay():
    game = PokemonGame(cartridge(), Options())
    gameboy = Gameboy(press_counter.rom())
    gameboy.load(game.play_intro())
    assert gameboy.read(0xD355) == 0xC1
    game.close()
    gameboy.close()


def test_text_can_be_read_or_hidden():
    pokes = {**box("Read me"), FRAMES: b"\x01"}
    shown = build(1, pokes, size=160, wait=0)
    hidden = build(1, pokes, size=160, wait=0, hide_text=True)
    first, second = shown.reset().obs, hidden.reset().obs
    assert decode(first["text"][0]) == "Read me"
    assert set(second["text"][0].tolist()) == {0x7F}
    white = np.argwhere(first["screen"][0] != second["screen"][0])
    letters = np.zeros((160, 160, 1), bool)
    letters[8 + 14 * 8 : 8 + 15 * 8, 8 : 8 * 8] = True
    letters[:, 5 * 8 : 6 * 8] = False  # the space
    assert white.tolist() == np.argwhere(letters).tolist()
    assert (second["screen"][0][letters] == 255).all()
    shown.close()
    hidden.close()
