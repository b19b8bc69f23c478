"""Films and pictures of runs, and which of them fit into a page."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from dreamer_jax.media import video
from dreamer_jax.reports import evaluations, files
from dreamer_jax.reports.event_files import Picture
from dreamer_jax.reports.groups import Group

BASE64 = 4 / 3  # bytes in a page for each byte of a file
SHRINKS = (2, 4)  # a film that is too large gets sides this many times shorter, one after the other
MOST_FRAMES = 1_500  # of a film that is made smaller
SHARE = 0.4  # of the room that one film may take, unless it is the only one
PICTURES = 0.4  # of the room that pictures may take


class Film(NamedTuple):
    """A film of a run, not read yet."""

    logdir: Path
    name: str  # below the logdir
    caption: str
    run: str


class Shown(NamedTuple):
    """A film as it stands in the page."""

    film: Film
    mp4: bytes
    note: str  # what was done to it, or ''


def found(groups: Sequence[Group]) -> list[Film]:
    """The films of all runs, those first that a page should rather have."""
    ranked = list[tuple[int, Film]]()
    for group in groups:
        for run, name in zip(group.runs, group.names, strict=True):
            films = list[Film]()
            for each in reversed(run.evaluations):
                for which, file in each.films:
                    text = f"{which} episode, {each.policy} policy, step {each.step:,}"
                    films.append(Film(run.logdir, f"{evaluations.FOLDER}/{file}", text, name))
            for dream in reversed(run.dreams):
                step = Path(dream.folder).name.replace("step", "step ")
                for file, caption in sorted(dream.films, key=scene):
                    text = f"dream, {step}: {caption or Path(file).stem.replace('_', ' ')}"
                    films.append(Film(run.logdir, f"{dream.folder}/{file}", text, name))
            ranked += enumerate(films)
    return [film for _, film in sorted(ranked, key=lambda pair: pair[0])]


def scene(film: tuple[str, str]) -> tuple[str, str]:
    """Sorts the films of a dream: one of each kind first, such as free_1.mp4 and futures_1.mp4."""
    stem = Path(film[0]).stem
    return stem.rpartition("_")[2], stem


def fitted(films: Sequence[Film], *, room: float) -> tuple[list[Shown], list[str]]:
    """The films that fit into `room` bytes of a page, and notes about the others.

    A film that is too large is made smaller, and left out if that does not help.
    """
    shown, notes = list[Shown](), list[str]()
    for film in films:
        share = room if film is films[-1] else SHARE * room
        try:
            mp4 = files.content(film.logdir, film.name, most=files.LARGEST_FILM)
        except FileNotFoundError:
            notes.append(f"{film.run}: the film {film.name} is missing")
            continue
        except files.Unreadable as error:
            notes.append(f"{film.run}: {error}")
            continue
        small, factor = smaller(mp4, most=share / BASE64)
        if small is None:
            notes.append(f"{film.run}: {film.name} ({len(mp4) / 1e6:.1f} MB) is left out")
            continue
        note = f"made {factor} times smaller for this page" if factor > 1 else ""
        shown.append(Shown(film, small, note))
        room -= len(small) * BASE64
    return shown, notes


def smaller(mp4: bytes, *, most: float) -> tuple[bytes | None, int]:
    """The film in at most `most` bytes, and by which factor its sides are shorter.

    None if it cannot be that small, or is no film.
    """
    if not is_mp4(mp4):
        return None, 1
    if len(mp4) <= most:
        return mp4, 1
    for factor in SHRINKS:
        try:
            again = shrunk(mp4, factor=factor)
        except (FFmpegError, ValueError, IndexError):
            return None, factor
        if len(again) <= most:
            return again, factor
    return None, SHRINKS[-1]


def is_mp4(data: bytes) -> bool:
    """Whether data begin as an MP4 does."""
    return data[4:8] == b"ftyp"


def shrunk(mp4: bytes, *, factor: int) -> bytes:
    """The film with sides `factor` times shorter, and at most MOST_FRAMES of its frames."""
    with av.open(io.BytesIO(mp4), "r", format="mp4") as file:
        stream = file.streams.video[0]
        width, height = max(2, stream.width // factor), max(2, stream.height // factor)
        rate = float(stream.average_rate or 15)
        frames = list[np.ndarray]()
        for frame in file.decode(stream):
            frames.append(frame.to_ndarray(format="rgb24", width=width, height=height))
            if len(frames) == MOST_FRAMES:
                break
    return video.mp4(frames, rate=rate)


def pictures_shown(
    groups: Sequence[Group], *, room: float
) -> tuple[list[tuple[str, list[Picture]]], int]:
    """The pictures of each run with its name, and how many are left out.

    room: bytes of a page that are free; pictures take at most the share PICTURES of them.
    """
    runs = [(name, run) for g in groups for name, run in zip(g.names, g.runs, strict=True)]
    found, lost = list[tuple[str, list[Picture]]](), 0
    for name, run in runs:
        dreamt = [x for dream in run.dreams[-1:] for x in dream.pictures]
        pictures = [*run.pictures, *dreamt]
        kept = pictures_fitted(pictures, room=PICTURES * room / len(runs))
        found.append((name, kept))
        lost += len(pictures) - len(kept)
    return found, lost


def pictures_fitted(pictures: Sequence[Picture], *, room: float) -> list[Picture]:
    """The pictures that fit into `room` bytes of a page, the newest of each kind first."""
    kinds = dict[str, list[Picture]]()
    for each in reversed(pictures):
        kinds.setdefault(each.tag, []).append(each)
    ranked = sorted(
        (rank, i, each) for i, kind in enumerate(kinds.values()) for rank, each in enumerate(kind)
    )
    kept = set[int]()
    for _, _, each in ranked:
        if len(each.png) * BASE64 <= room:
            room -= len(each.png) * BASE64
            kept.add(id(each))
    return [each for each in pictures if id(each) in kept]
