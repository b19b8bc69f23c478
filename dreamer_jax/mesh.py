"""Devices as a mesh. Replay rows and batches are split over its axis `data`, the rest is copied."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from dreamer_jax.faults import one_line

DATA = "data"
# PartitionSpec of one leaf also stands for a whole tree, which no type of `shard_map` says.
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
    """A mesh of the first `devices` devices; ValueError if there are fewer, or none at all."""
    found = devices_found()
    if devices > len(found):
        there = f"only {len(found)} {found[0].platform} device(s)"
        raise ValueError(
            f"--mesh=data={devices}: {there}; --mesh=data={len(found)} uses all of them"
        )
    return Mesh(np.array(found[:devices]), (DATA,), axis_types=(AxisType.Auto,))


def devices_found() -> list[Any]:
    """The devices of the platform that JAX uses; ValueError in one line if it cannot be used."""
    try:
        return jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where JAX has no plugin for it
        asked = f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}"
        reason = one_line(error) or "jax has no plugin for this platform"
        hint = 'JAX_PLATFORMS=cpu works anywhere; pip install -e ".[cuda12]" adds NVIDIA GPUs'
        raise ValueError(f"{asked}: no device found: {reason}; {hint}") from None


def require_divisible(mesh: Mesh, number: int, *, name: str) -> None:
    """ValueError unless `number` can be split evenly over the mesh."""
    if number % mesh.shape[DATA]:
        raise ValueError(f"{name}={number} is not divisible by --mesh=data={mesh.shape[DATA]}")


def copied(mesh: Mesh, memory: str | None = None) -> NamedSharding:
    """Every device holds a whole copy; `memory` is device (the default) or pinned_host."""
    return NamedSharding(mesh, PartitionSpec(), memory_kind=memory)


def split(mesh: Mesh, memory: str = "device") -> NamedSharding:
    """Rows split over the devices; `memory` is device or pinned_host."""
    return NamedSharding(mesh, ROWS, memory_kind=memory)


def free_bytes(mesh: Mesh) -> int | None:
    """Free memory of the fullest device; None where devices share the memory of the host."""
    stats = [device.memory_stats() for device in mesh.devices.flat]
    free = [s["bytes_limit"] - s["bytes_in_use"] for s in stats if s]
    return min(free) if len(free) == len(stats) else None


def per_shard(
    mesh: Mesh, function: Callable[..., Any], *, inputs: Any, outputs: Any
) -> Callable[..., Any]:
    """`function`, run by each device on its share of the arrays.

    inputs, outputs: `in_specs` and `out_specs` of `jax.shard_map`, trees of `PartitionSpec`.
    """
    return jax.shard_map(function, mesh=mesh, in_specs=inputs, out_specs=outputs, check_vma=False)


def within(mesh: Mesh) -> AbstractContextManager[Any]:
    """A context in which `locally` knows the devices."""
    return jax.sharding.use_abstract_mesh(mesh.abstract_mesh)


def locally(function: Callable[..., Any], *, inputs: Any, outputs: Any) -> Callable[..., Any]:
    """`per_shard` on the mesh of the context `within`; outside of one, the function itself.

    For loops over time. Gradients of parameters, which are copied to all devices, are then summed
    over devices once after the loop instead of at every step.
    """
    if DATA not in jax.sharding.get_abstract_mesh().axis_names:
        return function
    return jax.shard_map(function, in_specs=inputs, out_specs=outputs, check_vma=False)
