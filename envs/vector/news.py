"""Tells how far slow work is."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

SECONDS = 10.0  # between two lines

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
