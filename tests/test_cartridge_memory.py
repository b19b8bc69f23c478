"""The cartridge as a thing to read: who can know the word, traps, menus, defeat, its header."""

import pytest

pytest.importorskip("pyboy", reason="needs PyBoy: pip install -e '.[pokemon]'")

from cartridge_player import Player

from envs.pokemon.cartridge.build import EVENTS, GATE_SHUT, SEED, TITLE, build

# A seed for each word, and the word.
SEEDS = {4: "FERN", 0: "MOSS", 20: "PINE", 10: "ROSE"}
WORDS = list(SEEDS.values())
TO_THE_NOTE = "a"
TO_THE_KEEPER = "down a wait"
TO_THE_ROUTE = "down 2 wait down right 6 wait"
OWN = range(0xDE00, 0xDE80)  # the game's own memory, which no other code may use


def ready(seed: int, buttons: str = "") -> Player:
    player = Player(seed)
    player.press(buttons)
    return player


def memory(player: Player) -> dict[int, int]:
    """All that a program could read: video memory, work memory, sprites, high memory."""
    found: dict[int, int] = {}
    for start, end in ((0x8000, 0xA000), (0xC000, 0xE000), (0xFE00, 0xFEA0), (0xFF80, 0x10000)):
        found |= dict(zip(range(start, end), player.memory[start:end], strict=True))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_the_word_on_the_note_opens_the_gate(seed: int) -> None:
    player = ready(seed, TO_THE_NOTE)
    player.hears(f"The word is {SEEDS[seed]}.")
    player.press(f"a {TO_THE_KEEPER}")
    player.press("down " * WORDS.index(SEEDS[seed]) + "a")
    player.hears("Right! Please pass.")
    assert player.events() == {"read_note", "met_keeper", "gate_open"}
    player.press("a down 2 wait")
    assert player.world()["map"] == "village"


@pytest.mark.parametrize("chosen", range(1, 4))
def test_any_other_word_shuts_it_for_good(chosen: int) -> None:
    player = ready(4, f"{TO_THE_NOTE} wait a {TO_THE_KEEPER}" + " down" * chosen + " a")
    assert player.byte(GATE_SHUT) == 0
    player.hears("No, it was FERN. The door is shut.")
    assert player.byte(GATE_SHUT) == 1
    player.press("a wait")
    assert player.events() == {"read_note", "met_keeper"}
    player.press("a")
    player.hears("No. You had your chance today.")
    player.press("a down")
    assert player.world()["map"] == "home" and player.world()["at"] == (3, 4)


def test_the_keeper_can_be_left_without_an_answer() -> None:
    player = ready(4, f"{TO_THE_KEEPER} b")
    player.hears("Come back when you know it.")
    player.press("a a wait a")
    player.hears("Right! Please pass.")  # a guess may be right
    assert player.events() == {"met_keeper", "gate_open"} and player.byte(GATE_SHUT) == 0


def test_before_an_answer_only_the_text_of_the_note_tells_the_word() -> None:
    games = [ready(seed) for seed in (4, 20)]
    for buttons in ("a", "wait a", "down", "a wait", "b", "a", "start"):
        for player in games:
            player.press(buttons)
        one, other = map(memory, games)
        differ = {address for address in one if one[address] != other[address]}
        shown = {address for address in differ if address not in OWN}
        assert bool(shown) == (buttons == "a" and "word is" in games[0].dialogue()), buttons
        assert {SEED, 0xDE05} <= differ
    assert "word is" not in games[0].dialogue()


def test_letters_lie_in_buffers_that_are_never_shown() -> None:
    player = ready(4)
    assert not player.shows_text()
    for address in (0xCD3D, 0xCE9D):
        codes = bytes(player.memory[address : address + 16])
        assert all(code >= 0x7F for code in codes)
    assert player.byte(0xD125) == 1 and player.byte(0xCFC4) & 1 == 0


def test_flags_do_not_tell_whether_there_is_text() -> None:
    player = ready(4, TO_THE_NOTE)
    assert player.shows_text()
    assert player.byte(0xCFC4) & 1 == 0 and player.byte(0xFFB0) == 0x90  # in the background
    player.press(f"wait a {TO_THE_KEEPER}")
    assert player.byte(0xCFC4) & 1 == 1 and player.byte(0xFFB0) == 0  # through the window
    assert player.byte(0xD125) == 0x0D
    player.press("b wait a wait")
    assert not player.shows_text() and player.byte(0xD125) == 1  # of the box before


def test_party_and_bag_go_on_behind_their_ends() -> None:
    player = ready(4)
    assert player.party() == ["SPRIGLET 5 24/24"] and player.bag() == ["POTION 1"]
    assert player.byte(0xD18C + 44) == 77 and player.word(0xD16C + 44) == 500
    assert player.byte(0xD165) == 0xFF and player.byte(0xD166) == 0x58
    assert player.byte(0xD320) == 0xFF and player.byte(0xD322) == 99
    assert player.byte(0xD8C5) == 77 and player.byte(0xD057) == 0


def test_start_menu() -> None:
    player = ready(4, "start")
    assert " ".join(player.menu()).split() == ["▶TEAM", "BAG", "CARD", "SPEED", "EXIT"]
    assert player.byte(0xCFC4) & 1 == 1 and player.byte(0xCC26) == 0
    player.press("a")
    assert player.rows()[1].strip("│ ") == "SPRIGLET"
    assert "".join(player.rows()[2].strip("│").split()) == "L524/24"
    player.press("b down 2 a")
    assert player.byte(0xCC26) == 2
    pages = ["".join(row.strip("│").split()) for row in player.rows()]
    assert pages[2:7:2] == ["NAMEROBIN", "MONEY¥3000", "BADGES0"]
    player.press("b down a")
    player.hears("Text is now medium.")
    assert player.byte(0xD355) & 7 == 3
    player.press("a start wait")
    assert not player.shows_text() and player.byte(0xCFC4) & 1 == 0


def test_the_last_defeat_costs_half_of_the_money() -> None:
    player = ready(4, f"{TO_THE_NOTE} wait a {TO_THE_KEEPER} a wait a {TO_THE_ROUTE} right 2")
    player.until(lambda: player.byte(0xD057) == 1, "right left", limit=100)
    player.memory[0xD016] = 1
    player.memory[0xD16D] = 1
    player.until(lambda: player.byte(0xD057) == 0xFF, "a", limit=80)
    player.until(lambda: player.byte(0xD057) == 0, "a")
    player.press("wait")
    world = player.world()
    assert world["map"] == "home" and world["money"] == 1500
    assert player.party() == ["SPRIGLET 5 24/24"] and "gate_open" in world["events"]


def test_a_game_follows_from_seed_and_buttons() -> None:
    played = f"{TO_THE_NOTE} wait a {TO_THE_KEEPER} a wait a {TO_THE_ROUTE} right 6 a 9"
    first, again, other = (memory(ready(seed, played)) for seed in (4, 4, 5))
    assert first == again
    assert first != other


def test_a_wait_is_a_seed() -> None:
    player = ready(0)
    player.boy.tick(10, False)
    player.press("up")
    assert player.byte(SEED) in (10, 11)


def test_header() -> None:
    rom, symbols = build()
    assert len(rom) == 0x8000 and not any(rom[0x104:0x134])  # no logo
    assert rom[0x134:0x144].rstrip(b"\0") == TITLE.encode() != b"POKEMON RED"
    check = 0
    for byte in rom[0x134:0x14D]:
        check = check - byte - 1 & 0xFF
    assert rom[0x14D] == check
    assert int.from_bytes(rom[0x14E:0x150], "big") == (sum(rom) - rom[0x14E] - rom[0x14F]) & 0xFFFF
    assert (symbols["wSeed"], symbols["wGateShut"]) == (SEED, GATE_SHUT)
    named = {value for name, value in symbols.items() if name.startswith("EVENT_")}
    assert named == set(EVENTS)
