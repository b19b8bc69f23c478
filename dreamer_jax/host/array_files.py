"""Trees of arrays in files, complete or absent."""

import errno
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dreamer_jax.faults import Damaged, one_line

# Errors that say nothing about a file's content.
NO_DAMAGE = (
    *(errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.ESTALE),
    *(errno.ENOMEM, errno.EINTR, errno.EAGAIN, errno.ETIMEDOUT, errno.EHOSTDOWN),
)


def write(file: Path, tree: Any) -> int:
    """Writes a tree of arrays; returns its bytes.

    Whenever the process dies, the file is complete or what it was before. Raises OSError where the
    disk is full, and leaves nothing behind.
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
    """Has the disk keep a file, or the names in a folder, through a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(file: Path, like: Any) -> Any:
    """Reads a tree of arrays shaped like `like` (arrays or shape structs), and nothing else.

    Raises Damaged, in one line, for whatever is not such a file; it carries checksums.
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
    """Reads whatever arrays there are, by name. Raises Damaged for what is no file of arrays."""
    try:
        with file.open("rb") as stream, np.load(stream) as found:
            return {name: np.asarray(found[name]) for name in found.files}
    except Exception as error:  # a changed bit makes the reader fail in any way
        raise damage(file, error) from None


def damage(path: Path, error: Exception) -> Exception:
    """What to raise where a path could not be read: Damaged, or an error that is none of it."""
    elsewhere = isinstance(error, OSError) and error.errno in NO_DAMAGE
    if elsewhere or isinstance(error, jax.errors.JaxRuntimeError):  # such as no memory of a device
        return error
    return Damaged(f"{path} cannot be read: {one_line(error)}")


def named(tree: Any) -> dict[str, Any]:
    """Path of each leaf -> leaf, as in `obs/image`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(at, simple=True, separator="/"): leaf for at, leaf in leaves}
