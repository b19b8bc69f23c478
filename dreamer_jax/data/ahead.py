"""Reads ahead in a separate thread."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Self, TypeVar

Item = TypeVar("Item")
DEPTH = 4  # items that wait
PATIENCE = 0.1  # seconds between two looks at whether to stop


class _Failure(NamedTuple):
    error: BaseException


class Ahead(Generic[Item]):
    """The items `read(start)`, `read(start + 1)`, ... without an end, read in advance.

    `close`, or leaving a `with`, ends the thread. An error of `read` is raised where the item
    would have come, and ends the items.
    """

    def __init__(self, read: Callable[[int], Item], *, start: int, depth: int = DEPTH) -> None:
        """Begins to read at once; `depth` items wait at most."""
        self._read = read
        self._items: queue.Queue[Item | _Failure] = queue.Queue(depth)
        self._stop = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, args=(start,), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        """Itself."""
        return self

    def __next__(self) -> Item:
        """The next item; waits for it."""
        if self._over:
            raise StopIteration
        item = self._items.get()
        if isinstance(item, _Failure):
            self.close()
            raise item.error
        return item

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """As `close`."""
        self.close()

    def close(self) -> None:
        """Ends the thread; waits for the item that it is reading."""
        self._over = True
        self._stop.set()
        self._thread.join()

    def _run(self, index: int) -> None:
        while not self._stop.is_set():
            try:
                item: Item | _Failure = self._read(index)
            except BaseException as error:
                item = _Failure(error)
            while not self._stop.is_set():
                try:
                    self._items.put(item, timeout=PATIENCE)
                    break
                except queue.Full:
                    continue
            if isinstance(item, _Failure):
                return
            index += 1
