"""What ends a run although its user did nothing wrong."""


class Fault(Exception):
    """Ends the run with exit code 1 and its message, which is one line, instead of a traceback."""


class Damaged(Fault):
    """A file of a checkpoint is missing, cut short, changed, or never was what it should be."""


class Diverged(Fault):
    """A loss or a parameter is not finite any more."""


def said(error: Exception) -> str:
    """An error in one line, without the number that the system has for it."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror + (f": {error.filename}" if error.filename else "")
    return " ".join(text.split())
