"""The hyperparameters of the stage `tokenizer`."""

from dataclasses import dataclass, field
from typing import Annotated, Self

from dreamer_jax import limits
from dreamer_jax.limits import Decay, Positive, Scale, Size, one_of
from dreamer_jax.world_model import tokenizer as tokenizers
from dreamer_jax.world_model.tokenizer import TokenizerSize


@dataclass(frozen=True)
class Batch:
    """What an update learns from, and what a measurement sees."""

    images: Positive = 16  # of an update, each from a random moment
    clips: Positive = 4  # of a measurement
    frames: Positive = 16  # successive ones, of each of these clips
    # The type to compute in; auto: float32 on a CPU, bfloat16 elsewhere.
    dtype: Annotated[str, one_of("auto", "float32", "bfloat16")] = "auto"


@dataclass(frozen=True)
class Averages:
    """How the codebook of quantizer=vq follows what its codes stand for."""

    decay: Decay = 0.95  # of the running sums, per update
    smoothing: Scale = 1e-5  # added to each count
    revive: Size = 0.05  # a code with less than this share of the mean count is replaced


@dataclass(frozen=True)
class Losses:
    """Scales of the losses."""

    reconstruction: Scale = 1.0  # mean squared error, relative to that of the mean image
    codebook: Scale = 1.0  # with quantizer=vq_gradient: pulls codes toward vectors
    commitment: Scale = 0.25  # with quantizer=vq and vq_gradient: pulls vectors toward codes


@dataclass(frozen=True)
class Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""

    learning_rate: Scale = 3e-3
    warmup: Positive = 100  # updates of linear warm-up from 0
    weight_decay: Scale = 1e-4
    clip: Size = 1.0  # largest norm of the gradient


@dataclass(frozen=True)
class TokenizerConfig:
    """The sections of the stage."""

    tokenizer: TokenizerSize = field(default_factory=TokenizerSize)
    averages: Averages = field(default_factory=Averages)
    batch: Batch = field(default_factory=Batch)
    losses: Losses = field(default_factory=Losses)
    optimizer: Optimizer = field(default_factory=Optimizer)

    def resolved(self) -> Self:
        """The same; ValueError, in one line, for a value out of range or a contradiction."""
        limits.check(limits.sections(self))
        tokenizers.check(self.tokenizer)
        return self
