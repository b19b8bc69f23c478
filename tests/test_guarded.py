"""Outputs of somebody else: none of them can harm a run."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import ROOT
from test_sinks import Collector, journal

from dreamer_jax.outputs.guarded import Guarded
from dreamer_jax.outputs.sink import Sink
from envs.counting import Counting


class Faulty(Collector):
    """A tracker that does something else whenever it is given metrics."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act

    def scalars(self, values: Mapping[str, float], **rest: Any) -> None:
        self.act()
        super().scalars(values, **rest)


def guarded(open_: Callable[[], Sink], **seconds: float) -> tuple[Guarded, list[str]]:
    said: list[str] = []
    return Guarded("mine", open_, say=said.append, **seconds), said


def send(sink: Sink, count: int = 1) -> None:
    for step in range(count):
        sink.scalars({"x": step}, step=step, frames=0, seconds=0.0, unfinished=False)


def raises() -> None:
    raise ConnectionError("the server\nis gone")


def leaves() -> None:
    raise SystemExit(3)


def test_a_tracker_that_raises_is_named_once() -> None:
    for act, message in (
        (raises, "ConnectionError: the server is gone"),
        (leaves, "SystemExit: 3"),
    ):
        faulty = Faulty(act)
        sink, said = guarded(lambda faulty=faulty: faulty)
        send(sink, 3)
        sink.episode({"score": 1.0}, step=1, env=0, start="")
        sink.close()
        failed = f"warning: mine failed, and training goes on: {message}"
        assert said == [failed, "warning: mine lacks 3 records of this run"]
        assert len(faulty.episodes) == faulty.closed == 1 and not faulty.metrics


def test_a_tracker_that_cannot_be_imported_is_named_once() -> None:
    def open_() -> Sink:
        raise ImportError("libcurl.so.4: cannot open shared object file")

    sink, said = guarded(open_)
    send(sink, 3)
    sink.close()
    text = "ImportError: libcurl.so.4: cannot open shared object file"
    assert said == [f"warning: mine failed, and training goes on: {text}"]


@pytest.mark.parametrize("where", ["open", "call"])
def test_a_tracker_that_hangs_holds_nothing_up(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither training nor the end of the run; what waits is bounded."""
    monkeypatch.setattr(Guarded, "stuck", False)
    forever = threading.Event()

    def hang() -> None:
        forever.wait()

    def open_() -> Sink:
        if where == "open":
            hang()
        return Faulty(hang)

    sink, said = guarded(open_, close_seconds=0.2, open_seconds=0.2, silent_seconds=0.1)
    began = time.monotonic()
    send(sink)
    time.sleep(0.15)
    send(sink)
    film = np.zeros((1 << 20, 8, 8, 3), np.uint8)  # 192 MB are more than may wait
    sink.video("film", film, step=1, rate=5.0)
    send(sink, 2_000)
    sink.close()
    assert time.monotonic() - began < 5
    assert Guarded.stuck and [text.split()[2] for text in said] == ["has", "is", "did"]
    forever.set()


def test_what_waits_is_written_before_the_end() -> None:
    faulty = Faulty(lambda: time.sleep(0.01))
    sink, said = guarded(lambda: faulty, close_seconds=0.2)
    send(sink, 50)
    sink.close()
    assert [line["step"] for line in faulty.metrics] == list(range(50)) and said == []
    assert isinstance(sink, Sink)


def test_the_last_call_of_a_tracker_may_send_much() -> None:
    class Sending(Collector):
        def close(self) -> None:
            time.sleep(0.3)
            super().close()

    sending = Sending()
    sink, said = guarded(lambda: sending, close_seconds=0.05)
    send(sink)
    sink.close()
    assert sending.closed == 1 and said == []


def test_the_sink_in_the_documentation_works(tmp_path: Path) -> None:
    blocks = (ROOT / "docs" / "extend.md").read_text().split("```")
    (code,) = (x.removeprefix("python\n") for x in blocks if "class Scores" in x)
    names: dict[str, Any] = {}
    exec(code, names)
    sink = names["Scores"](tmp_path, 0)
    assert isinstance(sink, Sink) and len(code.splitlines()) <= 23
    with journal(tmp_path, [sink]) as written:
        seen = Counting(1, 1)
        seen.reset()
        written.timestep(seen.step({"action": np.zeros((1, 1), np.int32)}), step=1, starts=[""])
    assert (tmp_path / "scores.csv").read_text() == "1,1.0\n"
