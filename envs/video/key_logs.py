"""Logs of what was pressed during a video.

A log is CSV with a header, or one JSON object a line. Each entry has a `time` in seconds or a
`frame` of the video, from 0, and the `action` that holds from then on until the next entry: a name,
the number of a choice, or several numbers. In CSV, several numbers are separated by spaces.

    time,action          {"frame": 0, "action": "noop"}
    0.0,noop             {"frame": 31, "action": "right+a"}
    1.03,right+a
"""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from gymnasium import spaces

from envs.kinds import AnySpace

SUFFIXES = (".csv", ".jsonl")
KEY = "action"
MOST_CLASSES = 4_096
NO_ACTIONS: dict[str, AnySpace] = {}

Value = str | tuple[float, ...]  # a name, or numbers


class Log(NamedTuple):
    """The entries of a log in their order."""

    path: Path
    by_frame: bool  # whether `at` are frames, or seconds
    at: tuple[float, ...]
    values: tuple[Value, ...]


class Actions(NamedTuple):
    """What the numbers of actions mean."""

    space: dict[str, AnySpace]  # empty without a log
    names: tuple[str, ...]  # of choices that have names


def read_all(where: Path, videos: Sequence[Path], *, names: Sequence[str]) -> dict[Path, Log]:
    """The log of each video: one file for one video, or a folder of logs with their names.

    Raises:
        ValueError: a log is missing or not valid.
    """
    if not where.is_dir():
        if len(videos) > 1:
            text = f"--actions={where} is one log for {len(videos)} videos; name a folder with"
            raise ValueError(f"{text} a log for each, such as {videos[0].stem}.csv")
        return {videos[0]: read(where, names=names)}
    found: dict[Path, Log] = {}
    for video in videos:
        files = [where / f"{video.stem}{suffix}" for suffix in SUFFIXES]
        there = [file for file in files if file.exists()]
        if not there:
            raise ValueError(f"{where} has no {video.stem}.csv or .jsonl for {video.name}")
        found[video] = read(there[0], names=names)
    return found


def read(path: Path, *, names: Sequence[str] = ()) -> Log:
    """Reads a log; ValueError, in one line, with the number of a line that is not valid."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is no log of actions: expected {' or '.join(SUFFIXES)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    entries = _csv(text) if path.suffix.lower() == ".csv" else _jsonl(text)
    at, values, units = list[float](), list[Value](), set[str]()
    for line, entry in entries:
        try:
            unit, when, value = _entry(entry, names)
            units.add(unit)
            if at and when < at[-1]:
                raise ValueError("it is earlier than the line before")
            if len(units) > 1:
                raise ValueError("a log has either times or frames")
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from None
        at.append(when)
        values.append(value)
    if not at:
        raise ValueError(f"{path} has no entries")
    return Log(path, units == {"frame"}, tuple(at), tuple(values))


def space(logs: Sequence[Log], names: Sequence[str]) -> Actions:
    """The space of the actions of some logs.

    Names are choices, in the order of `names` or of the alphabet. Whole numbers from 0 on are
    choices, others are from -1 to 1.
    """
    values = [value for log in logs for value in log.values]
    if not values:
        return Actions(dict(NO_ACTIONS), ())
    named = {value for value in values if isinstance(value, str)}
    numbers = {value for value in values if not isinstance(value, str)}
    if named and numbers:
        raise ValueError("logs of actions have both names and numbers")
    if named:
        order = tuple(names) if names else tuple(sorted(named))
        if len(set(order)) < len(order):
            raise ValueError("--action_names has a name twice")
        return Actions({KEY: spaces.MultiDiscrete([len(order)])}, order)
    if len({len(value) for value in numbers}) > 1:
        raise ValueError("the actions of the logs have different lengths")
    found = np.array(sorted(numbers))
    if (found >= 0).all() and (found == np.round(found)).all():
        if found.max() >= MOST_CLASSES:
            raise ValueError(f"a log has the action {found.max():g}; at most {MOST_CLASSES - 1}")
        classes = found.max(0).astype(int) + 1
        if names:
            classes = np.maximum(classes, len(names))
        return Actions({KEY: spaces.MultiDiscrete(np.maximum(classes, 2))}, tuple(names))
    if np.abs(found).max() > 1:
        raise ValueError("actions that are no whole numbers must be from -1 to 1")
    return Actions({KEY: spaces.Box(-1, 1, found.shape[1:], np.float32)}, ())


def array(value: Value | None, actions: Actions) -> np.ndarray:
    """One action [1, n] in the type of its space; zeros for None."""
    given: Any = actions.space[KEY]
    dtype = np.float32 if isinstance(given, spaces.Box) else np.int32
    if value is None:
        return np.zeros((1, *given.shape), dtype)
    numbers = (actions.names.index(value),) if isinstance(value, str) else value
    return np.array([numbers], dtype)


def _csv(text: str) -> list[tuple[int, Any]]:
    reader = csv.DictReader(text.splitlines())
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error:  # such as a field of many megabytes
        return [(reader.line_num + 1, None)]


def _jsonl(text: str) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for line, content in enumerate(text.splitlines(), 1):
        if content.strip():
            try:
                found.append((line, json.loads(content)))
            except (ValueError, RecursionError):
                found.append((line, None))
    return found


def _entry(entry: Any, names: Sequence[str]) -> tuple[str, float, Value]:
    """'time' or 'frame', when it is, and the action."""
    if not isinstance(entry, dict):
        raise ValueError("expected an object with time or frame, and action")
    fields = cast(dict[str, Any], entry)
    units = [unit for unit in ("time", "frame") if fields.get(unit) not in (None, "")]
    if len(units) != 1 or fields.get(KEY) in (None, ""):
        raise ValueError("expected time or frame, and action")
    try:
        when = float(fields[units[0]])
    except (TypeError, ValueError, OverflowError):
        when = math.nan
    if not math.isfinite(when) or when < 0:
        raise ValueError(f"{units[0]} is {fields[units[0]]!r}, and not a number from 0 on")
    return units[0], when, _value(fields[KEY], names)


def _value(given: Any, names: Sequence[str]) -> Value:
    """A name, or numbers."""
    parts = (
        given.split() if isinstance(given, str) else given if isinstance(given, list) else [given]
    )
    try:
        numbers = tuple(float(x) for x in cast(list[Any], parts))
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if numbers and all(math.isfinite(x) for x in numbers):
        return numbers
    if not isinstance(given, str):
        raise ValueError(f"action is {given!r}; expected a name or numbers")
    name = given.strip()
    if names and name not in names:
        raise ValueError(f"the action {name!r} is not among {', '.join(names)}")
    return name
