"""A second agent: DQN (Mnih et al. 2015), double as in van Hasselt et al. 2016, in one file.

    python examples/own_agent.py --env=cartpole --agent=dqn

One line, `AGENTS["dqn"] = ...`, makes it an agent like DreamerV3: the same command again resumes to
the same result, and --mode=eval, --set q.units=64, --seed, --mesh and TensorBoard work.
"""

import dataclasses
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, NamedTuple, Self

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.core import FrozenDict
from flax.struct import PyTreeNode

from dreamer_jax import limits, spaces
from dreamer_jax.agents.by_name import AGENTS, AgentKind
from dreamer_jax.config import Config
from dreamer_jax.limits import Count, Decay, Positive, Scale, Share, Size
from dreamer_jax.main import run
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import Action, Agent, Learner, Metrics, Obs, Player, Refresh, Step, Window

# 1. Hyperparameters: sections of numbers, each with its limits; --set names them by section.


@dataclass(frozen=True)
class Q:
    """The network, and what it learns."""

    units: Positive = 128
    layers: Positive = 2
    discount: Decay = 0.99
    learning_rate: Scale = 1e-3
    clip: Size = 10.0  # largest norm of a gradient
    target_every: Positive = 50  # updates between two copies to the target network


@dataclass(frozen=True)
class Exploration:
    """ε of the ε-greedy policy: 1 before the first update, then falling in a straight line."""

    final: Share = 0.05
    updates: Count = 500  # until it is final


@dataclass(frozen=True)
class DQNConfig:
    """All of it; an `AgentConfig`."""

    STAGES: ClassVar[tuple[str, ...]] = ("all",)

    q: Q = field(default_factory=Q)
    exploration: Exploration = field(default_factory=Exploration)

    def sized(self, size: str) -> Self:
        """The same with layers of `size` units."""
        if not size.isdecimal():
            raise ValueError(f"--size={size}: of a DQN, it is the number of units of a layer")
        return dataclasses.replace(self, q=dataclasses.replace(self.q, units=int(size)))

    def resolved(self) -> Self:
        """The same; ValueError where a number is beyond its limit."""
        limits.check(limits.sections(self))
        return self


# 2. What learning changes, and the part of it that acting reads.


class State(PyTreeNode):
    """Everything that is saved of the agent."""

    params: FrozenDict
    target: FrozenDict  # `params` as they were at most `target_every` updates ago
    optimizer: optax.OptState
    updates: jax.Array  # [] int32


class Actor(NamedTuple):
    """What acting needs of a `State`."""

    params: FrozenDict
    updates: jax.Array  # [] int32


class QNetwork(nn.Module):
    """[*, n] numbers -> [*, actions] the discounted return that each action leads to."""

    config: Q
    actions: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for _ in range(self.config.layers):
            x = nn.relu(nn.Dense(self.config.units)(x))
        return nn.Dense(self.actions)(x)


# 3. The agent: pure functions, bound to what never changes.


class DQN(NamedTuple):
    """What never changes: sizes, spaces, network and optimizer."""

    config: DQNConfig
    obs: Spaces
    action: str  # key of the one choice
    network: QNetwork
    optimizer: optax.GradientTransformation

    def q(self, params: FrozenDict, obs: Obs) -> jax.Array:
        """Observations [*, ...] -> [*, actions]."""
        return jnp.asarray(self.network.apply(params, spaces.flatten(obs, self.obs)))


def make(config: Config, obs: Spaces, act: Spaces) -> Agent[State, Actor, None]:
    """Builds the agent; ValueError for what it cannot see or do."""
    agent = config.agent
    assert isinstance(agent, DQNConfig)
    if unseen := {*obs.images, *obs.texts}:
        raise ValueError(f"a DQN sees no images and no text, such as {min(unseen)!r}")
    if act.vectors or [len(classes) for classes in act.choices.values()] != [1]:
        raise ValueError(f"a DQN needs one action of one choice, not {', '.join(sorted(act.keys))}")
    ((action, (actions,)),) = act.choices.items()
    optimizer = optax.chain(
        optax.clip_by_global_norm(agent.q.clip), optax.adam(agent.q.learning_rate)
    )
    dqn = DQN(agent, obs, action, QNetwork(agent.q, actions), optimizer)
    learner = Learner(*(jax.jit(partial(f, dqn)) for f in (init, update, report)))
    player = Player(
        carry=lambda _: None,  # it sees all that it needs; an RNN would keep its state here
        actor=lambda state: Actor(state.params, state.updates),
        act=jax.jit(partial(explore, dqn)),
        greedy=jax.jit(partial(greedy, dqn)),
    )
    return Agent(learner, player)


def init(dqn: DQN, key: jax.Array) -> State:
    """The state before the first update; the key is consumed."""
    params = dqn.network.init(key, spaces.flatten(spaces.zeros(dqn.obs, 1), dqn.obs))
    target = jax.tree.map(jnp.copy, params)  # the state is donated: none of its arrays is shared
    return State(params, target, dqn.optimizer.init(params), jnp.zeros((), jnp.int32))


def update(
    dqn: DQN, state: State, window: Window, key: jax.Array
) -> tuple[State, Refresh, Metrics]:
    """One step of gradient descent on the temporal differences of a window [W, B].

    Returns the new state, the size of the differences [T, B] for replay, and what to log.
    """
    del key  # nothing is drawn here

    def loss(params: FrozenDict) -> tuple[jax.Array, tuple[jax.Array, Metrics]]:
        error, q = differences(dqn, params, state.target, window.steps)
        mean = optax.huber_loss(error).mean()
        return mean, (jnp.abs(error), {"loss/q": mean, "q/mean": q.mean()})

    (_, (error, metrics)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
    changes, optimizer = dqn.optimizer.update(gradients, state.optimizer, state.params)
    params, updates = optax.apply_updates(state.params, changes), state.updates + 1
    target = optax.periodic_update(params, state.target, updates, dqn.config.q.target_every)
    metrics |= {"optimizer/gradient_norm": optax.tree.norm(gradients)}
    return State(params, target, optimizer, updates), Refresh(None, error), metrics


def differences(
    dqn: DQN, params: FrozenDict, target: FrozenDict, steps: Step
) -> tuple[jax.Array, jax.Array]:
    """δ_t = r_{t+1} + γ (1 - terminal_{t+1}) Q'(s_{t+1}, argmax_a Q(s_{t+1}, a)) - Q(s_t, a_t)

    for the T transitions between the W steps, where Q' is the target network. A step's reward has
    arrived with its observation, and its action was chosen there. Nothing leads from the last step
    of an episode to the first one of the next: there, δ = 0. An episode that was truncated goes on
    in its last value; only a terminal one is worth nothing from there on.

    steps: [W, B, ...] -> δ [T, B], and Q [T, B] of the actions that were taken.
    """
    q = dqn.q(params, steps.obs)  # [W, B, actions]
    taken = jnp.take_along_axis(q[:-1], steps.action[dqn.action][:-1], axis=-1)[..., 0]
    best = jnp.argmax(q[1:], axis=-1, keepdims=True)
    next_obs = jax.tree.map(lambda x: x[1:], steps.obs)
    value = jnp.take_along_axis(dqn.q(target, next_obs), best, axis=-1)[..., 0]
    goal = steps.reward[1:] + dqn.config.q.discount * jnp.where(steps.is_terminal[1:], 0.0, value)
    return jnp.where(steps.is_first[1:], 0.0, jax.lax.stop_gradient(goal) - taken), taken


def report(dqn: DQN, state: State, window: Window, key: jax.Array) -> tuple[Metrics, Obs]:
    """The mean size of δ in a fresh window; pictures would be the second part."""
    del key
    error, _ = differences(dqn, state.params, state.target, window.steps)
    return {"report/difference": jnp.abs(error).mean()}, {}


def epsilon(dqn: DQN, updates: jax.Array) -> jax.Array:
    """The share of random actions after so many updates."""
    e = dqn.config.exploration
    return optax.linear_schedule(1.0, e.final, e.updates)(updates)


def greedy(
    dqn: DQN, actor: Actor, carry: None, obs: Obs, is_first: jax.Array, key: jax.Array
) -> tuple[None, Action, None]:
    """The best action, int32 [E, 1], for observations [E, ...]; nothing is kept for replay."""
    del is_first, key
    best = jnp.argmax(dqn.q(actor.params, obs), axis=-1, keepdims=True)
    return carry, {dqn.action: best.astype(jnp.int32)}, None


def explore(
    dqn: DQN, actor: Actor, carry: None, obs: Obs, is_first: jax.Array, key: jax.Array
) -> tuple[None, Action, None]:
    """The best action, or with probability ε any action; the key is consumed."""
    coin_key, action_key = jax.random.split(key)
    _, best, _ = greedy(dqn, actor, carry, obs, is_first, key)
    chosen = best[dqn.action]
    random = jax.random.randint(action_key, chosen.shape, 0, dqn.network.actions)
    dice = jax.random.uniform(coin_key, chosen.shape) < epsilon(dqn, actor.updates)
    return carry, {dqn.action: jnp.where(dice, random, chosen)}, None


AGENTS["dqn"] = AgentKind(DQNConfig, make)

if __name__ == "__main__":
    sys.exit(run())
