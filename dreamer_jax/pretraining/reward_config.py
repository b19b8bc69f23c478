"""The hyperparameters of the stage `reward`."""

import dataclasses
from dataclasses import dataclass, field
from typing import Self

from dreamer_jax import limits
from dreamer_jax.limits import Positive, Scale, Share, Size
from dreamer_jax.world_model.tokenizer import TokenizerSize
from dreamer_jax.world_model.video_reward import RewardSize

# Rewards compare successive frames. To know how far members usually disagree on these, they are
# shown the step after every so many of the random moments that they compare.
EVERY = 4
PIECE = 2  # steps that are drawn at each moment: the moment, and the step after it


@dataclass(frozen=True)
class Pairs:
    """Which frames are compared."""

    batch: Positive = 16  # clips of an update
    length: Positive = 16  # moments of a clip, of which all pairs are compared
    measured: Positive = 64  # moments of a clip of the runs that are held out
    near: Scale = 0.5  # pairs are weighed by (steps between)^-near: larger for short gaps
    still: Size = 40.0  # PSNR in dB from which two frames cannot be told apart
    second: Size = 15.0  # steps of the recordings in one second, for `accuracy/second`
    rewound: Share = 0.2  # of the clips, played forwards to a moment and then backwards
    truncated: Share = 0.1  # of the clips, which stop at a moment and stand still
    shuffled: Share = 0.1  # of the clips, played in a random order


@dataclass(frozen=True)
class Losses:
    """Scales of the losses."""

    pairs: Scale = 1.0  # the order, or the distance, of two frames
    path: Scale = 0.1  # the sum of the differences along a clip


@dataclass(frozen=True)
class Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""

    learning_rate: Scale = 1e-3
    warmup: Positive = 100  # updates of linear warm-up from 0
    weight_decay: Scale = 1e-2
    clip: Size = 1.0  # largest norm of the gradient of one member


@dataclass(frozen=True)
class RewardConfig:
    """The sections of the stage."""

    reward: RewardSize = field(default_factory=RewardSize)
    tokenizer: TokenizerSize = field(default_factory=TokenizerSize)  # of variants with tokens
    pairs: Pairs = field(default_factory=Pairs)
    losses: Losses = field(default_factory=Losses)
    optimizer: Optimizer = field(default_factory=Optimizer)

    def resolved(self) -> Self:
        """The same; ValueError, in one line, for a value out of range or a contradiction."""
        limits.check(limits.sections(self))
        pairs, reward = self.pairs, self.reward
        shares = pairs.rewound + pairs.truncated + pairs.shuffled
        for wrong, message in (
            (pairs.length < 3, f"pairs.length={pairs.length}: must be at least 3"),
            (pairs.measured < 3, f"pairs.measured={pairs.measured}: must be at least 3"),
            (
                shares > 1 + 1e-6,
                f"pairs.rewound, truncated and shuffled: their sum is {shares:g}, above 1",
            ),
            (
                reward.bins % 2 == 0 or reward.bins < 3,
                f"reward.bins={reward.bins}: must be odd, so that one bin is 0, and at least 3",
            ),
        ):
            if wrong:
                raise ValueError(message)
        return dataclasses.replace(self)
