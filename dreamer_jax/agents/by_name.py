"""All agents, by the name that --agent gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_jax.agents.dreamer import agent as dreamer
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.agents.dreamer.transfer import inherit
from dreamer_jax.config import AgentConfig, Config
from dreamer_jax.spaces import Interface
from dreamer_jax.types import AnyAgent


class AgentKind(NamedTuple):
    """One agent, as commands use it."""

    config: type[AgentConfig]  # made without arguments, it holds the defaults
    make: Callable[[Config, Interface], AnyAgent]
    inherit: Callable[[AnyAgent, Any, Path], Callable[[Any], Any]] | None = None
    """(agent, state of another run, its logdir) -> a function that gives a state its world model

    None for agents without a world model.
    """


AGENTS = {"dreamer": AgentKind(DreamerConfig, dreamer.make, inherit)}


def name_of(config: AgentConfig) -> str:
    """The name of the agent that these hyperparameters belong to; ValueError if there is none."""
    for name, kind in AGENTS.items():
        if isinstance(config, kind.config):
            return name
    raise ValueError(f"{type(config).__name__} belongs to none of the agents {', '.join(AGENTS)}")
