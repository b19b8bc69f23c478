"""Memory of the host: one heap that keeps freed memory, in large pages where arrays lie.

These functions change the heap of the whole process. So only the command line calls them, and no
library should. Sources: mallopt(3), madvise(2).
"""

import ctypes
import mmap
import sys

from dreamer_jax.host import memory_limits

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # parameters of mallopt(3)
NEVER = -1
PAGE, LARGE_PAGE = mmap.PAGESIZE, 2 << 20
SHARE = 0.9  # of the free memory, for which the kernel gets advice in advance
LARGEST_GAP = 4 << 20  # bytes; larger gaps are taken in parts
SMALLEST_GAP = 4 << 10  # bytes; smaller ones stay in use
STEPS = 32  # each size to try is a 32nd smaller than the one before


def keep_freed_memory() -> None:
    """Tells glibc to hold on to freed memory instead of returning it to the kernel.

    XLA on CPU allocates all temporary arrays of a program again at each call. Memory that went back
    to the kernel returns as pages that are zeroed one by one: 41,000 page faults and 30 % of the
    time of an update in the `cartpole` preset. Does nothing without glibc.

    Pages are small until `close_gaps`, because the kernel takes back a part of a large page only
    when memory is short.
    """
    libc = _glibc()
    if libc is None:
        return
    libc.mallopt(MMAP_MAX, 0)  # a separate mapping would be unmapped when it is freed
    libc.mallopt(TRIM_THRESHOLD, NEVER)
    libc.mallopt(ARENA_MAX, 1)  # arenas of threads are too small to hold such arrays
    libc.free(_take_rest(libc, mmap.MADV_NOHUGEPAGE))


def close_gaps() -> None:
    """Takes all free memory between allocations out of use; its pages go to the kernel.

    Call it once, after programs are compiled and before arrays are made. Compiling an update at 1m
    leaves 0.9 GB in tens of thousands of gaps. malloc would search them at each call (13 % of the
    time of an update) and spread arrays over them. Later allocations are adjacent, in pages of 2 MB
    where the kernel has them: convolutions stride through more small pages than the TLB has
    entries. The cost is address space, as much as the gaps have.

    Does nothing unless `keep_freed_memory` was called.
    """
    libc = _glibc()
    if libc is None:
        return
    rest = _take_rest(libc, mmap.MADV_HUGEPAGE)
    if rest is not None:
        _take_gaps(libc, rest)
    libc.free(rest)


def _take_rest(libc: ctypes.CDLL, advice: int) -> int | None:
    """Allocates the memory after everything in use; its pages will come as advised."""
    size = int(SHARE * memory_limits.free_bytes())
    rest = libc.malloc(size)
    if rest is None or rest > libc.sbrk(0):  # not in the heap
        libc.free(rest)
        return None
    _advise(libc, rest, size, LARGE_PAGE, mmap.MADV_DONTNEED)  # existing pages would stay
    _advise(libc, rest, size, LARGE_PAGE, advice)
    return rest


def _take_gaps(libc: ctypes.CDLL, end: int) -> None:
    """Allocates all free memory before `end`, largest first, and returns its pages.

    While everything after `end` is taken, an allocation before `end` was a gap.
    """
    size = LARGEST_GAP
    while size >= SMALLEST_GAP:
        gap = libc.malloc(size)
        if gap and gap < end:
            _advise(libc, gap, size, PAGE, mmap.MADV_DONTNEED)
        else:
            libc.free(gap)
            size -= size // STEPS


def _advise(libc: ctypes.CDLL, start: int, size: int, page: int, advice: int) -> None:
    """madvise(2) for the whole pages of an allocation."""
    first, after = -(-start // page) * page, (start + size) // page * page
    if first < after:
        libc.madvise(first, after - first, advice)


def _glibc() -> ctypes.CDLL | None:
    """The C library, if its heap can be tuned."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    libc.malloc.restype, libc.malloc.argtypes = pointer, [size]
    libc.free.argtypes = [pointer]
    libc.sbrk.restype, libc.sbrk.argtypes = pointer, [ctypes.c_ssize_t]
    libc.madvise.argtypes = [pointer, size, ctypes.c_int]
    return libc
