"""Recordings: folders of played episodes and of videos as arrays, with an index.

`index.json` names the environment, its options, its seed and its spaces. A *run* is one play of an
episode, or one video. File i of the index is `episodes/i.npz`, i in six digits: a run, or a part of
a long one, whose parts follow each other. In a file of T steps every array is [T, ...]:
'obs/<key>'; 'reward', which arrived with it; 'is_first', 'is_last', 'is_terminal'; each
'event/<name>'; and 'action/<key>', chosen at it, zeros at the last step of the run. A video has the
rewards 0 and no events, and may have no actions. Shapes, sizes and numbers of a recording are never
trusted.

Format 1 has one file for each run, and no kinds of observations. It is still read.
"""

import dataclasses
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeGuard

import envs
from envs.play.recorded_spaces import FLAGS, describe, like_index
from envs.settings import override_options
from envs.timestep import VectorEnv

__all__ = ["FLAGS", "Episode", "Recording", "Run", "begin", "find", "recorded_options", "runs"]

INDEX = "index.json"
FORMAT, OLD_FORMAT = 2, 1
VIDEO = "video"  # in place of an environment
MOST_STEPS = 2**31 - 1
MOST_ROWS = 2**16
LONGEST_NAME = 255  # characters
OURS = re.compile(r"episodes|index\.partial|episodes/\d{6}\.npz|episodes/[\w-]+\.partial")


@dataclass(frozen=True)
class Episode:
    """One file of a recording: a run, or a part of one."""

    number: int  # of the episode; with the seed and the row it determines how the episode begins
    steps: int  # observations in this file
    score: float  # sum of the rewards in it
    whole: bool  # whether the run ended; otherwise it was aborted and counts as truncated
    events: dict[str, float]  # sums
    sha256: str  # of its file
    row: int = 0  # of the copy of the environment that played it
    part: int = 0  # of the run, from 0
    name: str = ""  # of the video; a play has none


@dataclass(frozen=True)
class Recording:
    """The content of the index."""

    folder: Path
    env: str
    options: dict[str, Any]  # by path, such as 'env.rewards.coins'
    seed: int
    spaces: dict[str, Any]  # see `recorded_spaces.describe`
    episodes: tuple[Episode, ...]
    digest: str  # SHA-256 of the index, which has those of all files

    @property
    def steps(self) -> int:
        """Steps of all episodes."""
        return sum(episode.steps for episode in self.episodes)


class Run(NamedTuple):
    """One play, or one video: successive files of a recording."""

    first: int  # its first file
    parts: tuple[Episode, ...]

    @property
    def steps(self) -> int:
        """Steps of all parts."""
        return sum(part.steps for part in self.parts)

    @property
    def score(self) -> float:
        """Sum of all rewards."""
        return sum(part.score for part in self.parts)


def runs(recording: Recording) -> list[Run]:
    """The runs in the order of the index."""
    starts = [i for i, episode in enumerate(recording.episodes) if episode.part == 0]
    stops = [*starts, len(recording.episodes)][1:]
    return [Run(i, recording.episodes[i:j]) for i, j in zip(starts, stops, strict=True)]


def begin(
    folder: Path, env: VectorEnv, *, name: str, options: dict[str, Any], seed: int
) -> Recording:
    """A new recording of an environment in `folder`, or the existing one, to be continued.

    Raises:
        ValueError: the folder has other content, or a recording of another environment.
        OSError: the folder cannot be used.
    """
    return begin_with(Recording(folder, name, options, seed, describe(env), (), ""))


def begin_with(fresh: Recording) -> Recording:
    """`begin` for a recording that has no episodes yet."""
    folder = fresh.folder
    # The index is written after the first run. A process killed in between leaves files of ours.
    here = {path.relative_to(folder).as_posix(): path for path in contents(folder)}
    if not (folder / INDEX).exists():
        if not all(OURS.fullmatch(name) for name in here):
            raise ValueError(f"{folder} is not empty and has no {INDEX} to continue")
        (folder / "episodes").mkdir(parents=True, exist_ok=True)
        _remove_partial(here)
        return fresh
    found = find(folder)
    same = dataclasses.replace(fresh, spaces=like_index(fresh.spaces, found.spaces))
    for field in ("env", "options", "seed", "spaces"):
        if getattr(found, field) != getattr(same, field):
            raise ValueError(f"{folder} was recorded with another {field}; use another folder")
    _remove_partial(here)
    return dataclasses.replace(found, spaces=fresh.spaces)


def write_index(recording: Recording) -> Recording:
    """Replaces the index; returns the recording with its new digest."""
    fields = {"format": FORMAT, **dataclasses.asdict(recording)}
    del fields["folder"], fields["digest"]
    content = json.dumps(fields).encode()
    write(recording.folder / INDEX, lambda stream: stream.write(content))
    return dataclasses.replace(recording, digest=hashlib.sha256(content).hexdigest())


def find(folder: Path) -> Recording:
    """Reads the index of a recording. Raises ValueError, in one line, if it is not valid."""
    file = folder / INDEX
    contents(folder)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(f"no recording in {folder}: {INDEX}: {error.strerror or error}") from None
    try:
        parsed: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError(f"{file} is not readable as JSON") from None
    if not _is_object(parsed) or parsed.get("format") not in (FORMAT, OLD_FORMAT):
        raise ValueError(f"{file} is not an index of recordings of format {OLD_FORMAT} or {FORMAT}")
    fields = {key: value for key, value in parsed.items() if key != "format"}
    kinds = {"env": str, "options": dict, "seed": int, "spaces": dict, "episodes": list}
    _require(file, fields, kinds)
    kinds = {field.name: field.type for field in dataclasses.fields(Episode)} | {"events": dict}
    if parsed["format"] == OLD_FORMAT:
        kinds = {name: kinds[name] for name in kinds if name not in ("row", "part", "name")}
    for episode in fields["episodes"]:
        _require(file, episode, kinds)
    episodes = tuple(Episode(**episode) for episode in fields.pop("episodes"))
    if not all(_is_possible(episodes, i) for i in range(len(episodes))):
        raise ValueError(f"{file} has an impossible episode")
    digest = hashlib.sha256(content).hexdigest()
    found = Recording(folder, **fields, episodes=episodes, digest=digest)
    if not 0 < found.steps <= MOST_STEPS or found.seed < 0:
        raise ValueError(f"{file} has {found.steps} steps of seed {found.seed}")
    return found


def recorded_options(recording: Recording, changes: Sequence[str] = ()) -> Any:
    """The options of a recording, with `changes` such as `env.rom=FILE` applied.

    Raises:
        ValueError: it is of videos, the environment no longer has these options, or a change is
            invalid.
    """
    if recording.env == VIDEO:
        raise ValueError(f"{recording.folder} has videos, which no environment can repeat")
    then = [f"{path}={value}" for path, value in recording.options.items()]
    try:
        options = override_options(envs.default_options(recording.env), then)
    except ValueError as error:
        raise ValueError(f"{recording.folder} was recorded with unknown options: {error}") from None
    return override_options(options, changes)


def episode_path(folder: Path, index: int) -> Path:
    """The path of file `index`."""
    return folder / "episodes" / f"{index:06d}.npz"


def contents(folder: Path) -> set[Path]:
    """All paths in the folder of a recording.

    Raises ValueError for links, which may lead elsewhere, and for anything but files and folders.
    """
    found = {*folder.glob("*"), *(folder / "episodes").glob("*")}
    for each in sorted(found):
        if each.is_symlink() or not (each.is_file() or each.is_dir()):
            raise ValueError(f"{each} is a link or not a plain file; such a recording is not used")
    return found


def write(file: Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Writes a file that is complete or absent, whenever the process dies."""
    partial = file.with_suffix(".partial")
    with partial.open("wb") as stream:
        fill(stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remove_partial(files: Mapping[str, Path]) -> None:
    """Removes what processes left that died while they wrote."""
    for name, path in files.items():
        if OURS.fullmatch(name) and path.suffix == ".partial":
            path.unlink(missing_ok=True)


def _is_possible(episodes: Sequence[Episode], i: int) -> bool:
    """Whether the numbers of an episode can be right, after the one before it."""
    one = episodes[i]
    first, last = one.part == 0, i + 1 == len(episodes) or episodes[i + 1].part == 0
    if not first:
        before = episodes[i - 1] if i else None
        same = before and dataclasses.replace(
            one, **{name: getattr(before, name) for name in ("steps", "score", "events", "sha256")}
        )
        if before is None or same != dataclasses.replace(before, part=one.part):
            return False
        if one.part != before.part + 1:
            return False
    return (
        0 <= one.number <= MOST_STEPS
        and (2 if first and last else 1) <= one.steps <= MOST_STEPS
        and math.isfinite(one.score)
        and 0 <= one.row < MOST_ROWS
        and len(one.name) <= LONGEST_NAME
        and one.name.isprintable()
    )


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _require(file: Path, fields: Any, kinds: Mapping[str, Any]) -> None:
    if not _is_object(fields) or fields.keys() != kinds.keys():
        raise ValueError(f"{file}: expected the fields {', '.join(kinds)}")
    for name, kind in kinds.items():
        if type(fields[name]) is not kind:
            raise ValueError(f"{file}: {name} should be of type {kind.__name__}")
