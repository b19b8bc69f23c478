"""Measures one case in a process of its own, whose memory and compiling are therefore the case's.

python -m experiments.bench_worker '{"kind": "update", "size": "nano", ...}' prints what the case
has found while it got ready, as a line of JSON. For each line of its input it measures once more
and prints that. When the input ends it prints what the process has needed in all.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import jax

from dreamer_jax.host import host_memory
from experiments import bench_cases, bench_profile, bench_runs

KINDS = {
    "matmul": bench_cases.matmul,
    "copy": bench_cases.copy,
    "update": bench_cases.update,
    "policy": bench_cases.policy,
    "add": bench_cases.add,
    "env": bench_cases.environment,
    "loop": bench_runs.loop,
    "idle": bench_runs.idle,
    "start": bench_runs.start,
    "whole": bench_runs.whole,
    "profile": bench_profile.profile,
    "loop_profile": bench_profile.loop_profile,
}


def main(text: str) -> None:
    """Answers until the input ends. What others print goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(values: dict[str, Any]) -> None:
        print(json.dumps(values), file=answers, flush=True)

    host_memory.keep_freed_memory()  # as in a run
    began = time.perf_counter()
    case = bench_cases.Case(**json.loads(text))
    facts, repeat = KINDS[case.kind](case)
    answer({"ready_seconds": time.perf_counter() - began, **facts})
    for _ in sys.stdin:
        answer(repeat())
    answer({"peak_bytes": peak_bytes(), "device": jax.devices()[0].device_kind, **device_peak()})


def peak_bytes() -> int:
    """The most memory of the host that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # what resource says includes the process that has started this one
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def device_peak() -> dict[str, int]:
    """The most memory of the device, where it has its own."""
    stats = jax.devices()[0].memory_stats()
    return {"device_peak_bytes": stats["peak_bytes_in_use"]} if stats else {}


if __name__ == "__main__":
    main(sys.argv[1])
