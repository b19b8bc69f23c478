"""The progress display, on a terminal and elsewhere."""

import os
import pty
import re
import sys
import termios
from contextlib import suppress
from typing import Any

import pytest

from dreamer_jax.host import memory_use
from dreamer_jax.outputs import progress
from dreamer_jax.outputs.formats import clock as clock_
from dreamer_jax.outputs.formats import short
from dreamer_jax.outputs.progress import Moment, Progress, Rates, progress_line, seconds_left


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> int:
    """Replaces stderr by a terminal; what it shows can be read from the descriptor.

    To be called in a test, not in a fixture: pytest replaces stderr once more in between.
    """
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, columns))
    monkeypatch.setattr(sys, "stderr", os.fdopen(writer, "w"))
    return reader


def read(terminal: int) -> str:
    """All that a terminal has shown; closes both its ends."""
    sys.stderr.close()
    text = b""
    with suppress(OSError):  # the end of what a closed terminal has shown
        while part := os.read(terminal, 65_536):
            text += part
    os.close(terminal)
    return text.decode()


def line(step: int, **changed: Any) -> str:
    known: dict[str, Any] = {"total": 100_000, "prefill": 1_088, "updates": 4_500, "score": 21.0}
    known |= {"rates": Rates(200.0, 812.4, 40.13), "left": 440.0}
    return progress_line(step, **(known | changed))


def test_describe() -> None:
    assert [short(x) for x in (0, 0.4984, 999, 999.9, 9_995, 1e6, 2.5e15)] == (
        ["0", "0.498", "999", "1.00k", "10.0k", "1.00M", "2500T"]
    )
    assert [clock_(x) for x in (0, 440, 3_723.9)] == ["00:00", "07:20", "1:02:03"]
    expected = "12.0k/100k steps 4.50k updates 812 frames/s 40.1 updates/s score 21.0 ETA 07:20"
    assert line(12_000) == expected
    assert line(12_000, score=None, left=None).endswith("score - ETA ?")
    assert line(512, score=None, left=None).endswith("score - prefill 512/1.09k")
    assert line(1_088).endswith("ETA 07:20")


def test_the_time_left_is_that_of_steps_with_updates() -> None:
    began, now = Moment(100.0, 1_000, 0, 0), Moment(160.0, 2_000, 0, 0)
    assert seconds_left(now, since=began, total=3_000) == 60
    assert seconds_left(now, since=None, total=3_000) is None
    assert seconds_left(now._replace(time=105.0), since=began, total=3_000) is None  # too early
    assert seconds_left(began._replace(time=160.0), since=began, total=3_000) is None
    assert seconds_left(now, since=None, total=2_000) == 0


def test_plain_lines_are_rare_and_rates_are_of_the_last_interval(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred steps in each second of the prefill, then ten."""
    shown = Progress(3_000, prefill=2_000)
    for second in range(41):
        clock.now = 100.0 + second
        step = 100 * min(second, 20) + 10 * max(0, second - 20)
        updates = 5 * max(0, second - 20)
        shown.tick(step, frames=4 * step, updates=updates, score=float(second))
    lines = capsys.readouterr().err.splitlines()
    rates = "400 frames/s 0 updates/s", "40 frames/s 5 updates/s"
    assert lines == [
        f"1.00k/3.00k steps 0 updates {rates[0]} score 10.0 prefill 1.00k/2.00k",
        f"2.00k/3.00k steps 0 updates {rates[0]} score 20.0 ETA ?",
        f"2.10k/3.00k steps 50 updates {rates[1]} score 30.0 ETA 01:30",
        f"2.20k/3.00k steps 100 updates {rates[1]} score 40.0 ETA 01:20",
    ]


def test_the_last_state_is_shown(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(10)
    shown.tick(4, frames=4, updates=1, score=None)
    clock.now += 1
    shown.tick(10, frames=10, updates=4, score=3.5)
    clock.now += 50  # of saving, in which nothing is done
    shown.close()
    shown.write("saved")
    shown.close()
    lines = capsys.readouterr().err.splitlines()
    last = "10/10 steps 4 updates 6 frames/s 3 updates/s score 3.5 ETA 00:00"
    assert lines == [last, "saved"]


def test_nothing_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    Progress(10).close()
    assert capsys.readouterr().err == ""


def test_a_terminal_without_width_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, columns=0)
    shown = Progress(100)
    shown.tick(0, frames=0, updates=0, score=None)
    shown.close()
    assert read(terminal).startswith("0/100 steps 0 updates")


def test_a_terminal_without_a_way_back_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, columns=80)
    monkeypatch.setenv("TERM", "dumb")
    Progress(100).write("saved")
    assert read(terminal) == "saved\r\n"


def plain(text: str) -> str:
    """What a terminal was sent, without colors and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_terminal_shows_a_view(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(memory_use, "in_use", lambda: {"memory_bytes": 1_200_000_000})
    terminal = on_terminal(monkeypatch, columns=100)
    shown = Progress(100)
    shown.tick(0, frames=0, updates=0, score=None)
    clock.now += 20
    shown.tick(50, frames=200, updates=10, score=7.0)
    clock.now += 0.3
    shown.tick(51, frames=204, updates=10, score=7.0)  # too early for the view
    shown.write("warning: the disk [bold]is slow")
    evaluation: Any = {"frames": 240, "seconds": 1.0, "unfinished": False}
    shown.scalars({"evaluation/mean": 8.5}, step=60, **evaluation)
    clock.now += 1
    shown.tick(60, frames=240, updates=12, score=7.0)
    shown.close()
    shown.write("saved")
    text = plain(read(terminal))
    first, above, last = text.partition("warning: the disk [bold]is slow\r\n")
    assert above and "51" not in first
    assert "50 %  50 of 100 steps  ETA 00:20" in first and "score   7.0 in training  " in first
    assert "speed   10 frames/s, 0.5 updates/s, 10 updates" in first
    assert "60 %  60 of 100 steps  ETA 00:14" in last
    assert "speed   30.8 frames/s, 1.54 updates/s, 12 updates" in last  # since the last view
    assert "score   7.0 in training, 8.50 in the evaluation at step 60" in last
    assert "memory  1.2 GB of the host" in last
    assert "said    warning: the disk [bold]is slow" in last
    assert "step 60: evaluation mean 8.50\r\n" in last
    assert last.endswith("\r\nsaved\r\n")


def test_a_view_follows_the_size_of_its_terminal(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = on_terminal(monkeypatch, columns=100)
    shown = Progress(100)
    for step, size in enumerate([(24, 100), (24, 30), (6, 100)]):
        termios.tcsetwinsize(sys.stderr.fileno(), size)
        clock.now += 1
        shown.tick(step, frames=0, updates=0, score=None)
    shown.write("-" * 40)
    shown.close()
    parts = [part for part in plain(read(terminal)).splitlines() if part.strip()]
    assert any("frames/s" in part for part in parts)
    assert max(len(part) for part in parts if "-" * 40 not in part) <= 100
    assert "-" * 40 in parts  # a line is not broken


def test_a_terminal_that_was_closed_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = on_terminal(monkeypatch, columns=100)
    stream, shown = sys.stderr, Progress(100)
    os.close(terminal)
    for step in range(3):
        clock.now += 1
        shown.tick(step, frames=0, updates=0, score=None)
        shown.write("gone")
    shown.close()
    shown.write("gone")
    with suppress(OSError):
        stream.close()


def test_milestones_and_evaluations_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(10)
    shown.milestone("map/one", step=3, hours=0.257, env=1)
    known = {"step": 4, "frames": 16, "seconds": 1.0, "unfinished": False}
    shown.scalars({"optimizer/loss": 1.0}, **known)
    shown.scalars({"evaluation/mean": 2.0, "evaluation/success": 0.125}, **known)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "step 3, 0.26 hours: first map/one",
        "step 4: evaluation mean 2.00, success 0.12",
    ]
