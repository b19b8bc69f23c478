"""The agent `hybrid`: DreamerV3's world model as the recurrent encoder of PPO."""

from functools import partial
from typing import Any, NamedTuple

import jax

from dreamer_jax.agents.dreamer import agent as dreamer_agent
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.agents.dreamer.networks import Dreamer, Networks, networks
from dreamer_jax.agents.hybrid.config import HybridConfig
from dreamer_jax.agents.hybrid.features import features_of
from dreamer_jax.agents.hybrid.model import model_of, report
from dreamer_jax.agents.hybrid.world_model import extra_of
from dreamer_jax.agents.on_policy.agent import agent_of
from dreamer_jax.agents.on_policy.networks import OnPolicy, make_heads
from dreamer_jax.agents.on_policy.networks import build as on_policy
from dreamer_jax.agents.on_policy.state import OnPolicyActor, OnPolicyState
from dreamer_jax.config import Config
from dreamer_jax.spaces import Interface, Spaces
from dreamer_jax.types import Agent


class Hybrid(NamedTuple):
    """The fixed part of the agent."""

    dreamer: Dreamer  # the world model
    ppo: OnPolicy  # policy and critic on its latents


def make(config: Config, interface: Interface) -> Agent[OnPolicyState, OnPolicyActor, Any]:
    """Builds the agent; ValueError where no network fits, or replay does not suit PPO."""
    dreamer, ppo = build(config, interface)
    agent = agent_of(ppo)
    learner = agent.learner._replace(report=jax.jit(partial(report, dreamer, ppo)))
    return agent._replace(learner=learner, model=model_of(dreamer, ppo))


def build(config: Config, interface: Interface) -> Hybrid:
    """Networks and optimizers; ValueError as `make`."""
    assert isinstance(config.agent, HybridConfig)
    agent = config.agent.resolved()
    h, learns = agent.heads, config.train.learn == "all"
    ours = make_heads(
        interface.act,
        units=h.units,
        policy_layers=h.layers,
        value_layers=h.layers,
        unimix=h.unimix,
    )

    def with_our_policy(config: DreamerConfig, *, obs: Spaces, act: Spaces) -> Networks:
        return networks(config, obs=obs, act=act)._replace(policy=ours.policy)

    dreamer = dreamer_agent.build(
        Config(agent=agent.dreamer, replay=config.replay),
        interface,
        make_networks=with_our_policy,
    )
    minibatches = agent.world_model.minibatches
    if config.train.envs % minibatches:
        raise ValueError(
            f"world_model.minibatches={minibatches}: the {config.train.envs} environments of a "
            "rollout are not divisible by it"
        )
    ppo = on_policy(
        config,
        interface,
        ppo=agent.ppo,
        adam=agent.optimizer,
        features=features_of(dreamer, learns=learns),
        heads=ours,
        extra=extra_of(dreamer, agent.world_model) if learns else None,
    )
    return Hybrid(dreamer=dreamer, ppo=ppo)
