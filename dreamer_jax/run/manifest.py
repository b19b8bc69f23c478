"""config.json: what a run was started with, and what was changed of it since."""

import dataclasses
import fcntl
import importlib.metadata
import json
import math
import os
import platform
import re
import typing
from pathlib import Path
from typing import Any, TextIO, cast

from dreamer_jax import __version__
from dreamer_jax.host import text_files

NAME = "config.json"
LOCK = "lock"
FOLDERS = ("checkpoints", "replay", "best")
MADE = ("evaluations", "dreams", "page")  # folders that other modes write
EVENTS = "events.out.tfevents"  # start of the names of TensorBoard's files
LONGEST_LOCK = 1_000  # bytes
RECORD = (
    *FOLDERS,
    *("metrics.jsonl", "episodes.jsonl", "milestones.jsonl", "diagnosis.jsonl", "trackers.json"),
)
FIELD_TYPES = {
    **{"env": str, "preset": str, "agent": str, "seed": int, "config": dict, "mesh": str},
    **{"auto": list, "spaces": dict, "versions": dict},
}
# Fields that runs of earlier versions lack. An empty one stands for a missing one.
LATER = {"history": list, "files": dict, "weights": dict, "reward": dict}
ADDED = ("reward",)  # sections of the config that runs of earlier versions lack
# What a resume may change, because nothing that is learned depends on it. A run may be made longer.
# Its recording may move: its checksum is compared instead.
CHANGEABLE = (
    *("train.steps", "train.save_every", "train.keep", "train.keep_every"),
    *("train.log_every", "train.log_seconds", "train.report_every", "train.report_seconds"),
    *("train.diagnosis", "train.eval_every", "train.eval_episodes", "train.eval_envs"),
    "train.keep_best",
    *("replay.seed_from", "env.timeout", "env.first_copy", "env.replay"),
)


def exists(logdir: Path) -> bool:
    """Whether a run was started in `logdir`."""
    return (logdir / NAME).exists()


def write(logdir: Path, run: dict[str, Any]) -> None:
    """Writes `run`, and the versions that it was started with; both are needed to restore it."""
    logdir.mkdir(parents=True, exist_ok=True)
    begun = read(logdir)["versions"] if exists(logdir) else versions()
    text_files.write(logdir / NAME, json.dumps({**run, "versions": begun}, indent=2) + "\n")


def state(logdir: Path) -> tuple[bytes, set[str]]:
    """The config of a run and the names of its checkpoints, which decide how it resumes."""
    config, checkpoints = logdir / NAME, logdir / "checkpoints"
    names = {path.name for path in checkpoints.iterdir()} if checkpoints.is_dir() else set[str]()
    return config.read_bytes() if config.is_file() else b"", names


def require_plain(logdir: Path) -> None:
    """ValueError if anything that belongs to a run is a link, or neither file nor folder.

    A run from a stranger could use a link to write or remove files elsewhere. A file in the place
    of a folder would only be found when the run is saved.
    """
    for path in (logdir / name for name in RECORD):
        if path.exists() and path.is_dir() != (path.name in FOLDERS):
            raise ValueError(f"{path} should be a {'folder' if path.name in FOLDERS else 'file'}")
    below = [path for name in (*FOLDERS, *MADE) for path in (logdir / name).rglob("*")]
    for path in [*logdir.glob("*"), *below]:
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is neither a plain file nor a folder: such a run is not used")


def require_folder(logdir: Path) -> None:
    """ValueError if `logdir` is a file, or a new folder that could not be made."""
    there = next((path for path in (logdir, *logdir.absolute().parents) if path.exists()), logdir)
    if there.exists() and not there.is_dir():
        raise ValueError(f"--logdir={logdir}{f': {there}' * (there != logdir)} is a file")
    if there != logdir and not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"--logdir={logdir}: no permission to write in {there}")


def require_free(logdir: Path) -> list[str]:
    """The names of what lies in the folder of a new run, and stays as it is.

    ValueError if a run would write over one of them, or mix its curves with those of another run.
    """
    if not logdir.is_dir():
        return []
    names = sorted(path.name for path in logdir.iterdir())
    others = [name for name in names if name in RECORD or name.startswith(EVENTS)]
    if LOCK in names and not _is_lock(logdir / LOCK):
        others.append(LOCK)
    if others:
        text = f"{logdir} has {', '.join(others)}, but no {NAME} that names their run"
        raise ValueError(f"{text}; use another --logdir")
    require_plain(logdir)  # a run next to links could not be resumed
    return [name for name in names if name not in (LOCK, f"{NAME}.partial")]


def _is_lock(path: Path) -> bool:
    """Whether a file is what a killed process left of its lock."""
    if not path.is_file() or path.stat().st_size > LONGEST_LOCK:
        return False
    return re.fullmatch(rb"(process \d+ on [^\n]*\n)?", path.read_bytes()) is not None


def lock(logdir: Path) -> TextIO:
    """Locks `logdir` until the returned file is closed or this process ends.

    Raises ValueError, naming process and host, if another process holds the lock.
    """
    logdir.mkdir(parents=True, exist_ok=True)
    path = logdir / LOCK
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise ValueError(f"{logdir} is in use by {holder}") from None
    if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
        file.close()  # the process that held it has just removed the logdir
        return lock(logdir)
    holder = f"process {os.getpid()} on {platform.node()}\n"
    try:
        file.truncate(0)
        os.write(file.fileno(), holder.encode())
    except OSError as error:
        unlock(logdir, file)
        raise OSError(error.errno, f"{error.strerror}: {path}") from error
    return file


def unlock(logdir: Path, held: TextIO) -> None:
    """Releases a lock. Removes a `logdir` that holds nothing else."""
    with held:
        if logdir.is_dir() and [path.name for path in logdir.iterdir()] == [LOCK]:
            (logdir / LOCK).unlink()
            logdir.rmdir()


def read(logdir: Path) -> dict[str, Any]:
    """Reads what `write` wrote; ValueError in one line if it is missing or damaged."""
    path = logdir / NAME
    if not path.exists():
        raise ValueError(f"no run in {logdir}: it has no {NAME}")
    if not path.is_file():  # reading a pipe would never end
        raise ValueError(f"{path} should be a file")
    try:
        run = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        text = f"{path} is not readable as JSON"
        raise ValueError(f"{text}; use a copy of it, or another --logdir") from None
    if not isinstance(run, dict):
        raise ValueError(f"{path} holds no run")
    run = cast(dict[str, Any], run)
    for name, kind in FIELD_TYPES.items():
        if type(run.get(name)) is not kind:
            raise ValueError(f"{path}: {name} should be of type {kind.__name__}")
    for name, kind in LATER.items():
        if type(run.setdefault(name, kind())) is not kind:
            raise ValueError(f"{path}: {name} should be of type {kind.__name__}")
    if type(run.setdefault("deterministic", None)) not in (bool, type(None)):
        raise ValueError(f"{path}: deterministic should be of type bool")
    return run


def rebuild(like: Any, values: Any, *, path: str = "config") -> Any:
    """The inverse of `dataclasses.asdict`: a dataclass of the same types as `like`.

    A missing value is one that a later version has added: it is the default of its field.
    ValueError, naming its path, for a section that is missing, and for a field that is unknown or
    of another type.
    """
    names = {field.name for field in dataclasses.fields(like)}
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected the fields {sorted(names)}, not {values!r}")
    values = _added(like) | cast(dict[str, Any], values)
    for text, wrong in (("lacks", names - set(values)), ("has unknown", set(values) - names)):
        if wrong:
            listed = ", ".join(sorted(wrong))
            raise ValueError(f"{path} {text} fields ({listed}): it does not match this version")
    kinds, children = typing.get_type_hints(type(like)), dict[str, Any]()
    for name, value in values.items():
        here, child = f"{path}.{name}", getattr(like, name)
        if dataclasses.is_dataclass(child):
            children[name] = rebuild(child, value, path=here)
        elif type(value) is kinds[name] or (kinds[name] is float and type(value) is int):
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{here}: {value} is not finite")
            children[name] = value
        else:
            raise ValueError(f"{here}: expected {kinds[name].__name__}, not {value!r}")
    return dataclasses.replace(like, **children)


def _added(like: Any) -> dict[str, Any]:
    """Field -> default, for what a later version may have added to a dataclass."""
    found = dict[str, Any]()
    for field in dataclasses.fields(like):
        section = dataclasses.is_dataclass(child := getattr(like, field.name))
        if section and field.name in ADDED:
            found[field.name] = dataclasses.asdict(cast(Any, type(child)()))
        elif field.default is not dataclasses.MISSING and not section:
            found[field.name] = field.default
    return found


def versions() -> dict[str, str]:
    """Versions of the software that the numbers of a run depend on."""
    found = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax")}
    return {"dreamer_jax": __version__, "python": platform.python_version(), **found}


def changed_versions(run: dict[str, Any]) -> list[str]:
    """Each version that differs from that in `run`, as `jax 0.10.1, now 0.10.2`."""
    before = run.get("versions", {})
    return [
        f"{name} {before.get(name)}, now {version}"
        for name, version in versions().items()
        if before.get(name) != version
    ]


def differences(saved: dict[str, Any], asked: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Path -> (saved, asked), for each value of `asked` that is another one in `saved`."""
    return {
        path: (saved.get(path), value) for path, value in asked.items() if saved.get(path) != value
    }


def contradiction(path: str, values: tuple[Any, Any]) -> str:
    """A difference in words: what is saved there, and what was asked for."""
    return f"{path} is {values[0]!r} there, not {values[1]!r}"
