"""The ring of a run on disk: its full blocks, and the tail in the checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from dreamer_jax.counters import Counters
from dreamer_jax.host import array_files
from dreamer_jax.replay import blocks
from dreamer_jax.run import checkpoint
from dreamer_jax.run.state import Run, row_capacity
from dreamer_jax.types import ReplayState


def stored_blocks(
    run: Run, memory: ReplayState, *, counters: Counters
) -> Iterator[tuple[int, Any]]:
    """Reads the blocks of the ring from disk, in their order.

    Args:
      memory: the ring, for its shapes and dtypes.
      counters: of the checkpoint.

    Yields:
      The number of the first step of a block, and its steps [E, length, ...].

    Raises:
      Damaged: a file was changed.
    """
    length, full = length_of_blocks(run), full_blocks(run, counters)
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((x.shape[0], length, *x.shape[2:]), x.dtype), memory.steps
    )
    for index in full:
        yield index * length, array_files.read(block_file(run, index), like)
    # The tail is as long as a block. After its newest step it holds older steps of the ring.
    tail = checkpoint.path_of(run.logdir / "checkpoints", counters.step, name="tail")
    yield full.stop * length, array_files.read(tail, like)


def length_of_blocks(run: Run) -> int:
    """Steps of each row in a block of this run."""
    return blocks.block_length(rows=run.env.num_envs, capacity=row_capacity(run))


def full_blocks(run: Run, counters: Counters) -> range:
    """Indices of the full blocks that the ring needs."""
    total = counters.step // run.env.num_envs
    return blocks.blocks(total, capacity=row_capacity(run), length=length_of_blocks(run))


def block_file(run: Run, index: int) -> Path:
    """Where a full block of the ring is."""
    return blocks.path(run.logdir / "replay", index)
