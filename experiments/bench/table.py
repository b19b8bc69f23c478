"""Measurements as rows of a table, as ratios, and as JSON."""

import dataclasses
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.bench.case import Case

COLUMNS = (
    *("case", "time", "quartiles", "CPU time", "compile", "peak", "temporary"),
    *("GFLOP", "GB", "operations alone", "bytes alone", "more"),
)
# Results of a repeat that are shown as they are.
MORE = ("overhead", "share", "busy")


class Found(NamedTuple):
    """The measurements of one case in one checkout."""

    case: Case
    facts: dict[str, Any]
    repeats: list[dict[str, Any]]
    needs: dict[str, Any]  # of the process, once it was over

    def median(self, name: str = "seconds") -> float:
        """The median over repeats; NaN if they have no such number."""
        values = [repeat[name] for repeat in self.repeats if name in repeat]
        return statistics.median(values) if values else float("nan")


def heading() -> str:
    """The first lines of the table."""
    return f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def line(found: Found, past: Sequence[Found]) -> str:
    """A row of the table; `past` has the rates of the machine if they were measured before."""
    facts, seconds = found.facts, found.median()
    low, _, high = quartiles([repeat["seconds"] for repeat in found.repeats])
    flops, moved = facts.get("flops", 0.0), facts.get("bytes", 0.0)
    multiplies, copies = rates(found.case, past)
    more = [f"{name} {found.median(name):.3f}" for name in MORE if name in found.repeats[0]]
    more += [f"{facts['steps'] / seconds:.0f} steps/s"] if "steps" in facts else []
    more += [f"{flops / seconds / 1e9:.0f} GFLOP/s"] if found.case.kind == "matmul" else []
    more += [f"{moved / seconds / 1e9:.0f} GB/s"] if found.case.kind == "copy" else []
    cells = (
        label(found.case),
        duration(seconds),
        f"{duration(low)} to {duration(high)}",
        duration(found.median("cpu_seconds")),
        duration(facts.get("compile_seconds")),
        size(found.needs.get("device_peak_bytes", found.needs["peak_bytes"])),
        size(facts.get("temporary_bytes")),
        f"{flops / 1e9:.2f}" if flops else "",
        f"{moved / 1e9:.2f}" if moved else "",
        duration(flops / multiplies if flops and multiplies else None),
        duration(moved / copies if moved and copies else None),
        ", ".join(more),
    )
    return f"| {' | '.join(cells)} |"


def comparison(ours: Found, theirs: Found) -> str:
    """The needs of the second checkout over those of the first, repeat by repeat."""
    shown = []
    for name in ("seconds", "cpu_seconds"):
        pairs = zip(ours.repeats, theirs.repeats, strict=True)
        ratios = [b[name] / a[name] for a, b in pairs if a.get(name)]
        if ratios:
            low, middle, high = quartiles(ratios)
            shown.append(f"{name} {middle:.3f} ({low:.3f} to {high:.3f})")
    for name in ("compile_cpu_seconds", "temporary_bytes", "flops"):
        if ours.facts.get(name) and theirs.facts.get(name):
            shown.append(f"{name} {theirs.facts[name] / ours.facts[name]:.3f}")
    shown.append(f"peak_bytes {theirs.needs['peak_bytes'] / ours.needs['peak_bytes']:.3f}")
    return f"{label(ours.case)}, the other checkout to this one: {', '.join(shown)}"


def record(checkouts: Sequence[Path], found: Sequence[Sequence[Found]]) -> dict[str, Any]:
    """Everything, as JSON."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "python": platform.python_version(),
        "checkouts": [
            {
                "commit": commit(checkout),
                "cases": [{**x._asdict(), "case": dataclasses.asdict(x.case)} for x in cases],
            }
            for checkout, cases in zip(checkouts, found, strict=True)
        ],
    }


def rates(case: Case, past: Sequence[Found]) -> tuple[float | None, float | None]:
    """Operations and bytes a second of the machine; None if they were not measured."""
    multiplies = [x for x in past if x.case.kind == "matmul" and x.case.dtype == case.dtype]
    copies = [x for x in past if x.case.kind == "copy"]
    return (
        multiplies[-1].facts["flops"] / multiplies[-1].median() if multiplies else None,
        copies[-1].facts["bytes"] / copies[-1].median() if copies else None,
    )


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def label(case: Case) -> str:
    """The case in a few words."""
    words = (case.kind, case.size, case.dtype, case.observation, case.cache)
    crowd = f"{case.envs} env" if case.kind in ("act", "idle", "loop") else ""
    return " ".join(word for word in (*words, crowd) if word)


def duration(seconds: float | None) -> str:
    """Seconds with a unit; empty if they are not known."""
    if seconds is None or seconds != seconds:
        return ""
    unit, factor = ("s", 1) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{seconds * factor:.3g} {unit}"


def size(number: float | None) -> str:
    """Bytes in GB; empty if they are not known."""
    return f"{number / 1e9:.2f} GB" if number else ""


def processor() -> str:
    """The name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.processor()


def commit(checkout: Path) -> str:
    """The commit of a checkout; empty if it has none."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
