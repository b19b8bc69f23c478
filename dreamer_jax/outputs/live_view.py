"""The bottom lines of a terminal, rewritten in place while other lines scroll above them."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TextIO, cast

from dreamer_jax.outputs.formats import clock, short, size

LEAST_HEIGHT = 10  # lines of a terminal; a smaller one shows the bar alone
LONGEST_BAR = 40  # columns
DUMB = ("dumb", "unknown")  # terminals, by TERM, that cannot go back to an earlier line


class Shown(NamedTuple):
    """What the view shows."""

    step: int
    total: int
    prefill: int  # steps before the first update
    updates: int
    frames_per_second: float
    updates_per_second: float
    left: float | None  # seconds until the end, None if not known yet
    score: float | None  # of the latest training episode
    evaluation: tuple[float, int] | None  # mean score and step of the latest evaluation
    memory: dict[str, int]  # bytes by name, from `memory_use`
    warnings: Sequence[str]  # the latest ones


class LiveView:
    """Draws on a terminal, with the library rich. Nothing is drawn once it was closed.

    The cursor stays visible: a signal may end the program at any moment.
    """

    def __init__(self, stream: TextIO) -> None:
        """Starts below what the terminal shows."""
        from rich.console import Console
        from rich.live import Live

        self._stream = _Forgiving(stream)
        console = Console(
            file=cast(TextIO, self._stream), force_terminal=True, highlight=False, soft_wrap=True
        )
        self._console = console
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)
        self._fit()
        self._live.start()
        console.show_cursor(True)

    def draw(self, shown: Shown) -> None:
        """Rewrites the view."""
        self._fit()
        self._live.update(drawn(shown, height=self._console.height), refresh=True)

    def write(self, text: str) -> None:
        """Prints a line above the view."""
        self._fit()
        self._console.print(text, markup=False, emoji=False)

    def close(self) -> None:
        """Leaves the view on the screen; what follows begins below it."""
        self._live.stop()

    def _fit(self) -> None:
        """The size of the terminal now; the library would ask stdin first."""
        with suppress(OSError, ValueError):
            self._console.size = cast(Any, os.get_terminal_size(self._stream.fileno()))


def is_suited(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can be rewritten.

    Some terminals, as in containers, say that they are 0 columns wide.
    """
    if not stream.isatty() or os.environ.get("TERM", "").lower() in DUMB:
        return False
    return os.get_terminal_size(stream.fileno()).columns > 0


def drawn(shown: Shown, *, height: int) -> Any:
    """A renderable of rich for a terminal of this height."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    share = shown.step / shown.total
    bar = Table.grid(padding=(0, 2, 0, 0))
    bar.add_row(
        ProgressBar(
            total=shown.total,
            completed=shown.step,
            width=LONGEST_BAR,
            complete_style="cyan",
            finished_style="green",
        ),
        Text(f"{100 * share:.0f} %", no_wrap=True),
        Text(f"{shown.step:,} of {shown.total:,} steps", no_wrap=True),
        Text(remaining(shown), style="bold", no_wrap=True),
    )
    if height < LEAST_HEIGHT:
        return bar
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, text in rows(shown).items():
        table.add_row(Text(name, style="dim"), Text(text, no_wrap=True, overflow="ellipsis"))
    for i, text in enumerate(shown.warnings):
        name = Text("" if i else "said", style="dim")
        table.add_row(name, Text(text, style="yellow", no_wrap=True, overflow="ellipsis"))
    return Group(bar, table)


def remaining(shown: Shown) -> str:
    """What is left of the run, or of its prefill."""
    if shown.step < shown.prefill:
        return f"prefill {short(shown.step)} of {short(shown.prefill)}"
    return f"ETA {'?' if shown.left is None else clock(shown.left)}"


def rows(shown: Shown) -> dict[str, str]:
    """The lines below the bar, by their names."""
    frames, updates = short(shown.frames_per_second), short(shown.updates_per_second)
    scores = "-" if shown.score is None else f"{shown.score:.1f} in training"
    if shown.evaluation:
        mean, step = shown.evaluation
        scores += f", {mean:.2f} in the evaluation at step {step:,}"
    kinds = {"memory_bytes": "of the host", "device_memory_bytes": "of the device"}
    memory = [f"{size(number)} {kinds.get(name, name)}" for name, number in shown.memory.items()]
    return {
        "speed": f"{frames} frames/s, {updates} updates/s, {shown.updates:,} updates",
        "score": scores,
        "memory": ", ".join(memory),
    }


class _Forgiving:
    """A stream that drops what cannot be written, such as after its terminal was closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()
