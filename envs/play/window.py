"""A window in which a person sees what the agent would see, and acts by keys."""

import os
import sys
import time
from typing import Any

import numpy as np

import envs
from envs.play.controls import ActionArrays, Command, Controls
from envs.play.film import enlarge, newest_frame
from envs.timestep import Timestep

LARGE_IMAGE = 512  # pixels that the larger side of the first image gets, about
SMALL_IMAGE = 176  # the same for the others
LINE_HEIGHT = 18  # pixels, of a line of text
PADDING = 12  # pixels
WIDTH, HEIGHT = 1000, LARGE_IMAGE + 2 * PADDING  # pixels of the window, without the legend
MAX_NUMBERS = 12  # numbers of a vector that are written where there is nothing to see
COMMANDS = {"escape": Command.END, "r": Command.RESET}
SPEEDS = {"page up": 1.25, "page down": 0.8}
DISPLAYS = {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"}  # one of them tells of a display
UNSEEN = ("dummy", "offscreen")  # drivers that are taken where nothing else works
DARK, BRIGHT, GRAY = (24, 24, 28), (235, 235, 235), (140, 140, 150)


class PlayWindow:
    """An `InputSource` in a window.

    Page keys change the speed. Closing the window ends the program.
    """

    def __init__(self, name: str, controls: Controls, rate: float):
        """Raises ValueError where pygame or a display is missing.

        Args:
            name: of the environment. rate: steps a second.
        """
        self._pygame = _pygame()
        self._name = name
        self._controls = controls
        self._rate = rate
        keys = "r: begin anew  escape: end  page up, page down: speed"
        self.legend = [*controls.legend(), keys]
        _open(self._pygame, name, HEIGHT + LINE_HEIGHT * len(self.legend))
        self._font = self._pygame.font.Font(None, LINE_HEIGHT)
        self._held: set[str] = set()
        self._due = 0.0  # when the next step may be taken
        self._totals: dict[str, float] = {}
        self._steps = 0

    def choose(self, seen: Timestep) -> ActionArrays | Command:
        """Shows what is seen; returns the action for the keys held, when its time has come."""
        self._count(seen)
        self._draw(seen)
        pressed: set[str] = set()  # a key that is let go of at once counts as well
        while True:
            command = self._listen(seen, pressed)
            if command is not None:
                return command
            late = time.monotonic() - self._due
            action = self._controls.pressed(pressed | self._held)
            if action is not None and late >= 0:
                # What is late by less than a step is made up for.
                self._due += 1 / self._rate + (late if late > 1 / self._rate else 0)
                return action
            self._pygame.time.wait(3)

    def over(self, last: Timestep) -> None:
        """Shows the end for a moment."""
        self._count(last)
        self._draw(last)
        self._pygame.time.wait(700)

    def close(self) -> None:
        """Closes the window."""
        self._pygame.quit()

    def _listen(self, seen: Timestep, pressed: set[str]) -> Command | None:
        """Takes note of all keys since the last time."""
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
                    self._draw(seen)
                self._held.add(key)
                pressed.add(key)
        return None

    def _count(self, seen: Timestep) -> None:
        if seen.is_first[0]:
            self._steps, self._totals = -1, {}
        self._steps += 1
        for key, x in ({"score": seen.reward} | seen.events).items():
            self._totals[key] = self._totals.get(key, 0.0) + float(x[0])

    def _draw(self, seen: Timestep) -> None:
        """The first image large, the others smaller beside it, then the text; keys below."""
        screen = self._pygame.display.get_surface()
        screen.fill(DARK)
        images = [x[0] for x in seen.obs.values() if x.ndim == 4]
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
        for i, line in enumerate(self._text(seen)):
            screen.blit(self._font.render(line, True, BRIGHT), (left, PADDING + LINE_HEIGHT * i))
        for i, line in enumerate(reversed(self.legend), 1):
            below = screen.get_height() - LINE_HEIGHT * i
            screen.blit(self._font.render(line, True, GRAY), (PADDING, below))
        self._pygame.display.flip()

    def _text(self, seen: Timestep) -> list[str]:
        """What can be told in words and numbers."""
        totals = [f"{k.removeprefix('event/')} {x:g}" for k, x in self._totals.items() if x]
        lines = [f"step {self._steps}, {self._rate:.3g} a second", *totals, ""]
        lines += envs.caption(self._name, seen.obs).splitlines()
        if not any(x.ndim == 4 for x in seen.obs.values()):
            for key, x in seen.obs.items():
                lines += [f"{key}[{i}] {value:.3g}" for i, value in enumerate(x[0, :MAX_NUMBERS])]
        return lines


def _open(pygame: Any, title: str, height: int) -> None:
    """Opens the window; ValueError where there is no display."""
    pygame.font.init()
    try:
        if sys.platform == "linux" and not DISPLAYS & os.environ.keys():
            raise pygame.error("there is no display")  # looking for one writes lines of its own
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in UNSEEN and os.environ.get("SDL_VIDEODRIVER") != driver:
            raise pygame.error("there is no display")
        pygame.display.set_mode((WIDTH, height))
    except pygame.error as error:
        raise ValueError(f"no window ({error}); play from a --script=FILE instead") from None
    pygame.display.set_caption(title)


def _surface(pygame: Any, image: np.ndarray, side: int) -> Any:
    """[h, w, c] uint8 as something to draw, of about that side; of stacked frames the newest."""
    return pygame.surfarray.make_surface(enlarge(newest_frame(image), side).swapaxes(0, 1))


def _pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # its banner
    try:
        import pygame
    except ImportError as error:
        text = f'a window needs pygame ({error}): pip install -e ".[play]"; or use --script=FILE'
        raise ValueError(text) from None
    return pygame
