"""Finds the pictures in TensorBoard's files of events."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from google.protobuf.message import DecodeError
from tensorboardX.proto import event_pb2

from dreamer_jax.reports import files

protos: Any = event_pb2  # its classes are made when it is imported
PREFIX = "events.out.tfevents"
PNG = b"\x89PNG\r\n\x1a\n"
SMALLEST = 300  # bytes of a record with a picture; scalars are smaller
LARGEST = 20_000_000  # bytes of a record
MOST_TAGS = 12
DREAM = "dream: "  # begins the tags of pictures of --mode=dream
OLD_PREFIX = "report/"  # of the tags of earlier versions


class Picture(NamedTuple):
    """A picture of one moment."""

    tag: str  # such as 'world_model/screen'
    step: int
    png: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as the head of the file states them."""
        return int.from_bytes(self.png[16:20], "big"), int.from_bytes(self.png[20:24], "big")


class _Place(NamedTuple):
    """Where the record of a picture lies."""

    file: str
    offset: int
    length: int
    step: int


def pictures(logdir: Path, *, each: int) -> list[Picture]:
    """Up to `each` pictures of every tag, spread over the run; the newest of each comes last."""
    found: dict[str, dict[int, _Place]] = defaultdict(dict)
    for name in files.names(logdir, "."):
        if name.startswith(PREFIX):
            for tag, place in _places(logdir, name):
                found[tag][place.step] = place  # a resumed run draws its last ones again
    chosen = [
        (tag, by_step[step])
        for tag, by_step in sorted(found.items())[:MOST_TAGS]
        for step in spread(sorted(by_step), each)
    ]
    loaded = (_load(logdir, tag, place) for tag, place in chosen)
    return [picture for picture in loaded if picture]


def still(logdir: Path, name: str, *, tag: str, step: int) -> list[Picture]:
    """The picture in a PNG file; none if it is no such file, or too large."""
    try:
        png = files.content(logdir, name, most=LARGEST)
    except (FileNotFoundError, files.Unreadable):
        return []
    return [Picture(tag, step, png)] if png[:8] == PNG else []


def spread(steps: list[int], most: int) -> list[int]:
    """At most `most` of the steps, evenly spread, with the first and the last of them."""
    if len(steps) <= most:
        return steps
    return [steps[round(i * (len(steps) - 1) / (most - 1))] for i in range(most)]


def _places(logdir: Path, name: str) -> Iterator[tuple[str, _Place]]:
    """Tag and place of each picture of a file; ends at the first damaged record."""
    try:
        with files.opened(logdir, name) as file:
            for offset, length in _records(file):
                yield from (
                    (tag, _Place(name, offset, length, step))
                    for tag, step, _ in _images(_read(file, offset, length))
                )
    except (FileNotFoundError, files.Unreadable, DecodeError):
        return


def _records(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Offset and length of each record that may hold a picture: length, crc, data, crc."""
    offset, end = 0, file.seek(0, 2)
    while offset + 16 <= end:
        length = int.from_bytes(_read(file, offset, 8), "little")
        if length > LARGEST or offset + length + 16 > end:
            return
        if length >= SMALLEST:
            yield offset + 12, length
        offset += length + 16


def _images(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Tag, step and PNG of each picture of a record."""
    event = protos.Event.FromString(data)
    for value in event.summary.value:
        png = value.image.encoded_image_string
        if png[:8] == PNG and event.step >= 0:
            tag = value.tag
            yield (
                f"world_model/{tag[len(OLD_PREFIX) :]}" if tag.startswith(OLD_PREFIX) else tag,
                event.step,
                png,
            )


def _load(logdir: Path, tag: str, place: _Place) -> Picture | None:
    try:
        with files.opened(logdir, place.file) as file:
            images = _images(_read(file, place.offset, place.length))
            return next((Picture(tag, step, png) for name, step, png in images if name == tag))
    except (FileNotFoundError, files.Unreadable, DecodeError, StopIteration):
        return None


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
