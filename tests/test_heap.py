"""The heap keeps what was freed, until the gaps between allocations are closed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, json, re
from dreamer_jax import heap

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]


def touched(size, value=1):
    block = libc.malloc(size)
    ctypes.memset(block, value, size)
    return block


def report(**more):
    kept, large, here = 0, 0, False
    for line in open("/proc/self/smaps"):
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            here = "[heap]" in line
        elif here:
            name, value = line.split()[:2]
            kept += int(value) >> 10 if name == "Rss:" else 0
            large += int(value) >> 10 if name == "AnonHugePages:" else 0
    print(json.dumps({"kept": kept, "large": large, **more}))


heap.keep_freed_memory()
blocks = [touched(64 << 10, i % 251) for i in range(8192)]  # 512 MB, of which half is freed
held = blocks[1::2]
for block in blocks[::2]:
    libc.free(block)
report()
for _ in range(2):
    heap.close_gaps()
    report()
block = touched(256 << 20)
beside = [libc.malloc(64 << 10) for _ in range(16)]
report(behind=all(x > max(held) for x in (block, *beside)))
libc.free(block)
report(again=libc.malloc(200 << 20) == block)
whole = all(
    set(ctypes.string_at(block, 64 << 10)) == {i % 251}
    for i, block in zip(range(1, 8192, 2), held)
)
report(whole=whole)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_what_was_freed_is_kept_until_its_gaps_are_closed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[1],
        text=True,
        capture_output=True,
        check=True,
    )
    freed, closed, twice, behind, again, last = map(json.loads, done.stdout.splitlines())
    assert freed["kept"] >= 512
    assert freed["kept"] - closed["kept"] >= 200  # the freed half, but for its edges
    assert abs(twice["kept"] - closed["kept"]) <= 8
    # What is allocated afterwards lies side by side behind it all, and what is freed is kept.
    assert behind["behind"]
    assert behind["kept"] - closed["kept"] >= 250
    assert again["again"]
    assert again["kept"] == behind["kept"]
    # What was in use has not been touched.
    assert last["whole"]
    modes = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if modes.exists() and "[never]" not in modes.read_text():
        assert closed["large"] <= 8
        assert behind["large"] >= 200
