"""Imports videos as a recording: python -m envs.import_video game.mp4 --out=recordings/x

Each video is one run. Its frames become images, as they are or in another size and at another
rate. What was pressed may come from a log. See docs/data.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from envs.play import recordings
from envs.play.program import Parser, print_error
from envs.play.recorded_spaces import described
from envs.play.recordings import Recording
from envs.play.run_writer import RunWriter
from envs.video import frames, key_logs, steps
from envs.video.frames import Look
from envs.video.key_logs import Log

EVERY = 5_000  # frames between two lines about the progress of a video


class Video(NamedTuple):
    """One video to import."""

    path: Path  # a file, or a folder of images
    name: str  # of the run
    log: Log | None


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 done, 2 for a mistake of the user, explained in one line; 130 after Ctrl-C."""
    try:
        flags = parser().parse_args(argv[1:])
        import_all(flags)
    except (ValueError, OSError) as error:
        return print_error(error, 2)
    except KeyboardInterrupt:
        return 130
    return 0


def parser() -> Parser:
    """The flags."""
    summary, _, more = (__doc__ or "").partition("\n")
    found = Parser(
        "python -m envs.import_video", description=f"{summary} {more}", allow_abbrev=False
    )
    add = found.add_argument
    add("files", nargs="+", type=Path, help="videos, folders of videos, or folders of PNG or JPEG")
    add("--out", type=Path, required=True, help="folder of the recording; continued if it exists")
    add("--size", help="of the images: HEIGHTxWIDTH pixels; default: as they are")
    add("--crop", help="first cut out TOP,LEFT,BOTTOM,RIGHT in pixels of the video")
    add("--gray", action="store_true", help="one channel of brightness instead of three of color")
    add("--rate", type=float, help="frames a second; default: every frame of the video")
    add("--key", default="image", help="name of the observation (image)")
    add(
        "--actions",
        type=Path,
        help="what was pressed: a log (.csv or .jsonl), or a folder with one for each video",
    )
    add("--action_names", help="names of the actions in their order, by commas; with --actions")
    return found


def import_all(flags: argparse.Namespace) -> None:
    """Imports each video that the recording does not have yet; raises ValueError in one line."""
    look = frames.look(size=flags.size, crop=flags.crop, gray=flags.gray, rate=flags.rate)
    paths = frames.find(flags.files)
    names = flags.action_names.split(",") if flags.action_names else []
    if names and not flags.actions:
        raise ValueError("--action_names needs --actions")
    logs = key_logs.read_all(flags.actions, paths, names=names) if flags.actions else {}
    videos = [Video(path, path.name, logs.get(path)) for path in paths]
    require_names(videos)
    actions = key_logs.space(list(logs.values()), names)
    shape = frames.shape(videos[0].path, look)
    fresh = described({flags.key: frames.space(shape)}, actions.space)
    options = {
        "video.size": flags.size or "",
        "video.crop": flags.crop or "",
        "video.gray": flags.gray,
        "video.rate": flags.rate or 0.0,
        "video.actions": ",".join(actions.names),
    }
    recording = recordings.begin_with(
        Recording(flags.out, recordings.VIDEO, options, 0, fresh, (), "")
    )
    there = {run.parts[0].name for run in recordings.runs(recording)}
    for i, video in enumerate(videos, 1):
        if video.name in there:
            print(f"{i} of {len(videos)}: {video.name} is there already", flush=True)
            continue
        recording = import_one(recording, video, look, flags.key, actions)
        run = recordings.runs(recording)[-1]
        print(f"{i} of {len(videos)}: {video.name}, {run.steps:,} frames", flush=True)
    runs = len(recordings.runs(recording))
    print(f"{recording.folder} has {runs} videos, {recording.steps:,} frames")


def require_names(videos: Sequence[Video]) -> None:
    """Raises ValueError for two videos of one name: names tell which are there already."""
    first: dict[str, Path] = {}
    for video in videos:
        if video.name in first:
            raise ValueError(f"{first[video.name]} and {video.path} have the same name")
        if len(video.name) > recordings.LONGEST_NAME or not video.name.isprintable():
            raise ValueError(f"{video.name[:60]!r} is no name for a run: rename the file")
        first[video.name] = video.path


def import_one(
    recording: Recording, video: Video, look: Look, key: str, actions: key_logs.Actions
) -> Recording:
    """Appends one video; if it fails, the recording is as it was."""
    number = len(recordings.runs(recording))
    writer = RunWriter(recording, number=number, name=video.name)
    expected = tuple(recording.spaces["obs"][key]["shape"])
    try:
        for step in steps.of(frames.read(video.path, look), video.log, key, actions):
            found = step[f"obs/{key}"].shape[1:]
            if found != expected:
                text = f"{video.path} has images of {_size(found)}, and the first has"
                raise ValueError(f"{text} {_size(expected)}; --size=HEIGHTxWIDTH makes them equal")
            writer.add(step)
            if writer.steps % EVERY == 0:
                print(f"  {video.name}: {writer.steps:,} frames", flush=True)
        if writer.steps < 2:
            raise ValueError(f"{video.path} has {writer.steps} frames; a video has at least 2")
        return writer.finish(recording)
    except BaseException:
        writer.drop()
        raise


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
