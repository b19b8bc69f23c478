"""One episode as a moving picture: what a policy has seen, and what was written there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from PIL import Image, ImageDraw

SIDE = 256  # pixels; images are enlarged to about this size, and stay as they are if larger
MOST = 3_000  # steps of an episode that are filmed: more than three minutes of Atari
CONSOLE = 60  # frames a second of an emulator
USUAL = 30  # steps a second of an environment whose steps are no frames
LINE, MARGIN = 14, 4  # pixels of a line of text, and around it
GAP = 4  # pixels between images
PLAIN = str.maketrans("▶▷▼", ">>v")  # which the font of the text lacks


class Film:
    """Takes the timesteps of E environments, and keeps the first episode of the first of them."""

    def __init__(self, path: Path, env: Any, caption: Callable[[dict[str, Any]], str]):
        """A GIF at `path`, which is written over.

        Args:
            caption: observation, E = 1 -> what it says in words, to be written below.

        Raises:
            ValueError: nothing can be seen in this environment, or the file cannot be written.
        """
        self.keys = images(env.obs_space)
        if not self.keys:
            raise ValueError(f"--gif={path}: there are no images in {', '.join(env.obs_space)}")
        if path.suffix != ".gif" or not path.parent.is_dir():
            raise ValueError(f"--gif={path}: expected a file .gif in a folder that exists")
        frames = env.frames_per_step
        self.path = path
        self.milliseconds = 1000 * frames / CONSOLE if frames > 1 else 1000 / USUAL
        self._caption = caption
        self._shots: list[tuple[np.ndarray, str]] = []
        self._over = False

    def add(self, seen: Any) -> None:
        """Takes a shot of a timestep, unless the episode is over or has become too long."""
        if self._over or len(self._shots) == MOST:
            return
        first = {key: value[:1] for key, value in seen.obs.items()}
        shot = side_by_side([enlarged(first[key][0]) for key in self.keys])
        self._shots.append((shot, self._caption(first)))
        self._over = bool(seen.is_last[0])

    def save(self) -> None:
        """Writes the file. Raises OSError."""
        lines = max(caption.count("\n") + bool(caption) for _, caption in self._shots)
        first, *rest = (drawn(shot, caption, lines) for shot, caption in self._shots)
        first.save(self.path, save_all=True, append_images=rest, duration=self.milliseconds, loop=0)


def images(obs_space: Mapping[str, gymnasium.Space]) -> list[str]:
    """The keys of images, [h, w, c] uint8."""
    return [k for k, x in obs_space.items() if x.dtype == np.uint8 and len(x.shape or ()) == 3]


def enlarged(image: np.ndarray) -> np.ndarray:
    """[h, w, c] -> [n h, n w, 3], every pixel n x n; of several frames the newest."""
    image = image[..., -3:] if image.shape[-1] >= 3 else np.repeat(image[..., -1:], 3, -1)
    times = max(1, SIDE // image.shape[0])
    return image.repeat(times, 0).repeat(times, 1)


def side_by_side(parts: list[np.ndarray]) -> np.ndarray:
    """Images [*, *, 3] from left to right, on black."""
    height, width = max(len(x) for x in parts), sum(x.shape[1] + GAP for x in parts) - GAP
    sheet, left = np.zeros((height, width, 3), np.uint8), 0
    for part in parts:
        sheet[: len(part), left : left + part.shape[1]] = part
        left += part.shape[1] + GAP
    return sheet


def drawn(shot: np.ndarray, caption: str, lines: int) -> Image.Image:
    """A shot above a field for so many lines of text."""
    field = np.zeros((lines * LINE + 2 * MARGIN if lines else 0, shot.shape[1], 3), np.uint8)
    picture = Image.fromarray(np.concatenate([shot, field]))
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(caption.translate(PLAIN).splitlines()):
        draw.text((MARGIN, len(shot) + MARGIN + i * LINE), line, fill="white")
    return picture
