"""The parts of a run, and its state between two steps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode
from jax.sharding import Mesh

from dreamer_jax.config import Config
from dreamer_jax.counters import BEGINNING, Counters
from dreamer_jax.environment import Environment, Timestep
from dreamer_jax.outputs.say import Say
from dreamer_jax.replay import ring as replay
from dreamer_jax.replay import samplers
from dreamer_jax.run import layout
from dreamer_jax.run.layout import Layout
from dreamer_jax.types import AgentState, AnyAgent, Metrics, Recordings, ReplayState, Step


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that the loop is given; it knows neither which agent nor which environment."""

    agent: AnyAgent
    env: Environment
    config: Config
    seed: int
    mesh: Mesh
    logdir: Path
    evaluate: Callable[[AgentState, Callable[[], bool], Say], dict[str, float]]
    """(state, stopped, say) -> scores of the policy; {} if it was stopped or could not continue"""
    begin: Callable[[AgentState], AgentState]
    """(fresh state) -> the state that training begins with"""
    evaluation_failure: Callable[[], str] = lambda: ""  # `failure` of the evaluation's environments
    since: Counters = BEGINNING
    """when `train.ratio`, or another part of the pace of updates, was changed last"""
    recordings: Recordings | None = None  # their shapes until `training_recordings.load`

    @cached_property
    def layout(self) -> Layout:
        """Where the arrays of the run lie."""
        return layout.make(self.mesh, self.config.replay)

    def failure(self) -> str:
        """Why an environment no longer works; empty while all work."""
        return self.env.failure or self.evaluation_failure()


class OnDevice(PyTreeNode, kw_only=True):
    """The arrays of a run on its devices. A program replaces those that it donates."""

    seed: jax.Array  # [] uint32, of the run
    state: Any  # of the agent, an `AgentState`
    memory: ReplayState
    carry: Any  # of the agent's player
    sums: Metrics  # [] each, of the metrics since they were last logged


@dataclass(frozen=True)
class RunState:
    """A run between two steps: everything that the next step depends on."""

    device: OnDevice
    counters: Counters
    seen: Timestep  # the newest, which the policy has not acted on yet


def ring(run: Run) -> Callable[[], ReplayState]:
    """A function that makes the empty ring; traced for its shapes or compiled."""
    step, latent = remembered(run)
    rows, capacity = run.env.num_envs, row_capacity(run)

    def init() -> ReplayState:
        sampler = samplers.make(run.config.replay).init(rows, capacity)
        return replay.init(step, latent, rows=rows, capacity=capacity, sampler=sampler)

    return init


def row_capacity(run: Run) -> int:
    """C, the steps of each row of the ring."""
    return run.config.replay.capacity // run.env.num_envs


def remembered(run: Run) -> tuple[Step, Any]:
    """Shapes of one step in replay, of one environment: the step, and its latent or None.

    They come from tracing one call of the policy; nothing is computed.
    """
    env, agent = run.env, run.agent

    def one(shape: tuple[int, ...], dtype: Any) -> jax.Array:
        return jnp.zeros((1, *shape), jax.dtypes.canonicalize_dtype(dtype))

    def remember() -> tuple[Step, Any]:
        obs = {key: one(space.shape or (), space.dtype) for key, space in env.obs_space.items()}
        flag, number, key = one((), bool), one((), jnp.float32), jax.random.key(0)
        actor, carry = agent.player.actor(agent.learner.init(key)), agent.player.carry(1)
        _, action, latent = agent.player.act(actor, carry, obs, flag, key)
        events = dict.fromkeys(env.event_keys, number)
        step = Step(
            obs=obs,
            action=action,
            reward=number,
            is_first=flag,
            is_last=flag,
            is_terminal=flag,
            events=events,
        )
        return jax.tree.map(lambda x: x[0], (step, latent))

    return jax.eval_shape(remember)
