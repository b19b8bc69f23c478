"""Which runs a data set has, and which of them are held out from training."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from dreamer_jax.data.source import Arrays


class Run(NamedTuple):
    """Successive steps of the arrays of one recording."""

    name: str
    arrays: Arrays  # [N, ...], of the whole recording
    start: int
    steps: int


def split(runs: Sequence[Run], *, held_out: float) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Runs to train on, and runs to measure with.

    A hash of the name of a run decides, so that a run stays on its side when others are added. Of
    several runs, each side has at least one.

    Args:
        runs: all of them.
        held_out: the share that is held out, from 0 to 1; 0 holds none out.
    """
    ranked = sorted(runs, key=lambda run: (_place(run.name), run.name))
    apart = {run.name for run in ranked if _place(run.name) < held_out}
    if held_out > 0 and len({run.name for run in ranked}) > 1:
        apart |= {ranked[0].name}
        apart -= {ranked[-1].name}
    elif len(apart) == len(ranked):
        apart = set[str]()
    return (
        tuple(run for run in runs if run.name not in apart),
        tuple(run for run in runs if run.name in apart),
    )


def _place(name: str) -> float:
    """A number from 0 to 1 that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
