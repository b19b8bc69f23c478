"""One episode as a GIF: the images that a policy saw, and the text in them."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

import envs
from envs.timestep import Timestep, VectorEnv, natural_rate

IMAGE_SIDE = 256  # pixels; images are enlarged to about this side, by a whole factor
MAX_STEPS = 3_000  # recorded steps; more than three minutes of Atari
LONGEST_GIF = 600_000  # milliseconds; a GIF cannot show one frame for much longer
LINE_HEIGHT, MARGIN = 14, 4  # pixels: height of a line of text, space around the text
GAP = 4  # pixels between images
# Characters missing in the font, and their substitutes.
FONT_SUBSTITUTES = str.maketrans(
    {"▶": ">", "▷": ">", "▼": "v", "é": "e", "\u00d7": "x", "♂": "M", "♀": "F", "¥": "Y"}
)


class FilmFrame(NamedTuple):
    """One timestep of the recorded environment."""

    images: list[np.ndarray]  # [h, w, c] uint8
    caption: str


class Film:
    """Receives timesteps of E environments; keeps the first episode of the first one."""

    def __init__(self, path: Path, name: str, env: VectorEnv):
        """Starts a GIF of the environment `name`; `save` overwrites `path`.

        Raises:
            ValueError: the environment has no images, or `path` is not a writable .gif.
        """
        spaces = env.obs_space.items()
        self.keys = [k for k, x in spaces if x.dtype == np.uint8 and len(x.shape or ()) == 3]
        if not self.keys:
            raise ValueError(
                f"--gif={path}: no observation is an image: {', '.join(env.obs_space)}"
            )
        if path.suffix != ".gif" or not is_writable(path):
            raise ValueError(f"--gif={path}: expected a .gif file in a writable folder")
        self.path = path
        self.milliseconds = 1000 / natural_rate(env)  # of a step
        self._name = name
        self._frames: list[FilmFrame] = []
        self._left = int(min(MAX_STEPS, LONGEST_GIF / self.milliseconds))

    def add(self, timestep: Timestep) -> None:
        """Keeps a timestep, unless the episode is over or too long."""
        if not self._left:
            return
        first = {key: value[:1] for key, value in timestep.obs.items()}
        images = [first[key][0].copy() for key in self.keys]  # a view would keep all E images alive
        self._frames.append(
            FilmFrame(images, envs.caption(self._name, first).translate(FONT_SUBSTITUTES))
        )
        self._left = 0 if timestep.is_last[0] else self._left - 1

    def save(self) -> None:
        """Writes the file. Raises OSError."""
        lines = max(len(frame.caption.splitlines()) for frame in self._frames)
        frames = (render(frame, lines) for frame in self._frames)
        times = durations(len(self._frames), self.milliseconds)
        next(frames).save(self.path, save_all=True, append_images=frames, duration=times, loop=0)


def is_writable(path: Path) -> bool:
    """Whether `path` looks writable; does not try it."""
    if path.exists():
        return path.is_file() and os.access(path, os.W_OK)
    return path.parent.is_dir() and os.access(path.parent, os.W_OK)


def durations(steps: int, milliseconds: float) -> list[int]:
    """Milliseconds of each step: multiples of 10, as GIF requires, without drift."""
    ends = [10 * round(i * milliseconds / 10) for i in range(steps + 1)]
    return np.diff(ends).tolist()


def newest_frame(image: np.ndarray) -> np.ndarray:
    """The newest of stacked frames as RGB: [h, w, c] -> [h, w, 3].

    A multiple of three channels counts as color, any other number as gray frames.
    """
    colors = 3 if image.shape[-1] % 3 == 0 else 1
    return np.broadcast_to(image[..., -colors:], (*image.shape[:2], 3))


def enlarge(image: np.ndarray, side: int) -> np.ndarray:
    """Every pixel n x n, so that the longer side is about `side`: [h, w, 3] -> [n h, n w, 3]."""
    times = max(1, side // max(image.shape[:2]))
    return image.repeat(times, 0).repeat(times, 1)


def render(frame: FilmFrame, lines: int) -> Image.Image:
    """Draws the images from left to right on black, above `lines` lines of text."""
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
