"""Runs side by side on this machine, each a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from dreamer_jax.host.this_machine import usable_cores
from dreamer_jax.sweeps.plan import SweptRun

POLL_SECONDS = 0.2
# The first number is PR_SET_PDEATHSIG of prctl(2). A function between fork and exec could not be
# used: forking is not safe once a library has threads.
LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if cores := [int(core) for core in sys.argv[1].split(",") if core]:
    os.sched_setaffinity(0, cores)
os.execv(sys.argv[2], sys.argv[2:])
"""
GPUS = Path("/proc/driver/nvidia/gpus")
GPU_SHARE = 0.9  # of its memory, for all runs on it


class Ended(NamedTuple):
    """A run whose process has ended."""

    run: SweptRun
    code: int  # of its exit


class Pool(Protocol):
    """Where runs are executed."""

    def free(self) -> int:
        """How many more runs may start."""
        ...

    def start(self, run: SweptRun) -> None:
        """Starts a run."""
        ...

    def wait(self) -> list[Ended]:
        """The runs that have ended since the last call; waits for a moment, for none maybe."""
        ...

    def stop(self) -> None:
        """Asks all runs to save and end; a second time, to end at once."""
        ...

    def close(self) -> None:
        """Called once, at the end, when no run is left."""
        ...


class LocalPool:
    """Processes on this machine. Cores are divided among them, and GPUs."""

    def __init__(self, jobs: int | None) -> None:
        """jobs: runs side by side; None for one on each GPU, or on each pair of cores."""
        gpus = visible_gpus()
        self._jobs = jobs or len(gpus) or max(1, usable_cores() // 2)
        self._gpus = gpus
        self._running = dict[int, tuple[SweptRun, subprocess.Popen[bytes]]]()  # slot -> run
        self._asked = False

    def free(self) -> int:
        """See `Pool`."""
        return self._jobs - len(self._running)

    def start(self, run: SweptRun) -> None:
        """See `Pool`."""
        slot = next(i for i in range(self._jobs) if i not in self._running)
        run.output.parent.mkdir(parents=True, exist_ok=True)
        with run.output.open("ab") as output:
            process = subprocess.Popen(
                launched(command(run), cores_of(slot, jobs=self._jobs)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **gpu_of(slot, gpus=self._gpus, jobs=self._jobs)},
                start_new_session=True,  # Ctrl-C reaches it through `stop` alone
            )
        self._running[slot] = (run, process)

    def wait(self) -> list[Ended]:
        """See `Pool`."""
        ended = list[Ended]()
        for slot, (run, process) in list(self._running.items()):
            if (code := process.poll()) is not None:
                del self._running[slot]
                ended.append(Ended(run, code))
        if not ended:
            time.sleep(POLL_SECONDS)
        return ended

    def stop(self) -> None:
        """See `Pool`."""
        for _, process in self._running.values():
            process.send_signal(signal.SIGKILL if self._asked else signal.SIGTERM)
        self._asked = True

    def close(self) -> None:
        """See `Pool`; there is nothing to close."""


def command(run: SweptRun) -> list[str]:
    """The command of a run."""
    return [sys.executable, "-m", "dreamer_jax.main", *run.flags]


def launched(words: Sequence[str], cores: Sequence[int]) -> list[str]:
    """The command that binds itself to some cores, and then becomes another one.

    On Linux it gets SIGTERM, with which a run saves and ends, when its parent is gone.
    """
    return [sys.executable, "-I", "-S", "-c", LAUNCHER, ",".join(map(str, cores)), *words]


def cores_of(slot: int, *, jobs: int) -> list[int]:
    """The cores of one of `jobs` runs: equal shares, or one core each in turn if there are few."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    cores = sorted(os.sched_getaffinity(0))
    share = max(1, len(cores) // jobs)
    first = slot * share % len(cores)
    return cores[first : first + share]


def visible_gpus() -> list[str]:
    """The GPUs that runs may use, without starting a library on them."""
    if os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        return []
    if (given := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in given.split(",") if name.strip()]
    return [str(i) for i in range(len(list(GPUS.iterdir())))] if GPUS.is_dir() else []


def gpu_of(slot: int, *, gpus: Sequence[str], jobs: int) -> dict[str, str]:
    """The variables that give a run its GPU, and its share of the memory there."""
    if not gpus:
        return {}
    together = -(-jobs // len(gpus))
    share = os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{GPU_SHARE / together:.2f}")
    found = {"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]}
    return found | ({"XLA_PYTHON_CLIENT_MEM_FRACTION": share} if together > 1 else {})
