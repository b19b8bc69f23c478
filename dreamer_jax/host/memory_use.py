"""The memory that this process uses, on the host and on its devices."""

import jax
import psutil


def in_use() -> dict[str, int]:
    """Bytes by name: 'memory_bytes' of the process, and 'device_memory_bytes' where one is known.

    A CPU has no memory of its own. Of several devices, the fullest counts.
    """
    found = {"memory_bytes": psutil.Process().memory_info().rss}
    devices = [(device.memory_stats() or {}).get("bytes_in_use") for device in jax.local_devices()]
    known = [number for number in devices if number is not None]
    return found | ({"device_memory_bytes": max(known)} if known else {})
