"""Lines for the user that go into no record."""

import sys
from collections.abc import Callable
from contextlib import suppress

Say = Callable[[str], None]  # prints a line


def say_on_stderr(text: str) -> None:
    """Prints a line; nobody has to listen."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def silent(_: str) -> None:
    """Prints nothing."""
