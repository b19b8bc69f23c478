"""Reports: one page about the runs in a folder, or in several."""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.options import place, require_of_mode
from dreamer_jax.reports import files

NAME = "report.html"
OF_RUNS = ("agent", "config", "deterministic", "mesh", "override", "set", "size")  # flags
DEPTH = 4  # folders below that of --logdir which may hold runs
MOST_RUNS = 64
INNER = ("checkpoints", "replay", "evaluations", "dreams")  # of a run: no further runs lie there


def reporting(flags: Flags) -> Callable[[], None]:
    """Finds the runs, and returns the rest: reading them and writing the page.

    Nothing of a run is executed or imported: its files may come from a stranger.

    Raises:
      ValueError: no run is there, or there are too many; in one line.
    """
    require_of_mode(flags)
    for name in OF_RUNS:
        if getattr(flags, name) not in (None, False, []):
            raise ValueError(f"--{name} changes runs, and --mode=report only reads them")
    given = named(flags.logdir or str(place(flags)))
    logdirs = [found for folder in given for found in runs_in(folder)]
    logdirs = list(dict.fromkeys(logdirs))
    if len(logdirs) > MOST_RUNS:
        raise ValueError(f"{len(logdirs)} runs are more than a page holds: at most {MOST_RUNS}")
    out = Path(flags.out) if flags.out else (given[0] if len(given) == 1 else Path()) / NAME
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else f"needs the folder {out.parent}"
        raise ValueError(f"--out={out} {what}; name a file, such as --out={NAME}")

    def write() -> None:
        # Here, since SciPy and the library for films would slow down every start of the program.
        from dreamer_jax.commands.report_names import known
        from dreamer_jax.reports import groups, page, run_record

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
    if files.is_run(folder):
        return [folder]
    found, level = list[Path](), [folder]
    for _ in range(DEPTH):
        below = [x for each in level for x in sorted(each.iterdir()) if is_folder(x)]
        found += [each for each in below if files.is_run(each)]
        level = [each for each in below if not files.is_run(each)]
    if not found:
        raise ValueError(f"no run in {folder}: neither {files.CONFIG} nor {files.METRICS}")
    return sorted(found)


def is_folder(path: Path) -> bool:
    """Whether runs may lie in a folder, or further below."""
    usual = path.is_dir() and not path.is_symlink() and path.name not in INNER
    return usual and not path.name.startswith(".") and os.access(path, os.R_OK | os.X_OK)


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
