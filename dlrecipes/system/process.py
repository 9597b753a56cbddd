"""This process: for how long it has run, and how much memory it has taken."""

import os
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType

import psutil

resource: ModuleType | None
try:
    resource = import_module("resource")
except ImportError:  # Windows has no such module.
    resource = None


def seconds_since_start() -> float:
    """Return the wall time since the system started this process: before Python's own start."""
    try:
        # psutil knows the start on Linux to a second only; the kernel, to a hundredth.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError):
        return time.time() - float(psutil.Process().create_time())


def peak_memory() -> int:
    """Return the most memory that this process has had at once, bytes."""
    if resource is None:
        return int(psutil.Process().memory_info().peak_wset)
    largest = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return largest if sys.platform == "darwin" else largest * 1024  # which counts in KiB
