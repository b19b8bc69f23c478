"""Trains: starts a run in a logdir, or resumes the one that is there."""

import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import envs
from dreamer_jax import config as config_
from dreamer_jax import mesh, spaces
from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.commands import options, training_recordings
from dreamer_jax.commands.evaluation_players import PERIODIC, make_evaluator
from dreamer_jax.commands.options import Flags, Setup, decide, stored
from dreamer_jax.commands.restored_agents import restored
from dreamer_jax.host import host_memory
from dreamer_jax.loops import evaluate
from dreamer_jax.loops.train import train
from dreamer_jax.run import checkpoint, manifest, spaces_record
from dreamer_jax.run.preflight import measure, preflight
from dreamer_jax.run.state import Run
from dreamer_jax.types import AgentState, AnyAgent
from envs.vector.vector import EnvironmentFailed


def training(flags: Flags) -> Callable[[], None]:
    """Checks for every mistake that a user can make, and returns the training itself.

    The steps stand in this order so that each mistake is found before a step that costs more, and
    so that a refused command leaves the logdir as it was:

    1. Find the recording that replay starts from. Only its index is read, which takes moments.
    2. Prepare environments and agent: the recording can be compared with their spaces.
    3. Announce the recording: memory and compiled programs depend on its shapes.
    4. Measure without compiling, and refuse a run that cannot fit.
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
        run = training_recordings.announce(make_run(setup, opened), recording)
        # After the mistakes that are found at once, before all that takes its time.
        what = "resumes" if done else "new run"
        print(f"{setup.env} -> {setup.logdir} ({what})", file=sys.stderr, flush=True)
        sizes = measure(run)
        lock = manifest.lock(setup.logdir)
        opened.callback(manifest.unlock, setup.logdir, lock)
        if manifest.state(setup.logdir) != before:
            raise ValueError(f"another process has just changed {setup.logdir}; please try again")
        compiled = preflight(run, sizes)
        host_memory.close_gaps()
        run = training_recordings.load(run, recording)
        config = config_.to_dict(setup.config)
        found = {**setup._asdict(), "config": config, "logdir": str(setup.logdir)}
        found |= {"spaces": spaces_record.spaces_to_json(run.env.obs_space, run.env.act_space)}
        manifest.write(setup.logdir, found | training_recordings.manifest_entry(recording))
        kept = opened.pop_all()

    def task() -> None:
        with kept:
            train(run, compiled)
        if (checkpoint.latest(directory) or 0) >= run.config.train.steps:
            with suppress(OSError):  # nobody has to listen
                print(what_next(setup, run), file=sys.stderr)

    return task


def what_next(setup: Setup, run: Run) -> str:
    """How to evaluate, watch and plot a finished run; two lines."""
    command = ["python", "-m", "dreamer_jax.main", "--mode=eval", f"--logdir={setup.logdir}"]
    if ":" in setup.env.removeprefix("gym:"):
        command.append(f"--env={setup.env}")  # it imports a module, which must be asked for
    if spaces.of(run.env.obs_space, run.env.act_space).obs.images:
        command.append(f"--gif={setup.logdir / 'play.gif'}")
    curves = ["tensorboard", f"--logdir={setup.logdir.parent}"]
    return f"evaluate: {shlex.join(command)}\ncurves:   {shlex.join(curves)}"


def make_run(setup: Setup, opened: ExitStack) -> Run:
    """The run for the loop; `opened` closes its environments."""
    config, devices = setup.config, mesh.make(mesh.parse(setup.mesh))
    mesh.require_divisible(devices, config.train.envs, name="train.envs")
    mesh.require_divisible(devices, config.replay.batch, name="replay.batch")
    env = envs.make(setup.env, config.env, num_envs=config.train.envs, seed=setup.seed)
    opened.callback(env.close)
    spaces_record.require_same(setup.logdir, obs_space=env.obs_space, act_space=env.act_space)
    agent = AGENTS[setup.agent].make(config, spaces.of(env.obs_space, env.act_space))
    evaluation = periodic_evaluation(setup, agent, opened=opened)
    return Run(
        agent=agent,
        env=env,
        config=config,
        seed=setup.seed,
        mesh=devices,
        logdir=setup.logdir,
        evaluate=evaluation.scores,
        begin=initializer(setup, agent),
        evaluation_failure=evaluation.failure,
    )


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
