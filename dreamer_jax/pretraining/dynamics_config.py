"""The hyperparameters of the stage `dynamics`."""

from dataclasses import dataclass, field
from typing import Self

from dreamer_jax import limits
from dreamer_jax.limits import Decay, Positive, Scale, Share, Size
from dreamer_jax.world_model import tokenizer as tokenizers
from dreamer_jax.world_model.token_dynamics import DynamicsSize
from dreamer_jax.world_model.tokenizer import TokenizerSize


@dataclass(frozen=True)
class Windows:
    """Which frames are learned from, and which are dreamt."""

    batch: Positive = 16  # windows of an update, each of `dynamics.frames` + 1 frames
    # Of the actions, hidden while learning, so that the model works without, too; 1: it has none.
    unknown: Share = 0.1
    measured: Positive = 4  # clips of the runs that are held out
    dream: Positive = 25  # frames of a dream in measurements and pictures


@dataclass(frozen=True)
class Losses:
    """Scales of the losses."""

    tokens: Scale = 1.0  # mean over the tokens of a frame
    changed: Scale = 1.0  # further factor of the tokens that differ from the frame before
    reward: Scale = 1.0
    continue_: Scale = 1.0
    summary: Scale = 0.1  # reward and continue, predicted without the action


@dataclass(frozen=True)
class Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""

    learning_rate: Scale = 1e-3
    warmup: Positive = 200  # updates of linear warm-up from 0
    weight_decay: Scale = 1e-2
    rms_decay: Decay = 0.99
    clip: Size = 1.0  # largest norm of the gradient


@dataclass(frozen=True)
class DynamicsConfig:
    """The sections of the stage."""

    tokenizer: TokenizerSize = field(default_factory=TokenizerSize)  # of the frozen one
    dynamics: DynamicsSize = field(default_factory=DynamicsSize)
    windows: Windows = field(default_factory=Windows)
    losses: Losses = field(default_factory=Losses)
    optimizer: Optimizer = field(default_factory=Optimizer)

    def resolved(self) -> Self:
        """The same; ValueError, in one line, for a value out of range or a contradiction."""
        limits.check(limits.sections(self))
        tokenizers.check(self.tokenizer)
        bins = self.dynamics.bins
        if bins % 2 == 0 or bins < 3:
            text = "must be odd, so that one bin is 0, and at least 3"
            raise ValueError(f"dynamics.bins={bins}: {text}")
        return self
