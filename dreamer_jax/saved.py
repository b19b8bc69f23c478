"""config.json: what a run was started with, which wins over what is asked for later."""

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

from dreamer_jax import __version__

NAME = "config.json"
CHANGEABLE = ("train.steps",)  # a run may be made longer; everything else stays as it began


def exists(logdir: Path) -> bool:
    """Whether a run was started in `logdir`."""
    return (logdir / NAME).exists()


def write(logdir: Path, run: dict[str, Any]) -> None:
    """Writes `run` and the versions it was made with; nothing else may tell how to restore it."""
    logdir.mkdir(parents=True, exist_ok=True)
    partial = logdir / f"{NAME}.partial"
    partial.write_text(json.dumps({**run, "versions": versions()}, indent=2) + "\n")
    partial.replace(logdir / NAME)  # complete or absent


def read(logdir: Path) -> dict[str, Any]:
    """What `write` wrote; ValueError in one line if it is missing or no longer readable."""
    path = logdir / NAME
    if not path.exists():
        raise ValueError(f"no run in {logdir}: it has no {NAME}")
    try:
        run = json.loads(path.read_text())
        missing = {"env", "preset", "seed", "config"} - set(run)
    except (json.JSONDecodeError, TypeError, UnicodeDecodeError):
        raise ValueError(f"{path} is not readable as JSON") from None
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}")
    return run


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    found = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax")}
    return {"dreamer_jax": __version__, "python": platform.python_version(), **found}


def contradictions(saved: dict[str, Any], asked: dict[str, Any], path: str = "") -> list[str]:
    """Each leaf that differs, as `path: saved, not asked`; `CHANGEABLE` ones do not count."""
    found = []
    for name, value in asked.items():
        here = f"{path}{name}"
        if isinstance(value, dict):
            found += contradictions(saved.get(name, {}), value, f"{here}.")
        elif here not in CHANGEABLE and saved.get(name) != value:
            found.append(f"{here} is {saved.get(name)!r} there, not {value!r}")
    return found
