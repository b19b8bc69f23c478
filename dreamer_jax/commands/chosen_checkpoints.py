"""The checkpoints of a run that a user names: a step, the newest, the best or all."""

from pathlib import Path
from typing import NamedTuple

from dreamer_jax.commands.options import Setup
from dreamer_jax.commands.restored_agents import Restored, restored
from dreamer_jax.run import best, checkpoint

NEWEST, BEST, ALL = "newest", "best", "all"


class Chosen(NamedTuple):
    """A checkpoint of a run."""

    name: str  # as the user named it: NEWEST, BEST or the step
    directory: Path
    step: int | None  # None: the newest one that is whole


def choose(logdir: Path, name: str) -> list[Chosen]:
    """The checkpoints that `name` stands for, oldest first: one, unless it is ALL.

    Raises ValueError in one line where there is none, and names those that there are.
    """
    usual, kept = logdir / "checkpoints", logdir / best.FOLDER
    if name == NEWEST:
        return [Chosen(NEWEST, usual, None)]
    found = {step: Chosen(str(step), kept, step) for step in checkpoint.steps(kept)}
    found |= {step: Chosen(str(step), usual, step) for step in checkpoint.steps(usual)}
    if name == BEST:
        if (record := best.found(logdir)) is None:
            text = "a run keeps one with --set train.keep_best=true and train.eval_every"
            raise ValueError(f"no best checkpoint in {logdir}: {text}")
        return [Chosen(BEST, kept, record.step)]
    if name == ALL and found:
        return [found[step] for step in sorted(found)]
    if name != ALL and not name.isdecimal():
        raise ValueError(f"--checkpoint={name}: expected a step, {NEWEST}, {BEST} or {ALL}")
    if name == ALL:
        raise ValueError(f"no checkpoint in {logdir} yet")
    if int(name) not in found:
        known = ", ".join(map(str, sorted(found))) or "none yet"
        raise ValueError(f"no checkpoint of step {name} in {logdir}; there are {known}")
    return [found[int(name)]]


def load(setup: Setup, chosen: Chosen) -> Restored:
    """The agent at a checkpoint, without its optimizer."""
    return restored(setup, step=chosen.step, directory=chosen.directory, weights_alone=True)


def load_one(setup: Setup, name: str | None) -> Restored:
    """The agent at the checkpoint that --checkpoint names, or at the newest; not for ALL."""
    chosen, *others = choose(setup.logdir, name or NEWEST)
    if others or name == ALL:
        raise ValueError(f"--checkpoint={ALL} is for --mode=eval; name a step, {NEWEST} or {BEST}")
    return load(setup, chosen)
