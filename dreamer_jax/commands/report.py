"""Reports: one page about the runs in a folder, or in several."""

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import configs
import envs
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.options import require_of_mode
from dreamer_jax.reports import files, groups, page, run_record
from dreamer_jax.reports.references import Scale
from dreamer_jax.reports.run_record import RunRecord
from envs.atari_scores import SCORES

NAME = "report.html"
DEPTH = 4  # folders below that of --logdir which may hold runs
MOST_RUNS = 64
INNER = ("checkpoints", "replay", "evaluations", "dreams")  # of a run: no further runs lie there
# Environment -> known scores. Those of random actions are means over 100 episodes or more, by
# `python -m experiments.random_agent`.
SCALES = {
    "cartpole": Scale(random=22.5, largest=500.0),
    "cartpole_pixels": Scale(random=22.5, largest=500.0),
    "gameboy_demo": Scale(random=1.21, success=0.14),
}


def reporting(flags: Flags) -> Callable[[], None]:
    """Finds the runs, and returns the rest: reading them and writing the page.

    Nothing of a run is executed or imported: its files may come from a stranger.

    Raises:
      ValueError: no run is there, or there are too many; in one line.
    """
    require_of_mode(flags)
    if not flags.logdir:
        raise ValueError("--logdir is needed: a run, several with commas, or a folder of runs")
    given = named(flags.logdir)
    logdirs = [found for folder in given for found in runs_in(folder)]
    logdirs = list(dict.fromkeys(logdirs))
    if len(logdirs) > MOST_RUNS:
        raise ValueError(f"{len(logdirs)} runs are more than a page holds: at most {MOST_RUNS}")
    out = Path(flags.out) if flags.out else (given[0] if len(given) == 1 else Path()) / NAME
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else f"needs the folder {out.parent}"
        raise ValueError(f"--out={out} {what}; name a file, such as --out={NAME}")

    def write() -> None:
        begun = time.monotonic()
        records = [run_record.read(logdir, now=time.time()) for logdir in logdirs]
        text = page.page(groups.grouped(records), known(records), made=now())
        replace(out, text)
        size, seconds = len(text.encode()) / 1e6, time.monotonic() - begun
        many = f"{len(records)} run{'s' * (len(records) > 1)}"
        print(f"{out}: {many}, {size:.1f} MB, {seconds:.1f} s", flush=True)

    return write


def named(text: str) -> list[Path]:
    """The folders of --logdir; ValueError for one that is not there.

    A folder with a comma in its name is found, too.
    """
    paths = [Path(text)] if Path(text).is_dir() else [Path(x) for x in text.split(",") if x]
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"--logdir={path}: there is no such folder")
    return paths


def runs_in(folder: Path) -> list[Path]:
    """The runs in a folder, which may be one itself; ValueError if there is none."""
    if run_record.is_run(folder):
        return [folder]
    found, level = list[Path](), [folder]
    for _ in range(DEPTH):
        below = [x for each in level for x in sorted(each.iterdir()) if is_folder(x)]
        found += [each for each in below if run_record.is_run(each)]
        level = [each for each in below if not run_record.is_run(each)]
    if not found:
        raise ValueError(f"no run in {folder}: neither {run_record.CONFIG} nor metrics")
    return sorted(found)


def is_folder(path: Path) -> bool:
    """Whether runs may lie in a folder, or further below."""
    usual = path.is_dir() and not path.is_symlink() and path.name not in INNER
    return usual and not path.name.startswith(".") and os.access(path, os.R_OK | os.X_OK)


def known(runs: Sequence[RunRecord]) -> page.Known:
    """Known scores, presets, and what a user has to trust, for these runs."""
    presets = {
        f"{preset} {run.env}": default
        for run in runs
        if (preset := files.text(run.config, "preset"))
        and (default := preset_of(preset, run)) is not None
    }
    scales = {run.env: found for run in runs if (found := scale(run.env))}
    return page.Known(scales, presets, {str(run.logdir): trust(run) for run in runs})


def scale(env: str) -> Scale | None:
    """Known scores of an environment; None if there are none."""
    prefix, _, rom = env.partition("_")
    if prefix == "atari" and rom in SCORES:
        random, human = SCORES[rom]
        return Scale(random=random, human=human)
    return SCALES.get(env)


def preset_of(preset: str, run: RunRecord) -> dict[str, Any] | None:
    """The flat config of a preset of this project; None if it is none, or for another family.

    Options of environments are modules of this project alone: no name of a run is imported.
    """
    if not any(run.env == form or run.env.startswith(start(form)) for form in envs.FORMS):
        return None
    try:
        family, options = envs.family(run.env), envs.default_options(run.env)
        loaded = configs.load(preset, family=family, options=options)
        found = dataclasses.replace(loaded, agent=loaded.agent.resolved())
    except (ValueError, ImportError):
        return None
    return groups.flat(dataclasses.asdict(found))


def start(form: str) -> str:
    """What names of this form begin with."""
    return form.partition("<")[0] if "<" in form else f"{form}\0"


def trust(run: RunRecord) -> list[str]:
    """Flags that name what a run imports, which its user has to confirm."""
    wrap = files.text(files.section(run.settings, "env"), "wrap")
    return envs.trust_flags(run.env, TrustedOptions(wrap))


@dataclasses.dataclass(frozen=True)
class TrustedOptions:
    """The option of an environment that a user has to confirm."""

    wrap: str


def replace(out: Path, text: str) -> None:
    """Writes a page, complete or not at all; a link in its place is not followed."""
    file, partial = tempfile.mkstemp(dir=out.parent, prefix=f"{out.name}.", suffix=".partial")
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(partial, 0o644)
        os.replace(partial, out)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def now() -> str:
    """The time, for people."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
