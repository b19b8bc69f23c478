"""The replay ring on the disk, as a row of files.

A block holds the steps [i L, (i + 1) L) of every row, counted from the beginning of the run. What
happened does not change, so a block is written once, and a checkpoint costs what is new. Latents
do change, with every update; they are no part of the blocks.
"""

from pathlib import Path

BLOCK = 1024  # steps in a block, over all rows; 12 MB of Atari


def block_length(rows: int, capacity: int) -> int:
    """L, the steps of each row in a block; no more than the `capacity` of a row."""
    return min(capacity, max(1, BLOCK // rows))


def blocks(total: int, capacity: int, length: int) -> range:
    """The full blocks that a ring with `total` steps ever added needs; what follows is the tail."""
    return range(max(0, total - capacity) // length, total // length)


def path(folder: Path, index: int) -> Path:
    """Where block `index` is."""
    return folder / f"{index:09d}.npz"


def forget(folder: Path, first: float) -> None:
    """Removes the blocks before `first`, and what interrupted writes have left."""
    for file in folder.glob("*"):
        if file.suffix == ".partial" or (file.stem.isdecimal() and int(file.stem) < first):
            file.unlink()
