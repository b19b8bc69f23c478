"""Frames of videos and of folders of images, one at a time."""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
import numpy as np
from PIL import Image as Picture

from envs.kinds import Image

VIDEOS = (".mp4", ".mkv", ".gif", ".webm", ".mov", ".avi", ".m4v")
IMAGES = (".png", ".jpg", ".jpeg")
LARGEST = 4_096  # pixels of a side
FASTEST = 1_000.0  # frames a second
IMAGE_RATE = 30.0  # frames a second of a folder of images, unless --rate says so
SLACK = 1e-6  # seconds by which two times may differ and still be the same


class Look(NamedTuple):
    """What becomes of a frame."""

    size: tuple[int, int] | None  # height, width
    crop: tuple[int, int, int, int] | None  # top, left, bottom, right
    gray: bool
    rate: float | None  # frames a second; None: every frame


class Frame(NamedTuple):
    """One frame as it will be recorded."""

    image: np.ndarray  # [height, width, channels] uint8
    time: float  # seconds since the first frame
    number: int  # of the frame of the video, from 0


def look(*, size: str | None, crop: str | None, gray: bool, rate: float | None) -> Look:
    """Reads the flags of these names; ValueError for what is no size, crop or rate."""
    height_width = re.fullmatch(r"(\d+)x(\d+)", size) if size else None
    if size and not (height_width and all(0 < int(n) <= LARGEST for n in height_width.groups())):
        raise ValueError(f"--size={size}: expected HEIGHTxWIDTH in pixels, such as 144x160")
    edges = re.fullmatch(r"(\d+),(\d+),(\d+),(\d+)", crop) if crop else None
    if crop and not edges:
        raise ValueError(f"--crop={crop}: expected TOP,LEFT,BOTTOM,RIGHT in pixels")
    if rate is not None and not 0 < rate <= FASTEST:
        raise ValueError(f"--rate={rate:g}: expected frames a second, above 0, at most {FASTEST:g}")
    return Look(
        size=(int(height_width[1]), int(height_width[2])) if height_width else None,
        crop=(int(edges[1]), int(edges[2]), int(edges[3]), int(edges[4])) if edges else None,
        gray=gray,
        rate=rate,
    )


def find(given: Sequence[Path]) -> list[Path]:
    """The videos among files and folders: a folder has videos, or it is one of images.

    Raises:
        ValueError: a path does not exist, or a folder has neither.
    """
    found: list[Path] = []
    for path in given:
        if not path.is_dir():
            if not path.exists():
                raise ValueError(f"{path} does not exist")
            found.append(path)
        else:
            inside = sorted(path.iterdir(), key=natural)
            videos = [x for x in inside if x.suffix.lower() in VIDEOS or _has_images(x)]
            if not videos and not images(path):
                raise ValueError(f"{path} has no video and no images (PNG or JPEG)")
            found += videos or [path.resolve()]
    return list(dict.fromkeys(found))


def images(folder: Path) -> list[Path]:
    """The images of a folder, frame10 after frame9."""
    return sorted((x for x in folder.iterdir() if x.suffix.lower() in IMAGES), key=natural)


def natural(path: Path) -> list[tuple[int, str]]:
    """A key of sorting that reads numbers in names as numbers."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def space(shape: tuple[int, int, int]) -> Image:
    """The space of frames."""
    return Image(*shape)


def shape(path: Path, look: Look) -> tuple[int, int, int]:
    """The shape of the first frame of a video, as it will be recorded."""
    with closing(read(path, look)) as found:
        for frame in found:
            height, width, channels = frame.image.shape
            return height, width, channels
    raise ValueError(f"{path} has no frames")


def read(path: Path, look: Look) -> Generator[Frame]:
    """The frames of a video, one at a time.

    At a rate, frame k is the one that was on screen at second k / rate, by the time stamps of the
    video.

    Raises:
        ValueError: the file is no video, or it is damaged.
    """
    raw = _images(path, look) if path.is_dir() else _decoded(path)
    for image, time, number in _at_rate(raw, look.rate):
        yield Frame(_seen(image, look, path), time, number)


Raw = tuple[Any, float, int]  # a frame of PyAV or a picture of Pillow, its time, its number


def _at_rate(raw: Iterator[Raw], rate: float | None) -> Iterator[Raw]:
    """Frames at a fixed rate; a frame lasts until the next one."""
    if rate is None:
        yield from raw
        return
    shown: Raw | None = None
    count = 0
    for frame in raw:
        while shown is not None and count / rate < frame[1] - SLACK:
            yield shown[0], count / rate, shown[2]
            count += 1
        shown = frame
    if shown is not None and count / rate <= shown[1] + SLACK:
        yield shown[0], count / rate, shown[2]


def _decoded(path: Path) -> Iterator[Raw]:
    """The frames of a file of video."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} has no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            first, last = None, -1.0
            for number, frame in enumerate(container.decode(stream)):
                rate = float(stream.average_rate or 0) or IMAGE_RATE
                time = number / rate if frame.time is None else float(frame.time)
                first = time if first is None else first
                last = max(time - first, last)
                yield frame, last, number
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{path} cannot be read as a video: {reason}") from None


def _images(folder: Path, look: Look) -> Iterator[Raw]:
    """The images of a folder; they follow each other at the rate that is asked for."""
    rate = look.rate or IMAGE_RATE
    for number, file in enumerate(images(folder)):
        try:
            with Picture.open(file) as picture:
                yield picture.convert("RGB"), number / rate, number
        except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{file} cannot be read as an image: {reason}") from None


def _seen(raw: Any, look: Look, path: Path) -> np.ndarray:
    """A frame or picture, cut, resized and as an array."""
    picture = raw.to_image() if isinstance(raw, av.VideoFrame) else raw
    if look.crop:
        top, left, bottom, right = look.crop
        if not (top < bottom <= picture.height and left < right <= picture.width):
            crop = ",".join(map(str, look.crop))
            text = f"--crop={crop} is not inside of {path}, whose frames have"
            raise ValueError(f"{text} {picture.height}x{picture.width}")
        picture = picture.crop((left, top, right, bottom))
    if max(picture.size) > LARGEST and not look.size:
        text = f"{path} has frames of {picture.height}x{picture.width}; --size makes them smaller"
        raise ValueError(text)
    if look.gray:
        picture = picture.convert("L")
    if look.size and (picture.height, picture.width) != look.size:
        # By area, like `envs.resize`: nothing flickers, and growing keeps sharp edges.
        picture = picture.resize(look.size[::-1], Picture.Resampling.BOX)
    found = np.asarray(picture)
    return found[..., None] if look.gray else found


def _has_images(path: Path) -> bool:
    return path.is_dir() and bool(images(path))
