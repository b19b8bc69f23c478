"""One episode as a film: what a policy saw, what it did, and the text in it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import envs
from envs.kinds import Symbols
from envs.play.boards import painted
from envs.play.film_pictures import (
    IMAGE_SIDE,
    Curves,
    drawn,
    enlarge,
    newest_frame,
    packed,
    render,
    unpacked,
)
from envs.timestep import Timestep, VectorEnv, natural_rate

MAX_STEPS = 3_000  # recorded steps; more than three minutes of Atari
MAX_NUMBERS = 4  # numbers of an action that are shown
MAX_CURVES = 8  # numbers of observations that are shown
# Characters missing in the font, and their substitutes.
FONT_SUBSTITUTES = str.maketrans(
    {"▶": ">", "▷": ">", "▼": "v", "é": "e", "\u00d7": "x", "♂": "M", "♀": "F", "¥": "Y"}
)


class FilmFrame(NamedTuple):
    """One timestep of the recorded environment."""

    images: list[np.ndarray]  # [h, w, c] uint8
    numbers: list[float]  # of observations, shown as curves
    picture: bytes  # of the environment's own renderer; empty without one
    lines: list[str]  # step and score, action and reward; then the text in the observation


class Film:
    """Receives timesteps of E environments; keeps one episode of one of them.

    Tasks without images have a picture of their own renderer, if there is one, and curves of their
    numbers.
    """

    def __init__(self, name: str, env: VectorEnv, *, options: Any, row: int = 0):
        """Begins a film of copy `row` of the environment `name`, made with `options`."""
        classes, images, numbers = split(env)
        self.classes, self.keys, self._numbers = classes, images, numbers
        self.rate = natural_rate(env)  # steps per second
        self.score = 0.0
        self.over = self.cut = False  # the episode has ended; the film was full before
        self._name, self._row = name, row
        self._action_names = envs.action_names(name, options)
        self._frames: list[FilmFrame] = []

    @property
    def needs_picture(self) -> bool:
        """Whether no observation can be shown as an image."""
        return not self.keys and not self.classes

    def add(
        self,
        timestep: Timestep,
        action: dict[str, np.ndarray] | None,
        *,
        picture: np.ndarray | None = None,
    ) -> None:
        """Keeps a timestep and the action that led to it, unless the episode is over or too long.

        Args:
            timestep: of E environments.
            action: [E, n] by key; None at the first timestep.
            picture: [h, w, 3] uint8 of the environment's own renderer.
        """
        if self.over:
            return
        row = slice(self._row, self._row + 1)
        obs = {key: value[row] for key, value in timestep.obs.items()}
        images = [obs[key][0].copy() for key in self.keys]  # a view would keep all E images alive
        images += [painted(obs[key][0], classes=n) for key, n in self.classes.items()]
        numbers = [float(obs[key][0].flat[i]) for key, i in self._numbers]
        reward = float(timestep.reward[self._row])
        self.score += reward
        # The number of the step also keeps equal frames apart, which a GIF would join to one.
        lines = [f"step {len(self._frames)}   score {short(self.score)}"]
        if action is not None:
            taken = {key: values[self._row] for key, values in action.items()}
            name = "action " * bool(self._action_names)
            text = name + action_text(taken, self._action_names)
            lines.append(f"{text}   reward {reward:.3g}")
        else:
            lines.append("")
        lines += envs.caption(self._name, obs).translate(FONT_SUBSTITUTES).splitlines()
        shown = b"" if picture is None else packed(picture)
        self._frames.append(FilmFrame(images, numbers, shown, lines))
        last = bool(timestep.is_last[self._row])
        self.cut = len(self._frames) == MAX_STEPS and not last
        self.over = last or self.cut

    def frames(self) -> Iterator[np.ndarray]:
        """The frames [h, w, 3] uint8, one for each timestep; they can be drawn many times."""
        room = max(len(frame.lines) for frame in self._frames)
        names = [f"{key} {i}" if length > 1 else key for (key, i), length in self._lengths()]
        values = np.array([frame.numbers for frame in self._frames])
        for now, frame in enumerate(self._frames):
            parts = [unpacked(frame.picture)] if frame.picture else []
            parts += [enlarge(newest_frame(image), IMAGE_SIDE) for image in frame.images]
            if self.needs_picture:
                height = max([IMAGE_SIDE, *map(len, parts)])
                parts.append(drawn(Curves(names, values), now, height=height))
            yield render(parts, frame.lines, room=room)

    def _lengths(self) -> list[tuple[tuple[str, int], int]]:
        """Each number that is shown, and how many numbers its key shows."""
        keys = [key for key, _ in self._numbers]
        return [(number, keys.count(number[0])) for number in self._numbers]


def split(env: VectorEnv) -> tuple[dict[str, int], list[str], list[tuple[str, int]]]:
    """Classes of each grid of symbols; keys of images; key and index of numbers for curves."""
    classes, images = dict[str, int](), list[str]()
    numbers = list[tuple[str, int]]()
    for key, space in env.obs_space.items():
        shape = space.shape or ()
        if isinstance(space, Symbols):
            classes[key] = int(space.nvec.max())
        elif space.dtype == np.uint8 and len(shape) == 3:
            images.append(key)
        else:
            numbers += [(key, i) for i in range(int(np.prod(shape)))]
    return classes, images, numbers[:MAX_CURVES]


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
