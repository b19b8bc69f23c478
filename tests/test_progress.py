"""The progress display, on a terminal and elsewhere."""

import os
import pty
import sys
import termios
from contextlib import suppress
from typing import Any

import pytest

from dreamer_jax.outputs import progress
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
    shown = Progress(3_000, first_step=0, prefill=2_000)
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
    shown = Progress(10, first_step=0)
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
    Progress(10, first_step=0).close()
    assert capsys.readouterr().err == ""


def test_a_terminal_without_width_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, columns=0)
    shown = Progress(100, first_step=0)
    shown.tick(0, frames=0, updates=0, score=None)
    shown.close()
    assert read(terminal).startswith("0/100 steps 0 updates")


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    terminal = on_terminal(monkeypatch, columns=100)
    shown = Progress(100, first_step=0)
    shown.tick(0, frames=0, updates=0, score=None)
    clock.now += 20
    shown.tick(50, frames=200, updates=10, score=7.0)
    shown.write("saved")
    clock.now += 1
    shown.tick(60, frames=240, updates=12, score=7.0)
    shown.close()
    text = read(terminal)
    assert "50/100 steps 10 updates 10 frames/s 0.5 updates/s score 7.0 ETA 00:20 |" in text
    assert "60/100 steps 12 updates 40 frames/s 2 updates/s score 7.0 ETA 00:14 |" in text
    assert any(line.rsplit("\r", 1)[-1].strip() == "saved" for line in text.split("\r\n"))


def test_milestones_and_evaluations_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(10, first_step=0)
    shown.milestone("map/one", step=3, hours=0.257, env=1)
    known = {"step": 4, "frames": 16, "seconds": 1.0, "unfinished": False}
    shown.scalars({"optimizer/loss": 1.0}, **known)
    shown.scalars({"evaluation/mean": 2.0, "evaluation/success": 0.125}, **known)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "step 3, 0.26 hours: first map/one",
        "step 4: evaluation mean 2.00, success 0.12",
    ]
