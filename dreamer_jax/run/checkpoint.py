"""Checkpoints: named trees of arrays and JSON counters, complete or absent, never code.

Each checkpoint of a run is a directory, named by its step. It holds `arrays` (orbax), a few other
files, and `checksums.json` of the arrays, which is written last.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from dreamer_jax.faults import Damaged, Mismatch
from dreamer_jax.host import array_files
from dreamer_jax.run.checksums import ARRAYS, CHECKSUMS, checksums, verify

COUNTERS = "counters.json"
ASIDE = ".damaged"  # suffix of checkpoints that could not be restored


def save(
    directory: str | os.PathLike[str],
    items: dict[str, Any],
    *,
    step: int,
    counters: dict[str, Any],
    files: dict[str, Any],
    keep: Callable[[list[int]], set[int]],
) -> int:
    """Writes the checkpoint of `step`. Returns its size in bytes, once it is complete.

    items: trees of arrays on any device. Each can be restored without the others.
    counters: JSON; floats must be finite.
    files: trees of NumPy arrays whose shapes are not known before they are read.
    keep: complete steps, ascending -> those to keep. This step is kept in any case.
    Whenever the process dies, a checkpoint of this step is complete or absent.
    Raises ValueError or TypeError, before anything is written, for what cannot be saved, and
    OSError where the disk is full.
    """
    json.dumps(counters, allow_nan=False)
    root = Path(directory).absolute()
    _sweep(root)
    root.mkdir(parents=True, exist_ok=True)
    need, free = sum(x.nbytes for x in jax.tree.leaves(items)), shutil.disk_usage(root).free
    if need > free:
        message = f"No space left: {need} bytes are needed, but only {free} are free"
        raise OSError(errno.ENOSPC, message)
    fresh = root / f"{step}.new"
    held = {name: tree for name, tree in items.items() if jax.tree.leaves(tree)}  # as Orbax asks
    try:
        with _context():
            ocp.save_checkpointables(str(fresh / ARRAYS), held)
        (fresh / ARRAYS / COUNTERS).write_text(json.dumps(counters))
        for name, tree in files.items():
            array_files.write(fresh / f"{name}.npz", tree)
        (fresh / CHECKSUMS).write_text(json.dumps(checksums(fresh / ARRAYS, items), indent=1))
    except Exception:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _publish(fresh, root / str(step))
    complete = steps(root)
    _expire(root, set(complete) - keep(complete) - {step})
    return sum(file.stat().st_size for file in (root / str(step)).rglob("*") if file.is_file())


def steps(directory: str | os.PathLike[str]) -> list[int]:
    """The steps of all checkpoints, oldest first; [] where there is no directory."""
    root = Path(directory).absolute()
    if not root.is_dir():
        return []
    return sorted(int(path.name) for path in root.iterdir() if _is_checkpoint(path))


def latest(directory: str | os.PathLike[str]) -> int | None:
    """The step of the newest checkpoint."""
    return max(steps(directory), default=None)


def is_whole(directory: str | os.PathLike[str], step: int) -> bool:
    """Whether all files of a checkpoint match their checksums."""
    try:
        path = _existing(directory, step)
        verify(path, None)
        for file in path.glob("*.npz"):
            array_files.read_all(file)
    except Damaged:
        return False
    return True


def require_none(directory: str | os.PathLike[str]) -> None:
    """Raises Damaged if the directory holds damaged checkpoints; a new run would hide them."""
    for path in sorted(Path(directory).glob("*")):
        if path.name.removesuffix(ASIDE).isdecimal() and path.is_dir():
            raise Damaged(f"{path} was a checkpoint, but no checkpoint is whole")


class Found(NamedTuple):
    """A checkpoint that could be restored."""

    step: int
    loaded: Any
    notes: list[str]  # a line about each newer one that could not


def newest(directory: str | os.PathLike[str], load: Callable[[int], Any]) -> Found:
    """Loads the newest checkpoint for which `load(step)` does not raise Damaged.

    Raises Damaged if there is none.
    """
    notes, tried = list[str](), set[int]()
    while left := set(steps(directory)) - tried:
        tried.add(step := max(left))
        try:
            return Found(step, load(step), notes)
        except (Damaged, FileNotFoundError) as error:
            if step in steps(directory):  # otherwise a training process has just removed it
                notes.append(f"checkpoint {step} is damaged and passed over: {error}")
    raise Damaged(f"no checkpoint in {directory} is whole: {'; '.join(notes)}")


def set_aside(directory: str | os.PathLike[str], after: int) -> None:
    """Renames the checkpoints of all steps after this one, which could not be restored.

    Only the user removes them: it may be possible to repair them.
    """
    root = Path(directory).absolute()
    for step in steps(root):
        if step > after:
            aside = root / f"{step}{ASIDE}"
            if aside.exists():
                shutil.rmtree(aside)
            (root / str(step)).rename(aside)


def restore(
    directory: str | os.PathLike[str],
    step: int,
    abstract: dict[str, Any],
    *,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Reads the items named in `abstract`, and no others.

    abstract: for each item its tree of `jax.ShapeDtypeStruct`, each with the sharding to have.
    without: first names of paths in an item, such as 'optimizer'. Their arrays are not read: the
        tree has None there.
    Raises what `require` does.
    """
    wanted = require(directory, step, abstract)
    path = _existing(directory, step)
    read = {name: _left_out(tree, without) for name, tree in wanted.items()}
    try:
        with _context():
            found = ocp.load_checkpointables(str(path / ARRAYS), read)
        return abstract | jax.tree.map(lambda x: None if x is ... else x, found)
    except Exception as error:  # damage from before the checksums were made
        raise array_files.damage(path / ARRAYS, error) from None


def require(
    directory: str | os.PathLike[str], step: int, abstract: dict[str, Any]
) -> dict[str, Any]:
    """Checks that a checkpoint holds the items of `abstract`; returns those that have arrays.

    Raises FileNotFoundError where there is no such checkpoint, Damaged where a file of these items
    does not match its checksum, and Mismatch, naming the first path that differs, where the
    checkpoint does not hold exactly these arrays.
    """
    path = _existing(directory, step)
    verify(path, abstract)
    saved = _metadata(path).metadata
    wanted = {name: tree for name, tree in abstract.items() if jax.tree.leaves(tree)}
    for name, tree in abstract.items():
        if name not in saved and name in wanted:
            raise Mismatch(f"checkpoint {path} has no {name!r}, only {sorted(saved)}")
        _require_equal(f"checkpoint {path}", name, _arrays(saved.get(name)), _arrays(tree))
    return wanted


def read_counters(directory: str | os.PathLike[str], step: int) -> dict[str, Any]:
    """The counters saved with a checkpoint. Raises FileNotFoundError where there is none.

    Raises Damaged where they do not match their checksum, or are no JSON object.
    """
    path = _existing(directory, step)
    verify(path, ())
    try:
        counters = json.loads((path / ARRAYS / COUNTERS).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise array_files.damage(path / ARRAYS / COUNTERS, error) from None
    if not isinstance(counters, dict):
        raise Damaged(f"{path / ARRAYS / COUNTERS} holds no counters")
    return cast(dict[str, Any], counters)


def read_arrays(directory: str | os.PathLike[str], step: int) -> dict[str, Any]:
    """All items of a checkpoint as they were saved, by name; see `restore` for errors."""
    path = _existing(directory, step)
    verify(path, _metadata(path).metadata)
    return ocp.load_checkpointables(str(path / ARRAYS))


def path_of(directory: str | os.PathLike[str], step: int, *, name: str) -> Path:
    """Where one of the `files` of a checkpoint is, for `array_files.read`."""
    return _existing(directory, step) / f"{name}.npz"


def _expire(root: Path, old: Iterable[int]) -> None:
    """Removes the checkpoints of these steps."""
    for step in old:
        # Renamed before its files are removed, so that half a directory never looks complete.
        (root / str(step)).rename(root / f"{step}.old")
    _sweep(root)


def _sweep(root: Path) -> None:
    """Removes what interrupted saves and expired checkpoints left: folders `<step>.<...>`."""
    for path in root.glob("*.*"):
        ours = path.name.split(".")[0].isdecimal() and path.suffix != ASIDE
        if ours and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def _context() -> ocp.Context:
    # Without compression and a limit to file sizes, arrays on the host are written without a
    # second copy in memory, and twice as fast.
    context = ocp.Context()
    context.array.saving.use_compression = False
    context.array.saving.ocdbt_target_data_file_size = 0
    return context


def _metadata(path: Path) -> Any:
    try:
        return ocp.checkpointables_metadata(str(path / ARRAYS))
    except Exception as error:  # a checkpoint from a stranger may hold anything
        raise array_files.damage(path / ARRAYS, error) from None


def _publish(fresh: Path, path: Path) -> None:
    for each in [*fresh.rglob("*"), fresh]:
        array_files.flush(each)
    if path.exists():
        path.rename(path.with_name(f"{path.name}.old"))
    fresh.rename(path)
    array_files.flush(path.parent)


def _is_checkpoint(path: Path) -> bool:
    # A directory gets this name once it is complete. One that lacks a file is damaged.
    return path.name.isdecimal() and path.name == str(int(path.name)) and path.is_dir()


def _left_out(tree: Any, names: Collection[str]) -> Any:
    """The tree with ... for the leaves whose path begins with one of these names, as Orbax asks."""
    leaves = [
        ... if path.split("/")[0] in names else x for path, x in array_files.named(tree).items()
    ]
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def _existing(directory: str | os.PathLike[str], step: int) -> Path:
    path = Path(directory).absolute() / str(step)
    if not _is_checkpoint(path):
        raise FileNotFoundError(f"no checkpoint of step {step} in {directory}")
    return path


def _arrays(tree: Any) -> dict[str, str]:
    """Path of each leaf -> its type, as in `params/dense/kernel` -> `float32[3, 4]`."""
    leaves = array_files.named(tree)
    return {path: f"{np.dtype(x.dtype).name}{list(x.shape)}" for path, x in leaves.items()}


def _require_equal(where: str, name: str, saved: dict[str, str], wanted: dict[str, str]) -> None:
    for path in [*wanted, *saved]:
        have, want = saved.get(path, "nothing"), wanted.get(path, "nothing")
        if have != want:
            raise Mismatch(f"{where} has {have} at {name}/{path} where {want} is expected")
