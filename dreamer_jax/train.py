"""The training loop: act, remember, learn; the device works while the environments step."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from dreamer_jax import checkpoint, programs, replay
from dreamer_jax import mesh as meshes
from dreamer_jax.config import Config
from dreamer_jax.journal import Journal
from dreamer_jax.programs import Programs
from dreamer_jax.types import Agent, AgentState, Carry, ReplayState, Step


@dataclass(frozen=True)
class Run:
    """What the loop is given; it knows neither which agent nor which environment this is."""

    agent: Agent
    env: Any  # a vectorised environment
    config: Config
    seed: int
    mesh: Mesh
    logdir: Path
    evaluate: Callable[[AgentState], dict[str, float]]  # scores of the current policy
    begin: Callable[[AgentState], AgentState]  # last word on fresh parameters


class Learner(NamedTuple):
    """What lives on the device; each program replaces what it donates."""

    state: AgentState
    memory: ReplayState
    carry: Carry
    sums: dict[str, jax.Array]  # of the metrics since they were last logged


@dataclass(frozen=True)
class Counters:
    """How far a run has come; saved with every checkpoint."""

    step: int = 0  # actions taken, over all environments
    updates: int = 0
    seconds: float = 0.0  # spent training
    episodes: tuple[int, ...] = ()  # number of the episode that each environment is in


def train(run: Run) -> AgentState:
    """Trains until `train.steps`, or until a signal asks to stop; saves before it returns."""
    with stop_signals() as stopped:
        compiled = programs.build(run.agent, run.config.replay, run.seed, run.mesh)
        learner, counters = start(run, compiled)
        journal = Journal(run.logdir, run.config.train, run.env.frames_per_step, counters)
        with journal, jax.transfer_guard("disallow"):
            seen = run.env.reset(np.array(counters.episodes) if counters.episodes else None)
            while counters.step < run.config.train.steps and not stopped():
                began, before = time.monotonic(), counters
                learner, counters, seen = advance(run, compiled, learner, counters, seen, journal)
                learner = occasions(run, compiled, learner, before, counters, journal)
                seconds = counters.seconds + time.monotonic() - began
                counters = replace(counters, seconds=seconds)
            save(run, learner, counters)
            journal.ended(counters)
    return learner.state


def advance(
    run: Run,
    compiled: Programs,
    learner: Learner,
    counters: Counters,
    seen: Any,
    journal: Journal,
) -> tuple[Learner, Counters, Any]:
    """One step of every environment, and the updates that it owes."""
    state, memory, carry, sums = learner
    index = counters.step // run.env.num_envs
    memory, carry, action = compiled.act(state, memory, carry, *put(run.mesh, seen, index))
    step = counters.step + run.env.num_envs
    owed = updates_owed(step, counters.updates, run.config)
    if owed:
        count = jax.device_put(np.int32(owed), meshes.copied(run.mesh))
        state, memory, sums = compiled.learn(state, memory, sums, count)
    journal.saw(counters.step, seen)
    # Dispatch is asynchronous: this waits for the action, while the device goes on learning.
    chosen = {key: np.asarray(value) for key, value in jax.device_get(action).items()}
    seen = run.env.step(chosen)
    episodes = tuple(int(e) for e in run.env.episodes)
    counters = replace(counters, step=step, updates=counters.updates + owed, episodes=episodes)
    return Learner(state, memory, carry, sums), counters, seen


def occasions(
    run: Run,
    compiled: Programs,
    learner: Learner,
    before: Counters,
    now: Counters,
    journal: Journal,
) -> Learner:
    """What is done now and then: logging, pictures, evaluation, checkpoints."""
    config = run.config.train

    def due(interval: int) -> bool:
        return crossed(before.step, now.step, interval)

    journal.tick(now)
    if due(config.log_every) and now.updates:
        journal.metrics(now, learner.sums)
        zeros = {name: np.zeros(x.shape, x.dtype) for name, x in learner.sums.items()}
        learner = learner._replace(sums=jax.device_put(zeros, meshes.copied(run.mesh)))
    if due(config.report_every) and now.updates:
        journal.report(now, *compiled.report(learner.state, learner.memory))
    if due(config.eval_every):
        journal.evaluation(now, run.evaluate(learner.state))
    if due(config.save_every):
        save(run, learner, now)
    return learner


def crossed(before: int, now: int, interval: int) -> bool:
    """Whether a multiple of `interval` lies in (before, now]; steps come in strides of E."""
    return interval > 0 and now // interval > before // interval


def updates_owed(step: int, updates: int, config: Config) -> int:
    """Updates to do now, so that `ratio` steps are replayed for each step taken since the prefill.

    A pure function of integers: a run does the same updates at the same steps wherever it runs.
    """
    batch = config.replay.batch * config.replay.length
    return max(0, (step - prefill(config)) * config.train.ratio // batch - updates)


def prefill(config: Config) -> int:
    """Steps before the first update: at least one window in every row of the ring."""
    return max(config.train.prefill, config.train.envs * (config.replay.length + 1))


def put(mesh: Mesh, seen: Any, index: int) -> tuple[Step, jax.Array]:
    """Moves what the environments showed, and the number of the step, to the device."""
    step = Step(
        obs=seen.obs,
        action={},
        reward=seen.reward,
        is_first=seen.is_first,
        is_last=seen.is_last,
        is_terminal=seen.is_terminal,
        events=seen.events,
    )
    step = jax.device_put(step, meshes.split(mesh))
    return step, jax.device_put(np.int32(index), meshes.copied(mesh))


# Beginning and end ------------------------------------------------------------------------------


def start(run: Run, compiled: Programs) -> tuple[Learner, Counters]:
    """The newest checkpoint of the logdir, or a fresh beginning.

    Episodes cannot be resumed in the middle yet: environments start the ones that come next.
    """
    sharding = programs.ring_sharding(run.mesh, run.config.replay)
    state, memory = jax.eval_shape(compiled.init), ring(run)
    newest = checkpoint.latest(run.logdir / "checkpoints")
    if newest is None:
        state, counters = run.begin(compiled.init()), Counters()
        held = jax.jit(memory, out_shardings=sharding)()
    else:
        wanted = {
            "agent": checkpoint.placed(state, meshes.copied(run.mesh)),
            "replay": checkpoint.placed(jax.eval_shape(memory), sharding),
        }
        items = checkpoint.restore(run.logdir / "checkpoints", newest, wanted)
        state, held = items["agent"], items["replay"]
        saved = checkpoint.read_host(run.logdir / "checkpoints", newest)
        following = tuple(episode + 1 for episode in saved["episodes"])
        counters = Counters(**{**saved, "episodes": following})
    carry = jax.device_put(run.agent.carry(run.env.num_envs), meshes.split(run.mesh))
    return Learner(state, held, carry, compiled.zeros(state, held)), counters


def preflight(run: Run) -> None:
    """ValueError, before anything is allocated, if memory cannot hold the ring."""
    config = run.config.replay
    free = meshes.free_bytes(run.mesh, config.memory)
    replay.check_memory(*remembered(run), config.capacity, free)


def ring(run: Run) -> Callable[[], ReplayState]:
    """Makes the empty ring."""
    envs = run.env.num_envs
    return partial(replay.init, *remembered(run), envs, run.config.replay.capacity // envs)


def remembered(run: Run) -> tuple[Step, Any]:
    """Shapes of what replay keeps of one step of one environment: the step and its latent."""
    env, agent = run.env, run.agent

    def one(shape: tuple[int, ...], dtype: Any) -> jax.Array:
        return jnp.zeros((1, *shape), jax.dtypes.canonicalize_dtype(dtype))

    def remember() -> tuple[Step, Any]:
        obs = {key: one(space.shape, space.dtype) for key, space in env.obs_space.items()}
        flag, number, key = one((), bool), one((), jnp.float32), jax.random.key(0)
        state, carry = agent.init(key), agent.carry(1)
        _, action, latent = agent.policy(state, carry, obs, flag, key)
        events = dict.fromkeys(env.event_keys, number)
        step = Step(obs, action, number, flag, flag, flag, events)
        return jax.tree.map(lambda x: x[0], (step, latent))

    return jax.eval_shape(remember)


def save(run: Run, learner: Learner, counters: Counters) -> None:
    """Writes a checkpoint of everything that learning has produced, unless it is there."""
    items = {"agent": learner.state, "replay": learner.memory}
    directory = run.logdir / "checkpoints"
    if checkpoint.latest(directory) != counters.step:
        checkpoint.save(directory, counters.step, items, asdict(counters), run.config.train.keep)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Turns the first SIGINT or SIGTERM into a request to stop; a second one acts as usual."""
    received: list[int] = []

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def remember(number: int, _: Any) -> None:
        received.append(number)
        restore()

    previous = {n: signal.signal(n, remember) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        restore()
