"""The hyperparameters of DreamerV3. Defaults are those of the 2024 version, apart from the size."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Self

from dreamer_jax import limits
from dreamer_jax.limits import Count, Decay, Horizon, Positive, Scale, Share, Size, one_of

SIZES = {  # --size -> depth
    "nano": 2,
    "1m": 4,
    "12m": 16,
    "25m": 24,
    "50m": 32,
    "100m": 48,
    "200m": 64,
    "400m": 96,
}


@dataclass(frozen=True)
class Model:
    """Widths. Those left at 0 follow from `depth`."""

    depth: Positive = 16  # the size of the model in one number: 4 is 1m, 16 is 12m, 64 is 200m
    deter: Count = 0  # recurrent state; 128 * depth
    hidden: Count = 0  # layers inside the recurrent model; 16 * depth
    classes: Count = 0  # classes of each categorical latent; depth
    units: Count = 0  # layers of all other networks; 16 * depth
    stoch: Positive = 32  # number of categorical latents
    blocks: Positive = 8  # blocks of the recurrence, must divide deter
    dynamics_layers: Positive = 1
    prior_layers: Positive = 2
    posterior_layers: Positive = 1
    encoder_layers: Positive = 3  # of the encoder of vectors
    decoder_layers: Positive = 3  # of the decoder of vectors
    reward_layers: Positive = 1
    continue_layers: Positive = 1
    policy_layers: Positive = 3
    value_layers: Positive = 3
    bins: Positive = 255  # of the two-hot distributions; odd
    text_width: Count = 0  # tokens of the networks that read and write text; 8 * depth
    text_layers: Positive = 2  # of the transformer that reads text
    text_heads: Positive = 4  # of its attention
    text_patch: Positive = 4  # symbols that are joined into one token
    unimix: Decay = 0.01  # share of a uniform distribution in latents and policy
    vectors: Annotated[str, one_of("symlog", "standardize")] = "symlog"  # how they are scaled
    moments_horizon: Horizon = 1e6  # steps over which `standardize` averages
    # The type to compute in; auto: float32 on a CPU, bfloat16 elsewhere.
    dtype: Annotated[str, one_of("auto", "float32", "bfloat16")] = "auto"


@dataclass(frozen=True)
class Losses:
    """Scales of the losses; `motion` is a share, and `free_nats` a floor in nats."""

    image: Scale = 1.0  # reconstruction of each image
    motion: Share = 0.0  # of an image's weight, by how its pixels change; see `world_model.motion`
    vector: Scale = 1.0  # reconstruction of each vector
    choice: Scale = 1.0  # reconstruction of each discrete observation
    bits: Scale = 1.0  # reconstruction of each list of bits
    text: Scale = 1.0  # reconstruction of each text
    symbols: Scale = 1.0  # reconstruction of each grid of symbols
    keys: str = ""  # further factors for single observations, such as "screen=0.5 text=2"
    reward: Scale = 1.0
    continue_: Scale = 1.0
    dynamics: Scale = 1.0  # pulls the prior toward the posterior
    representation: Scale = 0.1  # pulls the posterior toward the prior
    policy: Scale = 1.0
    value: Scale = 1.0
    replay_value: Scale = 0.3
    free_nats: Scale = 1.0  # both KL losses are constant below this, for every step


@dataclass(frozen=True)
class Behavior:
    """Learning to act, in imagination."""

    imagination: Positive = 15  # steps of each rollout
    horizon: Horizon = 333.0  # effective horizon in steps; discount = 1 - 1 / horizon
    lambda_: Share = 0.95  # of the λ-return
    entropy: Scale = 3e-4  # scale of the entropy bonus
    return_rate: Share = 0.01  # of the running return percentiles, per update
    critics: Positive = 1  # how many are learned
    ensemble: Annotated[str, one_of("mean", "min")] = "mean"  # how several critics are combined
    slow_rate: Share = 0.02  # of the slow critic, per update
    slow_regularizer: Scale = 1.0  # pull of the slow critic on the critic


@dataclass(frozen=True)
class Optimizer:
    """LaProp with adaptive gradient clipping."""

    learning_rate: Scale = 4e-5
    warmup: Positive = 1000  # updates of linear warm-up from 0
    clip: Size = 0.3  # largest norm of a gradient, relative to its tensor's norm
    clip_floor: Size = 1e-3  # tensors smaller than this count as this large
    rms_decay: Decay = 0.999
    momentum: Decay = 0.9
    epsilon: Scale = 1e-20


@dataclass(frozen=True)
class DreamerConfig:
    """The sections of an agent's configuration."""

    STAGES: ClassVar[tuple[str, ...]] = ("all", "world_model", "behavior")
    INHERITING: ClassVar[tuple[str, ...]] = ("behavior",)
    SPLITS_BATCHES: ClassVar[bool] = True

    model: Model = field(default_factory=Model)
    losses: Losses = field(default_factory=Losses)
    behavior: Behavior = field(default_factory=Behavior)
    optimizer: Optimizer = field(default_factory=Optimizer)

    def sized(self, size: str) -> Self:
        """The same with this depth, a name of SIZES or a number, and the widths that follow."""
        if size not in SIZES and not size.isdecimal():
            raise ValueError(f"--size={size}: valid are {', '.join(SIZES)}, or a depth number")
        depth = SIZES.get(size) or int(size)
        widths = dict.fromkeys(("deter", "hidden", "classes", "units", "text_width"), 0)
        return dataclasses.replace(
            self, model=dataclasses.replace(self.model, depth=depth, **widths)
        )

    def resolved(self) -> Self:
        """The same with the widths that follow from `depth`; ValueError for a contradiction."""
        m = self.model
        model = dataclasses.replace(
            m,
            deter=m.deter or 128 * m.depth,
            hidden=m.hidden or 16 * m.depth,
            classes=m.classes or m.depth,
            units=m.units or 16 * m.depth,
            text_width=m.text_width or 8 * m.depth,
        )
        config = dataclasses.replace(self, model=model)
        limits.check(limits.sections(config))
        for wrong, message in _contradictions(model):
            if wrong:
                raise ValueError(message)
        return config


def discount(config: DreamerConfig) -> float:
    """The discount of a step."""
    return 1 - 1 / config.behavior.horizon


def _contradictions(m: Model) -> list[tuple[bool, str]]:
    return [
        (
            m.deter % m.blocks != 0,
            f"model.deter={m.deter}: not divisible by blocks={m.blocks}",
        ),
        (
            m.text_width % 2 != 0 or m.text_width % m.text_heads != 0,
            f"model.text_width={m.text_width}: must be even and divisible by "
            f"text_heads={m.text_heads}",
        ),
        (not 2 <= m.classes <= 256, f"model.classes={m.classes}: must be 2 to 256"),
        (
            m.bins % 2 == 0 or m.bins < 3,
            f"model.bins={m.bins}: must be odd, so that one bin is 0, and at least 3",
        ),
    ]


def factors(losses: Losses) -> dict[str, float]:
    """Reads `losses.keys`: observation -> factor; ValueError in one line for another format."""
    found: dict[str, float] = {}
    for part in losses.keys.split():
        key, _, number = part.rpartition("=")
        try:
            found[key] = float(number)
        except ValueError:
            found[key] = math.nan
        if not key or not 0 <= found[key] < math.inf:
            text = "expected observation=factor, each at least 0, with spaces between them"
            raise ValueError(f"losses.keys={losses.keys!r}: {text}")
    return found
