"""The heap is laid out in large pages, and keeps what was freed."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, re
from dreamer_jax import heap
heap.keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
size = 256 << 20
block = libc.malloc(ctypes.c_size_t(size))
ctypes.memset(block, 1, size)
libc.free(block)
found = {}
for line in open("/proc/self/smaps"):
    if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
        inside = "[heap]" in line
    elif inside and line.startswith(("Rss:", "AnonHugePages:", "VmFlags:")):
        name, value = line.split(":")
        found.setdefault(name, []).append(value.split())
kept = sum(int(x[0]) for x in found["Rss"]) >> 10
print(kept, any("hg" in x for x in found["VmFlags"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_the_heap_keeps_what_was_freed_and_asks_for_large_pages() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, text=True, capture_output=True, check=True
    )
    kept, large = done.stdout.split()
    assert int(kept) >= 256 and large == "True"
