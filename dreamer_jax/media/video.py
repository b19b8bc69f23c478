"""Films as files: MP4 for people and pages, GIF for where nothing else is shown."""

import io
import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image

FORMATS = (".mp4", ".gif")
QUALITY = 18  # of x264, constant rate factor: lower is better, and 18 looks lossless
LONGEST_GIF = 65_535  # hundredths of a second that a frame of a GIF may last
FASTEST_GIF = 50  # frames per second


def save(path: Path, frames: Iterable[np.ndarray], *, rate: float) -> None:
    """Writes a film; the suffix of `path` chooses the format, one of `FORMATS`.

    Args:
      path: is overwritten.
      frames: [h, w, 3] uint8 each, all of one size; at least one.
      rate: frames per second.

    Raises:
      ValueError: another suffix, no frames, or frames of several sizes.
      OSError: the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: a film ends in {' or '.join(FORMATS)}")
    path.write_bytes(mp4(frames, rate=rate) if path.suffix == ".mp4" else gif(frames, rate=rate))


def mp4(frames: Iterable[np.ndarray], *, rate: float) -> bytes:
    """An MP4 that every browser plays: H.264 with 4:2:0 colors. See `save`.

    Sides are extended to even numbers, as the format asks, by repeating the last row or column.
    """
    buffer, size = io.BytesIO(), None
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=_fraction(rate), options={"crf": str(QUALITY)})
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            even = _even(_checked(frame, size))
            if size is None:
                stream.height, stream.width = even.shape[:2]
            size = frame.shape
            file.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        if size is None:
            raise ValueError("a film needs at least one frame")
        file.mux(stream.encode())
    return buffer.getvalue()


def gif(frames: Iterable[np.ndarray], *, rate: float) -> bytes:
    """A GIF that repeats forever, with up to 256 colors in each frame. See `save`.

    Browsers slow down films of more than FASTEST_GIF frames per second, so those lose frames.
    """
    buffer, size, pictures = io.BytesIO(), None, list[Image.Image]()
    every = math.ceil(rate / FASTEST_GIF)
    for i, frame in enumerate(frames):
        size = _checked(frame, size).shape
        if i % every == 0:
            # As it will be written, in a third of the memory: all frames are held at once.
            pictures.append(Image.fromarray(frame).convert("P", palette=Image.Palette.ADAPTIVE))
    if not pictures:
        raise ValueError("a film needs at least one frame")
    times = durations(len(pictures), rate=rate / every)
    first, *others = pictures
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=times, loop=0)
    return buffer.getvalue()


def durations(frames: int, *, rate: float) -> list[int]:
    """Milliseconds of each frame: multiples of 10, as GIF asks, without drift."""
    ends = [10 * round(100 * i / rate) for i in range(frames + 1)]
    return [min(b - a, 10 * LONGEST_GIF) for a, b in pairwise(ends)]


def _fraction(rate: float) -> Fraction:
    return Fraction(rate).limit_denominator(1000)


def _checked(frame: np.ndarray, size: tuple[int, ...] | None) -> np.ndarray:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
        found = f"{list(frame.shape)} {frame.dtype}"
        raise ValueError(f"a frame of a film must be [h, w, 3] uint8, not {found}")
    if size is not None and frame.shape != size:
        raise ValueError(f"a film has frames of {list(size)} and of {list(frame.shape)}")
    return frame


def _even(frame: np.ndarray) -> np.ndarray:
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
