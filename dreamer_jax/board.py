"""TensorBoard events, written by whoever has them.

A thread that writes them would die of a full disk alone, and leave the run to wait for ever.
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

protos: Any = event_pb2  # its classes are made when it is imported
FLUSH_SECONDS = 10  # between two writes to the disk


class Board:
    """One file of events in a logdir; TensorBoard forgets earlier ones from `first_step` + 1 on."""

    def __init__(self, logdir: Path, first_step: int) -> None:
        self._events = EventsWriter(str(logdir / "events"), f".{os.getpid()}.{first_step}")
        self._flushed = time.monotonic()
        start = protos.SessionLog(status=protos.SessionLog.START)
        self._events.write_event(protos.Event(step=first_step + 1, session_log=start))

    def scalar(self, name: str, value: float, step: int) -> None:
        """A point of a curve."""
        self._add(summary.scalar(name, value), step)

    def image(self, name: str, array: np.ndarray, step: int) -> None:
        """A picture [H, W, 3] uint8."""
        self._add(summary.image(name, array, dataformats="HWC"), step)

    def close(self) -> None:
        """Writes what is left."""
        self._events.close()

    def _add(self, content: Any, step: int) -> None:
        self._events.write_event(protos.Event(wall_time=time.time(), step=step, summary=content))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._events.flush()
            self._flushed = time.monotonic()
