"""Letters and entries as cells: the true ones, the dreamt ones, and which of these are wrong."""

import numpy as np
from PIL import Image, ImageDraw

from dreamer_jax.media.panels import (
    DREAM,
    EDGE,
    FAINT,
    GROUND,
    INK,
    SMALL,
    SURFACE,
    TRUTH,
    WRONG,
    Color,
    column,
    font,
    row,
    words,
)

MOST = 16  # entries of a choice or of bits that are drawn
CELL = 17  # side of a cell, pixels
WIDEST = 12  # width of a letter with its space, pixels
LINE = 1.5  # height of a line of letters, in widths of a letter


def letters(
    text: np.ndarray, other: np.ndarray | None = None, *, width: int, color: Color = INK
) -> np.ndarray:
    """A grid of letters; those that differ from another grid are marked.

    Args:
      text: [rows, columns] single characters.
      other: [rows, columns], what should be there; None: nothing is marked.
      width: pixels.
      color: of letters that are not marked.
    """
    rows, columns = text.shape
    cell = min(width / columns, WIDEST)
    high = max(8.0, min(LINE * cell, 18.0))
    size = max(7, round(min(high / 1.25, 1.35 * cell)))
    picture = Image.new("RGB", (width, round(rows * high) + 4), SURFACE)
    draw = ImageDraw.Draw(picture)
    for i, j in np.ndindex(rows, columns):
        letter, wrong = str(text[i, j]), other is not None and text[i, j] != other[i, j]
        left, top = j * cell, 2 + i * high
        if wrong:
            draw.rectangle((left, top, left + cell - 1, top + high - 1), fill=(84, 32, 38))
        if letter.strip():
            shift = (cell - font(size).getlength(letter)) / 2
            ink = WRONG if wrong else color
            draw.text((left + shift, top), letter, fill=ink, font=font(size))
    return np.asarray(picture)


def entries(
    name: str,
    truth: np.ndarray | None,
    dream: np.ndarray,
    *,
    classes: tuple[int, ...],
    width: int,
) -> np.ndarray:
    """Choices or bits: true ones above dreamt ones, of which wrong ones are marked.

    Args:
      name: of the observation.
      truth: [n] integers; None where nobody knows.
      dream: [n].
      classes: of each entry. A bit is a cell that is full or empty, a choice is a number.
      width: pixels. At most as many entries are drawn as fit, and at most MOST.
    """
    room = max(width // 3, 60)
    count = min(len(dream), MOST, (width - room) // (CELL + 2))
    more = f" (+{len(dream) - count})" if count < len(dream) else ""
    lines = []
    for values, color in ((truth, TRUTH), (dream, DREAM)):
        if values is None:
            continue
        wrong = values != truth if truth is not None and values is dream else np.zeros(count, bool)
        cells = [
            _cell(int(values[i]), bit=classes[i] == 2, color=color, wrong=bool(wrong[i]))
            for i in range(count)
        ]
        lines.append(row(cells, gap=2))
    label = words((name + more, FAINT), width=room)
    return row([label, column(lines, gap=2)], gap=0)


def _cell(value: int, *, bit: bool, color: Color, wrong: bool) -> np.ndarray:
    """A square with a number, or a full or empty one for a bit; with a red edge if it is wrong."""
    fill = color if bit and value else SURFACE
    edge = WRONG if wrong else EDGE
    picture = Image.new("RGB", (CELL, CELL), GROUND)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, CELL - 1, CELL - 1), 3, fill=fill, outline=edge, width=1 + wrong)
    if not bit:
        size = SMALL if value < 10 else SMALL - 2 if value < 100 else SMALL - 4
        shift = (CELL - font(size).getlength(str(value))) / 2
        draw.text((shift, (CELL - 1.25 * size) / 2), str(value), fill=color, font=font(size))
    return np.asarray(picture)
