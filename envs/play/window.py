"""A window that shows the agent's observations; a person acts by keys."""

import os
import sys
import time
from types import ModuleType
from typing import Any

import numpy as np

import envs
from envs.extras import install
from envs.play.controls import ActionArrays, Command, Controls
from envs.play.film_pictures import enlarge, newest_frame
from envs.timestep import Timestep

LARGE_IMAGE = 512  # pixels; approximate longer side of the first image
SMALL_IMAGE = 176  # the same for all other images
LINE_HEIGHT = 18  # pixels, of a line of text
PADDING = 12  # pixels
WIDTH, HEIGHT = 1000, LARGE_IMAGE + 2 * PADDING  # pixels of the window, without the legend
MAX_NUMBERS = 12  # numbers of each vector that are shown if there are no images
COMMANDS = {"escape": Command.END, "r": Command.RESET}
SPEEDS = {"page up": 1.25, "page down": 0.8}
DISPLAYS = {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"}  # one is set if there is a display
HIDDEN_DRIVERS = ("dummy", "offscreen")  # SDL falls back to these without a display
DARK, BRIGHT, GRAY = (24, 24, 28), (235, 235, 235), (140, 140, 150)


class PlayWindow:
    """An `InputSource` in a window.

    Page keys change the speed. Closing the window ends the program.
    """

    def __init__(self, name: str, controls: Controls, rate: float):
        """Opens the window.

        Args:
            name: of the environment.
            controls: of its action space.
            rate: steps a second.

        Raises:
            ValueError: pygame or a display is missing.
        """
        self._pygame = _pygame()
        self._name = name
        self._controls = controls
        self._rate = rate
        keys = "r: next episode  escape: end  page up, page down: speed"
        self.legend = [*controls.legend(), keys]
        _open(self._pygame, name, HEIGHT + LINE_HEIGHT * len(self.legend))
        self._font = self._pygame.font.Font(None, LINE_HEIGHT)
        self._held: set[str] = set()
        self._due = 0.0  # earliest time of the next step
        self._totals: dict[str, float] = {}
        self._steps = 0

    def choose(self, timestep: Timestep) -> ActionArrays | Command:
        """Shows the timestep; returns the action for the held keys once the next step is due."""
        self._count(timestep)
        self._draw(timestep)
        pressed: set[str] = set()  # a key released at once counts, too
        while True:
            command = self._listen(timestep, pressed)
            if command is not None:
                return command
            late = time.monotonic() - self._due
            action = self._controls.pressed(pressed | self._held)
            if action is not None and late >= 0:
                # A delay of less than a step is made up.
                self._due += 1 / self._rate + (late if late > 1 / self._rate else 0)
                return action
            self._pygame.time.wait(3)

    def over(self, last: Timestep) -> None:
        """Shows the last timestep for a moment."""
        self._count(last)
        self._draw(last)
        self._pygame.time.wait(700)

    def close(self) -> None:
        """Closes the window."""
        self._pygame.quit()

    def _listen(self, timestep: Timestep, pressed: set[str]) -> Command | None:
        """Handles all key events since the last call."""
        pygame = self._pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                return Command.END
            if event.type == pygame.KEYUP:
                self._held.discard(pygame.key.name(event.key))
            if event.type == pygame.KEYDOWN:
                key = pygame.key.name(event.key)
                if key in COMMANDS:
                    return COMMANDS[key]
                if key in SPEEDS:
                    self._rate *= SPEEDS[key]
                    self._draw(timestep)
                self._held.add(key)
                pressed.add(key)
        return None

    def _count(self, timestep: Timestep) -> None:
        if timestep.is_first[0]:
            self._steps, self._totals = -1, {}
        self._steps += 1
        for key, x in ({"score": timestep.reward} | timestep.events).items():
            self._totals[key] = self._totals.get(key, 0.0) + float(x[0])

    def _draw(self, timestep: Timestep) -> None:
        """Draws the first image large, the others smaller, then the text; keys at the bottom."""
        screen = self._pygame.display.get_surface()
        screen.fill(DARK)
        images = [x[0] for x in timestep.obs.values() if _is_image(x)]
        left = PADDING
        for first, group in ((True, images[:1]), (False, images[1:])):
            drawn = [
                _surface(self._pygame, x, LARGE_IMAGE if first else SMALL_IMAGE) for x in group
            ]
            top = PADDING
            for image in drawn:
                screen.blit(image, (left, top))
                top += image.get_height() + PADDING
            left += max((image.get_width() + PADDING for image in drawn), default=0)
        for i, line in enumerate(self._text(timestep)):
            screen.blit(self._font.render(line, True, BRIGHT), (left, PADDING + LINE_HEIGHT * i))
        for i, line in enumerate(reversed(self.legend), 1):
            below = screen.get_height() - LINE_HEIGHT * i
            screen.blit(self._font.render(line, True, GRAY), (PADDING, below))
        self._pygame.display.flip()

    def _text(self, timestep: Timestep) -> list[str]:
        """Lines of text: progress, sums, captions and vectors."""
        totals = [f"{k.removeprefix('event/')} {x:g}" for k, x in self._totals.items() if x]
        lines = [f"step {self._steps}, {self._rate:.3g} a second", *totals, ""]
        lines += envs.caption(self._name, timestep.obs).splitlines()
        if not any(_is_image(x) for x in timestep.obs.values()):
            for key, x in timestep.obs.items():
                shown = x[0].ravel()[:MAX_NUMBERS]
                lines += [f"{key}[{i}] {value:.3g}" for i, value in enumerate(shown)]
        return lines


def _is_image(x: np.ndarray) -> bool:
    return x.ndim == 4 and x.dtype == np.uint8


def _open(pygame: ModuleType, title: str, height: int) -> None:
    """Opens the window; ValueError if there is no display."""
    pygame.font.init()
    try:
        if sys.platform == "linux" and not DISPLAYS & os.environ.keys():
            raise pygame.error("there is no display")  # SDL would print lines while looking for one
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in HIDDEN_DRIVERS and os.environ.get("SDL_VIDEODRIVER") != driver:
            raise pygame.error("there is no display")
        pygame.display.set_mode((WIDTH, height))
    except pygame.error as error:
        raise ValueError(f"no window ({error}); play from a --script=FILE instead") from None
    pygame.display.set_caption(title)


def _surface(pygame: ModuleType, image: np.ndarray, side: int) -> Any:
    """[h, w, c] uint8 -> a surface of about `side` pixels, of the newest stacked frame."""
    return pygame.surfarray.make_surface(enlarge(newest_frame(image), side).swapaxes(0, 1))


def _pygame() -> ModuleType:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # no banner
    try:
        import pygame
    except ImportError as error:
        text = f"a window needs pygame ({error}): {install('pygame')}; or use --script=FILE"
        raise ValueError(text) from None
    return pygame
