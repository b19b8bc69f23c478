"""Reads the files of a logdir, which may be missing, damaged, or made by a stranger."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

CONFIG, METRICS = "config.json", "metrics.jsonl"
LONGEST_LINE = 1_000_000  # bytes
MOST_LINES = 2_000_000  # of a file; later ones are not read
LARGEST_NUMBER = 1e100  # its square is finite
LARGEST_DOCUMENT = 2_000_000  # bytes
LARGEST_FILM = 200_000_000  # bytes


class Unreadable(Exception):
    """A file that cannot be used; the message is one line for the user."""


class Lines(NamedTuple):
    """A file of JSON lines."""

    rows: list[dict[str, Any]]
    notes: list[str]
    """What is wrong with the file, one line each"""


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, or what is left of one."""
    return any((folder / name).is_file() for name in (CONFIG, METRICS))


def opened(root: Path, name: str) -> BinaryIO:
    """Opens a file below `root`.

    The content of a page is passed on to others. A link in the logdir of a stranger could bring
    any file of this machine into it, and a pipe would never end.

    Args:
      root: the logdir; it may be a link itself.
      name: the path from there.

    Raises:
      FileNotFoundError: there is no such file.
      Unreadable: it is no plain file, a part of its path is a link, or reading is not permitted.
    """
    path, parts = root, Path(name).parts
    if Path(name).is_absolute() or ".." in parts or "\0" in name:
        raise Unreadable(f"{name} is not used: it does not lie in the logdir")
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise Unreadable(f"{name} is not used: {part} is a link")
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(name) from None
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Unreadable(f"{name} is not a plain file")
    return file


def content(root: Path, name: str, *, most: int) -> bytes:
    """All bytes of a file of at most `most` bytes. Raises as `opened`, Unreadable if larger."""
    with opened(root, name) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Unreadable(f"{name} is larger than {most / 1e6:.0f} MB, so it is not read")
    return data


def document(root: Path, name: str) -> dict[str, Any]:
    """The JSON object that a file holds. Raises as `content`, Unreadable if it holds none."""
    try:
        found: Any = json.loads(content(root, name, most=LARGEST_DOCUMENT))
    except (ValueError, RecursionError):
        raise Unreadable(f"{name} is not readable as JSON") from None
    if not isinstance(found, dict):
        raise Unreadable(f"{name} holds no JSON object")
    return cast(dict[str, Any], found)


def lines(root: Path, name: str) -> Lines:
    """The objects of a file of JSON lines; a missing file has none.

    Lines that are no objects are left out and counted. The last line may be half written.
    """
    try:
        with opened(root, name) as file:
            found = list(_parsed(file))
    except FileNotFoundError:
        return Lines([], [])
    except Unreadable as error:
        return Lines([], [str(error)])
    rows = [row for row in found if row is not None]
    damaged = len(found) - len(rows)
    notes = [f"{name}: {damaged} of {len(found)} lines are damaged and left out"] * bool(damaged)
    if len(found) == MOST_LINES:
        notes.append(f"{name}: only the first {MOST_LINES:,} lines are read")
    return Lines(rows, notes)


def _parsed(file: BinaryIO) -> Iterator[dict[str, Any] | None]:
    """Each line as an object, None where it is none."""
    for _ in range(MOST_LINES):
        line = file.readline(LONGEST_LINE)
        if not line:
            return
        try:
            row: Any = json.loads(line)
        except (ValueError, RecursionError):
            if line.endswith(b"\n") or len(line) == LONGEST_LINE:
                yield None  # else the run is writing this line at the moment
            continue
        yield cast(dict[str, Any], row) if isinstance(row, dict) else None


def names(root: Path, folder: str, *, suffix: str = "") -> list[str]:
    """Names of the plain files in a folder of the logdir, sorted; none if it is a link."""
    path = root / folder
    if (path != root and path.is_symlink()) or not path.is_dir():
        return []
    found = (each for each in path.iterdir() if each.is_file() and not each.is_symlink())
    return sorted(each.name for each in found if each.name.endswith(suffix))


def folders(root: Path, folder: str) -> list[str]:
    """Names of the folders in a folder of the logdir, sorted; links are left out."""
    path = root / folder
    if path.is_symlink() or not path.is_dir():
        return []
    return sorted(x.name for x in path.iterdir() if x.is_dir() and not x.is_symlink())


def number(value: Any) -> float | None:
    """The number that a value of JSON is, below LARGEST_NUMBER; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) < LARGEST_NUMBER else None


def section(value: Any, name: str) -> dict[str, Any]:
    """The object under a name of an object; {} where there is none."""
    found = cast(dict[str, Any], value).get(name) if isinstance(value, dict) else None
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def items(value: Any, name: str) -> list[Any]:
    """The list under a name of an object; [] where there is none."""
    found = cast(dict[str, Any], value).get(name) if isinstance(value, dict) else None
    return cast(list[Any], found) if isinstance(found, list) else []


def text(value: Any, name: str) -> str:
    """The text under a name of an object; '' where there is none."""
    found = cast(dict[str, Any], value).get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
