"""The text on Pokémon Red's screen: tile codes for the agent, strings for people.

The game has no buffer of the current text: it streams letters from the cartridge to the screen. So
text is read from the tiles of the screen. Maps use the same tiles, but all of theirs are below
0x60. Text always has a box with a frame.
"""

import numpy as np

ROWS, COLUMNS = 18, 20  # tiles of the screen
CODES = 256  # of tiles
FIRST = 0x60  # codes from here on are letters, frames and signs
FRAME = (0x79, 0x7E)  # corners and edges of a box, first and last
BLANK = 0x7F
LETTERS_FROM = 0x80  # codes of letters, digits and signs
TOP_LEFT, BOTTOM_LEFT = 0x79, 0x7D  # corners of the box at the bottom, rows 12 and 17


def visible(tiles: np.ndarray) -> np.ndarray:
    """The codes of text and of its boxes; blanks everywhere else.

    Args:
        tiles: [360] uint8, the screen row by row.
    """
    framed = np.any((tiles >= FRAME[0]) & (tiles <= FRAME[1]))
    return np.where(framed & (tiles >= FIRST), tiles, np.uint8(BLANK))


def decode(codes: np.ndarray) -> str:
    """All text, menus included: one line for each row of the screen that has any.

    Args:
        codes: [360] of `visible`, of any integer type.
    """
    grid = np.reshape(codes, (ROWS, COLUMNS)).tolist()
    return _lines(grid, LETTERS)


def dialogue(codes: np.ndarray) -> str:
    """The text in the box at the bottom of the screen, '' without a box; as `decode`."""
    grid = np.reshape(codes, (ROWS, COLUMNS))
    if grid[12, 0] != TOP_LEFT or grid[17, 0] != BOTTOM_LEFT:
        return ""
    return _lines(grid[13:17, 1:19].tolist(), LETTERS | QUOTES)


def _lines(grid: list[list[int]], letters: dict[int, str]) -> str:
    rows = ("".join(letters.get(code, " ") for code in row).strip() for row in grid)
    return "\n".join(row for row in rows if row)


def _run(first: int, letters: str) -> dict[int, str]:
    return {first + i: letter for i, letter in enumerate(letters)}


# Code -> text. Outside dialogues, codes of quotes are parts of bars of health.
QUOTES = _run(0x70, "\u2018\u2019\u201c\u201d") | {0x75: "\u2026"}
LETTERS = {
    **_run(LETTERS_FROM, "ABCDEFGHIJKLMNOPQRSTUVWXYZ():;[]abcdefghijklmnopqrstuvwxyz"),
    **{0xBA: "é", 0xBB: "'d", 0xBC: "'l", 0xBD: "'s", 0xBE: "'t", 0xBF: "'v"},
    **{0xE0: "'", 0xE1: "PK", 0xE2: "MN", 0xE3: "-", 0xE4: "'r", 0xE5: "'m"},
    **_run(0xE6, "?!."),
    **_run(0xEC, "▷▶▼♂¥\u00d7./,♀0123456789"),
}
