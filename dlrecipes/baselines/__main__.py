"""Fit a plain baseline: `python -m dlrecipes.baselines PARENT`, started by a training.

Standard input holds the baseline and what it is fitted on; each result goes to standard output.
"""

import os
import pickle
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import replace

import psutil

NICENESS = 10
"""Where a core is wanted by the training too, this process gets a tenth of it, if the system has no
class for processes that get nothing then."""


def _end_with(parent: int) -> None:
    """End this process when the one that started it has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    """Fit what is asked for."""
    with suppress(psutil.Error, OSError):
        lowest = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", NICENESS)
        psutil.Process().nice(lowest)
    if hasattr(os, "SCHED_IDLE"):
        # A thread of the training that wakes up gets its core at once: it waits for many others.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if hasattr(os, "getppid") and os.name == "posix":
        threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    warnings.simplefilter("ignore")  # That a fit has not converged is no news to anyone here.
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints is no result.
    baseline, problem = pickle.load(sys.stdin.buffer)
    for fitted in baseline.fit(problem):
        pickle.dump(replace(fitted, seconds=time.process_time()), results)
        results.flush()


if __name__ == "__main__":
    main()
