"""Decides what to run from the flags and from the run that the logdir may hold."""

import dataclasses
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import configs
import envs
from dreamer_jax import config as config_
from dreamer_jax import mesh
from dreamer_jax.agents.by_name import AGENTS, name_of
from dreamer_jax.commands import fit_setup, reward_source
from dreamer_jax.commands.changes import Changes, require_allowed
from dreamer_jax.commands.flag_modes import require_of_mode
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.hints import override
from dreamer_jax.commands.reward_source import RewardSource
from dreamer_jax.commands.sources import other_files, same_sources
from dreamer_jax.config import Config
from dreamer_jax.run import initial_weights, manifest
from dreamer_jax.run.initial_weights import INIT_FROM, REWARD, Source
from envs.settings import flatten

AUTO = "auto"  # as a value of these two: the machine decides
SIZE, CAPACITY = "size", "replay.capacity"
NOTHING: Mapping[str, Any] = MappingProxyType({})


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
    deterministic: bool = False
    sources: Mapping[str, Source] = NOTHING
    """what named it -> the checkpoint of another run whose weights the run began with"""
    changes: Changes = NOTHING
    """What the flags change of the config that the run had before"""
    reward: RewardSource | None = None
    """The stage whose rewards the agent learns from; None: those of the environment"""


def place(flags: Flags) -> Path:
    """The logdir; ValueError where no flag names it."""
    if not flags.env and not flags.logdir:
        raise ValueError("--env is needed, such as --env=cartpole, or the --logdir of a run")
    name = f"{flags.env}-seed{flags.seed or 0}"
    return Path(flags.logdir or Path("logdir") / re.sub(r"[^\w.-]+", "_", name))


def decide(flags: Flags) -> Setup:
    """Reads flags and logdir; ValueError where they are wrong or contradict each other."""
    logdir = place(flags)
    require_of_mode(flags)
    if flags.init_from is not None:
        initial_weights.source(flags.init_from)
    if flags.mode == "train":
        manifest.require_folder(logdir)
    if manifest.exists(logdir):
        return resumed(logdir, flags)
    if flags.mode != "train":
        raise ValueError(f"no run in {logdir}: it has no {manifest.NAME}")
    if flags.override:
        raise ValueError(f"--override changes a run, and {logdir} holds none")
    others = manifest.require_free(logdir)
    if not flags.env:
        raise ValueError(f"--env is needed to start a run in {logdir}")
    setup = begun(logdir, flags)
    if others:
        print(f"{logdir} has other files, which stay: {', '.join(others)}", file=sys.stderr)
    return setup


def begun(logdir: Path, flags: Flags) -> Setup:
    """A new run; ValueError where the flags are wrong or contradict each other."""
    assert flags.env is not None
    family = envs.family(flags.env)
    platform = mesh.make(1).devices.flat[0].platform
    own = configs.default(flags.env, family, platform=platform, agent=flags.agent or "")
    preset = flags.config or own
    loaded = configs.load(preset, family=family, options=envs.default_options(flags.env))
    agent = flags.agent or name_of(loaded.agent)
    config, auto, sources = with_agent(loaded, agent), left_open(flags), dict[str, Source]()
    if flags.init_from is not None:
        sources[INIT_FROM] = initial_weights.source(flags.init_from)
        same_size = with_size_of(config, sources[INIT_FROM].logdir)
        config = same_size if SIZE in auto else config
        auto = tuple(name for name in auto if name != SIZE)
    config = with_flags(config, flags)
    config_.resolve(config)  # finds mistakes
    reward = None
    if config.reward.logdir:
        sources[REWARD] = initial_weights.source(config.reward.logdir)
        reward = reward_source.find(sources[REWARD].logdir)
    return Setup(
        env=flags.env,
        preset=preset,
        agent=agent,
        seed=flags.seed or 0,
        config=config,
        mesh="data=1" if flags.mesh is None else flags.mesh,
        logdir=logdir,
        auto=auto,
        deterministic=bool(flags.deterministic),
        sources=sources,
        reward=reward,
    )


def stored(logdir: Path, trusted: str | None = None) -> Setup:
    """The run that was started in `logdir`, as it was started.

    trusted: the environment that the user named. Another one must not import a module, because the
        config may come from a stranger: ValueError.
    """
    envs.require_trusted(logdir, manifest.read(logdir)["env"], trusted)
    return unplayed(logdir)


def unplayed(logdir: Path) -> Setup:
    """As `stored`, for a run whose environment is not made, and so imports nothing."""
    manifest.require_plain(logdir)
    run = manifest.read(logdir)
    if stage := run.get("stage"):
        raise ValueError(f"{logdir} holds the stage {stage!r} of --mode=fit, and no agent")
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
        deterministic=bool(run["deterministic"]),
        sources={
            name: initial_weights.source_from_json(saved) for name, saved in run["weights"].items()
        },
        reward=reward_source.from_json(run["reward"]),
    )


def resumed(logdir: Path, flags: Flags) -> Setup:
    """The run that was started in `logdir`; ValueError for a flag that contradicts it."""
    before, run = stored(logdir, flags.env), manifest.read(logdir)
    devices = before.mesh if flags.mesh is None else flags.mesh
    changed = manifest.changed_versions(run)
    if devices != before.mesh:
        mesh.parse(devices)
        changed.append(f"--mesh={before.mesh}, now {devices}")
    if changed:
        text = f"warning: {logdir} was started with {'; '.join(changed)}: numbers may differ"
        print(text, file=sys.stderr)
    config = config_.resolve(with_flags(before.config, flags))
    envs.require_trusted_options(logdir, config.env, flags.set)
    changes = manifest.differences(flatten(before.config, ""), flatten(config, ""))
    sources, others = same_sources(before.sources, flags, changes)
    asked = {"env": flags.env, "preset": flags.config, "agent": flags.agent, "seed": flags.seed}
    asked = {key: value for key, value in asked.items() if value is not None}
    fixed = {**manifest.differences(before._asdict(), asked), **others}
    files: dict[str, str] = run["files"]
    same = {path for path in sources if path not in others} | files.keys()
    changes = {path: values for path, values in changes.items() if path not in same}
    changes |= other_files(before.env, files, before=before.config, config=config)
    repeats, given = run["deterministic"], flags.deterministic
    if flags.mode == "train" and None not in (repeats, given) and repeats != given:
        changes["deterministic"] = (repeats, given)
    require_allowed(logdir, changes, fixed=fixed, override=flags.override)
    return before._replace(
        config=config,
        mesh=devices,
        deterministic=before.deterministic if given is None else given,
        sources=sources,
        changes=changes,
    )


def deterministic(flags: Flags) -> bool:
    """Whether a GPU must repeat itself: as the flags say, else as the run in the logdir began."""
    if flags.mode == "report":  # it uses no device, and the run may be damaged
        return False
    logdir = fit_setup.place(flags) if flags.mode == "fit" else place(flags)
    if flags.deterministic is None and manifest.exists(logdir):
        return bool(manifest.read(logdir)["deterministic"])
    return bool(flags.deterministic)


def with_size_of(config: Config, logdir: Path) -> Config:
    """The config with the size of the run in `logdir`, whose weights it is to take.

    Of a stage of --mode=fit it takes the sections that both have. ValueError if the run has another
    agent.
    """
    agent = name_of(config.agent)
    if fit_setup.is_fit(manifest.read(logdir)):
        stage = fit_setup.stored(logdir)
        sized: Any = fit_setup.with_sizes_of(config.agent, stage)
        return dataclasses.replace(config, agent=sized)
    other = unplayed(logdir)
    if other.agent not in (agent, *AGENTS[agent].relatives):
        text = f"has the agent {other.agent!r}, whose weights {agent!r} cannot use"
        raise ValueError(f"{other.logdir} {text}")
    ours: Any = config.agent
    sized = fit_setup.with_sections_of(ours, other.config.agent, AGENTS[agent].sizes)
    return dataclasses.replace(config, agent=sized)


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
