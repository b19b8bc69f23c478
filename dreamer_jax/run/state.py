"""What a run is made of, and where it stands between two steps."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode
from jax.sharding import Mesh

from dreamer_jax.config import Config
from dreamer_jax.counters import Counters
from dreamer_jax.environment import Environment, Timestep
from dreamer_jax.replay import ring as replay
from dreamer_jax.replay import samplers
from dreamer_jax.run import layout
from dreamer_jax.run.layout import Layout
from dreamer_jax.types import AgentState, AnyAgent, Metrics, Recordings, ReplayState, Step


@dataclass(frozen=True)
class Run:
    """What the loop is given; it knows neither which agent nor which environment this is."""

    agent: AnyAgent
    env: Environment
    config: Config
    seed: int
    mesh: Mesh
    logdir: Path
    evaluate: Callable[[AgentState, Callable[[], bool]], dict[str, float]]
    """(state, stopped) -> scores of the policy, none where it was stopped or could not go on"""
    begin: Callable[[AgentState], AgentState]  # fresh parameters -> those that training begins with
    evaluation_failure: Callable[[], str] = lambda: ""  # as `failure`, for environments of its own
    recordings: Recordings | None = None  # or their shapes, as long as nothing is drawn

    @property
    def layout(self) -> Layout:
        """Where the arrays of the run lie."""
        return layout.make(self.mesh, self.config.replay)

    def failure(self) -> str:
        """Why an environment does not work any more; empty while all do."""
        return self.env.failure or self.evaluation_failure()


class OnDevice(PyTreeNode):
    """What lives on the device; each program replaces what it donates."""

    seed: jax.Array  # [] uint32, of the run
    state: Any  # of the agent, an `AgentState`
    memory: ReplayState
    carry: Any  # of the agent's player
    sums: Metrics  # of the metrics since they were last logged


@dataclass(frozen=True)
class RunState:
    """Where a run stands between two steps: all that the next one depends on."""

    device: OnDevice
    counters: Counters
    seen: Timestep  # the newest one, which the policy has not acted on yet


def ring(run: Run) -> Callable[[], ReplayState]:
    """Makes the empty ring."""
    step, latent = remembered(run)
    rows, capacity = run.env.num_envs, row_capacity(run)

    def init() -> ReplayState:
        sampler = samplers.make(run.config.replay).init(rows, capacity)
        return replay.init(step, latent, rows=rows, capacity=capacity, sampler=sampler)

    return init


def row_capacity(run: Run) -> int:
    """C, the steps that each row of the ring holds."""
    return run.config.replay.capacity // run.env.num_envs


def remembered(run: Run) -> tuple[Step, Any]:
    """Shapes of what replay keeps of one step of one environment: the step and its latent."""
    env, agent = run.env, run.agent

    def one(shape: tuple[int, ...], dtype: Any) -> jax.Array:
        return jnp.zeros((1, *shape), jax.dtypes.canonicalize_dtype(dtype))

    def remember() -> tuple[Step, Any]:
        obs = {key: one(space.shape or (), space.dtype) for key, space in env.obs_space.items()}
        flag, number, key = one((), bool), one((), jnp.float32), jax.random.key(0)
        actor, carry = agent.player.actor(agent.learner.init(key)), agent.player.carry(1)
        _, action, latent = agent.player.act(actor, carry, obs, flag, key)
        events = dict.fromkeys(env.event_keys, number)
        step = Step(obs, action, number, flag, flag, flag, events)
        return jax.tree.map(lambda x: x[0], (step, latent))

    return jax.eval_shape(remember)
