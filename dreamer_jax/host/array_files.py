"""Trees of arrays in files that are complete or absent."""

import errno
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dreamer_jax.faults import Damaged, one_line

# System errors that do not mean that a file is damaged.
NO_DAMAGE = (
    *(errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.ESTALE),
    *(errno.ENOMEM, errno.EINTR, errno.EAGAIN, errno.ETIMEDOUT, errno.EHOSTDOWN),
)


def write(file: Path, tree: Any) -> int:
    """Writes a tree of arrays; returns its bytes.

    Whenever the process dies, the file is complete or unchanged. Raises OSError where the disk is
    full, and leaves no partial file.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    try:
        with partial.open("wb") as stream:
            np.savez(stream, **named(tree))
        flush(partial)
        partial.replace(file)
        flush(file.parent)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return file.stat().st_size


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, would survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(file: Path, like: Any) -> Any:
    """Reads a tree of arrays with the names, shapes and dtypes of `like` (arrays or structs).

    Raises Damaged for any other file. The format has checksums, so that a changed bit is found.
    """
    found, wanted = read_all(file), named(like)
    if found.keys() != wanted.keys():
        raise Damaged(f"{file} holds {sorted(found)}, not {sorted(wanted)}")
    for name, want in wanted.items():
        have = found[name]
        if (have.dtype, have.shape) != (want.dtype, want.shape):
            raise Damaged(f"{file} has {have.dtype}{list(have.shape)} as {name}")
    return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in wanted])


def read_all(file: Path) -> dict[str, np.ndarray]:
    """Reads all arrays in a file, by name. Raises Damaged if it is no file of arrays."""
    try:
        with file.open("rb") as stream, np.load(stream) as found:
            return {name: np.asarray(found[name]) for name in found.files}
    except Exception as error:  # a changed bit can cause any error
        raise damage(file, error) from None


def damage(path: Path, error: Exception) -> Exception:
    """The error to raise where a path could not be read: Damaged, or `error` if it is no damage."""
    system = isinstance(error, OSError) and error.errno in NO_DAMAGE
    if system or isinstance(error, jax.errors.JaxRuntimeError):  # such as a device out of memory
        return error
    return Damaged(f"{path} cannot be read: {one_line(error)}")


def named(tree: Any) -> dict[str, Any]:
    """Path of each leaf -> leaf, as in `obs/image`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(at, simple=True, separator="/"): leaf for at, leaf in leaves}
