"""All stages of learning from recordings, by the name that --stage gives them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from dreamer_jax.pretraining import dynamics, reward, tokenizer
from dreamer_jax.pretraining.config import StageConfig
from dreamer_jax.pretraining.dynamics_config import DynamicsConfig
from dreamer_jax.pretraining.reward_config import RewardConfig
from dreamer_jax.pretraining.tokenizer_config import TokenizerConfig
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Fit


class StageKind(NamedTuple):
    """One stage, as commands use it."""

    config: type[StageConfig]  # made without arguments, it holds the defaults
    make: Callable[[Any, Interface], Fit[Any]]
    """(config, spaces of the recordings) -> the stage; ValueError where these do not fit"""
    sizes: tuple[str, ...]  # sections that say how large the networks are
    frozen: Callable[[Any], tuple[str, ...]]
    """(config) -> networks that do not learn, which --init_from must give"""
    actions: bool = False  # whether it learns from actions; else recordings may differ in them


STAGES = {
    "tokenizer": StageKind(
        TokenizerConfig, tokenizer.make, sizes=("tokenizer",), frozen=tokenizer.frozen
    ),
    "dynamics": StageKind(
        DynamicsConfig,
        dynamics.make,
        sizes=("tokenizer", "dynamics"),
        frozen=dynamics.frozen,
        actions=True,
    ),
    "reward": StageKind(
        RewardConfig, reward.make, sizes=("tokenizer", "reward"), frozen=reward.frozen
    ),
}
