"""The heap is laid out in large pages, and keeps what was freed until it is told otherwise."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, re
from dreamer_jax import heap

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]


def touched(size):
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    return block


def report():
    found = {}
    for line in open("/proc/self/smaps"):
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = "[heap]" in line
        elif inside and line.startswith(("Rss:", "VmFlags:")):
            name, value = line.split(":")
            found.setdefault(name, []).append(value.split())
    kept = sum(int(x[0]) for x in found["Rss"]) >> 10
    print(kept, any("hg" in x for x in found["VmFlags"]))


heap.keep_freed_memory()
small = [touched(64 << 10) for _ in range(4096)]  # 256 MB, and something that keeps their place
held = touched(64 << 10)
for block in small:
    libc.free(block)
report()
heap.give_back()
report()
libc.free(touched(256 << 20))
report()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_what_was_freed_is_kept_in_large_pages_and_can_be_given_back() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, text=True, capture_output=True, check=True
    )
    sizes, large = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    small, left, after = map(int, sizes)
    assert small >= 256 and small - left >= 250 and after - left >= 250
    assert set(large) == {"True"}
