"""The hyperparameters of the agent `ppo`."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Self

from dreamer_jax import limits
from dreamer_jax.agents.dreamer.config import SIZES
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.limits import Count, Decay, Horizon, Positive, one_of


@dataclass(frozen=True)
class Model:
    """Networks. Widths left at 0 follow from `depth`."""

    depth: Positive = 4  # the size in one number; also the channels of the convolutions
    units: Count = 0  # layers of all networks; 16 * depth
    memory: Annotated[str, one_of("none", "gru")] = "none"  # of what was seen before this step
    memory_units: Count = 0  # its width; 16 * depth
    encoder_layers: Positive = 1  # of the encoder of vectors
    policy_layers: Count = 1
    value_layers: Count = 1
    text_width: Count = 0  # tokens of the network that reads text; 8 * depth
    text_layers: Positive = 2  # of the transformer that reads text
    text_heads: Positive = 4  # of its attention
    text_patch: Positive = 4  # symbols that are joined into one token
    unimix: Decay = 0.0  # share of a uniform distribution in the policy
    vectors: Annotated[str, one_of("symlog", "standardize")] = "standardize"  # how they are scaled
    moments_horizon: Horizon = 1e6  # steps over which `standardize` averages
    # The type to compute in; auto: float32 on a CPU, bfloat16 elsewhere.
    dtype: Annotated[str, one_of("auto", "float32", "bfloat16")] = "auto"


@dataclass(frozen=True)
class PPOConfig:
    """The sections of an agent's configuration."""

    STAGES: ClassVar[tuple[str, ...]] = ("all",)
    INHERITING: ClassVar[tuple[str, ...]] = ()
    SPLITS_BATCHES: ClassVar[bool] = False

    model: Model = field(default_factory=Model)
    ppo: PPO = field(default_factory=PPO)
    optimizer: Adam = field(default_factory=Adam)

    def sized(self, size: str) -> Self:
        """The same with this depth, a name of SIZES or a number, and the widths that follow."""
        if size not in SIZES and not size.isdecimal():
            raise ValueError(f"--size={size}: valid are {', '.join(SIZES)}, or a depth number")
        widths = dict.fromkeys(("units", "memory_units", "text_width"), 0)
        model = dataclasses.replace(self.model, depth=SIZES.get(size) or int(size), **widths)
        return dataclasses.replace(self, model=model)

    def resolved(self) -> Self:
        """The same with the widths that follow from `depth`; ValueError for a contradiction."""
        m = self.model
        model = dataclasses.replace(
            m,
            units=m.units or 16 * m.depth,
            memory_units=m.memory_units or 16 * m.depth,
            text_width=m.text_width or 8 * m.depth,
        )
        config = dataclasses.replace(self, model=model)
        limits.check(limits.sections(config))
        if model.text_width % 2 != 0 or model.text_width % model.text_heads != 0:
            raise ValueError(
                f"model.text_width={model.text_width}: must be even and divisible by "
                f"text_heads={model.text_heads}"
            )
        return config
