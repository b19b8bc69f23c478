"""How a process ends: everything is written, even if its output is not read."""

import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from command import SMALL, call, lines, start
from test_loop import timeless
from witness import ENVS, Witness, compiled, run_to_the_end

from dreamer_jax.counters import Counters
from dreamer_jax.faults import Fault
from dreamer_jax.loops.train import stop_signals, train
from dreamer_jax.main import interruptible
from dreamer_jax.outputs.journal import Journal
from dreamer_jax.outputs.sinks import default_sinks
from dreamer_jax.run import checkpoint
from envs.counting import Counting

RECORD = ("metrics", "episodes", "milestones")


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ends 21 steps after a line of metrics, with the last step of an episode."""
    logdir = tmp_path_factory.mktemp("endings") / "cut"
    run_to_the_end(Witness().run(logdir, steps=141))
    return logdir


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGHUP, "ended by SIGHUP")]
)
def test_a_signal_while_compiling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, said: str
) -> None:
    seen: list[object] = []

    def prepare(_: Counting) -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            seen.append(signal.getsignal(number))

    monkeypatch.setattr(Counting, "prepare", prepare)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # put back afterwards
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)  # the tests themselves may run under nohup
    try:
        result = call(*SMALL, f"--logdir={tmp_path / 'run'}", run=interruptible)
        assert signal.getsignal(number) == usual
    finally:
        signal.signal(number, before)
    assert seen == [signal.SIG_DFL]  # a second one ends at once
    first = f"counting -> {tmp_path / 'run'} (new run)"
    named, fitted, *rest = result.err.splitlines()
    assert named == first and "preset debug" in fitted and rest.pop() == said
    # A slow machine has more than one such line.
    assert rest and all(line.startswith("compiling 0:") for line in rest)
    assert result.code == 128 + number and not list(tmp_path.iterdir())


def test_a_process_that_compiles_ends_at_once(tmp_path: Path) -> None:
    """The threads that compile are not waited for."""
    with start(*SMALL, "--set=model.units=25", f"--logdir={tmp_path / 'run'}") as process:
        assert process.stderr
        while "compiling" not in (line := process.stderr.readline()):
            assert line
        assert (tmp_path / "run" / "lock").exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
        assert process.stderr.read() == "ended by SIGTERM\n"
    assert not list(tmp_path.iterdir())


def test_the_end_of_a_run_is_on_record(cut: Path) -> None:
    last = [line for line in lines(cut) if "unfinished" in line]
    assert [line["step"] for line in last] == [141] and last[0]["unfinished"] is True
    assert last[0]["one"] == 1 and last[0]["episode/mean_score"] == 28
    assert lines(cut)[-1] == last[0]
    assert [x["step"] for x in lines(cut, "episodes")][-ENVS:] == [141] * ENVS


def test_a_run_that_goes_on_writes_it_anew(cut: Path, tmp_path: Path) -> None:
    """It has the record of a run that was never cut."""
    shutil.copytree(cut, tmp_path / "run")
    run_to_the_end(Witness().run(tmp_path / "run"))
    run_to_the_end(Witness().run(tmp_path / "whole"))
    for name in RECORD:
        found, expected = (timeless(lines(tmp_path / x, name)) for x in ("run", "whole"))
        assert found == expected, name


@contextmanager
def disk_for(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: to a program it looks like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_record_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    env, sinks = Counting(5, 1), default_sinks(tmp_path, 0)
    journal = Journal(tmp_path, env, counters=Counters(), past=None, steps=1000, sinks=sinks)
    message = f"cannot write the record in {tmp_path}: "
    with disk_for(1000), pytest.raises(Fault, match=message), journal:
        for step in range(1000):
            journal.evaluation({"mean": 0.5}, counters=Counters(step=step))
    for sink in default_sinks(tmp_path, 1000):
        sink.close()
    assert [line["step"] for line in lines(tmp_path)] == [*range(len(lines(tmp_path)))]


def test_a_full_disk_is_one_error_and_not_two(tmp_path: Path) -> None:
    """Here it is the record that does not fit any more, before the first checkpoint."""
    with disk_for(400), pytest.raises(Fault, match="cannot write the record in") as error:
        run_to_the_end(Witness().run(tmp_path))
    assert error.value.__context__ is error.value.__cause__
    assert checkpoint.steps(tmp_path / "checkpoints") == []


def test_a_disk_that_has_become_too_small_is_noticed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Witness().run(tmp_path)
    programs = compiled(run)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10))
    with pytest.raises(Fault, match=r"cannot save in .* No space left: .* but only 10 are free"):
        train(run, programs)
    assert checkpoint.steps(tmp_path / "checkpoints") == []


class Disk(NamedTuple):
    free: int


def test_a_disk_without_room_for_the_lock(tmp_path: Path) -> None:
    with disk_for(0):
        result = call(*SMALL, f"--logdir={tmp_path / 'run'}")
    assert result.code == 2
    assert result.err == f"error: File too large: {tmp_path / 'run' / 'lock'}\n"
    assert not list(tmp_path.iterdir())


def test_nobody_has_to_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run continues after its terminal, or the reader of its output, was closed."""
    run = Witness().run(tmp_path, steps=60)
    programs, (reading, writing) = compiled(run), os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as stream, open(os.devnull, "w") as nowhere:
        monkeypatch.setattr(sys, "stderr", stream)
        train(run, programs)
        monkeypatch.undo()
        os.dup2(nowhere.fileno(), writing)  # for what could not be written
    assert checkpoint.latest(tmp_path / "checkpoints") == 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_to_stop(number: signal.Signals) -> None:
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)  # the tests themselves may run under nohup
    try:
        with stop_signals() as stopped:
            assert not stopped()
            os.kill(os.getpid(), number)
            assert stopped()
            assert signal.getsignal(number) == signal.SIG_DFL  # the second one is deadly
        assert signal.getsignal(number) == usual
    finally:
        signal.signal(number, before)


def test_what_nohup_asks_for_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stopped:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stopped()
    finally:
        signal.signal(signal.SIGHUP, before)
