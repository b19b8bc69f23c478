"""The command line from inside a test: in this process, or in a separate one."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import pytest

from dreamer_jax.host import host_memory
from dreamer_jax.main import main

ROOT = Path(__file__).parents[1]

# The smallest agent that still has all its parts; the same one everywhere, to be compiled once.
SMALL = (
    "--env=counting",
    "--config=debug",
    *(f"--set=model.{name}_layers=1" for name in ("encoder", "decoder", "policy", "value")),
    *("--set=model.units=24", "--set=model.vectors=standardize", "--set=env.length=5"),
    *("--set=train.log_every=20", "--set=train.report_every=30", "--set=train.eval_every=40"),
)


# These programs run for moments: compiling them well would take longer than it saves.
HASTE = "jax_disable_most_optimizations"
ENVIRON = {**os.environ, HASTE.upper(): "1"}


class Result(NamedTuple):
    """What a command has left."""

    code: int
    out: str
    err: str


@contextlib.contextmanager
def hastily() -> Iterator[None]:
    """Compiles as all the runs here are compiled, and afterwards as before."""
    before = jax.config.read(HASTE)
    jax.config.update(HASTE, True)
    try:
        yield
    finally:
        jax.config.update(HASTE, before)


@contextlib.contextmanager
def heap_as_it_is() -> Iterator[None]:
    """Keeps commands from changing the heap of this process, in which many more tests compile."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("keep_freed_memory", "close_gaps"):
            patch.setattr(host_memory, name, lambda: None)
        yield


def call(*arguments: Any, run: Callable[[list[str]], int] = main) -> Result:
    """Runs main, or another program with its flags."""
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with hastily(), heap_as_it_is(), streams[0], streams[1]:
        code = run(["main", *map(str, arguments)])
    return Result(code, out.getvalue(), err.getvalue())


def start(*arguments: Any) -> subprocess.Popen[str]:
    """Starts main in a separate process."""
    return subprocess.Popen(
        [sys.executable, "-m", "dreamer_jax.main", *map(str, arguments)],
        cwd=ROOT,
        env=ENVIRON,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def lines(logdir: Path, name: str = "metrics") -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl` or `episodes.jsonl`."""
    path = logdir / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
