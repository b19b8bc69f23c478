"""The agent `tokens`: PPO on a world in tokens, in the emulator or inside of the token model."""

from functools import partial
from typing import Any

import jax

from dreamer_jax.agents.on_policy import agent as on_policy
from dreamer_jax.agents.on_policy import networks
from dreamer_jax.agents.on_policy.memory import Memory, behind
from dreamer_jax.agents.on_policy.networks import Heads, OnPolicy, make_heads
from dreamer_jax.agents.on_policy.state import OnPolicyActor, OnPolicyState
from dreamer_jax.agents.tokens import features, imagination, reports, world
from dreamer_jax.agents.tokens.config import IMAGINATION, POLICY, TokensConfig
from dreamer_jax.agents.tokens.model import model_of
from dreamer_jax.agents.tokens.world import World
from dreamer_jax.config import Config
from dreamer_jax.spaces import Interface
from dreamer_jax.types import Agent


def make(config: Config, interface: Interface) -> Agent[OnPolicyState, OnPolicyActor, Any]:
    """Builds the agent; ValueError where no network fits, or replay does not suit PPO."""
    assert isinstance(config.agent, TokensConfig)
    agent = config.agent.resolved()
    known, memory = world.build(agent, interface), None
    if agent.policy.memory == "gru":
        memory = Memory(agent.policy.memory_units, interface)
    if config.train.learn == IMAGINATION:
        if memory is not None:
            raise ValueError(
                "policy.memory=gru: dreams begin with a few frames, so a policy that learns in "
                "them (train.learn=imagination) has no memory of the steps before"
            )
        ppo = imagination.build(config, agent, known, heads(agent, interface))
        made = on_policy.agent_of(ppo)
        made = made._replace(
            learner=made.learner._replace(
                update=jax.jit(partial(imagination.update, known, agent, ppo)),
                report=jax.jit(partial(reports.in_dreams, known)),
            )
        )
    else:
        ppo = in_the_emulator(config, agent, known, interface, memory)
        made = on_policy.agent_of(ppo)
    return made._replace(model=model_of(known, ppo, memory))


def in_the_emulator(
    config: Config,
    agent: TokensConfig,
    known: World,
    interface: Interface,
    memory: Memory | None,
) -> OnPolicy:
    """PPO on real steps; ValueError where replay does not suit it."""
    frozen = agent.policy.learns == POLICY
    read = features.frozen(known) if frozen else features.learning(known)
    return networks.build(
        config,
        interface,
        ppo=agent.ppo,
        adam=agent.optimizer,
        features=read if memory is None else behind(read, memory),
        heads=heads(agent, interface),
    )


def heads(agent: TokensConfig, interface: Interface) -> Heads:
    """Policy and critic."""
    p = agent.policy
    return make_heads(
        interface.act,
        units=p.units,
        policy_layers=p.policy_layers,
        value_layers=p.value_layers,
        unimix=p.unimix,
    )
