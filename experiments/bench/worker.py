"""Measures one case in a process that does nothing else, so that memory and compiling are its own.

python -m experiments.bench.worker '{"kind": "update", "size": "nano", ...}' prints the facts of the
prepared case as a line of JSON. For each line of its input it measures once more and prints that.
When the input ends it prints the memory that the process has needed. `experiments.bench` starts it.
"""

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from dreamer_jax.host import host_memory
from experiments.bench import loop, profile, programs
from experiments.bench.case import Case, Prepared


class Kind(NamedTuple):
    """What can be measured."""

    prepare: Callable[[Case], Prepared]
    axes: tuple[str, ...] = ()  # the fields of a case that it is repeated for
    fields: tuple[tuple[str, Any], ...] = ()  # those in which it differs from other kinds


KINDS = {
    "matmul": Kind(programs.matmul),
    "copy": Kind(programs.copy),
    "update": Kind(programs.update, ("size", "observation")),
    "act": Kind(programs.act, ("size", "observation", "envs")),
    "loop": Kind(loop.loop, ("size",)),
    "idle": Kind(loop.idle, ("size",)),
    "start": Kind(loop.start, ("size", "cache"), (("capacity", 100_000),)),
    "profile": Kind(profile.profile, ("size", "observation")),
}


def main(text: str) -> None:
    """Answers until the input ends. Whatever else is printed goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(values: dict[str, Any]) -> None:
        print(json.dumps(values), file=answers, flush=True)

    host_memory.keep_freed_memory()  # as in a run
    case = Case(**json.loads(text))
    facts, repeat = KINDS[case.kind].prepare(case)
    answer(facts)
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
