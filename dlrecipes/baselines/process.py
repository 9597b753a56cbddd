"""The process that a plain baseline is fitted in: beside the training, on one core, and polite."""

import os
import pickle
import subprocess
import sys
from contextlib import suppress

from dlrecipes.baselines.base import Fitted, PlainBaseline, Problem
from dlrecipes.datasets.content import temporary_file
from dlrecipes.errors import DlrecipesError

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Beside a training that uses all cores, the threads of two wait for each other: histogram gradient
boosting takes thirty times as long."""


class BaselineError(DlrecipesError):
    """A plain baseline could not be fitted."""


class Process:
    """A process that fits a plain baseline.

    Args:
        baseline: The baseline.
        problem: What it is fitted on.
    """

    def __init__(self, baseline: PlainBaseline, problem: Problem) -> None:
        # Files without names: no process waits for the other, and nothing is left behind.
        self.given, self.output, self.errors = (temporary_file() for _ in range(3))
        pickle.dump((baseline, problem), self.given, pickle.HIGHEST_PROTOCOL)
        self.given.seek(0)
        self.process = subprocess.Popen(
            # Without the folder it is started in, whose modules are not ours.
            [sys.executable, "-P", "-m", "dlrecipes.baselines", str(os.getpid())],
            stdin=self.given,
            stdout=self.output,
            stderr=self.errors,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,  # Ctrl-C is for the training.
        )

    def results(self, seconds: float) -> tuple[list[Fitted], bool]:
        """Return what was fitted, and whether that is all; wait for so many seconds at most.

        Raises:
            BaselineError: if nothing could be fitted, or not in time.
        """
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        code = self.process.poll()
        self.stop()
        found = self._read()
        if not found:
            reason = self._reason() if code is not None else "it was not finished in time"
            raise BaselineError(reason or f"its process ended with code {code}")
        return found, code == 0

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _read(self) -> list[Fitted]:
        """Return what the process has written; the last one may be cut off."""
        found: list[Fitted] = []
        self.output.seek(0)
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                found.append(pickle.load(self.output))
        return found

    def _reason(self) -> str:
        """Return why the process failed: the last line that it wrote."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
