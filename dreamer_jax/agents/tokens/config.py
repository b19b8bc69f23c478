"""The hyperparameters of the agent `tokens`."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Self

from dreamer_jax import limits
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.limits import Count, Decay, Positive, Scale, one_of
from dreamer_jax.world_model.token_dynamics import DynamicsSize
from dreamer_jax.world_model.tokenizer import TokenizerSize

POLICY, TRANSFORMER = "policy", "transformer"  # what learns
IMAGINATION = "imagination"  # the stage in which the policy learns in dreams


@dataclass(frozen=True)
class Policy:
    """What the policy sees, and how large it is. The tokenizer is always frozen."""

    image: str = ""  # key of the observation that is tokenized; empty: the only image
    # policy: the transformer stays as it was trained; transformer: it learns, too, in the emulator
    # for the policy, and with train.learn=imagination to predict what the policy has met.
    learns: Annotated[str, one_of(POLICY, TRANSFORMER)] = POLICY
    # Of all that the episode has shown; none: the policy sees the last `dynamics.frames` frames.
    memory: Annotated[str, one_of("none", "gru")] = "none"
    memory_units: Positive = 128
    units: Positive = 128  # of both heads
    policy_layers: Count = 2
    value_layers: Count = 2
    unimix: Decay = 0.0  # share of a uniform distribution in the policy


@dataclass(frozen=True)
class Imagination:
    """Learning in dreams, with train.learn=imagination."""

    horizon: Positive = 15  # steps of a dream
    reward: Scale = 1.0  # scale of the loss of rewards
    continue_: Scale = 1.0
    learning_rate: Scale = 1e-4  # of the transformer, if it learns
    clip: Scale = 1.0  # largest norm of its gradient


@dataclass(frozen=True)
class TokensConfig:
    """The sections of an agent's configuration.

    The sizes of tokenizer and dynamics come with their weights: --init_from=<logdir of the stage
    `dynamics`>.
    """

    STAGES: ClassVar[tuple[str, ...]] = ("all", IMAGINATION)
    INHERITING: ClassVar[tuple[str, ...]] = ()
    SPLITS_BATCHES: ClassVar[bool] = False

    tokenizer: TokenizerSize = field(default_factory=TokenizerSize)
    dynamics: DynamicsSize = field(default_factory=DynamicsSize)
    policy: Policy = field(default_factory=Policy)
    ppo: PPO = field(default_factory=PPO)
    optimizer: Adam = field(default_factory=Adam)
    imagination: Imagination = field(default_factory=Imagination)

    def sized(self, size: str) -> Self:
        """ValueError: the size is that of the tokenizer and the dynamics that it begins with."""
        raise ValueError(f"--size={size}: the agent 'tokens' has the size of its --init_from")

    def resolved(self) -> Self:
        """The same; ValueError for a value out of range."""
        limits.check(limits.sections(self))
        return self


def frozen(config: TokensConfig) -> tuple[str, ...]:
    """The networks that never learn: with fresh ones, a policy would see noise."""
    return ("tokenizer",) if config.policy.learns == TRANSFORMER else ("tokenizer", "dynamics")


def discount(config: TokensConfig) -> float:
    """The discount of a step."""
    return config.ppo.discount
