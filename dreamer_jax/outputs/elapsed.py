"""The time that a wait has taken so far: a line that counts on a terminal, some lines elsewhere."""

import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from dreamer_jax.outputs.formats import clock

COUNT_SECONDS = 1.0  # between two states of the line on a terminal
LINE_SECONDS = 15.0  # between two plain lines
ERASE = "\r\x1b[K"  # back to the start of the line, which is cleared


class Elapsed:
    """Shows on stderr that the program still works, and for how long; a context.

    A thread writes, so the time moves while the main thread waits. Nothing is shown once stderr
    cannot be written.
    """

    def __init__(self, doing: str, *, done: str) -> None:
        """Shows 'doing 0:40' while the context lasts, and 'done in 0:43' unless it fails."""
        self._doing, self._done = doing, done
        self._stream = sys.stderr
        self._counts = self._stream.isatty()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._show()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None:
            text = f"{self._done} in {self._time()}"
            self._write(f"{ERASE}{text}\n" if self._counts else f"{text}\n")
        elif self._counts:
            self._write("\n")  # what follows begins a new line

    def _count(self) -> None:
        while not self._ended.wait(COUNT_SECONDS if self._counts else LINE_SECONDS):
            self._show()

    def _show(self) -> None:
        text = f"{self._doing} {self._time()}"
        self._write(f"{ERASE}{text}" if self._counts else f"{text}\n")

    def _time(self) -> str:
        return clock(time.monotonic() - self._began).removeprefix("0")

    def _write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
