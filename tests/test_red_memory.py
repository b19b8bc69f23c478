"""Pokémon Red's memory and text, read from bytes written by hand."""

import numpy as np
import pytest
from red_ram import (
    BULBASAUR,
    CHARMANDER,
    TILES,
    at,
    box,
    codes,
    flags,
    member,
    party,
    ram,
    reading,
    written,
)

from envs.pokemon.memory import RANGES, Battle, Fighter, Member, read
from envs.pokemon.text import decode, dialogue, visible


@pytest.mark.parametrize(
    ("digits", "money"), [("003000", 3000), ("999999", 999_999), ("000009", 9), ("123456", 123_456)]
)
def test_money_is_decimal_with_the_high_digits_first(digits, money):
    assert reading({0xD347: bytes.fromhex(digits)}).money == money


@pytest.mark.parametrize(
    ("address", "bit", "flag"),
    [
        (0xD747, 0, 0),  # followed Oak
        (0xD74B, 2, 34),  # got a starter
        (0xD755, 7, 119),  # beat Brock
        (0xD7F2, 4, 1372),  # got the S.S. ticket
        (0xD867, 1, 2305),  # beat the champion
        (0xD886, 7, 2559),  # the last one
    ],
)
def test_an_event_is_one_bit_the_lowest_first(address, bit, flag):
    set_ = reading({address: bytes([1 << bit])}).flags
    assert np.flatnonzero(set_).tolist() == [flag] and len(set_) == 2560


def test_what_follows_the_events_is_none():
    assert not reading({0xD746: b"\xff", 0xD887: b"\xff"}).flags.any()


def test_place_and_facing():
    player = reading({**at(12, 7, 9), 0xC109: b"\x08"}).player
    assert (player.map, player.x, player.y, player.facing, player.on_map) == (12, 7, 9, 2, True)
    assert [reading({0xC109: bytes([4 * i])}).player.facing for i in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("x", "y"), [(18, 0), (0, 18), (255, 3)])
def test_a_cell_outside_of_the_map_is_not_on_it(x, y):
    assert not reading(at(12, x, y)).player.on_map


def test_the_party_ends_with_its_count():
    members = [member(19, 300, 55, (22, 3)), member(0, 20, 6), member(9, 9, 99)]
    pokes = party(*members, species=bytes([CHARMANDER, BULBASAUR, 1]), count=2)
    assert reading(pokes).party == (
        Member(CHARMANDER, 19, 300, 55, (22, 3)),
        Member(BULBASAUR, 0, 20, 6, (0, 0)),
    )


def test_a_party_has_six_members_whatever_memory_says():
    assert len(reading(party(*[member(1, 1, 1)] * 6, count=255)).party) == 6


def test_the_bag_ends_with_its_count_and_adds_up_what_is_in_two_places():
    items = bytes([4, 99, 1, 2, 4, 3, 9, 9])
    assert reading({0xD31D: b"\x03", 0xD31E: items}).bag == {4: 102, 1: 2}
    assert reading({0xD31D: b"\xff", 0xD31E: bytes([7, 1] * 30)}).bag == {7: 20}


def test_the_pokedex_is_counted_by_bits():
    found = reading({0xD2F7: b"\x01" + bytes(17) + b"\x80", 0xD30A: b"\x07" + bytes(18)})
    assert (found.owned, found.seen) == (2, 3)


def test_fighters_are_read_in_battle_alone():
    left_over = {0xCFE6: b"\x00\x05", 0xCFF3: b"\x04\x00\x10", 0xD015: b"\x01\x02"}
    left_over |= {0xD022: b"\x1e\x01\x2c"}
    fighting = Fighter(258, 300, 30), Fighter(5, 16, 4)
    nobody = Fighter(0, 0, 0)
    for code, kind in ((0, 0), (1, 1), (2, 2), (255, 3)):
        expected = Battle(kind, *(fighting if kind in (1, 2) else (nobody, nobody)))
        assert reading({**left_over, 0xD057: bytes([code])}).battle == expected


def test_badges_cursor_and_scripts():
    found = reading({0xD356: b"\x05", 0xCC26: b"\x02", 0xCC28: b"\x03", 0xCD6B: b"\xfc"})
    assert (found.badges, found.menu, found.buttons_ignored) == (5, (2, 3), True)
    assert not reading().buttons_ignored


def test_everything_that_is_read_is_in_the_ranges():
    whole = bytearray(np.random.default_rng(0).integers(1, 256, 0x2000, np.uint8).tobytes())
    whole[0x1163], whole[0x131D], whole[0x1057] = 6, 20, 1  # full party and bag, in battle
    parts = bytearray(0x2000)
    for start, stop in RANGES:
        parts[start - 0xC000 : stop - 0xC000] = whole[start - 0xC000 : stop - 0xC000]
    np.testing.assert_equal(read(bytes(parts)), read(bytes(whole)))
    assert sum(stop - start for start, stop in RANGES) < 1500


# Text --------------------------------------------------------------------------------------------


def text_of(pokes: dict[int, bytes]) -> str:
    return decode(visible(reading(pokes).tiles))


def test_a_dialogue_is_read_and_the_map_around_it_is_not():
    pokes = box("Hello there", "Lv 50 OK")
    shown = visible(reading(pokes).tiles)
    assert decode(shown) == dialogue(shown) == "Hello there\nLv 50 OK"
    assert set(shown[:240].tolist()) == {0x7F} and shown[240] == 0x79


def test_menus_are_read_with_their_cursor_but_are_no_dialogue():
    corners = (0, 10, b"\x79\x7a"), (2, 12, codes("ITEM")), (4, 11, b"\xed" + codes("SAVE"))
    pokes = written(*corners)
    assert text_of(pokes) == "ITEM\n▶SAVE"
    assert dialogue(visible(reading(pokes).tiles)) == ""


def test_without_a_frame_nothing_is_text():
    """The title screen has its logo in the codes of letters."""
    assert not text_of(written((5, 3, codes("LOGO"))))
    assert set(visible(reading(written((5, 3, codes("LOGO")))).tiles)) == {0x7F}


def test_no_other_buffer_is_taken_for_text():
    """Scratch memory full of letters, a saved screen, and the box drawn last, long closed."""
    letters = codes("NOT ON THE SCREEN")
    pokes = {**written(), 0xCD3D: letters, 0xCE9D: letters, 0xC508: box("OLD")[TILES]}
    pokes |= {0xD125: b"\x01", 0xCFC4: b"\x01"}
    assert text_of(pokes) == ""


def test_signs_and_ligatures():
    signs = bytes.fromhex("9A9B9C9D9E9F BA BD E0E1E2 E3 E6E7E8 ECEDEEEF F0F1F2F3F4F5 F6FF 70")
    rows = (0, 0, b"\x79"), (1, 0, signs[:12]), (2, 0, signs[12:])
    assert text_of(written(*rows)) == "():;[]é's'PKMN-\n?!.▷▶▼♂¥\u00d7./,♀09"


def test_quotes_are_read_in_a_dialogue():
    pokes = box("Say  now ")
    tiles = bytearray(pokes[TILES])
    tiles[20 * 14 + 5], tiles[20 * 14 + 9], tiles[20 * 3 + 3] = 0x72, 0x73, 0x73
    shown = visible(reading({TILES: bytes(tiles)}).tiles)
    assert dialogue(shown).startswith("Say “now”") and "”" not in decode(shown)


def test_decoding_takes_what_the_agent_sees():
    shown = visible(reading(box("Agent")).tiles).astype(np.int32)
    assert decode(shown) == "Agent"


def test_a_reading_keeps_no_hold_on_the_emulator():
    image = bytearray(ram(flags(3)))
    found = read(bytes(image))
    image[:] = bytes(len(image))
    assert found.flags[3]
