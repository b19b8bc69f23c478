"""An agent that learns by PPO: a learner and a player on any features."""

from functools import partial
from typing import Any

import jax

from dreamer_jax.agents.on_policy.acting import act_step, actor_of
from dreamer_jax.agents.on_policy.learning import report, update
from dreamer_jax.agents.on_policy.networks import OnPolicy, init
from dreamer_jax.agents.on_policy.state import OnPolicyActor, OnPolicyState
from dreamer_jax.nn.heads import mode, sample
from dreamer_jax.types import Agent, Learner, Player


def agent_of(ppo: OnPolicy) -> Agent[OnPolicyState, OnPolicyActor, Any]:
    """The agent, without a model."""
    learner = Learner(
        init=jax.jit(partial(init, ppo)),
        update=jax.jit(partial(update, ppo)),
        report=jax.jit(partial(report, ppo)),
    )
    player = Player(
        carry=ppo.features.carry,
        actor=partial(actor_of, ppo),
        act=jax.jit(partial(act_step, ppo, sample)),
        greedy=jax.jit(partial(act_step, ppo, mode)),
    )
    return Agent(learner=learner, player=player)
