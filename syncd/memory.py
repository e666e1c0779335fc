"""How the process holds its memory. It knows the C library, and nothing of ours."""

from __future__ import annotations

from contextlib import suppress

# Source: glibc, malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# As much as a few pages take while they are unpacked and read.
_KEPT_BYTES = 8 << 20


def share_one_heap() -> None:
    """All threads that begin from now on take memory from one heap.

    glibc gives each thread a heap of its own, which keeps what was given back for that thread alone. Pages of
    megabytes, unpacked by one thread after the other, left 13 MiB lying idle so. What a page took is kept for the
    next: to give it back and take it anew took a twentieth of the time of a pull. Other C libraries have no such
    heaps, and no such call.
    """
    import ctypes

    with suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back() -> None:
    """What is free goes back to the system: after a day's work a service that waits would keep a MiB or more of it."""
    import ctypes

    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
