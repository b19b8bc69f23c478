"""All agents, by the name that --agent gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_jax.agents.dreamer import agent as dreamer
from dreamer_jax.agents.dreamer import sizes
from dreamer_jax.agents.dreamer.config import DreamerConfig, discount
from dreamer_jax.agents.dreamer.transfer import inherit
from dreamer_jax.agents.hybrid import agent as hybrid
from dreamer_jax.agents.hybrid.config import HybridConfig
from dreamer_jax.agents.hybrid.config import discount as discount_of_hybrid
from dreamer_jax.agents.ppo import agent as ppo
from dreamer_jax.agents.ppo.config import PPOConfig
from dreamer_jax.agents.tokens import agent as tokens
from dreamer_jax.agents.tokens.config import TokensConfig, frozen
from dreamer_jax.agents.tokens.config import discount as discount_of_tokens
from dreamer_jax.config import AgentConfig, Config
from dreamer_jax.machine import Machine
from dreamer_jax.spaces import Interface
from dreamer_jax.types import AnyAgent


class Sizing(NamedTuple):
    """How one kind of agent fits its size to a machine; of the type of its config."""

    name: Callable[[Any], str]
    """(config) -> the size, as --size names it"""
    operations: Callable[[Any, Interface], float]
    """(config, spaces) -> floating-point operations of an update for each replayed step"""
    fitted: Callable[[Any, Machine, Interface], Any]
    """(config, machine, spaces) -> the config with a size that the machine trains well, or less"""
    dtype: Callable[[Any], str]
    """(config) -> the type to compute in"""


class AgentKind(NamedTuple):
    """One agent, as commands use it."""

    config: type[AgentConfig]  # made without arguments, it holds the defaults
    make: Callable[[Config, Interface], AnyAgent]
    inherit: Callable[[AnyAgent, Any, Path], Callable[[Any], Any]] | None = None
    """(agent, state of another run, its logdir) -> a function that gives a state its world model

    None for agents without a world model.
    """
    sizing: Sizing | None = None  # None for agents that are the same on every machine
    discount: Callable[[Any], float] | None = None
    """(config) -> the discount of a step, by which a model's `continue_` is multiplied; None: 1"""
    relatives: tuple[str, ...] = ()
    """Agents whose arrays have the same paths and sizes, so that this one can begin with them"""
    sizes: tuple[str, ...] = ()
    """Sections of the config that --init_from decides, for its arrays to fit"""
    given: Callable[[Any], tuple[str, ...]] | None = None
    """(config) -> networks that a new run must take from --init_from; None: there are none"""


DREAMER_SIZING = Sizing(
    name=sizes.name,
    operations=sizes.operations,
    fitted=sizes.fitted,
    dtype=sizes.dtype,
)
AGENTS = {
    "dreamer": AgentKind(
        DreamerConfig,
        dreamer.make,
        inherit,
        DREAMER_SIZING,
        discount,
        relatives=("hybrid",),
        sizes=("model",),
    ),
    "ppo": AgentKind(PPOConfig, ppo.make, sizes=("model",)),
    # Its world model is Dreamer's, so what is said of that one holds for it.
    "hybrid": AgentKind(
        HybridConfig,
        hybrid.make,
        inherit,
        DREAMER_SIZING,
        discount_of_hybrid,
        relatives=("dreamer",),
        sizes=("model",),
    ),
    "tokens": AgentKind(
        TokensConfig,
        tokens.make,
        discount=discount_of_tokens,
        sizes=("tokenizer", "dynamics"),
        given=frozen,
    ),
}


def name_of(config: AgentConfig) -> str:
    """The name of the agent that these hyperparameters belong to; ValueError if there is none."""
    for name, kind in AGENTS.items():
        if isinstance(config, kind.config):
            return name
    raise ValueError(f"{type(config).__name__} belongs to none of the agents {', '.join(AGENTS)}")
