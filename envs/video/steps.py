"""Frames and a log of keys as the steps of a recording."""

from collections.abc import Iterator

import numpy as np

from envs.play.recorded_spaces import FLAGS
from envs.play.run_writer import Arrays
from envs.video.frames import Frame
from envs.video.key_logs import KEY, Actions, Log, array

SLACK = 1e-6  # seconds by which an entry may come after its frame


def of(found: Iterator[Frame], log: Log | None, key: str, actions: Actions) -> Iterator[Arrays]:
    """Each frame as one step; the action of a frame is the one in force at it.

    Args:
        found: the frames of a video.
        log: what was pressed; None without actions.
        key: name of the observation.
        actions: what the numbers of actions mean.
    """
    first, entry = True, 0
    for frame in found:
        step: Arrays = {f"obs/{key}": frame.image[None], "reward": np.zeros(1, np.float32)}
        step |= {name: np.array([first and name == "is_first"]) for name in FLAGS}
        if log is not None:
            now = frame.number if log.by_frame else frame.time + SLACK
            while entry < len(log.at) and log.at[entry] <= now:
                entry += 1
            value = log.values[entry - 1] if entry else None
            step[f"action/{KEY}"] = array(value, actions)
        yield step
        first = False
