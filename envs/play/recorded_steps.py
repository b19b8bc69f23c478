"""Reads the steps of a recording without trusting them.

Shapes, dtypes and sizes are checked against the environment before memory is allocated. Then every
number is checked against the spaces of the environment.
"""

import zipfile
from collections.abc import Iterator

import numpy as np

from envs.play.recorded_spaces import FLAGS, Column, columns, describe, require_fits
from envs.play.recordings import Episode, Recording, episode_path, sha256
from envs.timestep import VectorEnv


def read(recording: Recording, env: VectorEnv) -> dict[str, np.ndarray]:
    """All steps of all episodes, concatenated: [N, ...] for each of `columns`.

    Raises:
        ValueError: a file contradicts the index, or holds numbers outside the spaces of this
            environment; in one line.
    """
    expected = columns_of(recording, env)
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


def columns_of(recording: Recording, env: VectorEnv) -> dict[str, Column]:
    """`columns` of an environment; ValueError unless a recording has the same spaces."""
    name = f"{recording.folder} was recorded in {recording.env}"
    require_fits(recording.spaces, env, where=name)
    return columns(describe(env))


def read_episodes(
    recording: Recording, expected: dict[str, Column]
) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of each file; see `read`."""
    for i, episode in enumerate(recording.episodes):
        file = episode_path(recording.folder, i)
        try:
            if sha256(file) != episode.sha256:
                raise ValueError("its SHA-256 is not that of the index")
            with zipfile.ZipFile(file) as archive:
                if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in expected):
                    raise ValueError("its arrays are not those of the environment")
                arrays = {
                    name: _array(archive, name, column, episode.steps)
                    for name, column in expected.items()
                }
            _check(arrays, expected, ends=_ends(recording.episodes, i))
        except Exception as error:  # damaged files raise many types of errors
            raise ValueError(f"{file}: {' '.join(str(error).split())}") from None
        yield arrays


def _array(archive: zipfile.ZipFile, name: str, column: Column, steps: int) -> np.ndarray:
    """Reads an array; checks its header before it allocates memory."""
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


def _ends(episodes: tuple[Episode, ...], i: int) -> tuple[bool, bool]:
    """Whether a run begins with file i, and whether one ends with it."""
    return episodes[i].part == 0, i + 1 == len(episodes) or episodes[i + 1].part == 0


def _check(
    arrays: dict[str, np.ndarray], expected: dict[str, Column], *, ends: tuple[bool, bool]
) -> None:
    """Raises ValueError for numbers outside the spaces."""
    for name, (dtype, _, classes) in expected.items():
        x = arrays[name]
        if dtype.kind == "f" and not np.isfinite(x).all():
            raise ValueError(f"{name} is not finite")
        if classes is not None and ((x < 0) | (x >= classes)).any():
            raise ValueError(f"{name} has classes outside its space")
        if name.startswith("action/") and classes is None and (np.abs(x) > 1).any():
            raise ValueError(f"{name} is outside -1 to 1")
    first, last, terminal = (np.flatnonzero(arrays[name]).tolist() for name in FLAGS)
    begins, stops = ends
    begin, end = [0] * begins, [len(arrays["reward"]) - 1] * stops
    if (first, last) != (begin, end) or terminal not in ([], end):
        raise ValueError("an episode begins or ends inside the file")
