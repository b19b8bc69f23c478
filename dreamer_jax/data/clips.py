"""Clips of runs in a shuffled order: each is a function of the seed and of its number alone."""

from typing import Any, NamedTuple

import numpy as np

from dreamer_jax.data.ahead import Ahead
from dreamer_jax.data.order import shuffled
from dreamer_jax.data.runs import Run
from dreamer_jax.types import Clips, Draw, Step

FLAGS = ("is_first", "is_last", "is_terminal")


class Hosts(NamedTuple):
    """Which part of every batch this host reads."""

    index: int = 0
    count: int = 1


class Side:
    """The runs that are trained on, or those that are held out."""

    def __init__(
        self, runs: tuple[Run, ...], *, keys: tuple[str, ...], seed: int, hosts: Hosts, name: str
    ) -> None:
        """Reads nothing.

        Args:
            runs: of one side.
            keys: names of the arrays that clips have.
            seed: of the order.
            hosts: this host, and how many there are.
            name: for messages.
        """
        self.runs = runs
        self._keys, self._seed, self._hosts, self._name = keys, seed, hosts, name

    @property
    def steps(self) -> int:
        """Steps of all runs."""
        return sum(run.steps for run in self.runs)

    def starts(self, length: int) -> int:
        """Steps of the runs that have at least `length`: the clips of one epoch."""
        return sum(run.steps for run in self._long(length))

    def clips(self, draw: Draw, index: int) -> Clips:
        """Batch `index` of an endless order, as arrays of NumPy.

        In an epoch, each step of each run begins one clip, in an order that the epoch shuffles. A
        clip that would pass the end of its run is shifted back inside of it. With `draw.piece`, a
        clip has T / piece pieces from random moments of the run, and no step is in two of them.
        Single steps include the one that begins the clip. Runs that are shorter than a clip are
        left out.

        With several hosts, host h reads sequences h B / H to (h + 1) B / H of the batch.

        Args:
            draw: B, T, and the steps of a piece, which divide T.
            index: of the batch, from 0.

        Raises:
            ValueError: no run is long enough, or the batch cannot be split over the hosts.
        """
        runs, here = self._long(draw.length), self._hosts
        if not runs:
            longest = max((run.steps for run in self.runs), default=0)
            text = f"no {self._name} run has the {draw.length} steps of a clip"
            raise ValueError(f"{text}; the longest of {len(self.runs)} has {longest}")
        if draw.batch % here.count:
            text = f"a batch of {draw.batch} clips cannot be split over {here.count} hosts"
            raise ValueError(text)
        ends = np.cumsum([run.steps for run in runs])
        share = draw.batch // here.count
        first = index * draw.batch + here.index * share
        positions = np.arange(first, first + share)
        chosen = self._starts(positions, int(ends[-1]))
        which = np.searchsorted(ends, chosen, side="right")
        steps = chosen - np.concatenate([[0], ends])[which]
        batch = [
            (runs[i], self._moments(runs[i], step, draw, position))
            for i, step, position in zip(
                which.tolist(), steps.tolist(), positions.tolist(), strict=True
            )
        ]
        return self._read(batch)

    def ahead(self, draw: Draw, *, start: int = 0) -> Ahead[Clips]:
        """Batches from `start` on, read in advance by a thread; close it."""
        return Ahead(lambda index: self.clips(draw, index), start=start)

    def _long(self, length: int) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.steps >= length)

    def _starts(self, positions: np.ndarray, count: int) -> np.ndarray:
        """[n] steps below `count` at some positions of the endless order."""
        found = np.empty_like(positions)
        epochs, within = positions // count, positions % count
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            found[here] = shuffled(within[here], count, seed=self._seed, epoch=epoch)
        return found

    def _moments(self, run: Run, step: int, draw: Draw, position: int) -> np.ndarray:
        """[T] sorted steps of a run, without repetition."""
        if not draw.piece:
            return min(step, run.steps - draw.length) + np.arange(draw.length)
        # In a run without the further steps of each piece, any first steps are far enough apart.
        pieces = draw.length // draw.piece
        room = run.steps - pieces * (draw.piece - 1)
        step = step * room // run.steps  # the end of a run comes no more often than the rest
        random = np.random.default_rng((self._seed, 1, position))
        others = random.choice(room - 1, pieces - 1, replace=False, shuffle=False)
        first = np.sort(np.append(others + (others >= step), step))
        first += np.arange(pieces) * (draw.piece - 1)
        return (first[:, None] + np.arange(draw.piece)).ravel()

    def _read(self, batch: list[tuple[Run, np.ndarray]]) -> Clips:
        """[T, B, ...] of some moments of each run."""
        time: Any = np.stack([moments for _, moments in batch], axis=1).astype(np.int32)
        where = time + np.array([run.start for run, _ in batch])
        arrays: dict[str, Any] = {key: _gathered(batch, where, key) for key in self._keys}

        def under(prefix: str) -> dict[str, Any]:
            return {k.removeprefix(prefix): x for k, x in arrays.items() if k.startswith(prefix)}

        steps: Step = Step(
            obs=under("obs/"),
            action=under("action/"),
            events={k: x for k, x in arrays.items() if k.startswith("event/")},
            **{name: arrays[name] for name in ("reward", *FLAGS)},
        )
        duration: Any = np.array([run.steps for run, _ in batch], np.int32)
        return Clips(steps=steps, time=time, duration=duration)


def _gathered(batch: list[tuple[Run, np.ndarray]], where: np.ndarray, key: str) -> np.ndarray:
    """Steps `where` [T, B] of an array of the recording of each run: [T, B, ...]."""
    recordings = {id(run.arrays): run.arrays for run, _ in batch}
    if len(recordings) == 1:
        return batch[0][0].arrays[key][where]
    like = batch[0][0].arrays[key]
    found = np.empty((*where.shape, *like.shape[1:]), like.dtype)
    for number, arrays in recordings.items():
        here = np.array([id(run.arrays) == number for run, _ in batch])
        found[:, here] = arrays[key][where[:, here]]
    return found
