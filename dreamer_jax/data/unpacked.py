"""Unpacks recordings into files of the cache that are mapped into memory.

`<cache>/<digest of the recording>/<name of the array>.npy` is [N, ...] over all N steps. A random
step costs one page of the disk, and the only memory is the page cache of the system.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from urllib.parse import quote

import numpy as np

from dreamer_jax.data.source import Arrays, Column, Source

SPARE = 64 << 20  # bytes of the disk that stay free
ENDING = ".npy"


def default_cache() -> Path:
    """The folder for unpacked recordings in the user's cache folder."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "dreamer_jax" / "recordings"


def unpacked(source: Source, cache: Path) -> Arrays:
    """The arrays [N, ...] of a recording, mapped into memory; only read.

    The first call verifies and unpacks every file, piece by piece. Another process that needs the
    same recording waits for it. What was unpacked is complete or absent.

    Raises:
        ValueError: the recording is damaged, or the disk has not enough space.
        OSError: the cache cannot be used.
    """
    folder = cache / source.digest
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{source.digest}.lock"):
        found = _mapped(folder, source)
        if found is None:
            shutil.rmtree(folder, ignore_errors=True)
            _unpack(source, folder)
            found = _mapped(folder, source)
    if found is None:
        raise ValueError(f"{folder} does not hold what was written there")
    return found


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Holds the lock of a file, which the system releases if the process dies."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _unpack(source: Source, folder: Path) -> None:
    """Writes a folder of arrays; it gets its name when it is complete."""
    steps = sum(run.steps for run in source.runs)
    _require_space(source, folder.parent, steps)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        files = {
            name: np.lib.format.open_memmap(
                partial / _file(name), "w+", column.dtype, (steps, *column.shape)
            )
            for name, column in source.columns.items()
        }
        start = 0
        for piece in source.pieces():
            stop = start + len(piece["reward"])
            for name, x in piece.items():
                files[name][start:stop] = x
            start = stop
        for x in files.values():
            x.flush()
        del files
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _require_space(source: Source, cache: Path, steps: int) -> None:
    sizes = (x.dtype.itemsize * prod(x.shape) for x in source.columns.values())
    needed, free = steps * sum(sizes), shutil.disk_usage(cache).free
    if needed + SPARE > free:
        text = f"{source.name} needs {needed / 1e9:.1f} GB unpacked, and {cache} has"
        raise ValueError(f"{text} {free / 1e9:.1f} GB left; XDG_CACHE_HOME names another folder")


def _mapped(folder: Path, source: Source) -> Arrays | None:
    """The arrays of a folder; None unless they are all there, with the types of the recording."""
    steps, found = sum(run.steps for run in source.runs), Arrays()
    columns: Mapping[str, Column] = source.columns
    for name, column in columns.items():
        try:
            x = np.load(folder / _file(name), mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return None
        if (x.dtype, x.shape) != (column.dtype, (steps, *column.shape)):
            return None
        found[name] = x.view(np.ndarray)  # the class of the file makes every access slower
    return found


def _file(name: str) -> str:
    """A name of a file for any name of an array."""
    return quote(name, safe="") + ENDING
