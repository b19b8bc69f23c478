"""One episode as a moving picture: what a policy has seen, and what was written there."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

import envs
from envs.timestep import Timestep, VectorEnv, natural_rate

IMAGE_SIDE = 256  # pixels that images are enlarged to, in whole times
MAX_STEPS = 3_000  # steps of an episode that are filmed: more than three minutes of Atari
LONGEST_GIF = 600_000  # milliseconds; a GIF cannot show one picture for much longer
LINE_HEIGHT, MARGIN = 14, 4  # pixels of a line of text, and around it
GAP = 4  # pixels between images
# What the font of the text lacks, as something that it has.
FONT_SUBSTITUTES = str.maketrans(
    {"▶": ">", "▷": ">", "▼": "v", "é": "e", "\u00d7": "x", "♂": "M", "♀": "F", "¥": "Y"}
)


class FilmFrame(NamedTuple):
    """A timestep of the environment that is filmed."""

    images: list[np.ndarray]  # [h, w, c] uint8
    caption: str


class Film:
    """Takes the timesteps of E environments, and keeps the first episode of the first of them."""

    def __init__(self, path: Path, name: str, env: VectorEnv):
        """A GIF at `path`, which is written over, of the environment `name`.

        Raises:
            ValueError: nothing can be seen in this environment, or there can be no such file.
        """
        spaces = env.obs_space.items()
        self.keys = [k for k, x in spaces if x.dtype == np.uint8 and len(x.shape or ()) == 3]
        if not self.keys:
            raise ValueError(f"--gif={path}: there are no images in {', '.join(env.obs_space)}")
        if path.suffix != ".gif" or not is_writable(path):
            raise ValueError(f"--gif={path}: expected a file .gif in a folder to write to")
        self.path = path
        self.milliseconds = 1000 / natural_rate(env)  # of a step
        self._name = name
        self._frames: list[FilmFrame] = []
        self._left = int(min(MAX_STEPS, LONGEST_GIF / self.milliseconds))

    def add(self, seen: Timestep) -> None:
        """Takes a frame of a timestep, unless the episode is over or has become too long."""
        if not self._left:
            return
        first = {key: value[:1] for key, value in seen.obs.items()}
        images = [first[key][0].copy() for key in self.keys]  # or all E of them would be kept
        self._frames.append(
            FilmFrame(images, envs.caption(self._name, first).translate(FONT_SUBSTITUTES))
        )
        self._left = 0 if seen.is_last[0] else self._left - 1

    def save(self) -> None:
        """Writes the file. Raises OSError."""
        lines = max(len(frame.caption.splitlines()) for frame in self._frames)
        frames = (render(frame, lines) for frame in self._frames)
        times = durations(len(self._frames), self.milliseconds)
        next(frames).save(self.path, save_all=True, append_images=frames, duration=times, loop=0)


def is_writable(path: Path) -> bool:
    """Whether a file can be written there, as far as can be told without trying."""
    if path.exists():
        return path.is_file() and os.access(path, os.W_OK)
    return path.parent.is_dir() and os.access(path.parent, os.W_OK)


def durations(steps: int, milliseconds: float) -> list[int]:
    """How long each step is shown, in milliseconds: tens of them, as a GIF has it, and no drift."""
    ends = [10 * round(i * milliseconds / 10) for i in range(steps + 1)]
    return np.diff(ends).tolist()


def newest_frame(image: np.ndarray) -> np.ndarray:
    """The newest of stacked frames, gray as color: [h, w, c] -> [h, w, 3].

    Channels in threes are taken for colors, any other number for frames in gray.
    """
    colors = 3 if image.shape[-1] % 3 == 0 else 1
    return np.broadcast_to(image[..., -colors:], (*image.shape[:2], 3))


def enlarge(image: np.ndarray, side: int) -> np.ndarray:
    """Every pixel n x n, so that the longer side is about `side`: [h, w, 3] -> [n h, n w, 3]."""
    times = max(1, side // max(image.shape[:2]))
    return image.repeat(times, 0).repeat(times, 1)


def render(frame: FilmFrame, lines: int) -> Image.Image:
    """Images from left to right, on black, above a field for so many lines of text."""
    parts = [enlarge(newest_frame(image), IMAGE_SIDE) for image in frame.images]
    height, width = max(map(len, parts)), sum(x.shape[1] + GAP for x in parts) - GAP
    field = lines * LINE_HEIGHT + 2 * MARGIN if lines else 0
    picture = Image.new("RGB", (width, height + field))
    left = 0
    for part in parts:
        picture.paste(Image.fromarray(part), (left, 0))
        left += part.shape[1] + GAP
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(frame.caption.splitlines()):
        draw.text((MARGIN, height + MARGIN + i * LINE_HEIGHT), line, fill="white")
    return picture
