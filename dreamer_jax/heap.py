"""Memory of the host: one heap in large pages, which keeps what was freed."""

import ctypes
import mmap
import sys

import psutil

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # parameters of mallopt(3)
NEVER = -1
LARGE_PAGE = 2 << 20
SHARE = 0.9  # of the machine's memory that the heap may come to hold
WHOLE_END = 1 << 62  # bytes; more than the unused end of a heap can have


def keep_freed_memory() -> None:
    """Tells glibc to hold on to freed memory instead of returning it to the kernel.

    XLA on CPU allocates all temporary arrays of a program anew at each call. Returned to the
    kernel, they come back as pages that have to be zeroed one by one: 41,000 page faults and 30 %
    of the time of an update in the `cartpole` preset. Does nothing where there is no glibc.
    """
    libc = _glibc()
    if libc is None:
        return
    libc.mallopt(MMAP_MAX, 0)  # no allocation gets pages of its own, to be unmapped when freed
    libc.mallopt(TRIM_THRESHOLD, NEVER)
    libc.mallopt(ARENA_MAX, 1)  # arenas of threads are too small to hold such arrays
    _use_large_pages(libc, int(SHARE * psutil.virtual_memory().available))


def give_back() -> None:
    """Returns to the kernel what has been freed so far, but for the end of the heap.

    To be called when all is compiled, which leaves 0.9 GB in pieces too small for the arrays of an
    update. These lie at the end, in large pages that stay.
    """
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim.argtypes = [ctypes.c_size_t]
        libc.malloc_trim(WHOLE_END)


def _glibc() -> ctypes.CDLL | None:
    """The C library, if it is one whose heap can be told how to behave."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


def _use_large_pages(libc: ctypes.CDLL, size: int) -> None:
    """Has the next `size` bytes of the heap come in pages of 2 MB, where the kernel has them.

    Convolutions stride through more small pages than a processor can remember the places of. The
    range is asked for and given back at once: it becomes memory only where it is written to.
    """
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    start = libc.malloc(size)
    if start:
        aligned = -(-start // LARGE_PAGE) * LARGE_PAGE
        libc.madvise(aligned, size - 2 * LARGE_PAGE, mmap.MADV_HUGEPAGE)
        libc.free(start)
