"""Adds runs to a recording: in files of bounded size, and in the index once they are complete."""

import dataclasses
from typing import Any, BinaryIO

import numpy as np

from envs.play.recordings import Episode, Recording, episode_path, sha256, write, write_index
from envs.timestep import Timestep

MOST_STEPS = 2_048  # of a file
MOST_BYTES = 32 << 20  # of the arrays of a file, in memory

Arrays = dict[str, np.ndarray]


class RunWriter:
    """Writes one run, piece by piece; keeps the steps of one file in memory."""

    def __init__(self, recording: Recording, *, number: int, row: int = 0, name: str = "") -> None:
        """See `Episode` for number, row and name."""
        self._folder = recording.folder
        self._number, self._row, self._name = number, row, name
        self._kept: list[Arrays] = []
        self._parts: list[Episode] = []
        self.steps = 0

    def add(self, arrays: Arrays) -> None:
        """Appends one step: every array of the format, each [1, ...]."""
        size = sum(x.nbytes for x in arrays.values())
        if len(self._kept) >= max(1, min(MOST_STEPS, MOST_BYTES // max(size, 1))):
            self._flush()
        self._kept.append(arrays)
        self.steps += 1

    def finish(self, recording: Recording) -> Recording:
        """Ends the run, and returns the recording with it.

        A run that did not end counts as truncated. The last step has no action. If the process
        dies, the recording has the complete run or none of it.
        """
        last = self._kept[-1]
        whole = bool(last["is_last"][-1])
        no_action = {k: np.zeros_like(x) for k, x in last.items() if k.startswith("action/")}
        self._kept[-1] = {**last, **no_action, "is_last": np.ones_like(last["is_last"])}
        self._flush()
        first = len(recording.episodes)
        for i, part in enumerate(self._parts):
            self._partial(part.part).replace(episode_path(self._folder, first + i))
        parts = [dataclasses.replace(part, whole=whole) for part in self._parts]
        self._parts = []
        episodes = (*recording.episodes, *parts)
        return write_index(dataclasses.replace(recording, episodes=episodes))

    def drop(self) -> None:
        """Forgets the run and removes its files."""
        for part in self._parts:
            self._partial(part.part).unlink(missing_ok=True)
        self._parts, self._kept = [], []

    def _partial(self, part: int) -> Any:
        name = f"{self._row}-{self._number}-{part}.partial"
        return self._folder / "episodes" / name

    def _flush(self) -> None:
        """Writes the steps in memory as the next part."""
        arrays = {key: np.concatenate([x[key] for x in self._kept]) for key in self._kept[0]}
        self._kept = []
        part = len(self._parts)
        file = self._partial(part)

        def fill(stream: BinaryIO) -> None:
            np.savez_compressed(stream, **dict[str, Any](arrays))

        write(file, fill)
        sums = {
            key.removeprefix("event/"): float(x.sum(dtype=float))
            for key, x in arrays.items()
            if key.startswith("event/")
        }
        score = float(arrays["reward"].sum(dtype=float))
        episode = Episode(
            steps=len(arrays["reward"]),
            score=score,
            whole=True,
            events=sums,
            sha256=sha256(file),
            number=self._number,
            row=self._row,
            part=part,
            name=self._name,
        )
        self._parts.append(episode)


def add(
    recording: Recording, number: int, rows: list[tuple[Timestep, dict[str, np.ndarray]]]
) -> Recording:
    """Appends an episode: timesteps, E = 1, and the action chosen at each.

    If the process dies, the recording has the complete episode or none of it.
    """
    writer = RunWriter(recording, number=number)
    for timestep, action in rows:
        writer.add(step_arrays(timestep, action))
    return writer.finish(recording)


def step_arrays(timestep: Timestep, action: Arrays, *, row: int = 0) -> Arrays:
    """One row of a timestep [E, ...] and of the action chosen at it, as arrays [1, ...]."""
    here = slice(row, row + 1)
    return {
        **{f"obs/{key}": x[here] for key, x in timestep.obs.items()},
        **{f"action/{key}": x[here] for key, x in action.items()},
        "reward": timestep.reward[here],
        "is_first": timestep.is_first[here],
        "is_last": timestep.is_last[here],
        "is_terminal": timestep.is_terminal[here],
        **{key: x[here] for key, x in timestep.events.items()},
    }
