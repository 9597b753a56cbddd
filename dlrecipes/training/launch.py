"""Start the workers of one training on this machine: `train --workers N`."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

from dlrecipes.errors import DlrecipesError
from dlrecipes.training.meeting import free_port

LEAVING_SECONDS = 20.0
"""In which the others must have ended once the chief has."""


def without_workers(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments without `--workers N`."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip or argument.startswith("--workers="):
            skip = False
        elif argument == "--workers":
            skip = True
        else:
            kept.append(argument)
    return kept


def launch(arguments: Sequence[str], count: int) -> int:
    """Start so many workers with the same arguments, and return the chief's exit code.

    The chief speaks for all: what it prints is seen. The others are heard where it says nothing.

    Raises:
        DlrecipesError: if the chief was killed.
    """
    place = ["--world-size", str(count), "--coordinator", f"127.0.0.1:{free_port()}"]
    command = [sys.executable, "-m", "dlrecipes", *without_workers(arguments), *place]
    workers = [_start([*command, "--rank", str(rank)], rank) for rank in range(count)]

    def pass_on(number: int, frame: object) -> None:
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(number)

    previous = {one: signal.signal(one, pass_on) for one in (signal.SIGTERM, signal.SIGHUP)}
    # A terminal sends Ctrl-C to all of them.
    previous[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = workers[0].wait()
        _end(workers[1:])
    finally:
        for one, handler in previous.items():
            signal.signal(one, handler)
    if code < 0:
        raise DlrecipesError(
            f"The chief was ended by {signal.Signals(-code).name}, and its run is interrupted.",
            f"Resume it: dlrecipes resume, with --workers {count}",
        )
    return code


def _start(command: Sequence[str], rank: int) -> "subprocess.Popen[bytes]":
    """Start one worker; what others than the chief print is not shown."""
    shown: IO[bytes] | int | None = None if rank == 0 else subprocess.DEVNULL
    return subprocess.Popen(command, stdout=shown, stderr=shown, stdin=subprocess.DEVNULL)


def _end(workers: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Wait for workers that leave, and end those that do not."""
    for worker in workers:
        try:
            worker.wait(LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
