"""Recordings of made-up videos, whose pixels tell which run and which moment they are of."""

from pathlib import Path

import numpy as np

from envs.kinds import AnySpace, Image
from envs.play import recordings
from envs.play.recorded_spaces import described
from envs.play.recordings import Recording
from envs.play.run_writer import RunWriter

LENGTHS = (5, 12, 30, 7, 21, 2, 17)
SIDE = 4
OBS: dict[str, AnySpace] = {"image": Image(SIDE, SIDE, 1), "other": Image(SIDE, SIDE, 2)}


def made(
    folder: Path, lengths: tuple[int, ...] = LENGTHS, *, seed: int = 0, side: int = SIDE
) -> Path:
    """A recording of videos: every pixel of a frame is its run, and its corner its time."""
    obs = OBS if side == SIDE else {"image": Image(side, side, 1), "other": Image(side, side, 2)}
    fresh = Recording(folder, recordings.VIDEO, {}, seed, described(obs, {}), (), "")
    recording = recordings.begin_with(fresh)
    for number, steps in enumerate(lengths):
        writer = RunWriter(recording, number=number, name=f"{folder.name}{number}.mp4")
        for t in range(steps):
            image = np.full((1, side, side, 1), number, np.uint8)
            image[0, 0, 0] = t
            flags = {"is_first": t == 0, "is_last": t == steps - 1, "is_terminal": False}
            writer.add(
                {
                    **{"obs/image": image, "obs/other": np.repeat(image, 2, -1)},
                    **{"reward": np.array([t], np.float32)},
                    **{name: np.array([x]) for name, x in flags.items()},
                }
            )
        recording = writer.finish(recording)
    return folder
