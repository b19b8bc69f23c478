"""Decides what --mode=fit does from the flags and from the run that the logdir may hold."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from dreamer_jax import mesh
from dreamer_jax.commands.flag_modes import require_of_mode
from dreamer_jax.commands.flags import Flags
from dreamer_jax.pretraining import config as config_
from dreamer_jax.pretraining.by_name import STAGES
from dreamer_jax.pretraining.config import FitConfig
from dreamer_jax.run import initial_weights, manifest
from dreamer_jax.run.initial_weights import INIT_FROM, Source
from envs.settings import flatten, override

SectionsT = TypeVar("SectionsT")  # a dataclass of sections: of a stage, or of an agent
STAGE, DATA = "stage", "data"  # fields of config.json that runs of other modes lack
FOLDERS = "data.folders"


class FitSetup(NamedTuple):
    """Everything that the flags and the logdir decide."""

    stage: str
    seed: int
    config: FitConfig
    mesh: str
    logdir: Path
    source: Source | None = None
    """the checkpoint of another stage whose weights the run began with"""
    deterministic: bool = False
    digest: str = ""  # of the recordings that the run was started with; empty for a new one

    @property
    def folders(self) -> list[Path]:
        """The recordings."""
        return [Path(name) for name in self.config.data.folders.split(",") if name]


def is_fit(run: Mapping[str, Any]) -> bool:
    """Whether `manifest.read` returned a run of --mode=fit."""
    return isinstance(run.get(STAGE), str)


def decide(flags: Flags) -> FitSetup:
    """Reads flags and logdir; ValueError where they are wrong or contradict each other."""
    require_of_mode(flags)
    if flags.logdir is None and None in (flags.stage, flags.data):
        raise ValueError(
            "--mode=fit needs --stage and --data, such as --stage=tokenizer --data=recordings/x, "
            "or the --logdir of such a run"
        )
    logdir = place(flags)
    manifest.require_folder(logdir)
    if manifest.exists(logdir):
        return resumed(logdir, flags)
    manifest.require_free(logdir)
    if None in (flags.stage, flags.data):
        raise ValueError(f"--stage and --data are needed to start a run in {logdir}")
    return begun(logdir, flags)


def place(flags: Flags) -> Path:
    """The logdir."""
    names = "-".join(Path(name).name for name in (flags.data or "").split(","))
    usual = f"{flags.stage}-{names}-seed{flags.seed or 0}"
    return Path(flags.logdir or Path("logdir") / re.sub(r"[^\w.-]+", "_", usual))


def begun(logdir: Path, flags: Flags) -> FitSetup:
    """A new run; ValueError where the flags are wrong or contradict each other."""
    assert flags.stage is not None
    kind = STAGES[flags.stage]
    config, source = FitConfig(stage=kind.config()), None
    if flags.init_from is not None:
        source = initial_weights.source(flags.init_from)
        stage = with_sizes_of(config.stage, stored(source.logdir))
        config = replace(config, stage=stage)
    config = with_flags(config, flags)
    return FitSetup(
        stage=flags.stage,
        seed=flags.seed or 0,
        config=config_.resolve(config),
        mesh="data=1" if flags.mesh is None else flags.mesh,
        deterministic=bool(flags.deterministic),
        logdir=logdir,
        source=source,
    )


def stored(logdir: Path) -> FitSetup:
    """The run that was started in `logdir`, as it was started; ValueError if it is another kind."""
    manifest.require_plain(logdir)
    run = manifest.read(logdir)
    if not is_fit(run):
        raise ValueError(f"{logdir} holds the agent {run['agent']!r}, and no stage of --mode=fit")
    if (stage := run[STAGE]) not in STAGES:
        text = f"{logdir} has the stage {stage!r}, and this program has only {', '.join(STAGES)}"
        raise ValueError(f"{text}; use the program that defines it")
    file = f"{logdir / manifest.NAME}: config"
    config = manifest.rebuild(FitConfig(stage=STAGES[stage].config()), run["config"], path=file)
    weights = run["weights"].get(INIT_FROM)
    return FitSetup(
        stage=stage,
        seed=run["seed"],
        config=config,
        mesh=run["mesh"],
        deterministic=bool(run["deterministic"]),
        logdir=logdir,
        source=initial_weights.source_from_json(weights) if weights else None,
        digest=str(run.get(DATA, "")),
    )


def resumed(logdir: Path, flags: Flags) -> FitSetup:
    """The run that was started in `logdir`; ValueError for a flag that contradicts it.

    How long it learns and what it tells may change, and its recordings may lie elsewhere.
    """
    before = stored(logdir)
    config = config_.resolve(with_flags(before.config, flags))
    changes = manifest.differences(flatten(before.config, ""), flatten(config, ""))
    refused = {
        path: values
        for path, values in changes.items()
        if not path.startswith("fit.") and path != FOLDERS
    }
    asked = {"stage": flags.stage, "seed": flags.seed, "deterministic": flags.deterministic}
    asked = {name: value for name, value in asked.items() if value is not None}
    refused |= manifest.differences(before._asdict(), asked)
    if flags.init_from is not None:
        given = initial_weights.source(flags.init_from)
        if before.source is None or not initial_weights.is_same(before.source, given):
            refused[INIT_FROM] = (str(before.source.logdir if before.source else ""), given.logdir)
    if refused:
        text = "; ".join(manifest.contradiction(path, x) for path, x in refused.items())
        raise ValueError(f"{logdir} holds another run: {text}; use another --logdir")
    devices = before.mesh if flags.mesh is None else flags.mesh
    mesh.parse(devices)
    changed = manifest.changed_versions(manifest.read(logdir))
    changed += [f"--mesh={before.mesh}, now {devices}"] * (devices != before.mesh)
    if changed:
        text = f"warning: {logdir} was started with {'; '.join(changed)}: numbers may differ"
        print(text, file=sys.stderr)
    return before._replace(config=config, mesh=devices)


def with_flags(config: FitConfig, flags: Flags) -> FitConfig:
    """Applies --data, --set and --steps, in this order."""
    if flags.data is not None:
        config = replace(config, data=replace(config.data, folders=flags.data))
    for assignment in flags.set:
        config = override(config, assignment)
    if flags.steps is not None:
        config = replace(config, fit=replace(config.fit, updates=flags.steps))
    return config


def with_sizes_of(config: SectionsT, other: FitSetup) -> SectionsT:
    """The config with the sizes of a stage that it has, too, section by section."""
    return with_sections_of(config, other.config.stage, STAGES[other.stage].sizes)


def with_sections_of(config: SectionsT, other: Any, names: Sequence[str]) -> SectionsT:
    """The config with the sections `names` of another one, of those that both have.

    The type to compute in stays: it is that of a machine, and arrays do not depend on it.
    """
    taken = dict[str, Any]()
    for name in names:
        theirs, ours = getattr(other, name), cast(Any, getattr(config, name, None))
        if type(ours) is type(theirs):
            kept = {"dtype": ours.dtype} if hasattr(ours, "dtype") else {}
            taken[name] = replace(theirs, **kept)
    return cast(SectionsT, replace(cast(Any, config), **taken))
