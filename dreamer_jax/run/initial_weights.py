"""The weights that a new run takes from another one: where they are, and which of them fit."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from dreamer_jax.host import array_files
from dreamer_jax.run.checksums import CHECKSUMS

# What names another run.
INIT_FROM, WORLD_MODEL, REWARD = "init_from", "train.world_model", "reward.logdir"
FRESH = ("optimizer", "updates")  # parts of an agent's state that are always fresh
SHOWN = 4  # most arrays that a line names


class Source(NamedTuple):
    """A checkpoint of another run."""

    logdir: Path
    step: int | None = None  # None: the newest one that is whole
    sha1: str = ""  # of its checksums; empty until it was read

    def pinned(self, step: int) -> "Source":
        """The same run at a step, with the SHA-1 of that checkpoint."""
        return self._replace(step=step, sha1=sha1(self.logdir, step=step))

    def to_json(self) -> dict[str, Any]:
        """For config.json."""
        return {"logdir": str(self.logdir), "step": self.step, "sha1": self.sha1}


def source(text: str) -> Source:
    """Reads `<logdir>` or `<logdir>@<step>`; ValueError for an empty text."""
    if not text:
        raise ValueError("--init_from= names no logdir")
    found = re.fullmatch(r"(.+)@(\d+)", text)
    if found and not Path(text).exists():
        return Source(Path(found[1]), int(found[2]))
    return Source(Path(text))


def source_from_json(saved: Any) -> Source:
    """The inverse of `Source.to_json`; ValueError in one line for anything else."""
    wanted = {"logdir": str, "step": int, "sha1": str}
    if isinstance(saved, dict):
        saved = cast(dict[str, Any], saved)
        if {name: type(value) for name, value in saved.items()} == wanted:
            return Source(Path(saved["logdir"]), saved["step"], saved["sha1"])
    raise ValueError(f"config.json: weights holds {str(saved)[:60]!r}, which names no checkpoint")


def sha1(logdir: Path, *, step: int) -> str:
    """The SHA-1 of a checkpoint's checksums, which tell what it holds; empty where it is gone."""
    try:
        content = (logdir / "checkpoints" / str(step) / CHECKSUMS).read_bytes()
    except OSError:
        return ""
    return hashlib.sha1(content).hexdigest()


def is_same(known: Source, given: Source) -> bool:
    """Whether a source that a user gives is the one that is known, wherever it lies now."""
    if given.step not in (None, known.step):
        return False
    if known.step is None or given.logdir == known.logdir:
        return True
    return sha1(given.logdir, step=known.step) == known.sha1


class Fit(NamedTuple):
    """What a fresh state takes from the state of another run."""

    taken: dict[str, jax.Array]  # path in the state -> array
    fresh: list[str]  # a description of each other array, in the order of the state


def fit(shapes: Any, other: Any) -> Fit:
    """Finds the arrays of `other` that have path, shape and type of an array in `shapes`.

    Nothing is taken of the parts named FRESH: their numbers belong to the training before.

    Args:
      shapes: of the fresh state of an agent, any pytree.
      other: the state of another run.
    """
    theirs, taken, fresh = array_files.named(other), dict[str, jax.Array](), list[str]()
    for path, want in array_files.named(shapes).items():
        have = theirs.get(path)
        if path.split("/")[0] in FRESH:
            continue
        if have is not None and (have.shape, have.dtype) == (want.shape, want.dtype):
            taken[path] = have
        else:
            there = "none" if have is None else _described(have)
            fresh.append(f"{path} ({_described(want)}, there {there})")
    return Fit(taken=taken, fresh=fresh)


def with_arrays(taken: dict[str, jax.Array]) -> Callable[[Any], Any]:
    """A function that puts arrays into a fresh state, on the devices where it is."""

    def begin(state: Any) -> Any:
        leaves = [
            jax.device_put(taken[path], like.sharding) if path in taken else like
            for path, like in array_files.named(state).items()
        ]
        return jax.tree.unflatten(jax.tree.structure(state), leaves)

    return begin


def in_words(found: Fit, used: Source) -> str:
    """What was taken, in one line."""
    total = len(found.taken) + len(found.fresh)
    text = f"{len(found.taken)} of {total} arrays from {used.logdir} at step {used.step}"
    if not found.fresh:
        return text
    more = len(found.fresh) - SHOWN
    rest = f", and {more} more" if more > 0 else ""
    return f"{text}; fresh: {', '.join(found.fresh[:SHOWN])}{rest}"


def _described(x: Any) -> str:
    return f"{np.dtype(x.dtype).name}{list(x.shape)}"
