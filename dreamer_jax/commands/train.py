"""Trains: starts a run in a logdir, or resumes the one that is there."""

import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import envs
from dreamer_jax import config as config_
from dreamer_jax import mesh, spaces
from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.commands import options, sizing, training_recordings
from dreamer_jax.commands.evaluation_players import PERIODIC, make_evaluator
from dreamer_jax.commands.options import CAPACITY, Flags, Setup, decide, stored
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.host import host_memory, this_machine
from dreamer_jax.loops import evaluate
from dreamer_jax.loops.train import train
from dreamer_jax.machine import Machine
from dreamer_jax.run import checkpoint, manifest, spaces_record
from dreamer_jax.run.fit import DoesNotFit, Sizes, check, with_capacity
from dreamer_jax.run.preflight import measure, preflight
from dreamer_jax.run.programs import Programs
from dreamer_jax.run.state import Run
from dreamer_jax.spaces import Interface
from dreamer_jax.types import AgentState, AnyAgent
from envs.vector.vector import EnvironmentFailed


def training(flags: Flags) -> Callable[[], None]:
    """Checks for every mistake that a user can make, and returns the training itself.

    The steps stand in this order so that each mistake is found before a step that costs more, and
    so that a refused command leaves the logdir as it was:

    1. Find the recording that replay starts from. Only its index is read, which takes moments.
    2. Prepare environments and agent: the recording can be compared with their spaces, and a new
       model fits the machine.
    3. Announce the recording: memory and compiled programs depend on its shapes.
    4. Measure without compiling. A new ring fits the machine; refuse a run that cannot.
    5. Lock the logdir. The lock is the first file that is written.
    6. Compare the logdir with the first look at it. Until the lock, another process could begin a
       run there or save a checkpoint, which would make the decisions above wrong.
    7. Preflight: compile, which takes most of the time, and check that everything fits. The lock
       keeps two processes from compiling for the same logdir.
    8. Close the gaps that compiling left in the heap, before arrays would be spread over them.
    9. Load the arrays of the recording and check its files.
    10. Write config.json: from here on, the logdir holds a run that can be resumed.

    Raises:
      ValueError, OSError: a mistake of the user, in one line.
    """
    if flags.episodes is not None:
        raise ValueError(f"--episodes={flags.episodes} is for --mode=eval; --steps is for training")
    before = manifest.state(options.place(flags))
    setup = decide(flags)
    directory = setup.logdir / "checkpoints"
    done = checkpoint.latest(directory) or 0
    if done >= setup.config.train.steps and checkpoint.is_whole(directory, done):
        text = f"{setup.logdir} is at step {done} of {setup.config.train.steps}"
        text = f"{text}: nothing is left to do; a larger --steps takes it further"
        return partial(print, text, file=sys.stderr)
    with ExitStack() as opened:
        recording = training_recordings.find(setup)
        prepared = prepare(setup, opened)
        setup, run = prepared.setup, training_recordings.announce(prepared.run, recording)
        run, sizes = fitted(prepared._replace(run=run))
        lock = manifest.lock(setup.logdir)
        opened.callback(manifest.unlock, setup.logdir, lock)
        if manifest.state(setup.logdir) != before:
            raise ValueError(f"another process has just changed {setup.logdir}; please try again")
        announce(prepared, run, sizes)
        run, compiled = compile_(setup, run, sizes)
        host_memory.close_gaps()
        run = training_recordings.load(run, recording)
        found = {**setup._asdict(), "logdir": str(setup.logdir)}
        found |= {"config": config_.to_dict(run.config)}
        found |= {"spaces": spaces_record.spaces_to_json(run.env.obs_space, run.env.act_space)}
        manifest.write(setup.logdir, found | training_recordings.manifest_entry(recording))
        kept = opened.pop_all()

    def task() -> None:
        with kept:
            train(run, compiled)

    return task


class Prepared(NamedTuple):
    """A run before anything is compiled, on its machine."""

    setup: Setup
    run: Run
    machine: Machine
    interface: Interface


def prepare(setup: Setup, opened: ExitStack, *, machine: Machine | None = None) -> Prepared:
    """Environments and agent for the loop; `opened` closes the environments.

    The setup of a new run fits the machine afterwards, apart from its ring.

    machine: the one to fit; None for this one.
    """
    config, devices = setup.config, mesh.make(mesh.parse(setup.mesh))
    mesh.require_divisible(devices, config.train.envs, name="train.envs")
    mesh.require_divisible(devices, config.replay.batch, name="replay.batch")
    env = envs.make(setup.env, config.env, num_envs=config.train.envs, seed=setup.seed)
    opened.callback(env.close)
    spaces_record.require_same(setup.logdir, obs_space=env.obs_space, act_space=env.act_space)
    interface = spaces.of(env.obs_space, env.act_space)
    machine = machine or this_machine.find(devices)
    if not manifest.exists(setup.logdir):
        setup = sizing.with_model(setup, machine, interface)
    agent = AGENTS[setup.agent].make(setup.config, interface)
    evaluation = periodic_evaluation(setup, agent, opened=opened)
    run = Run(
        agent=agent,
        env=env,
        config=setup.config,
        seed=setup.seed,
        mesh=devices,
        logdir=setup.logdir,
        evaluate=evaluation.scores,
        begin=initializer(setup, agent),
        evaluation_failure=evaluation.failure,
    )
    return Prepared(setup=setup, run=run, machine=machine, interface=interface)


def fitted(prepared: Prepared) -> tuple[Run, Sizes]:
    """The run, whose ring fits the machine if it is new, and the sizes of its parts.

    Raises DoesNotFit in one line where something is too large.
    """
    setup, run, machine, _ = prepared
    sizes = measure(run)
    if not manifest.exists(setup.logdir):
        run = sizing.with_ring(setup, run, sizes, machine)
    check(run, sizes)
    return run, sizes


def announce(prepared: Prepared, run: Run, sizes: Sizes) -> None:
    """Prints what a new run is about to use."""
    setup, _, machine, interface = prepared
    if not manifest.exists(setup.logdir):
        print(sizing.summary(setup, run, sizes, machine, interface), file=sys.stderr, flush=True)


def compile_(setup: Setup, run: Run, sizes: Sizes) -> tuple[Run, Programs]:
    """Compiles the programs. Where only they show that a new ring is too large, a smaller one."""
    try:
        return run, preflight(run, sizes)
    except DoesNotFit as error:
        if CAPACITY not in setup.auto or manifest.exists(setup.logdir):
            raise
        smaller = with_capacity(run, error.fits)
        if smaller is run:
            raise
        print(f"{error}; a smaller ring is compiled", file=sys.stderr, flush=True)
        return smaller, preflight(smaller, sizes)


@dataclass(frozen=True, kw_only=True)
class PeriodicEvaluation:
    """The evaluation during training. It always plays the same episodes, greedily."""

    scores: Callable[[AgentState, Callable[[], bool]], dict[str, float]]  # `Run.evaluate`
    failure: Callable[[], str]  # why its environments no longer work; empty while they do


def periodic_evaluation(setup: Setup, agent: AnyAgent, *, opened: ExitStack) -> PeriodicEvaluation:
    """Makes the environments and the policy of the evaluation; `opened` closes them."""
    train_ = setup.config.train
    if not train_.eval_every:
        return PeriodicEvaluation(scores=lambda _state, _stopped: {}, failure=lambda: "")
    player = make_evaluator(
        setup,
        player=agent.player,
        act=agent.player.greedy,
        episodes=train_.eval_episodes,
        seed=PERIODIC,
    )
    opened.callback(player.env.close)

    def scores(state: AgentState, stopped: Callable[[], bool]) -> dict[str, float]:
        with suppress(EnvironmentFailed):  # `failure` reports it
            results = player.play(state, episodes=train_.eval_episodes, stopped=stopped)
            return evaluate.summary(results)
        return {}

    return PeriodicEvaluation(scores=scores, failure=lambda: player.env.failure)


def initializer(setup: Setup, agent: AnyAgent) -> Callable[[AgentState], AgentState]:
    """A function that gives a fresh state the world model of another run, if there is one.

    ValueError if the other run is of an agent whose world model this one cannot use.
    """
    if not setup.config.train.world_model or checkpoint.steps(setup.logdir / "checkpoints"):
        return lambda state: state
    source = Path(setup.config.train.world_model)
    other, inherit = stored(source, setup.env), AGENTS[setup.agent].inherit
    if inherit is None or other.agent != setup.agent:
        text = f"has the agent {other.agent!r}"
        raise ValueError(f"{source} {text}, whose world model {setup.agent!r} cannot use")
    return inherit(agent, restored(other).state, source)
