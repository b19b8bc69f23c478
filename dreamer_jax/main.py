"""Trains or evaluates: python -m dreamer_jax.main --env=atari_pong"""

import dataclasses
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
from absl import flags
from absl import logging as absl_logging

import configs
import envs
from dreamer_jax import cache, checkpoint, evaluate, heap, mesh, saved
from dreamer_jax import config as config_
from dreamer_jax.agents import dreamer
from dreamer_jax.agents.transfer import inherit
from dreamer_jax.config import Config
from dreamer_jax.evaluate import Player
from dreamer_jax.faults import Fault
from dreamer_jax.preflight import measure, preflight
from dreamer_jax.run import Run
from dreamer_jax.train import train
from dreamer_jax.types import Agent, AgentState
from envs.vector import EnvironmentFailed

FLAGS = flags.FLAGS
flags.DEFINE_string("env", None, "Environment: atari_<rom>, cartpole, cartpole_pixels, gym:<id>.")
flags.DEFINE_string("config", None, "Preset; --config=help lists them. Default: the suite's own.")
flags.DEFINE_string("size", None, f"Model size: {', '.join(config_.SIZES)}, or a depth number.")
flags.DEFINE_multi_string("set", [], "Override a number: path=value, e.g. model.units=128.")
flags.DEFINE_enum("mode", "train", ["train", "eval"], "What to do.")
flags.DEFINE_string("logdir", None, "Where the run lives; the same one again resumes it.")
flags.DEFINE_integer("seed", None, "Seed of everything; default 0.", 0, 2**31 - 1)
flags.DEFINE_integer("steps", None, "Actions to take in all; short for train.steps.", lower_bound=1)
flags.DEFINE_string("mesh", None, "Devices to split replay and batch over: data=N; default data=1.")
flags.DEFINE_integer("episodes", 100, "Episodes to play with --mode=eval.", lower_bound=1)
flags.DEFINE_bool("deterministic", False, "Make a GPU repeat itself to the last bit; slower.")
flags.DEFINE_bool("help", False, "Show these flags.")

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # nobody's mistake
EVAL_ENVS = 16  # environments played side by side in an evaluation
# Seeds of the episodes that evaluations play, apart from those of training and from each other.
PERIODIC, FINAL = 1 << 20, 2 << 20


class Setup(NamedTuple):
    """Everything that the flags and the logdir decide."""

    env: str
    preset: str
    seed: int
    config: Config
    mesh: str
    logdir: Path


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 2 for a mistake of the user, 1 for a fault; both explained in one line."""
    try:
        unknown = FLAGS(argv)[1:]
        if unknown:
            raise ValueError(f"unexpected argument {unknown[0]!r}; flags look like --env=cartpole")
        if FLAGS.help:
            print(f"{__doc__}\n{FLAGS.module_help(sys.modules[__name__])}")
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


# What to run ------------------------------------------------------------------------------------


def decide() -> Setup:
    """Reads flags and logdir; ValueError where they are wrong or contradict each other."""
    if not FLAGS.env and not FLAGS.logdir:
        raise ValueError("--env is needed, such as --env=cartpole, or the --logdir of a run")
    name = f"{FLAGS.env}-seed{FLAGS.seed or 0}"
    logdir = Path(FLAGS.logdir or Path("logdir") / re.sub(r"[^\w.-]+", "_", name))
    if logdir.exists() and not logdir.is_dir():
        raise ValueError(f"--logdir={logdir} is a file")
    if saved.exists(logdir):
        return resumed(logdir)
    if checkpoint.steps(logdir / "checkpoints"):
        raise ValueError(f"{logdir} has checkpoints, but no {saved.NAME} that tells what they are")
    if FLAGS.mode != "train":
        raise ValueError(f"no run in {logdir}: it has no {saved.NAME}")
    if not FLAGS.env:
        raise ValueError(f"--env is needed to start a run in {logdir}")
    family = envs.family(FLAGS.env)
    preset = FLAGS.config or configs.default(FLAGS.env, family)
    config = with_flags(configs.load(preset, family, envs.default_options(FLAGS.env)))
    devices = "data=1" if FLAGS.mesh is None else FLAGS.mesh
    return Setup(FLAGS.env, preset, FLAGS.seed or 0, config, devices, logdir)


def stored(logdir: Path) -> Setup:
    """The run that was started in `logdir`, as it was started."""
    run = saved.read(logdir)
    like = configs.load(run["preset"], envs.family(run["env"]), envs.default_options(run["env"]))
    config = saved.rebuild(like, run["config"])
    return Setup(run["env"], run["preset"], run["seed"], config, run["mesh"], logdir)


def resumed(logdir: Path) -> Setup:
    """The run that was started in `logdir`; a flag that says otherwise is an error."""
    before = stored(logdir)
    changed = saved.changed_versions(saved.read(logdir))
    devices = before.mesh if FLAGS.mesh is None else FLAGS.mesh
    if devices != before.mesh:
        changed.append(f"--mesh={before.mesh}, now {devices}")
    if changed:
        text = f"warning: {logdir} was made with {'; '.join(changed)}: numbers may differ"
        print(text, file=sys.stderr)
    config = with_flags(before.config)
    asked = {"env": FLAGS.env, "preset": FLAGS.config, "seed": FLAGS.seed}
    asked = {key: value for key, value in asked.items() if value is not None}
    wrong = saved.contradictions(before._asdict(), asked)
    wrong += saved.contradictions(config_.to_dict(before.config), config_.to_dict(config))
    if wrong:
        raise ValueError(f"{logdir} holds another run: {'; '.join(wrong)}; use another --logdir")
    return before._replace(config=config, mesh=devices)


def with_flags(config: Config) -> Config:
    """Applies --size, --set and --steps, in this order."""
    if FLAGS.size is not None:
        depth = config_.SIZES.get(FLAGS.size)
        if depth is None and not FLAGS.size.isdecimal():
            names = ", ".join(config_.SIZES)
            raise ValueError(f"--size={FLAGS.size}: valid are {names}, or a depth number")
        depth = depth or int(FLAGS.size)
        widths = dict.fromkeys(("deter", "hidden", "classes", "units"), 0)  # as depth has them
        model = dataclasses.replace(config.model, depth=depth, **widths)
        config = dataclasses.replace(config, model=model)
    for assignment in FLAGS.set:
        config = config_.override(config, assignment)
    if FLAGS.steps is not None:
        config = dataclasses.replace(
            config, train=dataclasses.replace(config.train, steps=FLAGS.steps)
        )
    return config_.resolve(config)


# Pieces -----------------------------------------------------------------------------------------


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
