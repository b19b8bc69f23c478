"""What ends a run although its user did nothing wrong."""

import sys


class Fault(Exception):
    """Ends the run with exit code 1 and its message, which is one line, instead of a traceback."""


class Damaged(Fault):
    """A file of a checkpoint is missing, cut short, changed, or never was what it should be."""


class Diverged(Fault):
    """A loss or a parameter is not finite any more."""


def said(error: Exception) -> str:
    """An error in one line that can be printed, without the number that the system has for it."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror + (f": {error.filename}" if error.filename else "")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def news(lost: "sys.UnraisableHookArgs") -> None:
    """As `sys.unraisablehook`: shows what nobody could catch, but for the echoes of a failed write.

    Orbax closes its event loop at the first of them; each write still under way then fails to
    report to it, from a thread of its own and with a traceback of its own.
    """
    if str(lost.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(lost)
