"""The replay ring on the disk, as a row of files.

Block i holds the steps [i * length, (i + 1) * length) of every row, counted from the beginning of
the run. Steps never change, so each block is written once, and a checkpoint writes only new blocks.
Latents change with every update, so they are not in the blocks.
"""

from pathlib import Path

BLOCK_STEPS = 1024  # steps in a block, over all rows; 12 MB of Atari


def block_length(*, rows: int, capacity: int) -> int:
    """The steps of each row in a block; at most the `capacity` of a row."""
    return min(capacity, max(1, BLOCK_STEPS // rows))


def blocks(total: int, *, capacity: int, length: int) -> range:
    """Indices of the full blocks that a ring needs; the steps after them are the tail.

    Args:
      total: steps ever added to each row.
      capacity: C, steps that each row keeps.
      length: steps of each row in a block.
    """
    return range(max(0, total - capacity) // length, total // length)


def path(folder: Path, index: int) -> Path:
    """The file of block `index`."""
    return folder / f"{index:09d}.npz"


def forget(folder: Path, first: float) -> None:
    """Removes the blocks before index `first` and the partial files of interrupted writes."""
    for file in folder.glob("*"):
        if file.suffix == ".partial" or (file.stem.isdecimal() and int(file.stem) < first):
            file.unlink()
