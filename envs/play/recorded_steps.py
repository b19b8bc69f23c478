"""The steps of a recording, read as if somebody hostile had written them.

Shapes, dtypes and sizes are compared with the environment's own before memory is spent on them, and
every number with what the environment could have shown.
"""

import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from envs.play.recordings import FLAGS, Recording, describe, episode_path, require_fits, sha256
from envs.timestep import VectorEnv


class Column(NamedTuple):
    """What the values of an array are."""

    dtype: np.dtype
    shape: tuple[int, ...]
    classes: np.ndarray | None = None  # of each number, where they are discrete


def columns(env: VectorEnv) -> dict[str, Column]:
    """What the arrays of an episode of this environment must be, by name."""

    def column(values: dict[str, Any]) -> Column:
        classes = np.array(values["classes"]) if "classes" in values else None
        return Column(np.dtype(values["dtype"]), tuple(values["shape"]), classes)

    found = describe(env)
    flag, number = Column(np.dtype(bool), ()), Column(np.dtype(np.float32), ())
    return {
        **{f"obs/{key}": column(values) for key, values in found["obs"].items()},
        **{f"action/{key}": column(values) for key, values in found["action"].items()},
        **{"reward": number, **dict.fromkeys(FLAGS, flag)},
        **dict.fromkeys(found["events"], number),
    }


def read(recording: Recording, env: VectorEnv) -> dict[str, np.ndarray]:
    """All steps of all episodes, end to end: [N, ...] for each of `columns`.

    Raises:
        ValueError: a file is not what the index says, or holds what this environment cannot have
            shown; in one line.
    """
    require_fits(recording, env)
    expected = columns(env)
    whole = {
        name: np.empty((recording.steps, *shape), dtype)
        for name, (dtype, shape, _) in expected.items()
    }
    start = 0
    for arrays in read_episodes(recording, expected):
        stop = start + len(arrays["reward"])
        for name, x in arrays.items():
            whole[name][start:stop] = x
        start = stop
    return whole


def read_episodes(
    recording: Recording, expected: dict[str, Column]
) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of each episode; see `read`."""
    for i, episode in enumerate(recording.episodes):
        file = episode_path(recording.folder, i)
        try:
            if sha256(file) != episode.sha256:
                raise ValueError("is not what the index says")
            with zipfile.ZipFile(file) as archive:
                if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in expected):
                    raise ValueError("holds other arrays than the environment has")
                arrays = {
                    name: _array(archive, name, column, episode.steps)
                    for name, column in expected.items()
                }
            _check(arrays, expected)
        except Exception as error:  # a changed bit makes the readers fail in any way
            raise ValueError(f"{file}: {' '.join(str(error).split())}") from None
        yield arrays


def _array(archive: zipfile.ZipFile, name: str, column: Column, steps: int) -> np.ndarray:
    """Looks at what an array says it is before any memory is spent on it."""
    dtype, shape, _ = column
    with archive.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            header = np.lib.format.read_array_header_2_0
        have_shape, _, have_dtype = header(stream)
    if (have_shape, have_dtype) != ((steps, *shape), dtype):
        raise ValueError(f"{name} is {have_dtype}{list(have_shape)}")
    with archive.open(f"{name}.npy") as stream:
        return np.lib.format.read_array(stream)


def _check(arrays: dict[str, np.ndarray], expected: dict[str, Column]) -> None:
    """ValueError for numbers that no environment gives."""
    for name, (dtype, _, classes) in expected.items():
        x = arrays[name]
        if dtype.kind == "f" and not np.isfinite(x).all():
            raise ValueError(f"{name} is not finite")
        if classes is not None and ((x < 0) | (x >= classes)).any():
            raise ValueError(f"{name} has classes that its space lacks")
        if name.startswith("action/") and classes is None and (np.abs(x) > 1).any():
            raise ValueError(f"{name} is not from -1 to 1")
    first, last, terminal = (np.flatnonzero(arrays[name]).tolist() for name in FLAGS)
    end = len(arrays["reward"]) - 1
    if (first, last) != ([0], [end]) or terminal not in ([], [end]):
        raise ValueError("begins or ends in between")
