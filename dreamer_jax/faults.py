"""Errors that end a run although its user made no mistake."""

import sys


class Fault(Exception):
    """Ends the run with exit code 1 and its message, which is one line, instead of a traceback."""


class Damaged(Fault):
    """A file of a checkpoint is missing, truncated or changed, or was never a valid one."""


class Mismatch(Fault):
    """A checkpoint holds other arrays than the run would have."""


class Diverged(Fault):
    """A loss or a parameter is no longer finite."""


class LoadError(Exception):
    """A run cannot be loaded: it is missing, damaged or another one. Its message is one line."""


def one_line(error: BaseException) -> str:
    """The message of an error in one printable line, without the number of a system error."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror + (f": {error.filename}" if error.filename else "")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def quiet_unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """A `sys.unraisablehook` that drops the "Event loop is closed" noise after a failed write.

    Orbax closes its event loop at the first failed write. Each write that is still under way then
    fails to report to it, in its own thread and with its own traceback.
    """
    if str(lost.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(lost)
