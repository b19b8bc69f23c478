"""Turns the drawings into source text for the assembler: `drawings.asm`."""

from collections.abc import Mapping

import numpy as np

from envs.pokemon.cartridge.art import (
    bands,
    drawings,
    encode,
    encode_letter,
    mirrored,
    pixels,
    scaled_up,
    tiles,
)
from envs.pokemon.cartridge.charmap import BATTLE, VISIBLE

FIRST_LETTER = 0x80
FIRST_EXTRA = 0x60  # first tile of text; blocks use those below
KINDS = {"walk": 0, "tall": 1, "solid": 2, "counter": 3}  # KIND_ in constants.asm


def source(art: Mapping[str, str], title: str) -> str:
    """All drawings as lines of `db`.

    Args:
        art: text of the files in `art/` by name.
        title: text of the title screen, in capitals.
    """
    parts = [
        *_letters(art["font.txt"], art["battle.txt"]),
        _labelled("SpriteTiles", [tile for shape in _shapes(art["sprites.txt"]) for tile in shape]),
        *_blocks(art["blocks.txt"]),
        *_rooms(art["rooms.txt"], art["blocks.txt"]),
        _labelled("TitleTiles", _title(art["font.txt"], title)),
        *_critters(art["critters.txt"]),
    ]
    return "\n".join(parts)


def _labelled(name: str, pieces: list[bytes]) -> str:
    """A label, lines of at most 16 bytes, and a label for the end."""
    data = b"".join(pieces)
    rows = [data[i : i + 16] for i in range(0, len(data), 16)]
    lines = ["    db " + ", ".join(str(byte) for byte in row) for row in rows]
    return "\n".join([f"{name}:", *lines, ".end:"])


def _letters(font: str, battle: str) -> list[str]:
    """Tiles $80-$FF, and $60-$7F in rooms and in battles."""
    found: dict[int, bytes] = {}
    for name, tile in bands(font):
        found[VISIBLE[" " if name == "<SPACE>" else name]] = encode_letter(tile)
    in_battle = {**found, **{BATTLE[name]: encode_letter(tile) for name, tile in bands(battle)}}
    return [
        _labelled("FontTiles", [found.get(code, bytes(8)) for code in range(FIRST_LETTER, 0x100)]),
        _labelled("ExtraTiles", [found.get(code, bytes(8)) for code in range(0x60, FIRST_LETTER)]),
        _labelled(
            "BattleTiles", [in_battle.get(code, bytes(8)) for code in range(0x60, FIRST_LETTER)]
        ),
    ]


def _shapes(text: str) -> list[list[bytes]]:
    """The four tiles of every drawing of 16 by 16 pixels."""
    return [[encode(tile) for tile in tiles(pixels(shape.lines))] for shape in drawings(text)]


def _blocks(text: str) -> list[str]:
    """The distinct tiles of all blocks, the four tiles of each block, and its kind."""
    shapes = _shapes(text)
    different = list(dict.fromkeys(tile for shape in shapes for tile in shape))
    if len(different) > FIRST_EXTRA:
        raise ValueError(f"blocks have {len(different)} different tiles, {FIRST_EXTRA} fit")
    parts = [bytes(different.index(tile) for tile in shape) for shape in shapes]
    kinds = bytes(KINDS[drawing.title[2]] for drawing in drawings(text))
    return [
        _labelled("BlockTiles", different),
        _labelled("BlockParts", parts),
        _labelled("BlockKinds", [kinds]),
    ]


def _rooms(text: str, blocks: str) -> list[str]:
    """The cells of every room."""
    letters = [drawing.title[0] for drawing in drawings(blocks)]
    return [
        _labelled(
            f"{room.title[0]}Cells",
            [bytes(letters.index(letter) for letter in line) for line in room.lines],
        )
        for room in drawings(text)
    ]


def _title(font: str, title: str) -> list[bytes]:
    """Letters of double size, in two rows of tiles."""
    glyphs = dict(bands(font))
    word = np.concatenate([glyphs[letter] for letter in title], axis=1)
    return [encode(tile) for tile in tiles(scaled_up(np.where(word > 0, 3, 0), 2))]


def _critters(text: str) -> list[str]:
    """Pictures of five by five tiles."""
    parts: list[str] = []
    for drawing in drawings(text):
        name = drawing.title[0]
        picture = mirrored(pixels(drawing.lines))
        if name.endswith("Back"):
            picture = scaled_up(picture, 2)
        if picture.shape != (40, 40):
            raise ValueError(f"{name} has {picture.shape} pixels instead of 40 by 40")
        parts.append(_labelled(name, [encode(tile) for tile in tiles(picture)]))
    return parts
