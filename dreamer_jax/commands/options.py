"""What to run: the flags, and the run that is in the logdir already."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import NamedTuple

from absl import flags

import configs
import envs
from dreamer_jax import config as config_
from dreamer_jax.config import Config
from dreamer_jax.run import manifest
from envs.settings import override

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "env",
    None,
    "Environment: cartpole, cartpole_pixels, gym:<id>, atari_<rom>, mario_<world>_<stage>, "
    "mario, pokemon_red, gameboy_demo.",
)
flags.DEFINE_string("config", None, "Preset; --config=help lists them. Default: the suite's own.")
flags.DEFINE_string("size", None, f"Model size: {', '.join(config_.SIZES)}, or a depth number.")
flags.DEFINE_multi_string("set", [], "Override a value: path=value, e.g. model.units=128")
flags.DEFINE_enum("mode", "train", ["train", "eval"], "What to do.")
flags.DEFINE_string("logdir", None, "Where the run lives; the same one again resumes it.")
flags.DEFINE_integer("seed", None, "Seed of everything; default 0.", 0, 2**31 - 1)
flags.DEFINE_integer("steps", None, "Actions to take in all; short for train.steps.", lower_bound=1)
flags.DEFINE_string("mesh", None, "Devices to split replay and batch over: data=N; default data=1.")
flags.DEFINE_integer("episodes", 100, "Episodes to play with --mode=eval.", lower_bound=1)
flags.DEFINE_string("gif", None, "With --mode=eval: file for a film of the first greedy episode.")
flags.DEFINE_bool("deterministic", False, "Make a GPU repeat itself to the last bit; slower.")
flags.DEFINE_bool("help", False, "Show these flags.")


class Setup(NamedTuple):
    """Everything that the flags and the logdir decide."""

    env: str
    preset: str
    seed: int
    config: Config
    mesh: str
    logdir: Path


def place() -> Path:
    """The logdir; ValueError where no flag says which."""
    if not FLAGS.env and not FLAGS.logdir:
        raise ValueError("--env is needed, such as --env=cartpole, or the --logdir of a run")
    name = f"{FLAGS.env}-seed{FLAGS.seed or 0}"
    return Path(FLAGS.logdir or Path("logdir") / re.sub(r"[^\w.-]+", "_", name))


def decide() -> Setup:
    """Reads flags and logdir; ValueError where they are wrong or contradict each other."""
    logdir = place()
    if FLAGS.gif is not None and FLAGS.mode != "eval":
        raise ValueError(f"--gif={FLAGS.gif} is for --mode=eval")
    if logdir.exists() and not logdir.is_dir():
        raise ValueError(f"--logdir={logdir} is a file")
    if manifest.exists(logdir):
        return resumed(logdir)
    if FLAGS.mode != "train":
        raise ValueError(f"no run in {logdir}: it has no {manifest.NAME}")
    if others := [name for name in manifest.RECORD if (logdir / name).exists()]:
        text = f"{logdir} has {', '.join(others)}, but no {manifest.NAME} that tells of which run"
        raise ValueError(f"{text}; use another --logdir")
    if not FLAGS.env:
        raise ValueError(f"--env is needed to start a run in {logdir}")
    family = envs.family(FLAGS.env)
    preset = FLAGS.config or configs.default(FLAGS.env, family)
    config = with_flags(configs.load(preset, family, envs.default_options(FLAGS.env)))
    devices = "data=1" if FLAGS.mesh is None else FLAGS.mesh
    return Setup(FLAGS.env, preset, FLAGS.seed or 0, config, devices, logdir)


def stored(logdir: Path, trusted: str | None = None) -> Setup:
    """The run that was started in `logdir`, as it was started.

    trusted: the environment that the user has named. ValueError for another one that would import
        a module: a config of somebody else's is no reason to run code.
    """
    manifest.require_plain(logdir)
    run = manifest.read(logdir)
    envs.require_trusted(logdir, run["env"], trusted)
    like = configs.load(run["preset"], envs.family(run["env"]), envs.default_options(run["env"]))
    config = manifest.rebuild(like, run["config"])
    return Setup(run["env"], run["preset"], run["seed"], config, run["mesh"], logdir)


def resumed(logdir: Path) -> Setup:
    """The run that was started in `logdir`; a flag that says otherwise is an error."""
    before = stored(logdir, FLAGS.env)
    changed = manifest.changed_versions(manifest.read(logdir))
    devices = before.mesh if FLAGS.mesh is None else FLAGS.mesh
    if devices != before.mesh:
        changed.append(f"--mesh={before.mesh}, now {devices}")
    if changed:
        text = f"warning: {logdir} was made with {'; '.join(changed)}: numbers may differ"
        print(text, file=sys.stderr)
    config = with_flags(before.config)
    asked = {"env": FLAGS.env, "preset": FLAGS.config, "seed": FLAGS.seed}
    asked = {key: value for key, value in asked.items() if value is not None}
    wrong = manifest.contradictions(before._asdict(), asked)
    wrong += manifest.contradictions(config_.to_dict(before.config), config_.to_dict(config))
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
        model = config_.sized(config.model, depth or int(FLAGS.size))
        config = dataclasses.replace(config, model=model)
    for assignment in FLAGS.set:
        config = override(config, assignment)
    if FLAGS.steps is not None:
        config = dataclasses.replace(
            config, train=dataclasses.replace(config.train, steps=FLAGS.steps)
        )
    return config_.resolve(config)
