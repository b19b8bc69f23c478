"""The hyperparameters of the agent `hybrid`."""

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Self

from dreamer_jax import limits
from dreamer_jax.agents.dreamer.config import (
    Behavior,
    DreamerConfig,
    Losses,
    Model,
    Optimizer,
)
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.limits import Count, Decay, Positive


@dataclass(frozen=True)
class Heads:
    """Policy and critic, as wide and deep as they should be whatever the world model is."""

    units: Positive = 512
    layers: Count = 2
    unimix: Decay = 0.0  # share of a uniform distribution in the policy


@dataclass(frozen=True)
class WorldModel:
    """How the world model learns from a rollout, after PPO has; for train.learn=all."""

    epochs: Positive = 4  # passes over the rollout
    minibatches: Positive = 1  # of a pass, each of whole sequences


@dataclass(frozen=True)
class HybridConfig:
    """The sections of an agent's configuration.

    `train.learn` is all, or behavior: then the world model of `train.world_model` stays as it is.
    """

    STAGES: ClassVar[tuple[str, ...]] = ("all", "behavior")
    INHERITING: ClassVar[tuple[str, ...]] = ("behavior",)
    SPLITS_BATCHES: ClassVar[bool] = False

    model: Model = field(default_factory=Model)
    losses: Losses = field(default_factory=Losses)
    world_model: WorldModel = field(default_factory=WorldModel)
    world_optimizer: Optimizer = field(default_factory=Optimizer)
    heads: Heads = field(default_factory=Heads)
    ppo: PPO = field(default_factory=PPO)
    optimizer: Adam = field(default_factory=Adam)

    @property
    def dreamer(self) -> DreamerConfig:
        """The world model as an agent `dreamer` has it."""
        return DreamerConfig(
            model=self.model,
            losses=self.losses,
            behavior=Behavior(horizon=1 / (1 - self.ppo.discount), lambda_=self.ppo.lambda_),
            optimizer=self.world_optimizer,
        )

    def sized(self, size: str) -> Self:
        """The same with a world model of this size, see `DreamerConfig.sized`."""
        return dataclasses.replace(self, model=self.dreamer.sized(size).model)

    def resolved(self) -> Self:
        """The same with every width filled in; ValueError for a contradiction."""
        config = dataclasses.replace(self, model=self.dreamer.resolved().model)
        limits.check(limits.sections(config))
        return config


def discount(config: HybridConfig) -> float:
    """The discount of a step, as the continue head has learned it."""
    return config.ppo.discount
