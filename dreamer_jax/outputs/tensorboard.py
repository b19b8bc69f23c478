"""TensorBoard events, written by whoever has them.

A thread that writes them would die of a full disk alone, and leave the run to wait for ever.
"""

import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import summary
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import RecordWriter

protos: Any = event_pb2  # its classes are made when it is imported
FLUSH_SECONDS = 10  # between two writes to the disk


class Board:
    """One file of events in a logdir; TensorBoard forgets earlier ones from `first_step` + 1 on."""

    def __init__(self, logdir: Path, first_step: int) -> None:
        when, who = int(time.time()), f"{platform.node()}.{os.getpid()}.{first_step}"
        self._records = RecordWriter(str(logdir / f"events.out.tfevents.{when}.{who}"))
        self._flushed = time.monotonic()
        start = protos.SessionLog(status=protos.SessionLog.START)
        self._write(protos.Event(wall_time=time.time(), file_version="brain.Event:2"))
        self._write(protos.Event(step=first_step + 1, session_log=start))

    def scalar(self, name: str, value: float, step: int) -> None:
        """A point of a curve."""
        self._add(summary.scalar(name, value), step)

    def image(self, name: str, array: np.ndarray, step: int) -> None:
        """A picture [H, W, 3] uint8."""
        self._add(summary.image(name, array, dataformats="HWC"), step)

    def close(self) -> None:
        """Writes what is left."""
        self._records.close()

    def _add(self, content: Any, step: int) -> None:
        self._write(protos.Event(wall_time=time.time(), step=step, summary=content))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._records.flush()
            self._flushed = time.monotonic()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
