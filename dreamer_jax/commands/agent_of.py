"""The agent of a run, with the rewards that it learns from."""

from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.agents.learned_reward import with_learned_reward
from dreamer_jax.commands import reward_source
from dreamer_jax.commands.options import Setup
from dreamer_jax.spaces import Interface
from dreamer_jax.types import AnyAgent


def agent_of(setup: Setup, interface: Interface) -> AnyAgent:
    """The agent that a setup names; ValueError where it does not fit these spaces."""
    agent = AGENTS[setup.agent].make(setup.config, interface)
    if setup.reward is None:
        return agent
    function = reward_source.function(setup.reward, interface)
    return with_learned_reward(agent, function, setup.config.reward)
