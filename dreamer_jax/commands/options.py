"""Decides what to run from the flags and from the run that the logdir may hold."""

import dataclasses
import math
import re
import sys
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from absl import flags as absl_flags

import configs
import envs
from dreamer_jax import config as config_
from dreamer_jax import mesh
from dreamer_jax.agents.by_name import AGENTS, name_of
from dreamer_jax.agents.dreamer.config import SIZES
from dreamer_jax.commands.hints import override, unknown_flag
from dreamer_jax.config import Config
from dreamer_jax.run import manifest
from envs.settings import flatten

EPISODES = 100  # of an evaluation, unless --episodes is given
AUTO = "auto"  # as a value of these two: the machine decides
SIZE, CAPACITY = "size", "replay.capacity"


class WholeNumber(absl_flags.IntegerParser):
    """Reads numbers as --set does: 1000000, 1_000_000 or 1e6."""

    def convert(self, argument: int | str) -> int:
        """The number; ValueError where there is none."""
        try:
            number = float(argument) if "e" in str(argument).lower() else int(argument)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number != int(number):
            raise ValueError(f"expected a whole number, such as 1000000 or 1e6, got {argument!r}")
        return int(number)


class Flags(NamedTuple):
    """The flags of a command line; None for one that is not given."""

    env: str | None
    config: str | None
    agent: str | None
    size: str | None
    set: list[str]
    mode: str
    logdir: str | None
    seed: int | None
    steps: int | None
    mesh: str | None
    episodes: int | None
    gif: str | None
    deterministic: bool
    help: bool


def parse(argv: Sequence[str], modes: Collection[str]) -> Flags:
    """The flags of a command line, the first word of which is the name of the program.

    Raises:
      absl_flags.Error: the value of a flag is out of range.
      ValueError: a flag is unknown, or an argument is no flag.
    """
    values = defined(modes)
    argv = ["--help" if text == "-h" else text for text in argv]
    try:
        unknown = values(argv)[1:]
    except absl_flags.UnrecognizedFlagError as error:
        raise ValueError(unknown_flag(error.flagname, argv, Flags._fields)) from None
    if unknown:
        raise ValueError(f"unexpected argument {unknown[0]!r}; flags look like --env=cartpole")
    return Flags(**values.flag_values_dict())


def usage(modes: Collection[str]) -> str:
    """Every flag and its purpose."""
    return defined(modes).get_help(include_special_flags=False)


def defined(modes: Collection[str]) -> absl_flags.FlagValues:
    """The flags of the command line, separate from absl's global flags, which are the host's."""
    values = absl_flags.FlagValues()
    text = partial(absl_flags.DEFINE_string, default=None, flag_values=values)
    switch = partial(absl_flags.DEFINE_bool, default=False, flag_values=values)

    def number(name: str, *, help: str, **bounds: int) -> None:
        absl_flags.DEFINE(WholeNumber(**bounds), name, None, help, flag_values=values)

    names = "cartpole, cartpole_pixels, gym:<id>, atari_<rom>, mario_<world>_<stage>, mario"
    text("env", help=f"Environment: {names}, pokemon_red, gameboy_demo.")
    text("config", help="Preset; --config=help lists them. Default: the environment's own.")
    agents = f"Agent: {', '.join(AGENTS)}. Default: the one that the preset is for."
    absl_flags.DEFINE_enum("agent", None, AGENTS, agents, flag_values=values)
    sizes = f"{', '.join(SIZES)}, or a depth number"
    text("size", help=f"Model size: {sizes}. Default: auto, the preset's or what a machine can do.")
    assignment = "Override a value: path=value, e.g. model.units=128"
    absl_flags.DEFINE_multi_string("set", [], assignment, flag_values=values)
    absl_flags.DEFINE_enum("mode", "train", modes, "What to do.", flag_values=values)
    text("logdir", help="Where the run lives; the same one again resumes it.")
    number("seed", help="Seed of everything; default 0.", lower_bound=0, upper_bound=2**31 - 1)
    number("steps", help="Actions to take in all; short for train.steps.", lower_bound=1)
    text("mesh", help="Devices to split replay and batch over: data=N; default data=1.")
    many = f"Episodes to play with --mode=eval; default {EPISODES}."
    number("episodes", help=many, lower_bound=1)
    text("gif", help="With --mode=eval: file for a film of the first greedy episode.")
    switch("deterministic", help="Make a GPU repeat itself to the last bit; slower.")
    switch("help", help="Show these flags.")
    return values


class Setup(NamedTuple):
    """Everything that the flags and the logdir decide."""

    env: str
    preset: str
    agent: str
    seed: int
    config: Config
    """Of a new run as the preset and the flags have it, until `commands.sizing` fits it."""
    mesh: str
    logdir: Path
    auto: tuple[str, ...]
    """What the machine decides, or decided when the run began: SIZE, CAPACITY"""


def place(flags: Flags) -> Path:
    """The logdir; ValueError where no flag names it."""
    if not flags.env and not flags.logdir:
        raise ValueError("--env is needed, such as --env=cartpole, or the --logdir of a run")
    name = f"{flags.env}-seed{flags.seed or 0}"
    return Path(flags.logdir or Path("logdir") / re.sub(r"[^\w.-]+", "_", name))


def decide(flags: Flags) -> Setup:
    """Reads flags and logdir; ValueError where they are wrong or contradict each other."""
    logdir = place(flags)
    if flags.gif is not None and flags.mode != "eval":
        raise ValueError(f"--gif={flags.gif} is for --mode=eval")
    if flags.steps is not None and flags.mode != "train":
        raise ValueError(f"--steps={flags.steps} is for training; --episodes is for --mode=eval")
    if logdir.exists() and not logdir.is_dir():
        raise ValueError(f"--logdir={logdir} is a file")
    if manifest.exists(logdir):
        return resumed(logdir, flags)
    if flags.mode != "train":
        raise ValueError(f"no run in {logdir}: it has no {manifest.NAME}")
    if others := [name for name in manifest.RECORD if (logdir / name).exists()]:
        text = f"{logdir} has {', '.join(others)}, but no {manifest.NAME} that names their run"
        raise ValueError(f"{text}; use another --logdir")
    if not flags.env:
        raise ValueError(f"--env is needed to start a run in {logdir}")
    family = envs.family(flags.env)
    preset = flags.config or configs.default(
        flags.env, family, platform=mesh.make(1).devices.flat[0].platform
    )
    loaded = configs.load(preset, family=family, options=envs.default_options(flags.env))
    agent = flags.agent or name_of(loaded.agent)
    config = with_flags(with_agent(loaded, agent), flags)
    config_.resolve(config)  # finds mistakes
    return Setup(
        env=flags.env,
        preset=preset,
        agent=agent,
        seed=flags.seed or 0,
        config=config,
        mesh="data=1" if flags.mesh is None else flags.mesh,
        logdir=logdir,
        auto=left_open(flags),
    )


def stored(logdir: Path, trusted: str | None = None) -> Setup:
    """The run that was started in `logdir`, as it was started.

    trusted: the environment that the user named. Another one must not import a module, because the
        config may come from a stranger: ValueError.
    """
    manifest.require_plain(logdir)
    run = manifest.read(logdir)
    envs.require_trusted(logdir, run["env"], trusted)
    if (agent := run["agent"]) not in AGENTS:
        text = f"{logdir} has the agent {agent!r}, and this program has only {', '.join(AGENTS)}"
        raise ValueError(f"{text}; use the program that defines it")
    like = configs.load(
        run["preset"],
        family=envs.family(run["env"]),
        options=envs.default_options(run["env"]),
    )
    file = f"{logdir / manifest.NAME}: config"
    config = manifest.rebuild(with_agent(like, agent), run["config"], path=file)
    return Setup(
        env=run["env"],
        preset=run["preset"],
        agent=agent,
        seed=run["seed"],
        config=config,
        mesh=run["mesh"],
        logdir=logdir,
        auto=tuple(run["auto"]),
    )


def resumed(logdir: Path, flags: Flags) -> Setup:
    """The run that was started in `logdir`; ValueError for a flag that contradicts it."""
    before = stored(logdir, flags.env)
    envs.require_trusted_options(logdir, before.config.env, flags.set)
    changed = manifest.changed_versions(manifest.read(logdir))
    devices = before.mesh if flags.mesh is None else flags.mesh
    if devices != before.mesh:
        mesh.parse(devices)
        changed.append(f"--mesh={before.mesh}, now {devices}")
    if changed:
        text = f"warning: {logdir} was started with {'; '.join(changed)}: numbers may differ"
        print(text, file=sys.stderr)
    config = config_.resolve(with_flags(before.config, flags))
    asked = {"env": flags.env, "preset": flags.config, "agent": flags.agent, "seed": flags.seed}
    asked = {key: value for key, value in asked.items() if value is not None}
    wrong = manifest.contradictions(before._asdict(), asked)
    wrong += manifest.contradictions(flatten(before.config, ""), flatten(config, ""))
    if wrong:
        raise ValueError(f"{logdir} holds another run: {'; '.join(wrong)}; use another --logdir")
    return before._replace(config=config, mesh=devices)


def with_agent(config: Config, name: str) -> Config:
    """The config with the agent of this name, and its defaults if the preset has another agent."""
    if name == name_of(config.agent):
        return config
    return dataclasses.replace(config, agent=AGENTS[name].config())


def with_flags(config: Config, flags: Flags) -> Config:
    """Applies --size, --set and --steps, in this order. `auto` changes nothing."""
    if flags.size not in (None, AUTO):
        config = dataclasses.replace(config, agent=config.agent.sized(flags.size))
    for assignment in flags.set:
        if assignment != f"{CAPACITY}={AUTO}":
            config = override(config, assignment)
    if flags.steps is not None:
        config = dataclasses.replace(
            config, train=dataclasses.replace(config.train, steps=flags.steps)
        )
    return config


def left_open(flags: Flags) -> tuple[str, ...]:
    """What the flags leave to the machine: the size of the model, and that of the ring."""
    given = {path: value for path, _, value in (each.partition("=") for each in flags.set)}
    size = flags.size or ("" if "model.depth" in given else AUTO)
    values = {SIZE: size, CAPACITY: given.get(CAPACITY, AUTO)}
    return tuple(name for name, value in values.items() if value == AUTO)
