"""Where the time of an update goes: its operations, as JAX's profiler sees them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax

from experiments.bench.case import Case, Prepared, made_up, ready
from experiments.bench.programs import learner

SHOWN = 40  # operations that take most
# What only contains other operations, whose times are counted on their own.
CONTAINERS = ("while", "call", "conditional")


class Event(NamedTuple):
    """One execution of one operation."""

    name: str
    began: float  # nanoseconds
    ended: float


def profile(case: Case) -> Prepared:
    """Updates under the profiler: seconds of each operation, and the share of busy time."""
    run = made_up(case)
    built, facts = ready(run, "learn")
    call = learner(run, built)
    text = built.learn.as_text() or ""
    jax.block_until_ready(call())

    def repeat() -> dict[str, Any]:
        with TemporaryDirectory() as folder:
            with jax.profiler.trace(folder):
                for _ in range(case.updates - 1):
                    call()
                jax.block_until_ready(call())
            return seen(Path(folder), text, case.updates)

    return Prepared(facts, repeat)


def seen(folder: Path, text: str, updates: int) -> dict[str, Any]:
    """A summary of what the profiler has written in `folder` of `updates` of the program `text`."""
    found = list(events(folder))
    span = max(x.ended for x in found) - min(x.began for x in found)
    return {
        "seconds": span / 1e9 / updates,
        "busy": covered(found) / span,
        "operations": ranked(found, text, updates),
    }


def events(folder: Path) -> Iterator[Event]:
    """What ran on the device; on a CPU, what its threads did for a program."""
    (path,) = folder.rglob("*.xplane.pb")
    profile = jax.profiler.ProfileData.from_file(str(path))  # its parts do not keep it alive
    planes = list(profile.planes)
    devices = [plane for plane in planes if plane.name.startswith("/device:GPU")]
    for plane in devices or planes:
        for line in plane.lines:
            if devices and not line.name.startswith("Stream"):
                continue  # the same once more, in other words
            for event in line.events:
                operation = dict(event.stats).get("hlo_op")
                if operation is None and not devices:
                    continue
                name = str(operation or event.name)
                if not name.startswith(CONTAINERS):
                    yield Event(name, event.start_ns, event.start_ns + event.duration_ns)


def covered(found: list[Event]) -> float:
    """Nanoseconds in which anything ran."""
    total, until = 0.0, 0.0
    for event in sorted(found, key=lambda x: x.began):
        total += max(0.0, event.ended - max(event.began, until))
        until = max(until, event.ended)
    return total


def ranked(found: list[Event], text: str, updates: int) -> list[dict[str, Any]]:
    """The operations that take most, per update; `where` is their place in the program."""
    spent: dict[str, list[float]] = defaultdict(list)
    for event in found:
        spent[event.name].append(event.ended - event.began)
    total = sum(map(sum, spent.values()))
    places = dict(re.findall(r'%([\w.-]+) = .*?metadata=\{op_name="([^"]*)"', text))
    largest = sorted(spent.items(), key=lambda item: -sum(item[1]))[:SHOWN]
    return [
        {
            "name": name,
            "where": places.get(name, ""),
            "seconds": sum(times) / 1e9 / updates,
            "share": sum(times) / total,
            "times": len(times) / updates,
        }
        for name, times in largest
    ]
