"""Tells of what takes long."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

SECONDS = 10.0  # between two lines
ENDLESS = 30_000  # steps of an episode, after which the user is told how to limit it
SELDOM = 1_000  # steps between two looks

_T = TypeVar("_T")


def warn(line: str) -> None:
    """Shows a line to the user."""
    logging.getLogger(__name__).warning("%s", line)


def told(items: Iterable[_T], what: str) -> Iterator[_T]:
    """The same items, with a line about their number every `SECONDS`.

    what: the work, such as 'repeating episodes'.
    """
    began = last = time.monotonic()
    for count, item in enumerate(items):
        yield item
        if (now := time.monotonic()) - last >= SECONDS:
            last = now
            warn(f"{what}: {count + 1} steps in {now - began:.0f} s")


class Endless:
    """Warns once of an episode without an end."""

    def __init__(self, name: str):
        """`name` of the environment."""
        self._name = name
        self._next = SELDOM  # steps until the next look

    def see(self, steps: np.ndarray) -> None:
        """Is called in each step; `steps` [E] of the running episodes."""
        self._next -= 1
        if self._next > 0:
            return
        self._next = SELDOM
        if steps.max() >= ENDLESS:
            self._next = sys.maxsize
            text = f"an episode has taken {ENDLESS} steps without an end"
            warn(f"{self._name}: {text}; env.max_steps, or the limit of its family, can end it")
