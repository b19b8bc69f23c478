"""Devices as a mesh: replay rows and batches are split over the axis `data`, the rest is copied."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

DATA = "data"
ROWS: Any = PartitionSpec(DATA)  # of arrays [E, ...]
COPIED: Any = PartitionSpec()
BATCH: Any = PartitionSpec(None, DATA)  # of arrays [T, B, ...]


def parse(text: str) -> int:
    """Reads `data=4`; ValueError in one line for anything else."""
    name, _, number = text.partition("=")
    if name != DATA or not number.isdigit() or int(number) < 1:
        raise ValueError(f"--mesh={text}: expected data=N with N devices, such as data=4")
    return int(number)


def make(devices: int) -> Mesh:
    """A mesh of the first `devices` devices; ValueError if there are fewer."""
    found = jax.devices()
    if devices > len(found):
        there = f"only {len(found)} {found[0].platform} device(s)"
        raise ValueError(
            f"--mesh=data={devices}: {there}; --mesh=data={len(found)} goes on with what is there"
        )
    return Mesh(np.array(found[:devices]), (DATA,), axis_types=(AxisType.Auto,))


def divides(mesh: Mesh, name: str, number: int) -> None:
    """ValueError unless `number` can be split evenly over the mesh."""
    if number % mesh.shape[DATA]:
        raise ValueError(f"{name}={number} is not divisible by --mesh=data={mesh.shape[DATA]}")


def copied(mesh: Mesh, memory: str | None = None) -> NamedSharding:
    """The same on every device; `memory` is device (as is None) or pinned_host."""
    return NamedSharding(mesh, PartitionSpec(), memory_kind=memory)


def split(mesh: Mesh, memory: str = "device") -> NamedSharding:
    """Rows split over the devices; `memory` is device or pinned_host."""
    return NamedSharding(mesh, ROWS, memory_kind=memory)


def free_bytes(mesh: Mesh) -> int | None:
    """Free memory of the fullest device; None where devices have no memory of their own."""
    stats = [device.memory_stats() for device in mesh.devices.flat]
    free = [s["bytes_limit"] - s["bytes_in_use"] for s in stats if s]
    return min(free) if len(free) == len(stats) else None


def per_shard(
    mesh: Mesh, function: Callable[..., Any], inputs: Any, outputs: Any
) -> Callable[..., Any]:
    """Runs `function` on each device's own share; specs as of `jax.shard_map`."""
    return jax.shard_map(function, mesh=mesh, in_specs=inputs, out_specs=outputs, check_vma=False)


def within(mesh: Mesh) -> Any:
    """A context in which `locally` knows the devices."""
    return jax.sharding.use_abstract_mesh(mesh.abstract_mesh)


def locally(function: Callable[..., Any], inputs: Any, outputs: Any) -> Callable[..., Any]:
    """`per_shard` on the mesh of the context `within`; outside of one, the function itself.

    For loops over time: gradients of what is copied to all devices are then summed over devices
    once, after the loop, and not at every step of it.
    """
    if DATA not in jax.sharding.get_abstract_mesh().axis_names:
        return function
    return jax.shard_map(function, in_specs=inputs, out_specs=outputs, check_vma=False)
