"""The record of a run for people: TensorBoard events.

The writer of tensorboardX has a thread. On a full disk the thread dies and the run hangs, so the
events are written here, by the thread that calls.
"""

import math
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import summary
from tensorboardX.proto import event_pb2, summary_pb2
from tensorboardX.record_writer import RecordWriter

from dreamer_jax.outputs.episode_sums import points

protos: Any = event_pb2  # its classes are made when it is imported
Summary: Any = summary_pb2.__dict__["Summary"]
FLUSH_SECONDS = 10  # between two writes of episodes to the disk


class TensorBoard:
    """A sink that writes one file of events.

    Metrics, pictures and films are on their way to the disk when the call returns, episodes with
    the next of them or after FLUSH_SECONDS. Values that are not finite are left out. Milestones are
    ignored.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        first_step: int,
        *,
        configuration: Mapping[str, Any] | None = None,
    ) -> None:
        """Opens a new file; TensorBoard hides the events of earlier files after `first_step`.

        configuration: is shown as a table among the texts.
        """
        root = Path(logdir)
        root.mkdir(parents=True, exist_ok=True)
        when, who = int(time.time()), f"{platform.node()}.{os.getpid()}.{first_step}"
        self._records = RecordWriter(str(root / f"events.out.tfevents.{when}.{who}"))
        self._flushed = time.monotonic()
        start = protos.SessionLog(status=protos.SessionLog.START)
        self._write(protos.Event(wall_time=time.time(), file_version="brain.Event:2"))
        self._write(protos.Event(step=first_step + 1, session_log=start))
        if configuration:
            lines = [f"| {name} | {value} |" for name, value in configuration.items()]
            table = "\n".join(["| name | value |", "|---|---|", *lines])
            self._add(summary.text("configuration", table), first_step + 1)
            self._flush()

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """A point for each value."""
        del frames, seconds, unfinished
        for name, value in values.items():
            self._point(name, value, step)
        self._flush()

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """Points for score and length; episodes that began at a milestone have their own curves."""
        del env
        for name, value in points(sums, start).items():
            self._point(name, value, step)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._flush()

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """Ignored."""

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """A picture [H, W, 3] uint8. Raises ValueError for any other array."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3:
            raise ValueError(
                f"image {name} must be [H, W, 3] uint8, not {list(pixels.shape)} {pixels.dtype}"
            )
        self._add(summary.image(name, pixels, dataformats="HWC"), step)
        self._flush()

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """A film [T, H, W, 3] uint8, as an animated picture among the others."""
        from dreamer_jax.media import video  # it imports a library for films

        _, height, width, channels = frames.shape
        shown = Summary.Image(
            height=height,
            width=width,
            colorspace=channels,
            encoded_image_string=video.gif(frames, rate=rate),
        )
        value = Summary.Value(tag=name, image=shown)
        self._add(Summary(value=[value]), step)
        self._flush()

    def close(self) -> None:
        """Writes buffered events and closes the file."""
        self._records.close()

    def _point(self, name: str, value: float, step: int) -> None:
        if math.isfinite(number := float(value)):
            self._add(summary.scalar(name, number), step)

    def _add(self, content: Any, step: int) -> None:
        self._write(protos.Event(wall_time=time.time(), step=step, summary=content))

    def _flush(self) -> None:
        self._records.flush()
        self._flushed = time.monotonic()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
