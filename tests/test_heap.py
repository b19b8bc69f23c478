"""The heap keeps what was freed, until the gaps between allocations are closed."""

import ast
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from command import ENVIRON, ROOT

PACKAGE = ROOT / "dreamer_jax"
COMMANDS = {"commands/train.py", "commands/evaluate.py", "commands/dream.py"}
PROGRAM = """
import ctypes, json, re
from dreamer_jax.host import host_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]


def touched(size, value=1):
    block = libc.malloc(size)
    ctypes.memset(block, value, size)
    return block


def report(**more):
    kept, here, flags = 0, False, {}
    for line in open("/proc/self/smaps"):
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            here, first = "[heap]" in line, int(found[1], 16)
        elif here and line.startswith("Rss:"):
            kept += int(line.split()[1]) >> 10
        elif here and line.startswith("VmFlags:"):
            flags[first] = [flag for flag in ("hg", "nh") if flag in line.split()]
    print(json.dumps({"kept": kept, **more}))
    return flags


def advised(flags, block):
    return flags[max(first for first in flags if first <= block)]


host_memory.keep_freed_memory()
blocks = [touched(1 << 20, i % 251) for i in range(512)]  # MB, of which half is freed
held = blocks[1::2]
for block in blocks[::2]:
    libc.free(block)
report()
for _ in range(2):
    host_memory.close_gaps()
    report()
block = touched(256 << 20)
neighbors = [libc.malloc(1 << 20) for _ in range(16)]
flags = report(behind=all(x > max(held) for x in (block, *neighbors)))
libc.free(block)
libc.free(touched(200 << 20))
whole = all(
    set(ctypes.string_at(block, 1 << 20)) == {i % 251} for i, block in zip(range(1, 512, 2), held)
)
report(whole=whole, small=advised(flags, held[128]), large=advised(flags, block + (8 << 20)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")
def test_what_was_freed_is_kept_until_its_gaps_are_closed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )
    freed, closed, twice, behind, last = map(json.loads, done.stdout.splitlines())
    assert freed["kept"] >= 512
    assert freed["kept"] - closed["kept"] >= 250
    assert abs(twice["kept"] - closed["kept"]) <= 8
    # What is allocated afterwards lies side by side behind it all, and what is freed is kept.
    assert behind["behind"]
    assert behind["kept"] - closed["kept"] >= 250
    assert abs(last["kept"] - behind["kept"]) <= 8
    # What was in use has not been touched.
    assert last["whole"]
    if Path("/sys/kernel/mm/transparent_hugepage/enabled").exists():
        assert last["small"] == ["nh"] and last["large"] == ["hg"]


def identifiers(source: str) -> set[str]:
    """Every name that a source uses, imports or defines, and every text that is one word."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "attr", "name", "asname", "value"):
            found.add(getattr(node, field, None))
    return {name for name in found if isinstance(name, str)}


def test_only_commands_close_gaps() -> None:
    """It takes most of the free memory for a moment, which no library may do to its host."""
    sources = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    users = {
        name for name, path in sources.items() if "close_gaps" in identifiers(path.read_text())
    }
    assert users == {"host/host_memory.py", *COMMANDS}


@pytest.mark.parametrize(
    "source",
    [
        "from a import close_gaps",
        "from a import close_gaps as close",
        "def f():\n    memory.close_gaps()",
        "getattr(memory, 'close_gaps')",
    ],
)
def test_the_reader_above_sees_every_use(source: str) -> None:
    assert "close_gaps" in identifiers(source)


IMPORTS = """
import importlib, json, sys

looked_up = set()
sys.addaudithook(lambda event, given: event == "ctypes.dlsym" and looked_up.add(given[1]))
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(looked_up & {"mallopt", "madvise", "sbrk"})))

from dreamer_jax.host import host_memory

host_memory.close_gaps()
print(json.dumps(sorted(looked_up & {"mallopt", "madvise", "sbrk"})))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")
def test_importing_the_package_leaves_the_heap_alone() -> None:
    """No module looks up a function that changes the heap, but `close_gaps` does."""
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in PACKAGE.rglob("*.py")]
    modules = [".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]
    assert {"dreamer_jax.commands.train", "dreamer_jax.host.host_memory"} <= set(modules)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *sorted(modules)],
        cwd=ROOT,
        env=ENVIRON,
        text=True,
        capture_output=True,
        check=True,
    )
    imported, closed = map(json.loads, done.stdout.splitlines())
    assert imported == []
    assert closed == ["madvise", "mallopt", "sbrk"]
