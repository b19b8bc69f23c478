"""Saving while training goes on: one thread that writes one checkpoint after the other."""

import math
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from dreamer_jax.config import Train
from dreamer_jax.faults import Damaged, Fault, one_line
from dreamer_jax.host import array_files
from dreamer_jax.replay import blocks
from dreamer_jax.run import checkpoint


class Snapshot(NamedTuple):
    """A moment of a run, in arrays that nobody else will change."""

    step: int
    items: dict[str, Any]  # trees of arrays, see `checkpoint.save`
    host: dict[str, Any]  # counters
    files: dict[str, Any]  # small trees of arrays
    blocks: dict[int, Any]  # of the replay ring, those that were not written before


class Saver:
    """Writes to `checkpoints` and `replay` of a logdir; a context, left when all is written."""

    def __init__(self, logdir: Path, config: Train, *, blocks: int) -> None:
        """`blocks` of the ring are written already, counted from the beginning of the run."""
        self.checkpoints = logdir / "checkpoints"
        self.replay = logdir / "replay"
        self.blocks = blocks
        self.bytes = 0  # that the last finished save has written
        self._keep = partial(kept, keep=config.keep, every=config.keep_every)
        self._newest = config.keep
        self._thread = ThreadPoolExecutor(1, "saver")
        self._writing: Future[None] | None = None

    def __enter__(self) -> "Saver":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.wait()
        finally:
            self._thread.shutdown()

    def save(self, snapshot: Snapshot) -> None:
        """Has a snapshot written; waits for the one before, and raises what that one has raised."""
        self.wait()
        self.blocks = max([self.blocks, *(index + 1 for index in snapshot.blocks)])
        self._writing = self._thread.submit(self._write, snapshot)

    def wait(self) -> None:
        """Returns when nothing is being written. Raises Fault where the disk would not take it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            try:
                writing.result()
            except (OSError, ValueError) as error:  # orbax says it with a ValueError
                raise Fault(f"cannot save in {self.checkpoints}: {one_line(error)}") from error

    def _write(self, snapshot: Snapshot) -> None:
        step, items, host, files, fresh = snapshot
        written = sum(array_files.write(blocks.path(self.replay, i), x) for i, x in fresh.items())
        written += checkpoint.save(self.checkpoints, step, items, host, files, self._keep)
        # A checkpoint that is kept for good keeps its weights; its experience goes with the rest.
        newest = checkpoint.steps(self.checkpoints)[-self._newest :]
        blocks.forget(self.replay, min(map(self._first_block, newest)))
        self.bytes = written

    def _first_block(self, step: int) -> float:
        try:
            return int(checkpoint.read_host(self.checkpoints, step)["first_block"])
        except (Damaged, KeyError, TypeError, ValueError):
            return math.inf


def kept(steps: list[int], keep: int, every: int) -> set[int]:
    """The newest `keep` of ascending steps, and the first from each multiple of `every` on."""
    for_good = {}
    if every:
        for step in steps:
            for_good.setdefault(step // every, step)
        for_good.pop(0, None)
    return {*steps[-keep:], *for_good.values()}
