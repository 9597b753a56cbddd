"""Train with several seeds side by side, each in a process of its own."""

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, Protocol

from dlrecipes.errors import InputError, Interrupted
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import Run
from dlrecipes.system.signals import StopRequest, stop_on_signals
from dlrecipes.training.request import Request
from dlrecipes.training.seeds import require_all

WAKES_EVERY = 0.2
"""Seconds after which a stop that was asked for is noticed."""
FAILED = "its process ended with code {}"


class JobsListener(Protocol):
    """Hears how trainings go that run side by side."""

    def seed_begins(self, seed: int) -> None:
        """Hear that the process of a seed is started."""

    def fit_begins(self, seed: int, run: Run, epochs: int) -> None:
        """Hear that the training of a seed begins."""

    def epoch_ends(self, seed: int, epoch: int, logs: Mapping[str, float]) -> None:
        """Hear that an epoch ended: its metrics."""

    def warning(self, seed: int, message: str) -> None:
        """Hear something that the user should know."""

    def seed_ends(self, seed: int, run: Run | None, why: str) -> None:
        """Hear that the training of a seed is over: its finished run, or why there is none."""


class Heard(NamedTuple):
    """Something that a process told: of which seed, and what."""

    seed: int
    told: dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """Runs that were trained side by side.

    Args:
        runs: The runs, by their seeds.
        memory: The most memory that the processes of them took together, bytes, at most.
    """

    runs: list[Run]
    memory: int


class Jobs:
    """Trains with seeds side by side.

    No process is told how many threads to use: with other threads than it has alone, its sums are
    added up in another order, and its results differ in their last digits.

    Args:
        request: What is to be trained, with the first seed.
        group: What the names of the runs begin with.
        listener: Hears how it goes.
    """

    def __init__(self, request: Request, group: str, listener: JobsListener) -> None:
        self.request, self.group, self.listener = request, group, listener
        self.heard: SimpleQueue[Heard] = SimpleQueue()
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        """Those that are at work, by their seeds."""
        self.runs: dict[int, Run] = {}
        self.failed: dict[int, str] = {}
        self.memory: list[int] = []
        """The most that each process took, bytes."""

    def train(self, count: int, jobs: int) -> Trained:
        """Train with seeds, so many at once, and return the runs.

        Where one fails, the others are trained all the same.

        Raises:
            InputError: if the request cannot be trained.
            Interrupted: if the user or the system stopped it; every run is kept, and says so.
            DlrecipesError: if one or more failed, once the others are trained.
        """
        waiting = list(range(self.request.seed, self.request.seed + count))
        try:
            with stop_on_signals() as stop:
                stop.can_wait = True
                while (waiting and not stop.asked) or self.processes:
                    while waiting and not stop.asked and len(self.processes) < jobs:
                        self._start(waiting.pop(0))
                    self._listen(stop)
            if stop.asked:
                raise Interrupted("Interrupted. All runs are kept.")
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted. All runs are kept, with their last checkpoints."
            ) from None
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()
        require_all(self.failed, count)
        most = sum(sorted(self.memory)[-jobs:])
        return Trained([self.runs[seed] for seed in sorted(self.runs)], most)

    def _start(self, seed: int) -> None:
        """Start the process of a seed."""
        process = subprocess.Popen(
            # Without the folder it is started in, whose modules are not ours.
            [sys.executable, "-P", "-m", "dlrecipes.training.seed_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process, which tells the others.
        )
        self.processes[seed] = process
        assert process.stdin is not None
        with suppress(OSError):  # It has ended already, which its reader hears of.
            process.stdin.write(pickle.dumps((self.request, seed, self.group)))
            process.stdin.flush()
        Thread(target=self._read, args=(seed, process), daemon=True).start()
        self.listener.seed_begins(seed)

    def _read(self, seed: int, process: "subprocess.Popen[bytes]") -> None:
        """Pass on what a process tells, and that it has ended."""
        assert process.stdout is not None
        for line in process.stdout:
            self.heard.put(Heard(seed, json.loads(line)))
        code = process.wait()
        self.heard.put(Heard(seed, {"what": "end", "code": code}))

    def _listen(self, stop: StopRequest) -> None:
        """Wait for what a process tells, and pass a request to stop on to all."""
        if stop.asked:
            self._stop()
        with suppress(Empty):
            seed, told = self.heard.get(timeout=WAKES_EVERY)
            getattr(self, f"_on_{told.pop('what')}")(seed, **told)

    def _stop(self) -> None:
        """Ask all processes to stop, by the end of their standard input."""
        for process in self.processes.values():
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()

    def _on_warning(self, seed: int, message: str) -> None:
        """Pass a warning on."""
        self.listener.warning(seed, message)

    def _on_fit_begins(self, seed: int, path: str, epochs: int) -> None:
        """Pass on that a training begins."""
        self.listener.fit_begins(seed, read_run(Path(path)), epochs)

    def _on_epoch_ends(self, seed: int, epoch: int, logs: Mapping[str, float]) -> None:
        """Pass on that an epoch ended."""
        self.listener.epoch_ends(seed, epoch, logs)

    def _on_run(self, seed: int, path: str, memory: int) -> None:
        """Note a finished run."""
        self.runs[seed] = read_run(Path(path))
        self.memory.append(memory)

    def _on_error(self, seed: int, message: str, code: int, hint: str = "") -> None:
        """Note why a seed has no finished run; a request that none can train ends all."""
        self.failed[seed] = message
        if code == InputError.exit_code:
            raise InputError(message, hint)

    def _on_end(self, seed: int, code: int) -> None:
        """Note that a process has ended."""
        del self.processes[seed]
        if seed not in self.runs:
            self.failed.setdefault(seed, FAILED.format(code))
        self.listener.seed_ends(seed, self.runs.get(seed), self.failed.get(seed, ""))
