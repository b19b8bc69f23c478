"""Tells of what takes long."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

SECONDS = 10.0  # between two lines
ENDLESS = 30_000  # steps of an episode, after which the user is told how to limit it

_T = TypeVar("_T")


def told(items: Iterable[_T], what: str) -> Iterator[_T]:
    """The same items, with a line about their number every `SECONDS`.

    what: the work, such as 'repeating the running episodes'.
    """
    began = last = time.monotonic()
    for count, item in enumerate(items):
        yield item
        if (now := time.monotonic()) - last >= SECONDS:
            last = now
            text = "%s: %d steps in %.0f s"
            logging.getLogger(__name__).warning(text, what, count + 1, now - began)


class Endless:
    """Warns once of an episode without an end."""

    def __init__(self, name: str):
        """`name` of the environment."""
        self._name = name
        self._told = False

    def see(self, steps: np.ndarray) -> None:
        """`steps` [E] of the running episodes."""
        if not self._told and steps.max() >= ENDLESS:
            self._told = True
            text = "%s: an episode has taken %d steps without an end; env.max_steps can end it"
            logging.getLogger(__name__).warning(text, self._name, ENDLESS)
