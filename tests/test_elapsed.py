"""The time that a wait takes, on a terminal and elsewhere."""

import os
import re
import sys
import threading
import time

import pytest
from test_progress import on_terminal, read

from dreamer_jax.outputs import elapsed
from dreamer_jax.outputs.elapsed import ERASE, Elapsed

WAIT = "compiling", "compiled"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second lasts ten milliseconds."""
    start, monotonic = time.monotonic(), time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: start + 100 * (monotonic() - start))
    monkeypatch.setattr(elapsed, "COUNT_SECONDS", 0.01)
    monkeypatch.setattr(elapsed, "LINE_SECONDS", 0.15)


def wait() -> None:
    time.sleep(0.5)


def test_a_terminal_shows_one_line_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, columns=80)
    with Elapsed(WAIT[0], done=WAIT[1]):
        wait()
    print("next", file=sys.stderr)
    states = read(terminal).split(ERASE)
    assert states[1] == "compiling 0:00" and len(states) > 10
    assert all(re.fullmatch(r"compiling \d:\d\d", state) for state in states[1:-1])
    assert states[1:-1] == sorted(states[1:-1])
    assert re.fullmatch(r"compiled in \d:\d\d\r\nnext\r\n", states[-1])


def test_other_streams_get_some_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Elapsed(WAIT[0], done=WAIT[1]):
        assert capsys.readouterr().err == "compiling 0:00\n"  # at once
        wait()
    *lines, last = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 3 and all(re.fullmatch(r"compiling \d:\d\d", x) for x in lines)
    assert re.fullmatch(r"compiled in \d:\d\d", last)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_ends_the_line_and_the_thread(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    threads = threading.active_count()
    terminal = on_terminal(monkeypatch, columns=80)
    with pytest.raises(error), Elapsed(WAIT[0], done=WAIT[1]):
        raise error
    assert threading.active_count() == threads
    print("error", file=sys.stderr)
    assert read(terminal) == f"{ERASE}compiling 0:00\r\nerror\r\n"


def test_a_stream_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as stream, open(os.devnull, "w") as nowhere:
        monkeypatch.setattr(sys, "stderr", stream)
        with Elapsed(WAIT[0], done=WAIT[1]):
            wait()
        monkeypatch.undo()
        os.dup2(nowhere.fileno(), writing)  # for what could not be written
