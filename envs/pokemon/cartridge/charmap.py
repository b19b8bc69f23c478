"""Codes of characters on Pokémon Red's screen (`wTileMap`) and in its names."""

from string import ascii_lowercase, ascii_uppercase


def _run(characters: str, first: int) -> dict[str, int]:
    return {character: first + i for i, character in enumerate(characters)}


# Characters with a picture; the code is its tile.
VISIBLE: dict[str, int] = {
    **_run("“”", 0x72),
    **_run("┌─┐│└┘ ", 0x79),
    **_run(ascii_uppercase + "():;[]" + ascii_lowercase, 0x80),
    **_run("é", 0xBA),
    **{"'s": 0xBD, "'t": 0xBE, "'": 0xE0, "-": 0xE3, "?": 0xE6, "!": 0xE7, ".": 0xE8},
    **_run("▷▶▼", 0xEC),
    **{"¥": 0xF0, "\N{MULTIPLICATION SIGN}": 0xF1, "/": 0xF3, ",": 0xF4},
    **_run("0123456789", 0xF6),
}

# Tiles of battles, which replace quotation marks: a bar of health, filled by 0 to 8 pixels.
BATTLE: dict[str, int] = {
    "<BAR>": 0x62,  # its left end
    **{f"<{filled}>": 0x63 + filled for filled in range(9)},
    "<END>": 0x6C,  # its right end
    "<LV>": 0x6E,
    "<HP>": 0x71,
}

# Control codes of a text.
CONTROL: dict[str, int] = {
    "<RAM>": 0x01,  # a string in memory; its address follows
    "@": 0x50,  # the end of a string
    "<LINE>": 0x4F,  # continue in the second line
    "<PARA>": 0x51,  # wait for a button, clear the box
    "<CONT>": 0x55,  # wait for a button, move both lines up
    "<DONE>": 0x57,  # the end; the caller of the text continues
    "<PROMPT>": 0x58,  # the end, after a button
}

CHARACTERS: dict[str, int] = {**VISIBLE, **BATTLE, **CONTROL}
