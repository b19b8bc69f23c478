"""Super Mario Bros.: memory, endings, events, rewards and scenes, on the real emulator."""

import dataclasses
import gc
import hashlib
import re
import threading
from collections.abc import Iterable, Iterator

import numpy as np
import psutil
import pytest
from extras import MARIO

import envs
from envs.mario import environment, memory, nes, rom
from envs.mario.environment import EVENTS, MarioGame, MarioRewards, Options
from envs.vector.copy_protocol import Outcome

pytestmark = MARIO

WATER, LAND, CAVE, CASTLE = range(4)  # kinds of areas
LETTERS = ".rjbJAlkKLduv"[:12]  # actions in the order of `complex`

# Found by a search on the emulator; each letter is held for so many steps of four frames.
TO_THE_FLAG = """
b21 J3 b9 J3 b9 J3 b3 J6 b15 J3 b15 J3 b21 J3 b9 J6 b15 J3 b12 J3 b12 J6 b3 J3 b12 J3 b3 J3 b9 J3
b12 J6 b6 J3 b3 J3 b12 J3
"""
INTO_THE_PIPE = "b21 J3 b9 J3 b9 J3 b3 J6 b10 r3 d2 j3 d2 r1"
OUT_OF_THE_ROOM = "r3 .3 j3 r3 b6 r9"
TO_THE_FIRST_BOX = "r31 .5 A8 .4"
DIGEST = "df7811fee77dd402ee9d074582dd6b3c78256d0367e4b62c90a017026375648a"


def actions(text: str) -> list[int]:
    """'b12 J3' is action 3 twelve times, then action 4 three times."""
    runs = re.findall(r"(\S)(\d+)", text)
    return [LETTERS.index(letter) for letter, count in runs for _ in range(int(count))]


@pytest.fixture
def begin() -> Iterator:
    """Makes games, started without any no-ops."""
    made = []

    def start(stage: tuple[int, int] = (1, 1), whole: bool = False, **changes) -> MarioGame:
        options = Options(**{"noops": 0, "actions": "complex", **changes})
        console, *_ = nes.switch_on(rom.cartridge(""), 1)
        made.append(MarioGame(console, stage, whole, options))
        made[-1].start(0)
        return made[-1]

    yield start
    for game in made:
        game.close()


def play(game: MarioGame, moves: Iterable[int]) -> list[Outcome]:
    """Plays until the moves or the episode end."""
    outcomes = []
    for move in moves:
        outcomes.append(game.step(move))
        if outcomes[-1].terminated or outcomes[-1].truncated:
            break
    return outcomes


def total(outcomes: list[Outcome], event: str) -> float:
    return sum(outcome.events[f"event/{event}"] for outcome in outcomes)


def test_a_run_to_the_flag_is_the_same_in_both_forms_of_the_emulator(begin):
    game = begin()
    digest, outcomes = hashlib.sha256(), []
    before = game.read()
    for action in actions(TO_THE_FLAG):
        outcomes.append(game.step(action))
        last = outcomes[-1]
        reading = tuple(game.read())
        digest.update(repr((reading, last.reward, last.terminated, last.events)).encode())
    assert [outcome.terminated for outcome in outcomes[:-1]] == [False] * (len(outcomes) - 1)
    assert last.terminated and last.events["event/success"] == last.events["event/flag"] == 1
    after = game.read()
    assert after.cleared and not after.dead and after.lives == before.lives
    assert total(outcomes, "x") == after.x - before.x > 3_000
    assert total(outcomes, "score") == after.score - before.score > 0
    assert total(outcomes, "coins") == after.coins - before.coins
    assert total(outcomes, "time") == before.clock - after.clock > 0
    assert total(outcomes, "death") == 0
    expected = MarioRewards.x * total(outcomes, "x") + MarioRewards.flag
    assert sum(outcome.reward for outcome in outcomes) == pytest.approx(expected)
    assert digest.hexdigest() == DIGEST


def test_the_first_life_lost_ends_the_episode(begin):
    game = begin(rewards=MarioRewards(x=0.0, flag=0.0, death=-7.0))
    outcomes = play(game, [1] * 200)  # walks into the first enemy
    last = outcomes[-1]
    assert last.terminated and last.events["event/death"] == 1
    assert last.events["event/success"] == last.events["event/flag"] == 0
    assert [outcome.reward for outcome in outcomes] == [0.0] * (len(outcomes) - 1) + [-7.0]
    assert 200 < game.read().x < 352
    assert game.read().lives == 2  # the program takes it after the scene


def test_falling_is_death_but_not_from_the_clouds(begin):
    for clouds in (0, 1):
        game = begin()
        ram = game._emulator.ram
        ram[memory.CLOUDS] = clouds
        ram[memory.SCREEN] = 2
        assert game.read().dead == (not clouds)
        lives, area = game.read().lives, game.read().area
        for _ in range(250):
            game._emulator.frame(0)
        # The emulated program is the judge of who was right.
        assert game.read().lives == lives - (not clouds)
        assert (game.read().area != area) == bool(clouds)


def test_only_the_furthest_place_counts(begin):
    game = begin(rewards=MarioRewards(x=2.0))
    places, outcomes = [game.read().x], []
    for action in actions("r12 l16 r24"):
        outcomes.append(game.step(action))
        places.append(game.read().x)
        assert outcomes[-1].events["event/x"] == max(places) - max(places[:-1])
        assert outcomes[-1].reward == 2.0 * outcomes[-1].events["event/x"]
    assert places[28] < places[12] < places[-1] == places[0] + total(outcomes, "x")


def test_a_coin_from_the_first_box(begin):
    game = begin(rewards=MarioRewards(x=0.0, coins=3.0, score=0.01))
    outcomes = play(game, actions(TO_THE_FIRST_BOX))
    assert total(outcomes, "coins") == 1 == game.read().coins
    assert total(outcomes, "score") == 200 == game.read().score
    assert sum(outcome.reward for outcome in outcomes) == pytest.approx(3.0 + 2.0)


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        *[((1, 1), LAND), ((1, 2), CAVE), ((1, 3), LAND), ((1, 4), CASTLE), ((2, 2), WATER)],
        *[((3, 2), LAND), ((4, 2), CAVE), ((5, 2), LAND), ((6, 2), LAND), ((7, 2), WATER)],
        *[((7, 4), CASTLE), ((8, 1), LAND), ((8, 2), LAND), ((8, 4), CASTLE)],
    ],
)
def test_a_stage_begins_where_it_should(stage, kind, begin):
    game = begin(stage)
    reading = game.read()
    assert (reading.world, reading.stage, reading.lives) == (*stage, 2)
    assert reading.playable and not reading.dead and not reading.cleared
    assert reading.x == 40 and reading.clock in (300, 400)
    assert reading.area >> 8 == kind
    play(game, [3] * 3)
    assert 40 < game.read().x < 80


def test_buttons(begin):
    game, reached = begin(), {}
    for action, letter in enumerate(LETTERS):
        game.start(0)
        play(game, [1] * 6 + [action] * 4)
        reached[letter] = (game.read().x, game._emulator.ram[memory.ROW])
    x, ground = reached["."]
    assert {letter for letter, (_, y) in reached.items() if y < ground} == set("jJAkL")
    assert (
        min(reached[letter][0] for letter in "rjbJ")
        > x
        > max(reached[letter][0] for letter in "lK")
    )
    assert reached["A"][0] > max(
        reached[letter][0] for letter in "kL"
    )  # in the air one turns slowly


@pytest.mark.parametrize(("name", "count"), [("right_only", 5), ("simple", 7), ("complex", 12)])
def test_action_sets(name, count):
    assert len(environment.ACTIONS[name]) == len(set(environment.ACTIONS[name])) == count
    assert environment.ACTIONS[name] == environment.ACTIONS["complex"][:count]


def test_the_image_is_what_the_player_sees(begin):
    game = begin(size=240)
    sky, ground = (104, 136, 252), (177, 93, 43)
    image = game.start(0)
    assert image.shape == (240, 240, 3) and image.dtype == np.uint8
    assert tuple(image[60, 20]) == sky
    small = begin().start(0)
    assert small.shape == (64, 64, 3)
    assert tuple(small[16, 5]) == sky
    assert (np.abs(small[-4:].mean((0, 1)) - ground) < 10).all()


def test_a_way_through_a_pipe(begin):
    game = begin()
    way = play(game, actions(INTO_THE_PIPE))
    room = game.read()
    assert room.playable and room.x < 40 and total(way, "x") > 860
    assert way[-1].obs[:20].mean() < way[-2].obs[:20].mean() / 2  # the sky is blue, the room black
    inside = play(game, actions(OUT_OF_THE_ROOM))
    main = game.read()
    assert main.area != room.area and main.playable and not inside[-1].terminated
    assert total(inside, "coins") == main.coins == 7
    assert total(inside[:-1], "x") > 150
    # Coming out, Mario is further than ever before on the way above.
    assert inside[-1].events["event/x"] == main.x - 40 - total(way, "x") > 1_500
    assert total([*way, *inside], "time") <= 400 - main.clock
    onwards = play(game, [1] * 3)
    assert 0 < total(onwards, "x") == game.read().x - main.x < 30


@pytest.mark.parametrize("whole", [False, True])
def test_a_pipe_out_of_the_stage_ends_its_episode_without_success(begin, whole):
    """The pipes of a warp zone change the number of the world, as is done here by hand."""
    game = begin(whole=whole)
    play(game, actions(INTO_THE_PIPE)[:-1])
    game._emulator.ram[memory.WORLD] += 1
    outcome = game.step(actions(INTO_THE_PIPE)[-1])
    assert game.read().world == 2 and game.read().playable
    assert outcome.terminated != whole and not outcome.truncated
    assert outcome.events["event/flag"] == outcome.events["event/success"] == 0


def test_a_misread_place_is_no_progress(begin):
    game = begin()
    torn = game.read()._replace(x=40 + 256)
    assert game._events(torn, torn, won=False)["event/x"] == 0
    assert 0 < total(play(game, [1] * 4), "x") == game.read().x - 40


def test_the_whole_game_goes_on_after_the_flag(begin):
    game = begin(whole=True)
    outcomes = play(game, actions(TO_THE_FLAG))
    last = outcomes[-1]
    assert last.events["event/flag"] == 1 and last.events["event/success"] == 0
    assert not last.terminated and len(outcomes) == len(actions(TO_THE_FLAG))
    assert last.events["event/time"] <= 1  # counting the clock down for points uses no time
    reading = game.read()
    assert (reading.world, reading.stage) == (1, 2) and reading.playable
    onwards = play(game, [1] * 5)
    assert 0 < total(onwards, "x") == game.read().x - reading.x < 60
    assert total(onwards, "flag") == 0


def test_the_whole_game_is_won_with_its_last_axe(begin):
    for stage, won in (((1, 4), False), ((8, 4), True)):
        game = begin(stage, whole=True)
        game._emulator.ram[memory.MODE] = memory.WON
        outcome = game.step(0)
        assert outcome.events["event/flag"] == 1
        assert outcome.terminated == (outcome.events["event/success"] == 1) == won
    assert begin((4, 1), whole=True).read().world == 4


def test_start_names_the_first_stage_of_the_whole_game():
    options = dataclasses.replace(envs.default_options("mario"), start="8-4", noops=0)
    env = envs.make("mario", options, num_envs=1, seed=0)
    castle = env.reset().obs["image"]
    env.close()
    env = envs.make("mario_8_4", dataclasses.replace(options, start=""), num_envs=1, seed=0)
    assert env.event_keys == EVENTS
    np.testing.assert_array_equal(env.reset().obs["image"], castle)
    env.close()


def test_episodes_and_environments_leave_nothing_behind():
    options = dataclasses.replace(envs.default_options("mario_1_1"), noops=0, max_steps=1)
    threads = threading.active_count()
    action = {"action": np.zeros((2, 1), np.int32)}

    def use(environments: int, steps: int) -> int:
        for _ in range(environments):
            env = envs.make("mario_1_1", options, num_envs=2, seed=0)
            env.reset()
            for _ in range(steps):
                env.step(action)
            env.close()
        gc.collect()
        return psutil.Process().memory_info().rss

    before = use(2, 20)
    assert use(3, 50) < before + 8e6
    assert threading.active_count() == threads
