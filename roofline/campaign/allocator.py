"""Does a fresh output cost page faults? With a pinned allocator it does not; every run records whether it was pinned.

glibc returns buffers above a threshold (at most 32 MiB) to the kernel when they are freed, so each new one faults page
by page: a 64 MB copy runs at 5 GB/s instead of 40. Whether that happens depends on the history of the heap. During a
campaign the thresholds are raised so that it does not.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_HUGE = 2**31 - 1


def pin_allocator() -> bool:
    """Keep freed memory in the process; True where the C library supports it (glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_THRESHOLD, _HUGE)) and bool(mallopt(_TRIM_THRESHOLD, _HUGE))
    except (AttributeError, OSError):
        return False
