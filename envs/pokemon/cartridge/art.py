"""Reads drawings: text files where a character is a pixel or a block."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

SHADES = ".-+#"  # from white to black
SIDE = 8  # pixels of a tile


class Drawing(NamedTuple):
    """One drawing of a file: its title, split at spaces, and its lines."""

    title: list[str]
    lines: list[str]


def drawings(text: str) -> list[Drawing]:
    """Every drawing of a file: the lines from a title, "=...", to an empty line."""
    found: list[Drawing] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("="):
            found.append(Drawing(line[1:].split(), []))
            inside = True
        elif not line.strip():
            inside = False
        elif inside:
            found[-1].lines.append(line)
    return found


def pixels(lines: list[str]) -> np.ndarray:
    """Lines of `SHADES` -> [rows, columns] uint8 shades, 0 to 3.

    Raises:
        ValueError: the lines differ in length or have other characters.
    """
    if len({len(line) for line in lines}) != 1 or set("".join(lines)) - set(SHADES):
        raise ValueError(f"expected lines of one length made of {SHADES!r}, got {lines}")
    return np.array([[SHADES.index(shade) for shade in line] for line in lines], np.uint8)


def bands(text: str) -> Iterator[tuple[str, np.ndarray]]:
    """Names and [8, 8] shades of tiles drawn side by side, as in font.txt."""
    for drawing in drawings(text):
        columns = zip(*(line.split() for line in drawing.lines), strict=True)
        for name, column in zip(drawing.title, columns, strict=True):
            yield name, _square(pixels(list(column)))


def tiles(shades: np.ndarray) -> list[np.ndarray]:
    """[8 r, 8 c] shades -> its r c tiles [8, 8], row by row."""
    rows, columns = shades.shape
    if rows % SIDE or columns % SIDE:
        raise ValueError(f"{rows} by {columns} pixels are not whole tiles")
    cut = shades.reshape(rows // SIDE, SIDE, columns // SIDE, SIDE).swapaxes(1, 2)
    return list(cut.reshape(-1, SIDE, SIDE))


def encode(tile: np.ndarray) -> bytes:
    """[8, 8] shades -> 16 bytes: for each row the low bits, then the high ones, left first."""
    low, high = np.packbits(tile & 1, axis=1), np.packbits(tile >> 1, axis=1)
    return np.concatenate([low, high], axis=1).tobytes()


def encode_letter(tile: np.ndarray) -> bytes:
    """[8, 8] shades, white or black -> 8 bytes, a bit a pixel."""
    return np.packbits(tile > 0, axis=1).tobytes()


def mirrored(half: np.ndarray) -> np.ndarray:
    """The left half of a picture -> the whole picture."""
    return np.concatenate([half, half[:, ::-1]], axis=1)


def scaled_up(shades: np.ndarray, times: int) -> np.ndarray:
    """Every pixel becomes a square of `times` by `times`."""
    return shades.repeat(times, axis=0).repeat(times, axis=1)


def _square(tile: np.ndarray) -> np.ndarray:
    if tile.shape != (SIDE, SIDE):
        raise ValueError(f"a tile has {SIDE} by {SIDE} pixels, got {tile.shape}")
    return tile
