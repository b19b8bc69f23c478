"""Trains or evaluates: python -m dreamer_jax.main --env=atari_pong"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import jax
from absl import flags
from absl import logging as absl_logging

import configs
import envs
from dreamer_jax import cache, checkpoint, evaluate, heap, mesh, options, saved
from dreamer_jax import config as config_
from dreamer_jax.agents import dreamer
from dreamer_jax.agents.transfer import inherit
from dreamer_jax.evaluate import Player
from dreamer_jax.faults import Fault
from dreamer_jax.options import FLAGS, Setup, decide, stored
from dreamer_jax.preflight import measure, preflight
from dreamer_jax.run import Run
from dreamer_jax.train import train
from dreamer_jax.types import Agent, AgentState
from envs.vector import EnvironmentFailed

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # nobody's mistake
EVAL_ENVS = 16  # environments played side by side in an evaluation
# Seeds of the episodes that evaluations play, apart from those of training and from each other.
PERIODIC, FINAL = 1 << 20, 2 << 20


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 2 for a mistake of the user, 1 for a fault; both explained in one line."""
    try:
        unknown = FLAGS(argv)[1:]
        if unknown:
            raise ValueError(f"unexpected argument {unknown[0]!r}; flags look like --env=cartpole")
        if FLAGS.help:
            print(f"{__doc__}\n{FLAGS.module_help(options)}")
            return 0
        if FLAGS.config == "help":
            print(configs.describe())
            return 0
        if FLAGS.deterministic:
            flag = "--xla_gpu_deterministic_ops=true"
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}"
        absl_logging.set_verbosity(absl_logging.FATAL)  # orbax logs what it raises
        heap.keep_freed_memory()
        cache.keep_compiled_programs()
        task = {"train": training, "eval": evaluation}[FLAGS.mode]()
    except (flags.Error, ValueError, OSError) as error:
        return complain(error, 1 if getattr(error, "errno", None) in NO_SPACE else 2)
    except (Fault, EnvironmentFailed) as error:
        return complain(error, 1)
    try:
        task()
    except (Fault, EnvironmentFailed, OSError) as error:
        return complain(error, 1)
    return 0


def complain(error: Exception, code: int) -> int:
    """Explains an error in one line; returns the exit code."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def interruptible(argv: Sequence[str]) -> int:
    """`main`, where Ctrl-C outside of training ends the program without a traceback."""
    try:
        return main(argv)
    except KeyboardInterrupt:
        return 130  # as shells have it


def training() -> Callable[[], Any]:
    """Checks everything that a user can get wrong; what it returns only has to be called."""
    setup = decide()
    config, devices = setup.config, mesh.make(mesh.parse(setup.mesh))
    done = checkpoint.latest(setup.logdir / "checkpoints") or 0
    if done >= config.train.steps:
        text = f"{setup.logdir} is at step {done} of {config.train.steps}: nothing is left to do"
        return partial(print, f"{text}; --steps takes it further", file=sys.stderr)
    mesh.divides(devices, "train.envs", config.train.envs)
    mesh.divides(devices, "replay.batch", config.replay.batch)
    env = envs.make(setup.env, config.env, config.train.envs, setup.seed)
    agent = dreamer.make(config, env.obs_space, env.act_space)
    opened = ExitStack()
    opened.callback(env.close)
    evaluate_, failure = periodic_evaluation(setup, agent, opened)
    run = Run(
        agent=agent,
        env=env,
        config=config,
        seed=setup.seed,
        mesh=devices,
        logdir=setup.logdir,
        evaluate=evaluate_,
        begin=beginning(setup, agent),
        evaluation_failure=failure,
    )
    sizes = measure(run)
    lock = saved.lock(setup.logdir)
    try:
        compiled = preflight(run, sizes)
    except ValueError:
        saved.abandon(setup.logdir, lock)
        raise
    saved.write(
        setup.logdir,
        {**setup._asdict(), "config": config_.to_dict(config), "logdir": str(setup.logdir)},
    )

    def task() -> None:
        with lock, opened:
            train(run, compiled)

    return task


def evaluation() -> Callable[[], Any]:
    """Prepares to play whole episodes with the newest checkpoint, greedily and by sampling."""
    setup = decide()
    agent, state = restored(setup)

    def play() -> None:
        for name, policy in (("greedy", agent.greedy), ("sampled", agent.policy)):
            player = make_player(setup, agent, policy, FLAGS.episodes, FINAL)
            with closing(player.env):
                scores = evaluate.summary(player.play(state, FLAGS.episodes))
            normalised = envs.human_normalised(setup.env, scores["mean"])
            if normalised is not None:
                scores["human_normalised"] = normalised
            text = "  ".join(f"{key} {value:.2f}" for key, value in scores.items())
            print(f"{name:8} {FLAGS.episodes} episodes  {text}", flush=True)

    return play


def make_player(setup: Setup, agent: Agent, policy: Any, episodes: int, seed: int) -> Player:
    """A policy in environments of its own."""
    env = envs.make(setup.env, setup.config.env, min(EVAL_ENVS, episodes), setup.seed + seed)
    return Player(agent, policy, env, setup.seed + seed)


def periodic_evaluation(
    setup: Setup, agent: Agent, opened: ExitStack
) -> tuple[Callable[..., dict[str, float]], Callable[[], str]]:
    """The evaluation that training asks for, and why its environments do not work any more.

    It always plays the same episodes, greedily.
    """
    train_ = setup.config.train
    if not train_.eval_every:
        return lambda *_: {}, str
    player = make_player(setup, agent, agent.greedy, train_.eval_episodes, PERIODIC)
    opened.callback(player.env.close)

    def scores(state: AgentState, stopped: Callable[[], bool]) -> dict[str, float]:
        with suppress(EnvironmentFailed):  # said by what is returned beside this
            return evaluate.summary(player.play(state, train_.eval_episodes, stopped))
        return {}

    return scores, lambda: player.env.failure


def restored(setup: Setup) -> tuple[Agent, AgentState]:
    """The agent of a saved run, from its newest checkpoint; ValueError if there is none."""
    directory = setup.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        raise ValueError(f"no checkpoint in {setup.logdir} yet")
    with closing(envs.make(setup.env, setup.config.env, 1, setup.seed)) as env:
        agent = dreamer.make(setup.config, env.obs_space, env.act_space)
    shapes = jax.eval_shape(agent.init, jax.random.key(0))
    wanted = {"agent": checkpoint.placed(shapes, mesh.copied(mesh.make(1)))}
    found = checkpoint.newest(directory, lambda s: checkpoint.restore(directory, s, wanted))
    for note in found.notes:
        print(note, file=sys.stderr)
    return agent, found.loaded["agent"]


def beginning(setup: Setup, agent: Agent) -> Callable[[AgentState], AgentState]:
    """What is done to fresh parameters: nothing, or they get the world model of another run."""
    if not setup.config.train.world_model or checkpoint.steps(setup.logdir / "checkpoints"):
        return lambda state: state
    source = Path(setup.config.train.world_model)
    return inherit(agent, restored(stored(source))[1], source)


if __name__ == "__main__":
    sys.exit(interruptible(sys.argv))
