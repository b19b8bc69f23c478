"""Cartridges: the project's own, and the user's with all that can be wrong with it."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from contract import random_actions
from press_counter import cartridge, play, values

import envs
from envs.pokemon import red_cartridge
from envs.pokemon.environment import Options, PokemonRewards, with_goal
from envs.pokemon.text import decode, dialogue

pytest.importorskip("pyboy", reason="needs pip install -e .[pokemon]", exc_type=ImportError)

OWN_CARTRIDGE = os.environ.get("POKEMON_RED_ROM", "")


# The project's own cartridge --------------------------------------------------------------------


def test_the_note_at_home_is_read_and_counts():
    """And says another word in another episode."""
    env = envs.make("gameboy_demo", Options(), num_envs=8, seed=0)
    trace = play(env, "a", "b", "b", "b", "b")
    start = {key: value[0] for key, value in trace[0].obs.items()}
    assert start["map"].tolist() == [0x25] and start["screen"].std() > 50
    np.testing.assert_allclose(start["numbers"][:3], [0.4, 3 / 9, np.log10(3001)], atol=1e-6)
    assert not start["events"].any() and not decode(start["text"])
    read = {dialogue(codes) for timestep in trace for codes in timestep.obs["text"]}
    words = {text.split()[-1] for text in read if text.endswith(".")}
    assert len(words) > 1 and all(word[:-1].isupper() for word in words)
    assert sum(values(trace, "read_note")) == sum(values(trace, "flags")) == 1
    env.close()


def test_a_wrong_answer_ends_the_episode_with_the_word():
    env = envs.make("gameboy_demo", Options(), num_envs=8, seed=0)
    trace = play(env, "a", "b", "down", "a", "a", "b")
    words = [dialogue(codes).split()[-1] for codes in trace[1].obs["text"]]
    right = [word == "FERN." for word in words]  # the first one was chosen
    assert 0 < sum(right) < 8 and trace[5].events["event/gate_open"].tolist() == right
    for row, word in enumerate(words):
        ends = [bool(timestep.is_terminal[row]) for timestep in trace]
        assert ends == [False] * 6 + [not right[row]]
        said = dialogue(trace[6].obs["text"][row])
        assert right[row] or said == f"No, it was {word}\nThe door is shut."
    env.close()


# The real game ---------------------------------------------------------------------------------


def test_names_and_numbers_of_the_real_game():
    world = red_cartridge.red_world()
    assert world.flags[119] == "beat_brock" and world.flags[2305] == "beat_champion_rival"
    assert world.maps[0x28] == "oaks_lab" and world.badges[7] == "earth"
    assert world.goal == 2305 and world.uncounted == {104} and len(world.flags) == 507


@pytest.fixture(autouse=True)
def no_cartridge(monkeypatch):
    monkeypatch.delenv("POKEMON_RED_ROM", raising=False)


def refused(**options) -> str:
    with pytest.raises(ValueError) as caught:
        envs.make("pokemon_red", Options(**options), num_envs=1, seed=0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_cartridge_one_line_says_how_to_pass_it():
    message = refused()
    assert "--set env.rom=" in message and "POKEMON_RED_ROM=" in message


def test_another_file_is_refused(tmp_path, monkeypatch):
    rom = tmp_path / "red.gb"
    assert "No such file" in refused(rom=str(rom))
    assert "Is a directory" in refused(rom=str(tmp_path))
    assert "cannot read the ROM ~nobody-of-this-name/red.gb" in refused(
        rom="~nobody-of-this-name/red.gb"
    )
    rom.write_bytes(bytes(16384))
    assert "got 16384 bytes" in refused(rom=str(rom))
    rom.write_bytes(bytes((1 << 20) + 1))
    assert "got more" in refused(rom=str(rom))
    rom.write_bytes(bytes(1 << 20))
    message = refused(rom=str(rom))
    assert hashlib.sha1(bytes(1 << 20)).hexdigest() in message and "Red (US)" in message
    monkeypatch.setenv("POKEMON_RED_ROM", str(rom))
    assert refused() == message
    with pytest.raises(ValueError, match="use pokemon_red"):
        envs.make("gameboy_demo", Options(rom=str(rom)), num_envs=1, seed=0)
    rom.chmod(0)
    if os.geteuid() != 0:
        assert "Permission denied" in refused()
    assert sorted(tmp_path.iterdir()) == [rom]


@pytest.mark.parametrize(
    ("field", "value"), [("size", 50), ("steps", 0), ("steps_per_milestone", -1), ("wait", -1)]
)
def test_options_out_of_range(field, value):
    assert f"{value}" in refused(**{field: value})
    assert "rewards.flags" in refused(rewards=PokemonRewards(flags=float("nan")))


def test_success_is_the_event_that_is_asked_for():
    assert with_goal(cartridge(), "two").world.goal == 1
    assert with_goal(cartridge(), "").world.goal == 2
    with pytest.raises(ValueError, match=r"'for' is not an event of the game \(such as four"):
        with_goal(cartridge(), "for")
    world = cartridge().world._replace(uncounted=frozenset({1}))
    with pytest.raises(ValueError, match="'two' does not count"):
        with_goal(cartridge()._replace(world=world), "two")


@pytest.mark.skipif(not OWN_CARTRIDGE, reason="needs POKEMON_RED_ROM, a cartridge of your own")
def test_the_real_game_begins_upstairs():
    folder = Path(OWN_CARTRIDGE).parent
    before = sorted(folder.iterdir())
    env = envs.make("pokemon_red", Options(rom=OWN_CARTRIDGE), num_envs=2, seed=0)
    first = env.reset().obs
    assert first["map"].tolist() == [[0x26], [0x26]] and not first["events"][0, 34]
    assert np.expm1(first["numbers"][0, 2] * np.log(10)) == pytest.approx(3000, rel=1e-3)
    for action in random_actions(env, 50):
        seen = env.step(action)
    assert seen.obs["screen"].std() > 1
    env.close()
    assert sorted(folder.iterdir()) == before
