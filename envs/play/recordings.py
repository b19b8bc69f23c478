"""Recordings: folders of played episodes as arrays, with an index.

`index.json` names the environment, its options, its seed and its spaces. Episode i of the index is
`episodes/i.npz`, i in six digits. In a file of T steps every array is [T, ...]: 'obs/<key>';
'reward', which arrived with it; 'is_first', 'is_last', 'is_terminal'; each 'event/<name>'; and
'action/<key>', chosen at it, zeros at the last step. Shapes, sizes and numbers of a recording are
never trusted.
"""

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

import numpy as np

import envs
from envs.codecs import no_actions
from envs.kinds import AnySpace, is_multi_discrete
from envs.settings import override_options
from envs.timestep import Timestep, VectorEnv

INDEX = "index.json"
FORMAT = 1
MOST_STEPS = 2**31 - 1
LONGEST = 100  # characters of a description in a message
FLAGS = ("is_first", "is_last", "is_terminal")


@dataclass(frozen=True)
class Episode:
    """One episode of a recording."""

    number: int  # of the episode; with the seed it determines how the episode begins
    steps: int  # observations, including the first and the last
    score: float
    whole: bool  # whether it ended; otherwise it was aborted and counts as truncated
    events: dict[str, float]  # sums
    sha256: str  # of its file


@dataclass(frozen=True)
class Recording:
    """The content of the index."""

    folder: Path
    env: str
    options: dict[str, Any]  # by path, such as 'env.rewards.coins'
    seed: int
    spaces: dict[str, Any]  # see `describe`
    episodes: tuple[Episode, ...]
    digest: str  # SHA-256 of the index, which has those of all files

    @property
    def steps(self) -> int:
        """Steps of all episodes."""
        return sum(episode.steps for episode in self.episodes)


def begin(
    folder: Path, env: VectorEnv, *, name: str, options: dict[str, Any], seed: int
) -> Recording:
    """A new recording in `folder`, or the existing one, to be continued.

    Raises:
        ValueError: the folder has other content, or a recording of another environment.
        OSError: the folder cannot be used.
    """
    fresh = Recording(folder, name, options, seed, describe(env), (), "")
    if not (folder / INDEX).exists():
        # The index is written after the first episode. A process killed in between leaves these.
        files = (folder / INDEX, episode_path(folder, 0))
        ours = {
            folder / "episodes",
            episode_path(folder, 0),
            *(x.with_suffix(".partial") for x in files),
        }
        if not _contents(folder) <= ours:
            raise ValueError(f"{folder} is not empty and has no {INDEX} to continue")
        (folder / "episodes").mkdir(parents=True, exist_ok=True)
        return fresh
    found = find(folder)
    for field in ("env", "options", "seed", "spaces"):
        if getattr(found, field) != getattr(fresh, field):
            raise ValueError(f"{folder} was recorded with another {field}; use another folder")
    return found


def add(
    recording: Recording, number: int, rows: list[tuple[Timestep, dict[str, np.ndarray]]]
) -> Recording:
    """Appends an episode: timesteps, E = 1, and the action chosen at each.

    If the process dies, the recording has the complete episode or none of it.
    """
    seen = [timestep for timestep, _ in rows]
    arrays: dict[str, Any] = {
        **{f"obs/{k}": np.concatenate([x.obs[k] for x in seen]) for k in seen[0].obs},
        **{f"action/{k}": np.concatenate([a[k] for _, a in rows]) for k in rows[0][1]},
        **{k: np.concatenate([getattr(x, k) for x in seen]) for k in ("reward", *FLAGS)},
        **{k: np.concatenate([x.events[k] for x in seen]) for k in seen[0].events},
    }
    whole = bool(arrays["is_last"][-1])
    arrays["is_last"][-1] = True
    file = episode_path(recording.folder, len(recording.episodes))

    def write_arrays(stream: BinaryIO) -> None:
        np.savez_compressed(stream, **arrays)

    _write(file, write_arrays)
    sums = {k.removeprefix("event/"): float(arrays[k].sum(dtype=float)) for k in seen[0].events}
    score = float(arrays["reward"].sum(dtype=float))
    episode = Episode(number, len(rows), score, whole, sums, sha256(file))
    recording = dataclasses.replace(recording, episodes=(*recording.episodes, episode))
    fields = {"format": FORMAT, **dataclasses.asdict(recording)}
    del fields["folder"], fields["digest"]
    content = json.dumps(fields).encode()

    def write_index(stream: BinaryIO) -> None:
        stream.write(content)

    _write(recording.folder / INDEX, write_index)
    return dataclasses.replace(recording, digest=hashlib.sha256(content).hexdigest())


def find(folder: Path) -> Recording:
    """Reads the index of a recording. Raises ValueError, in one line, if it is not valid."""
    file = folder / INDEX
    _contents(folder)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(f"no recording in {folder}: {INDEX}: {error.strerror or error}") from None
    try:
        parsed: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError(f"{file} is not readable as JSON") from None
    if not _is_object(parsed) or parsed.get("format") != FORMAT:
        raise ValueError(f"{file} is not an index of recordings of format {FORMAT}")
    fields = {key: value for key, value in parsed.items() if key != "format"}
    kinds = {"env": str, "options": dict, "seed": int, "spaces": dict, "episodes": list}
    _require(file, fields, kinds)
    kinds = {field.name: field.type for field in dataclasses.fields(Episode)} | {"events": dict}
    for episode in fields["episodes"]:
        _require(file, episode, kinds)
        right = 0 <= episode["number"] <= MOST_STEPS and 2 <= episode["steps"] <= MOST_STEPS
        if not right or not math.isfinite(episode["score"]):
            raise ValueError(f"{file} has an impossible episode")
    episodes = tuple(Episode(**episode) for episode in fields.pop("episodes"))
    digest = hashlib.sha256(content).hexdigest()
    found = Recording(folder, **fields, episodes=episodes, digest=digest)
    if not 0 < found.steps <= MOST_STEPS or found.seed < 0:
        raise ValueError(f"{file} has {found.steps} steps of seed {found.seed}")
    return found


def require_fits(recording: Recording, env: VectorEnv) -> None:
    """Raises ValueError, naming the difference, unless an environment has the same spaces."""
    wanted = describe(env)
    for part in sorted(wanted.keys() | recording.spaces.keys()):
        have, want = recording.spaces.get(part), wanted.get(part)
        if have != want:
            raise ValueError(
                f"{recording.folder} was recorded in {recording.env}, where {part} is "
                f"{_difference(have, want)}; the environment has {_difference(want, have)}"
            )


def describe(env: VectorEnv) -> dict[str, Any]:
    """The spaces and events of an environment as JSON."""

    def values(space: AnySpace, dtype: np.dtype[Any] | None) -> dict[str, Any]:
        found = {"dtype": str(dtype), "shape": list(space.shape or ())}
        return found | ({"classes": space.nvec.tolist()} if is_multi_discrete(space) else {})

    return {
        "obs": {key: values(space, space.dtype) for key, space in env.obs_space.items()},
        "action": {k: values(x, no_actions(x, 0).dtype) for k, x in env.act_space.items()},
        "events": list(env.event_keys),
    }


def recorded_options(recording: Recording, changes: Sequence[str] = ()) -> Any:
    """The options of a recording, with `changes` such as `env.rom=FILE` applied.

    Raises:
        ValueError: the environment no longer has these options, or a change is invalid.
    """
    then = [f"{path}={value}" for path, value in recording.options.items()]
    try:
        options = override_options(envs.default_options(recording.env), then)
    except ValueError as error:
        raise ValueError(f"{recording.folder} was recorded with unknown options: {error}") from None
    return override_options(options, changes)


def episode_path(folder: Path, index: int) -> Path:
    """The path of episode `index`."""
    return folder / "episodes" / f"{index:06d}.npz"


def _contents(folder: Path) -> set[Path]:
    """All paths in the folder of a recording.

    Raises ValueError for links, which may lead elsewhere, and for anything but files and folders.
    """
    found = {*folder.glob("*"), *(folder / "episodes").glob("*")}
    for each in sorted(found):
        if each.is_symlink() or not (each.is_file() or each.is_dir()):
            raise ValueError(f"{each} is a link or not a plain file; such a recording is not used")
    return found


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _require(file: Path, fields: Any, kinds: Mapping[str, Any]) -> None:
    if not _is_object(fields) or fields.keys() != kinds.keys():
        raise ValueError(f"{file}: expected the fields {', '.join(kinds)}")
    for name, kind in kinds.items():
        if type(fields[name]) is not kind:
            raise ValueError(f"{file}: {name} should be of type {kind.__name__}")


def _difference(one: Any, other: Any) -> str:
    """The part of `one` that is not in `other`, shortened to fit a line."""
    if _is_object(one) and _is_object(other):
        one = {key: value for key, value in one.items() if other.get(key) != value}
    text = json.dumps(one)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _write(file: Path, write: Callable[[BinaryIO], None]) -> None:
    partial = file.with_suffix(".partial")
    with partial.open("wb") as stream:
        write(stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)  # complete or absent


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
