"""The settings of `--mode=fit`: what it learns from, for how long, and the stage's own sections."""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from dreamer_jax import limits
from dreamer_jax.limits import Count, Positive, Share


@dataclass(frozen=True)
class Data:
    """The recordings that a stage learns from."""

    folders: str = ""  # of recordings, separated by commas
    image: str = ""  # key of the observation that is learned from; empty: the only image
    held_out: Share = 0.1  # of the runs, which are measured and never learned from


@dataclass(frozen=True)
class Schedule:
    """How long a stage learns, and when it tells of it. All counts are in updates."""

    updates: Positive = 10_000
    log_every: Positive = 100  # between two lines of metrics
    measure_every: Count = 1_000  # between two measurements on runs that are held out; 0: never
    measure_batches: Positive = 4  # of each measurement, always the same ones
    pictures_every: Count = 2_500  # between two sets of pictures; 0: never
    save_every: Positive = 2_500  # between two checkpoints
    keep: Positive = 2  # newest checkpoints kept
    keep_every: Count = 0  # between two checkpoints that are never removed; 0: none


class StageConfig(Protocol):
    """The hyperparameters of one stage: a frozen dataclass of sections."""

    def resolved(self) -> Self:
        """The same with every value filled in; ValueError in one line for a contradiction."""
        ...


@dataclass(frozen=True)
class FitConfig:
    """Everything that a stage depends on, apart from its seed.

    The sections of `stage` are named without it on the command line: `tokenizer.codes`.
    """

    stage: Any = field(metadata={"inline": True})  # a `StageConfig`
    data: Data = field(default_factory=Data)
    fit: Schedule = field(default_factory=Schedule)


def resolve(config: FitConfig) -> FitConfig:
    """Fills in what the stage leaves open; ValueError, in one line, for a value out of range."""
    limits.check({"data": config.data, "fit": config.fit})
    return replace(config, stage=config.stage.resolved())
