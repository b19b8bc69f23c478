"""Work RAM as Pokémon Red would have it, written down byte by byte."""

from collections.abc import Mapping

from envs.pokemon.memory import MEMBER_BYTES, PokemonReading, read

START = 0xC000
BULBASAUR, CHARMANDER, PIDGEY = 0x99, 0xB0, 0x24
TILES, FLAGS, BADGES, MAP, Y, X = 0xC3A0, 0xD747, 0xD356, 0xD35E, 0xD361, 0xD362


def ram(pokes: Mapping[int, bytes] | None = None) -> bytes:
    """8 KiB of zeros with `pokes` (address -> bytes), on a map of 18 x 18 cells."""
    image = bytearray(0x2000)
    for address, data in {0xD368: b"\x09\x09", **(pokes or {})}.items():
        image[address - START : address - START + len(data)] = data
    return bytes(image)


def reading(pokes: Mapping[int, bytes] | None = None) -> PokemonReading:
    return read(ram(pokes))


def member(hp: int, max_hp: int, level: int, types: tuple[int, int] = (0, 0)) -> bytes:
    """The 44 bytes of a member of the party; what is not read is filled with 0xAA."""
    data = bytearray(b"\xaa" * MEMBER_BYTES)
    data[0x01:0x03] = hp.to_bytes(2, "big")
    data[0x05:0x07] = bytes(types)
    data[0x21] = level
    data[0x22:0x24] = max_hp.to_bytes(2, "big")
    return bytes(data)


def party(*members: bytes, species: bytes = b"", count: int | None = None) -> dict[int, bytes]:
    """Pokes for a party; `count` may say less than there is."""
    size = len(members) if count is None else count
    species = species or bytes([BULBASAUR] * len(members))
    return {0xD163: bytes([size]), 0xD164: species + b"\xff", 0xD16B: b"".join(members)}


def flags(*numbers: int) -> dict[int, bytes]:
    """Pokes for event flags: flag n is bit n & 7 of byte n >> 3."""
    data = bytearray(320)
    for number in numbers:
        data[number >> 3] |= 1 << (number & 7)
    return {FLAGS: bytes(data)}


def at(map_: int, x: int, y: int) -> dict[int, bytes]:
    """Pokes for the player's place."""
    return {MAP: bytes([map_]), Y: bytes([y]), X: bytes([x])}


def written(*lines: tuple[int, int, bytes]) -> dict[int, bytes]:
    """Pokes for a map of tiles below 0x60, over which (row, column, codes) are written."""
    tiles = bytearray([0x10, 0x5F, 0x2C, 0x39] * 90)
    for row, column, codes in lines:
        tiles[20 * row + column : 20 * row + column + len(codes)] = codes
    return {TILES: bytes(tiles)}


def codes(text: str) -> bytes:
    """Letters and digits of a text as tile codes."""
    runs = {"A": 0x80, "a": 0xA0, "0": 0xF6}

    def code(letter: str) -> int:
        if letter == " ":
            return 0x7F
        first = next(first for first in "aA0" if letter >= first)
        return runs[first] + ord(letter) - ord(first)

    return bytes(code(letter) for letter in text)


def box(*lines: str) -> dict[int, bytes]:
    """Pokes for a dialogue: a frame in rows 12 to 17, with lines in rows 14 and 16."""
    edge, blank = b"\x7a" * 18, b"\x7f" * 18
    rows = [(12, 0, b"\x79" + edge + b"\x7b"), (17, 0, b"\x7d" + edge + b"\x7e")]
    rows += [(row, 0, b"\x7c" + blank + b"\x7c") for row in range(13, 17)]
    rows += [(14 + 2 * i, 1, codes(line)) for i, line in enumerate(lines)]
    return written(*rows)
