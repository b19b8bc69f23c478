"""A thread between a run and a tracker of somebody else: what fails there never harms the run."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from dreamer_jax.faults import one_line
from dreamer_jax.outputs.say import say_on_stderr
from dreamer_jax.outputs.sink import Sink

MOST_RECORDS = 1_000  # that wait; a tracker that is slower loses the next ones
MOST_BYTES = 64 << 20  # of pictures and films that wait
SILENT_SECONDS = 60.0  # in one call before the user hears of it
OPEN_SECONDS = 20.0  # that a tracker may take until it is open, and for its last call
CLOSE_SECONDS = 5.0  # without progress before the end of the run stops waiting


class Record(NamedTuple):
    """One call of a sink that waits."""

    call: Callable[[Sink], None]
    size: int  # bytes of its arrays


class Guarded:
    """A sink that passes every call to another one, in a thread.

    No call waits, and none raises. What the other sink raises is said once and loses that record
    alone. Where it cannot be opened, everything is dropped. Where it hangs, records wait until
    MOST_RECORDS or MOST_BYTES do, and the next ones are dropped. `close` waits while records are
    still written, but gives up after CLOSE_SECONDS in which none was. The other sink has
    OPEN_SECONDS for its own `close`.
    """

    stuck = False  # whether one was given up; its library may hang once more when Python exits

    def __init__(
        self,
        name: str,
        open_: Callable[[], Sink],
        *,
        say: Callable[[str], None] | None = None,
        close_seconds: float = CLOSE_SECONDS,
        open_seconds: float = OPEN_SECONDS,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        """Starts the thread, which opens the sink.

        name: of the tracker, in what is said. open_: imports its library and opens the sink.
        say: prints one line for the user, from either thread; on stderr unless given.
        """
        self._name, self._open = name, open_
        self.say = say or say_on_stderr  # prints a line for the user, from any thread
        self._close_seconds, self._silent_seconds = close_seconds, silent_seconds
        self._waiting = deque[Record]()
        self._bytes = 0  # in them
        self._changed = threading.Condition()
        self._closing = self._broken = False
        self._lost, self._said = 0, set[str]()
        self._busy, self._progress = True, time.monotonic()  # since when, if it is busy
        self._open_seconds = open_seconds
        self._patience = open_seconds  # at the end of the run, while the sink opens or closes
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """See `Sink`; returns at once."""
        kept = dict(values)
        self._put(
            lambda sink: sink.scalars(
                kept, step=step, frames=frames, seconds=seconds, unfinished=unfinished
            )
        )

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """See `Sink`; returns at once."""
        kept = dict(sums)
        self._put(lambda sink: sink.episode(kept, step=step, env=env, start=start))

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """See `Sink`; returns at once."""
        self._put(lambda sink: sink.milestone(name, step=step, hours=hours, env=env))

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """See `Sink`; returns at once. The array must not change afterwards."""
        self._put(lambda sink: sink.image(name, pixels, step=step), size=pixels.nbytes)

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """See `Sink`; returns at once. The array must not change afterwards."""
        self._put(lambda sink: sink.video(name, frames, step=step, rate=rate), size=frames.nbytes)

    def close(self) -> None:
        """Waits until everything is written, or nothing more is."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        while self._thread.is_alive():
            self._thread.join(0.05)
            patience = max(self._patience, self._close_seconds)
            if self._thread.is_alive() and time.monotonic() - self._progress > patience:
                self.say(f"warning: {self._name} did not finish; its last records may be missing")
                Guarded.stuck = True
                return
        if self._lost and not self._broken:
            self.say(f"warning: {self._name} lacks {self._lost} records of this run")

    def _put(self, call: Callable[[Sink], None], *, size: int = 0) -> None:
        with self._changed:
            if self._broken:
                return
            full = len(self._waiting) >= MOST_RECORDS or self._bytes + size > MOST_BYTES
            if full:
                self._lost += 1
            else:
                self._waiting.append(Record(call, size))
                self._bytes += size
                self._changed.notify_all()
        if full:
            self._once("is too slow; records that it cannot take are dropped, and training goes on")
        elif self._busy and time.monotonic() - self._progress > self._silent_seconds:
            text = f"has not answered for {self._silent_seconds:.0f} seconds; training goes on"
            self._once(text)

    def _work(self) -> None:
        sink = None
        with self._catching():
            sink = self._open()
        if sink is None:
            with self._changed:
                self._broken = True
                self._waiting.clear()
            return
        self._patience = 0.0
        while record := self._next():
            with self._catching():
                record.call(sink)
        with self._changed:  # one call may send everything that the library has kept
            self._patience, self._progress = self._open_seconds, time.monotonic()
        with self._catching():
            sink.close()

    def _next(self) -> Record | None:
        """The record that waits longest; None once the run has closed this sink."""
        with self._changed:
            self._busy = False
            while not self._waiting and not self._closing:
                self._changed.wait()
            self._busy, self._progress = True, time.monotonic()
            if not self._waiting:
                return None
            record = self._waiting.popleft()
            self._bytes -= record.size
            return record

    def _catching(self) -> "_Catching":
        return _Catching(self._failed)

    def _failed(self, error: BaseException) -> None:
        self._lost += 1
        self._once(f"failed, and training goes on: {type(error).__name__}: {one_line(error)}")

    def _once(self, text: str) -> None:
        kind = text.partition(" ")[0]
        if kind not in self._said:
            self._said.add(kind)
            self.say(f"warning: {self._name} {text}")


class _Catching:
    """Catches whatever a library raises, its own end of the program included."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is not None:
            self._failed(error)
        return True
