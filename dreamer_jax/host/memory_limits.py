"""Limits of memory that were set for this process, below what the machine has."""

import resource
from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
# Folder of the hierarchy, files of limit and usage, and the memory.stat entry of cached files,
# which count as used but are given back when memory is short: versions 2 and 1 of cgroups.
VERSIONS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_bytes() -> int:
    """Bytes that this process may still take: of the machine, its control groups and ulimits."""
    return max(0, min(psutil.virtual_memory().available, *_left_of_limits()))


def _left_of_limits() -> Iterator[int]:
    used = psutil.Process().memory_info()
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit - used.vms
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit != resource.RLIM_INFINITY:
        yield limit - getattr(used, "data", used.vms)
    yield from left_in_groups(CGROUPS, OWN.read_text() if OWN.exists() else "")


def left_in_groups(root: Path, own: str) -> Iterator[int]:
    """Bytes left in each control group above a process that limits memory.

    Args:
      root: where the groups are mounted.
      own: the process's /proc/self/cgroup, one line `number:controllers:path` for each hierarchy.
        Inside of a container the path may be that of the host, and its own group is the root.
    """
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        for folder, limit, usage, cached in VERSIONS:
            if controllers == folder:
                group = root / folder / path.lstrip("/")
                for each in (group, *group.parents):
                    yield from _left(each, limit=limit, usage=usage, cached=cached)
                    if each == root / folder:
                        break


def _left(group: Path, *, limit: str, usage: str, cached: str) -> Iterator[int]:
    try:
        text = (group / limit).read_text().strip()
        if text == "max":
            return
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        yield int(text) - int((group / usage).read_text()) + int(stat.get(cached, 0))
    except (OSError, ValueError):  # no such group here, or one that does not limit memory
        return
