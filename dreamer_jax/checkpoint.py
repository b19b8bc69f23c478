"""Checkpoints: named trees of arrays and JSON counters, complete or absent, never code."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp


def save(
    directory: str | os.PathLike[str],
    step: int,
    items: dict[str, Any],
    host: dict[str, Any],
    keep: int,
) -> None:
    """Writes `items` and `host` as the checkpoint of `step` and returns once it is complete.

    items: trees of arrays, each restorable without the others.
    host: what JSON can hold; floats must be finite.
    keep: how many of the newest checkpoints stay, this one included; at least 1.
    Whenever the process dies, a checkpoint of this step is complete or absent.
    Raises ValueError or TypeError, before anything is written, for what cannot be saved.
    """
    if keep < 1:
        raise ValueError(f"at least 1 checkpoint must be kept, not {keep}")
    json.dumps(host, allow_nan=False)
    root = Path(directory).absolute()
    _sweep(root)
    fresh = root / f"{step}.new"
    with _context():
        ocp.save_checkpointables(str(fresh), items, custom_metadata=host)
    _publish(fresh, root / str(step))
    for old in steps(root)[:-keep]:
        # A directory is hidden before its files go, so no half of it is ever taken for complete.
        (root / str(old)).rename(root / f"{old}.old")
    _sweep(root)


def steps(directory: str | os.PathLike[str]) -> list[int]:
    """The steps of all complete checkpoints, oldest first; none where there is no directory."""
    root = Path(directory).absolute()
    if not root.is_dir():
        return []
    return sorted(int(path.name) for path in root.iterdir() if _is_complete(path))


def latest(directory: str | os.PathLike[str]) -> int | None:
    """The step of the newest complete checkpoint."""
    return max(steps(directory), default=None)


def restore(
    directory: str | os.PathLike[str], step: int, abstract: dict[str, Any]
) -> dict[str, Any]:
    """Reads the items named in `abstract`, and no others.

    abstract: for each item its tree of `jax.ShapeDtypeStruct`, every one with its sharding, which
        need not be the one it was saved with.
    Raises FileNotFoundError where there is no such checkpoint, and ValueError, naming the first
    path that differs, where it does not hold exactly these arrays.
    """
    path = _existing(directory, step)
    saved = ocp.checkpointables_metadata(str(path)).metadata
    for name, tree in abstract.items():
        if name not in saved:
            raise ValueError(f"checkpoint {path} has no {name!r}, only {sorted(saved)}")
        _require_equal(f"checkpoint {path}", name, _arrays(saved[name]), _arrays(tree))
    with _context():
        return ocp.load_checkpointables(str(path), abstract)


def placed(shapes: Any, sharding: Any) -> Any:
    """The same shapes, to be restored there; `sharding` may be a tree that `shapes` extends."""
    flat = jax.tree.broadcast(sharding, shapes)
    return jax.tree.map(
        lambda x, where: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), shapes, flat
    )


def read_host(directory: str | os.PathLike[str], step: int) -> dict[str, Any]:
    """The counters saved with a checkpoint. Raises FileNotFoundError where there is none."""
    host = ocp.checkpointables_metadata(str(_existing(directory, step))).custom_metadata
    if not isinstance(host, dict):
        raise ValueError(f"checkpoint {step} in {directory} holds no counters")
    return host


def _context() -> ocp.Context:
    # Uncompressed, and in files of any size, an array on the host is written from where it lies:
    # twice as fast, and without a second copy of the replay buffer in memory.
    context = ocp.Context()
    context.array.saving.use_compression = False
    context.array.saving.ocdbt_target_data_file_size = 0
    return context


def _publish(fresh: Path, path: Path) -> None:
    if path.exists():
        path.rename(path.with_name(f"{path.name}.old"))
    fresh.rename(path)


def _sweep(root: Path) -> None:
    """Removes what interrupted saves and expired checkpoints left: `<step>.<anything>`."""
    for path in root.glob("*.*"):
        if path.name.split(".")[0].isdecimal():
            shutil.rmtree(path)


def _is_complete(path: Path) -> bool:
    if not path.name.isdecimal() or not path.is_dir():
        return False
    try:
        return ocp.checkpointables_metadata(str(path)).commit_timestamp_nsecs is not None
    except (OSError, ValueError):
        return False


def _existing(directory: str | os.PathLike[str], step: int) -> Path:
    path = Path(directory).absolute() / str(step)
    if not _is_complete(path):
        raise FileNotFoundError(f"no complete checkpoint of step {step} in {directory}")
    return path


def _arrays(tree: Any) -> dict[str, str]:
    """Path of each leaf -> what it is, as in `params/dense/kernel` -> `float32[3, 4]`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): (
            f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"
        )
        for path, leaf in leaves
    }


def _require_equal(where: str, name: str, saved: dict[str, str], wanted: dict[str, str]) -> None:
    for path in [*wanted, *saved]:
        have, want = saved.get(path, "nothing"), wanted.get(path, "nothing")
        if have != want:
            raise ValueError(f"{where} has {have} at {name}/{path} where {want} is expected")
