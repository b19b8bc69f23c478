"""The progress display, on a terminal and elsewhere."""

import os
import pty
import sys
import termios
from contextlib import suppress

import pytest

from dreamer_jax.outputs import progress
from dreamer_jax.outputs.progress import Progress, Rates, progress_line


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


def test_describe() -> None:
    line = progress_line(
        12_000, total=100_000, updates=4_500, rates=Rates(200.0, 812.4, 40.13), score=21.0
    )
    expected = "12.0k/100k steps 4.50k updates 812 frames/s 40.1 updates/s score 21.0 ETA 07:20"
    assert line == expected
    assert progress_line(0, total=10, updates=0, rates=Rates(0.0, 0.0, 0.0), score=None).endswith(
        "score - ETA ?"
    )


def test_plain_lines_are_rare_and_rates_are_of_the_last_interval(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress(10_000, first_step=1_000)
    for second in range(21):
        clock.now = 100.0 + second
        fast = max(0, second - 10)  # nothing at all happens in the first ten seconds
        step, frames, updates = 1_000 + 100 * fast, 4_000 + 400 * fast, 50 * fast
        shown.tick(step, frames=frames, updates=updates, score=float(second))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "1.00k/10.0k steps 0 updates 0 frames/s 0 updates/s score 10.0 ETA ?" in lines[0]
    assert "2.00k/10.0k steps 500 updates 400 frames/s 50 updates/s score 20.0" in lines[1]
    assert lines[1].endswith("ETA 01:20")


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
    clock.now += 2
    shown.tick(50, frames=200, updates=10, score=7.0)
    shown.write("saved")
    clock.now += 1
    shown.tick(60, frames=240, updates=12, score=7.0)
    shown.close()
    text = read(terminal)
    assert "50/100 steps 10 updates 100 frames/s 5 updates/s score 7.0 ETA 00:02 |" in text
    assert "60/100 steps 12 updates 40 frames/s 2 updates/s score 7.0 ETA 00:04 |" in text
    assert any(line.rsplit("\r", 1)[-1].strip() == "saved" for line in text.split("\r\n"))


def test_milestones_and_evaluations_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(10, first_step=0)
    shown.milestone("map/one", step=3, hours=0.257, env=1)
    known = {"step": 4, "frames": 16, "seconds": 1.0, "unfinished": False}
    shown.scalars({"loss/total": 1.0}, **known)
    shown.scalars({"evaluation/mean": 2.0, "evaluation/success": 0.125}, **known)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "step 3, 0.26 hours: first map/one",
        "step 4: evaluation mean 2.00, success 0.12",
    ]
