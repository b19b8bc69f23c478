"""The agent `ppo`: learns to act from its own newest steps, without a model of the environment."""

from typing import Any

from dreamer_jax.agents.on_policy.agent import agent_of
from dreamer_jax.agents.on_policy.memory import Memory, behind
from dreamer_jax.agents.on_policy.networks import OnPolicy, make_heads
from dreamer_jax.agents.on_policy.networks import build as on_policy
from dreamer_jax.agents.on_policy.state import OnPolicyActor, OnPolicyState
from dreamer_jax.agents.ppo import features
from dreamer_jax.agents.ppo.config import PPOConfig
from dreamer_jax.config import Config
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Agent


def make(config: Config, interface: Interface) -> Agent[OnPolicyState, OnPolicyActor, Any]:
    """Builds the agent; ValueError where no network fits, or replay does not suit PPO."""
    return agent_of(build(config, interface))


def build(config: Config, interface: Interface) -> OnPolicy:
    """Networks and optimizer; ValueError as `make`."""
    assert isinstance(config.agent, PPOConfig)
    agent = config.agent.resolved()
    m, read = agent.model, features.make(agent.model, interface)
    if m.memory == "gru":
        read = behind(read, Memory(m.memory_units, interface))
    return on_policy(
        config,
        interface,
        ppo=agent.ppo,
        adam=agent.optimizer,
        features=read,
        heads=make_heads(
            interface.act,
            units=m.units,
            policy_layers=m.policy_layers,
            value_layers=m.value_layers,
            unimix=m.unimix,
        ),
    )
