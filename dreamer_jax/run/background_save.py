"""Writes checkpoints while training continues, one after another, in one thread."""

import math
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from dreamer_jax.faults import Damaged, Fault, one_line
from dreamer_jax.host import array_files
from dreamer_jax.replay import blocks
from dreamer_jax.run import checkpoint


class Snapshot(NamedTuple):
    """A run between two steps, copied to the host; its arrays never change."""

    step: int
    items: dict[str, Any]  # trees of arrays, see `checkpoint.save`
    counters: dict[str, Any]  # JSON
    files: dict[str, Any]  # trees of NumPy arrays, by name
    blocks: dict[int, Any]  # index -> steps [E, length, ...] of a block that is not on disk yet


class Saver:
    """Writes to `checkpoints` and `replay` of a logdir; a context that waits for the last write."""

    def __init__(self, logdir: Path, *, keep: int, keep_every: int, blocks: int = 0) -> None:
        """Of a run in `logdir`.

        keep: newest checkpoints that stay.
        keep_every: steps between two checkpoints that are never removed; 0: none.
        blocks: of the ring on disk already, counted from the beginning of the run.
        """
        self.checkpoints = logdir / "checkpoints"
        self.replay = logdir / "replay"
        self.blocks = blocks
        self.bytes = 0  # written by the last finished save
        self._keep = partial(kept, keep=keep, every=keep_every)
        self._newest = keep
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
        """Starts to write a snapshot, after `wait` for the one before."""
        self.wait()
        self.blocks = max([self.blocks, *(index + 1 for index in snapshot.blocks)])
        self._writing = self._thread.submit(self._write, snapshot)

    def wait(self) -> None:
        """Returns when nothing is being written. Raises Fault if the last write has failed."""
        writing, self._writing = self._writing, None
        if writing is not None:
            try:
                writing.result()
            except (OSError, ValueError) as error:  # orbax raises ValueError for a full disk
                raise Fault(f"cannot save in {self.checkpoints}: {one_line(error)}") from error

    def _write(self, snapshot: Snapshot) -> None:
        written = sum(
            array_files.write(blocks.path(self.replay, index), steps)
            for index, steps in snapshot.blocks.items()
        )
        written += checkpoint.save(
            self.checkpoints,
            snapshot.items,
            step=snapshot.step,
            counters=snapshot.counters,
            files=snapshot.files,
            keep=self._keep,
        )
        # Only the newest checkpoints can be resumed. Older ones that are kept lose their blocks.
        newest = checkpoint.steps(self.checkpoints)[-self._newest :]
        blocks.forget(self.replay, min(map(self._first_block, newest)))
        self.bytes = written

    def _first_block(self, step: int) -> float:
        try:
            return int(checkpoint.read_counters(self.checkpoints, step)["first_block"])
        except (Damaged, KeyError, TypeError, ValueError):
            return math.inf


def kept(steps: list[int], *, keep: int, every: int) -> set[int]:
    """The newest `keep` of ascending steps, and the first from each multiple of `every` on."""
    permanent: dict[int, int] = {}  # multiple -> its first step
    if every:
        for step in steps:
            permanent.setdefault(step // every, step)
        permanent.pop(0, None)
    return {*steps[-keep:], *permanent.values()}
