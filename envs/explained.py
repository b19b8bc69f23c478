"""What an exception of somebody else's code says, in one line."""

import linecache
import os
import re
import sysconfig
import traceback
from pathlib import Path

import gymnasium

LONGEST = 200  # characters of a message
# Folders of code that is not the user's own, besides installed packages.
FOLDERS = (
    sysconfig.get_path("stdlib") + os.sep,
    str(Path(__file__).parent) + os.sep,
    os.path.dirname(str(gymnasium.__file__)) + os.sep,
)
INSTALLED = re.compile(r".*[/\\](?:site|dist)-packages[/\\]")  # start of the path of a package
# Installed packages that pass an error on more often than they cause it.
PASSED_ON = ("gymnasium" + os.sep, "numpy" + os.sep)
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # colors of a terminal


class Refused(ValueError):
    """Says in one line what is wrong. `explained` has nothing to add."""


def explained(error: BaseException) -> str:
    """Type, message and place of an error, such as `KeyError: 'goal' (my_levels.py:45)`.

    The place is the innermost frame of the user's own code, or else of an installed package that is
    not Gymnasium. There is none if the error has no such frame. A message is cut at `LONGEST`
    characters. The source line stands for a message that is empty.

    `Refused` and the errors of Gymnasium speak for themselves: only their message is told.
    """
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    message, place = _message(error), _place(error)
    if isinstance(error, (Refused, gymnasium.error.Error)) and message:
        return message
    where = ""
    if place:
        path, line = place
        source = "" if message else linecache.getline(path, line).strip()
        where = f" ({_short(path)}:{line}{f': {source}' if source else ''})"
    return f"{type(error).__name__}{f': {message}' if message else ''}{where}"


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # somebody else's `__str__`
        return ""
    text = "".join(x if x.isprintable() else " " for x in ESCAPES.sub("", text))
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _place(error: BaseException) -> tuple[str, int] | None:
    """File and line of the frame to be shown."""
    places = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if os.path.isfile(frame.f_code.co_filename)
    ]
    own = [at for at in places if not _is_installed(at[0])]
    packages = [
        at
        for at in places
        if INSTALLED.match(at[0]) and not INSTALLED.sub("", at[0]).startswith(PASSED_ON)
    ]
    return (own or packages or [None])[-1]


def _is_installed(path: str) -> bool:
    """Whether a file belongs to Python, to an installed package, or to this one."""
    return path.startswith(FOLDERS) or INSTALLED.match(path) is not None


def _short(path: str) -> str:
    """The path inside of its package, inside of the current folder, or the name of the file."""
    if INSTALLED.match(path):
        return INSTALLED.sub("", path)
    try:
        inside = os.path.relpath(path)
    except (OSError, ValueError):  # there is no current folder, or it is on another drive
        return os.path.basename(path)
    return os.path.basename(path) if inside.startswith(os.pardir) else inside
