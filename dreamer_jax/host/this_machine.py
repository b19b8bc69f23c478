"""The machine that this process runs on, with the limits that were set for the process."""

import math
import os
from pathlib import Path

from jax.sharding import Mesh

from dreamer_jax import mesh as meshes
from dreamer_jax.host import memory_limits
from dreamer_jax.machine import Machine


def find(mesh: Mesh) -> Machine:
    """The devices of `mesh` and their host, as they are now."""
    first = mesh.devices.flat[0]
    return Machine(
        platform=first.platform,
        device=first.device_kind,
        devices=mesh.size,
        idle=len(first.client.devices()) - mesh.size,
        cores=usable_cores(),
        host_memory=memory_limits.free_bytes(),
        own_memory=meshes.free_bytes(mesh),
    )


def usable_cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than its quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    granted = granted_cores(memory_limits.CGROUPS)
    return min(bound or 1, granted) if granted else bound or 1


def granted_cores(root: Path) -> int | None:
    """Cores that the control group of a container grants, rounded up; None without a limit.

    root: where control groups are mounted.
    """
    try:
        if (version_2 := root / "cpu.max").exists():
            time, period = version_2.read_text().split()
        else:
            time = (root / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text()
        return math.ceil(int(time) / int(period)) if int(time) > 0 else None
    except (OSError, ValueError):  # no such file, or "max"
        return None
