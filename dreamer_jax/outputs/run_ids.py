"""trackers.json: the trackers of a run, and the name that it has in each of them."""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_jax.host import text_files

NAME = "trackers.json"
PROJECT = "dreamer-jax"  # that the runs are in, unless a variable of the tracker names another one


class Place(NamedTuple):
    """Where a run is in a tracker."""

    logdir: Path
    id: str  # of the run in this tracker, the same after every resume
    configuration: Mapping[str, Any]  # path -> value, as --set names them


class RunIds(NamedTuple):
    """What the file holds."""

    trackers: tuple[str, ...]  # that the run was last told to use
    runs: dict[str, str]  # tracker -> the id of the run there, kept over every resume


def read(logdir: Path) -> RunIds | None:
    """What the run in `logdir` has; None where there is no file.

    Raises ValueError in one line where the file is not one of this program.
    """
    path = logdir / NAME
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text())
        trackers, runs = found["trackers"], found["runs"]
        texts = [*trackers, *runs, *runs.values()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(texts)
        return RunIds(tuple(trackers), dict(runs))
    except (ValueError, TypeError, KeyError, AttributeError):
        text = "is not a list of trackers and their runs; without it, they begin new runs"
        raise ValueError(f"{path} {text}") from None


def claim(logdir: Path, trackers: Sequence[str], *, named: Collection[str]) -> RunIds:
    """Gives the run an id in each tracker in which it has none, and writes the file.

    trackers: all that the run uses. named: those of them in which runs have ids.

    Whenever the process dies, the file is complete: either as it was or as it is now.

    Raises OSError where it cannot be written, ValueError as `read`.
    """
    before = read(logdir)
    runs = before.runs if before else {}
    runs = {**{name: secrets.token_hex(8) for name in named}, **runs}
    now = RunIds(tuple(trackers), runs)
    if now != before:
        text_files.write(logdir / NAME, json.dumps(now._asdict(), indent=2) + "\n")
    return now
