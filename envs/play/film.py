"""One episode as a GIF: the images that a policy saw, what it did, and the text in them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

import envs
from envs.kinds import Symbols
from envs.play.boards import painted
from envs.timestep import Timestep, VectorEnv, natural_rate

IMAGE_SIDE = 256  # pixels; images are enlarged to about this side, by a whole factor
MAX_STEPS = 3_000  # recorded steps; more than three minutes of Atari
MAX_NUMBERS = 4  # numbers of an action that are shown
LINE_HEIGHT, MARGIN = 14, 4  # pixels: height of a line of text, space around the text
GAP = 4  # pixels between images
# Characters missing in the font, and their substitutes.
FONT_SUBSTITUTES = str.maketrans(
    {"▶": ">", "▷": ">", "▼": "v", "é": "e", "\u00d7": "x", "♂": "M", "♀": "F", "¥": "Y"}
)


class FilmFrame(NamedTuple):
    """One timestep of the recorded environment."""

    images: list[np.ndarray]  # [h, w, c] uint8
    lines: list[str]  # step, score and action; then the text in the observation


class Film:
    """Receives timesteps of E environments; keeps the first episode of the first one."""

    def __init__(self, path: Path, name: str, env: VectorEnv, *, options: Any):
        """Starts a GIF of the environment `name`, made with `options`; `save` overwrites `path`.

        Raises:
            ValueError: the environment has no images and no grids of symbols, or `path` is not a
                writable .gif.
        """
        self._classes: dict[str, int] = {
            k: int(x.nvec.max()) for k, x in env.obs_space.items() if isinstance(x, Symbols)
        }
        spaces = [(k, x) for k, x in env.obs_space.items() if k not in self._classes]
        self.keys = [k for k, x in spaces if x.dtype == np.uint8 and len(x.shape or ()) == 3]
        if not self.keys and not self._classes:
            raise ValueError(
                f"--gif={path}: no observation is an image: {', '.join(env.obs_space)}"
            )
        if path.suffix != ".gif" or not is_writable(path):
            raise ValueError(f"--gif={path}: expected a .gif file in a writable folder")
        self.path = path
        self.milliseconds = 1000 / natural_rate(env)  # of a step
        self._name = name
        self._action_names = envs.action_names(name, options)
        self._frames: list[FilmFrame] = []
        self._score = 0.0
        self._over = False

    def add(self, timestep: Timestep, action: dict[str, np.ndarray] | None) -> None:
        """Keeps a timestep and the action that led to it, unless the episode is over or too long.

        Args:
            timestep: of E environments.
            action: [E, n] by key; None at the first timestep.
        """
        if self._over or len(self._frames) == MAX_STEPS:
            return
        first = {key: value[:1] for key, value in timestep.obs.items()}
        images = [first[key][0].copy() for key in self.keys]  # a view would keep all E images alive
        images += [painted(first[key][0], classes=n) for key, n in self._classes.items()]
        self._score += float(timestep.reward[0])
        # The number of the step also keeps equal frames apart, which a GIF would join to one.
        parts = [f"step {len(self._frames)}", f"score {short(self._score)}"]
        if action is not None:
            row = {key: values[0] for key, values in action.items()}
            parts.append(action_text(row, self._action_names))
        said = envs.caption(self._name, first).translate(FONT_SUBSTITUTES)
        self._frames.append(FilmFrame(images, ["   ".join(parts), *said.splitlines()]))
        self._over = bool(timestep.is_last[0])

    def save(self) -> None:
        """Writes the file. Raises OSError."""
        lines = max(len(frame.lines) for frame in self._frames)
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


def action_text(action: dict[str, np.ndarray], names: Sequence[str]) -> str:
    """An action in a few words: its name, or else its first numbers.

    Args:
        action: [n] by key.
        names: of the actions of a single discrete space, in order; may be empty.
    """
    if names:
        ((index,),) = action.values()
        return names[int(index)]
    numbers = {key: " ".join(map(short, x[:MAX_NUMBERS].tolist())) for key, x in action.items()}
    texts = [numbers[key] + " .." * (len(x) > MAX_NUMBERS) for key, x in action.items()]
    if len(texts) == 1:
        return f"action {texts[0]}"
    return "  ".join(f"{key} {text}" for key, text in zip(action, texts, strict=True))


def short(number: float) -> str:
    """At most one digit after the point."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0: -0.0 becomes 0.0


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
    """Draws the images from left to right on black, above space for `lines` lines of text."""
    parts = [enlarge(newest_frame(image), IMAGE_SIDE) for image in frame.images]
    height, width = max(map(len, parts)), sum(x.shape[1] + GAP for x in parts) - GAP
    size = max(width, IMAGE_SIDE), height + lines * LINE_HEIGHT + 2 * MARGIN
    picture = Image.new("RGB", size)
    left = 0
    for part in parts:
        picture.paste(Image.fromarray(part), (left, 0))
        left += part.shape[1] + GAP
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(frame.lines):
        draw.text((MARGIN, height + MARGIN + i * LINE_HEIGHT), line, fill="white")
    return picture
