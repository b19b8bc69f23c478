"""The processes of a sweep: what they share, and how they end."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dreamer_jax.sweeps import plan, pool
from dreamer_jax.sweeps.plan import SweptRun
from dreamer_jax.sweeps.pool import Ended, LocalPool, cores_of, gpu_of

SLEEPS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(0)))
print(*sorted(os.sched_getaffinity(0)), flush=True)
time.sleep(30)
"""


def run_at(folder: Path, seed: int) -> SweptRun:
    return SweptRun(plan.Setting("one", {}), seed, folder / "one" / f"seed{seed}", ())


def test_processes_share_the_cores_and_save_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "command", lambda _: [sys.executable, "-c", SLEEPS])
    used, both = LocalPool(2), [run_at(tmp_path, seed) for seed in (0, 1)]
    for run in both:
        used.start(run)
    assert used.free() == 0 and used.wait() == []
    wait_for(lambda: all(run.output.exists() and run.output.read_text() for run in both))
    used.stop()
    ended = list[Ended]()
    wait_for(lambda: ended.extend(used.wait()) or len(ended) == 2)
    assert {each.code for each in ended} == {0} and used.free() == 2
    for slot, run in enumerate(both):
        cores = " ".join(map(str, cores_of(slot, jobs=2)))
        assert run.output.read_text().splitlines() == [cores, "saved"]


PARENT = """
import sys
from pathlib import Path
from dreamer_jax.sweeps import pool
from dreamer_jax.sweeps.plan import Setting, SweptRun
pool.command = lambda _: [sys.executable, "-c", sys.argv[2]]
folder = Path(sys.argv[1])
used = pool.LocalPool(1)
used.start(SweptRun(Setting("one", {}), 0, folder / "one" / "seed0", ()))
while True:
    used.wait()
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_runs_of_a_killed_sweep_save_and_end(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), SLEEPS])
    output = run_at(tmp_path, 0).output
    wait_for(lambda: output.exists() and output.read_text() != "")
    parent.kill()
    parent.wait()
    wait_for(lambda: "saved" in output.read_text())


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_gpus_are_shared() -> None:
    assert gpu_of(3, gpus=[], jobs=4) == {}
    alone = gpu_of(1, gpus=["0", "2"], jobs=2)
    assert alone == {"CUDA_VISIBLE_DEVICES": "2"}
    shared = gpu_of(3, gpus=["0", "2"], jobs=4)
    assert shared == {"CUDA_VISIBLE_DEVICES": "2", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.45"}
