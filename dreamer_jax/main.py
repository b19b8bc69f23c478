"""Trains or evaluates: python -m dreamer_jax.main --env=atari_pong"""

import dataclasses
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from absl import flags

import configs
import envs
from dreamer_jax import checkpoint, evaluate, heap, mesh, saved
from dreamer_jax import config as config_
from dreamer_jax.agents import dreamer
from dreamer_jax.agents.networks import WORLD_MODEL
from dreamer_jax.config import Config
from dreamer_jax.train import Run, preflight, train
from dreamer_jax.types import Agent, AgentState

FLAGS = flags.FLAGS
flags.DEFINE_string("env", None, "Environment: atari_<rom>, cartpole, cartpole_pixels, gym:<id>.")
flags.DEFINE_string("config", None, "Preset; --config=help lists them. Default: the suite's own.")
flags.DEFINE_string("size", None, f"Model size: {', '.join(config_.SIZES)}, or a depth number.")
flags.DEFINE_multi_string("set", [], "Override a number: path=value, e.g. model.units=128.")
flags.DEFINE_enum("mode", "train", ["train", "eval"], "What to do.")
flags.DEFINE_string("logdir", None, "Where the run lives; the same one again resumes it.")
flags.DEFINE_integer("seed", None, "Seed of everything; default 0.", lower_bound=0)
flags.DEFINE_integer("steps", None, "Actions to take in all; short for train.steps.", lower_bound=1)
flags.DEFINE_string("mesh", "data=1", "Devices to split replay and batch over, such as data=4.")
flags.DEFINE_integer("episodes", 100, "Episodes to play with --mode=eval.", lower_bound=1)
flags.DEFINE_bool("help", False, "Show these flags.")

EVAL_ENVS = 16  # environments played side by side in an evaluation
EVAL_SEED = 1 << 20  # evaluations never see an episode that training sees


class Setup(NamedTuple):
    """Everything that the flags and the logdir decide."""

    env: str
    preset: str
    seed: int
    config: Config
    logdir: Path


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 2 for a mistake of the user, which is explained in one line."""
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
        heap.keep_freed_memory()
        task = {"train": training, "eval": evaluation}[FLAGS.mode]()
    except (flags.Error, ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    task()
    return 0


def training() -> Callable[[], Any]:
    """Checks everything that a user can get wrong; what it returns only has to be called."""
    setup = decide()
    config, devices = setup.config, mesh.make(mesh.parse(FLAGS.mesh))
    mesh.divides(devices, "train.envs", config.train.envs)
    mesh.divides(devices, "replay.batch", config.replay.batch)
    env = envs.make(setup.env, config.env, config.train.envs, setup.seed)
    agent = dreamer.make(config, env.obs_space, env.act_space)
    run = Run(
        agent=agent,
        env=env,
        config=config,
        seed=setup.seed,
        mesh=devices,
        logdir=setup.logdir,
        evaluate=periodic_evaluation(setup, agent),
        begin=beginning(setup, agent),
    )
    preflight(run)
    saved.write(
        setup.logdir,
        {**setup._asdict(), "config": config_.to_dict(config), "logdir": str(setup.logdir)},
    )
    return partial(train, run)


def evaluation() -> Callable[[], Any]:
    """Prepares to play whole episodes with the newest checkpoint, greedily and by sampling."""
    setup = decide()
    agent, state = restored(setup)

    def play() -> None:
        for name, policy in (("greedy", agent.greedy), ("sampled", agent.policy)):
            player = make_player(setup, agent, policy, FLAGS.episodes)
            scores = evaluate.summary(player.play(state, FLAGS.episodes, first=0))
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
        raise ValueError("--env is needed, such as --env=cartpole; see --help")
    name = f"{FLAGS.env}-seed{FLAGS.seed or 0}"
    logdir = Path(FLAGS.logdir or Path("logdir") / re.sub(r"[^\w.-]+", "_", name))
    if logdir.exists() and not logdir.is_dir():
        raise ValueError(f"--logdir={logdir} is a file")
    if saved.exists(logdir):
        return resumed(logdir)
    if FLAGS.mode != "train":
        raise ValueError(f"no run in {logdir}: it has no {saved.NAME}")
    if not FLAGS.env:
        raise ValueError(f"--env is needed to start a run in {logdir}")
    family = envs.family(FLAGS.env)
    preset = FLAGS.config or configs.default(FLAGS.env, family)
    config = with_flags(configs.load(preset, family, envs.default_options(FLAGS.env)))
    return Setup(FLAGS.env, preset, FLAGS.seed or 0, config, logdir)


def stored(logdir: Path) -> Setup:
    """The run that was started in `logdir`, as it was started."""
    run = saved.read(logdir)
    like = configs.load(run["preset"], envs.family(run["env"]), envs.default_options(run["env"]))
    config = config_.from_dict(like, run["config"])
    return Setup(run["env"], run["preset"], run["seed"], config, logdir)


def resumed(logdir: Path) -> Setup:
    """The run that was started in `logdir`; a flag that says otherwise is an error."""
    before = stored(logdir)
    config = with_flags(before.config)
    asked = {"env": FLAGS.env, "preset": FLAGS.config, "seed": FLAGS.seed}
    asked = {key: value for key, value in asked.items() if value is not None}
    wrong = saved.contradictions(before._asdict(), asked)
    wrong += saved.contradictions(config_.to_dict(before.config), config_.to_dict(config))
    if wrong:
        raise ValueError(f"{logdir} holds another run: {'; '.join(wrong)}; use another --logdir")
    return before._replace(config=config)


def with_flags(config: Config) -> Config:
    """Applies --size, --set and --steps, in this order."""
    if FLAGS.size is not None:
        depth = config_.SIZES.get(FLAGS.size) or config_.parse(FLAGS.size, int, "--size")
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


def make_player(setup: Setup, agent: Agent, policy: Any, episodes: int) -> evaluate.Player:
    """A policy in environments of its own, whose episodes training never sees."""
    seed = setup.seed + EVAL_SEED
    env = envs.make(setup.env, setup.config.env, min(EVAL_ENVS, episodes), seed)
    return evaluate.Player(agent, policy, env, seed)


def periodic_evaluation(setup: Setup, agent: Agent) -> Callable[[AgentState], dict[str, float]]:
    """The evaluation that training asks for: always the same episodes, greedily."""
    train_ = setup.config.train
    if not train_.eval_every:
        return lambda _: {}
    player = make_player(setup, agent, agent.greedy, train_.eval_episodes)
    return lambda state: evaluate.summary(player.play(state, train_.eval_episodes, first=0))


def restored(setup: Setup) -> tuple[Agent, AgentState]:
    """The agent of a saved run, from its newest checkpoint; ValueError if there is none."""
    directory = setup.logdir / "checkpoints"
    newest = checkpoint.latest(directory)
    if newest is None:
        raise ValueError(f"no checkpoint in {setup.logdir} yet")
    env = envs.make(setup.env, setup.config.env, 1, setup.seed)
    agent = dreamer.make(setup.config, env.obs_space, env.act_space)
    env.close()
    shapes = jax.eval_shape(agent.init, jax.random.key(0))
    wanted = {"agent": checkpoint.placed(shapes, mesh.copied(mesh.make(1)))}
    return agent, checkpoint.restore(directory, newest, wanted)["agent"]


def beginning(setup: Setup, agent: Agent) -> Callable[[AgentState], AgentState]:
    """What is done to fresh parameters: nothing, or they get the world model of another run."""
    if not setup.config.train.world_model or checkpoint.steps(setup.logdir / "checkpoints"):
        return lambda state: state
    source = Path(setup.config.train.world_model)
    _, other = restored(stored(source))
    fresh = jax.eval_shape(agent.init, jax.random.key(0))
    ours, theirs = (jax.tree.map(jnp.shape, world_model(state)) for state in (fresh, other))
    for name in theirs:
        if ours[name] != theirs[name]:
            raise ValueError(f"the {name} of the run in {source} has another shape than this run's")
    return partial(with_world_model, world_model(other))


def world_model(state: AgentState) -> dict[str, Any]:
    """The parameters of the world model, and the scale of observations that it was trained with."""
    return {**{name: state.params[name] for name in WORLD_MODEL}, "moments": state.moments}


def with_world_model(given: dict[str, Any], state: AgentState) -> AgentState:
    """The state with a given `world_model`, on the devices where the state is."""
    given = jax.tree.map(
        lambda x, like: jax.device_put(x, like.sharding), given, world_model(state)
    )
    moments = given.pop("moments")
    return state.replace(params={**state.params, **given}, moments=moments)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
