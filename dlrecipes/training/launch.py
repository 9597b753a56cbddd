"""Start the workers of one training on this machine: `--workers N`.

Each is a process of its own, `python -m dlrecipes.training.launch WORDS…`, which runs the command
`dlrecipes WORDS…` and ends with the process that started it, however that ends.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from dlrecipes.errors import Interrupted
from dlrecipes.system.signals import STOPPING
from dlrecipes.training.meeting import free_port

LEAVING_SECONDS = 4.0
"""In which the others must have ended once one has failed, or the chief has ended."""
LOOK_SECONDS = 1.0
"""After which a worker notices that who started it is gone."""


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


def worker_arguments(arguments: Sequence[str], rank: int, count: int, port: int) -> list[str]:
    """Return the arguments of one worker, given those of the command that starts all."""
    words = without_workers(arguments)
    end = words.index("--") if "--" in words else len(words)
    # On one machine: the GPUs of one machine share batches in one process.
    place = {
        "--device": "cpu",
        "--rank": rank,
        "--world-size": count,
        "--coordinator": f"127.0.0.1:{port}",
    }
    flags = [str(word) for pair in place.items() for word in pair]
    return [*words[:end], *flags, *words[end:]]


def launch(arguments: Sequence[str], count: int) -> int:
    """Start so many workers with the same arguments, and return the chief's exit code.

    The chief speaks for all: what it prints is seen, and what the others print is not.

    Raises:
        Interrupted: if the chief was killed, or says that it was interrupted.
    """
    port = free_port()
    workers = [
        _start(worker_arguments(arguments, rank, count, port), rank) for rank in range(count)
    ]

    def pass_on(number: int, frame: object) -> None:
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(number)

    previous = {one: signal.signal(one, pass_on) for one in STOPPING}
    try:
        code = workers[0].wait()  # It ends by itself if another is lost.
    finally:
        for worker in workers:
            _end(worker)
        for one, handler in previous.items():
            signal.signal(one, handler)
    if code < 0:
        raise Interrupted(
            f"The chief was ended by {signal.Signals(-code).name}, and all workers have stopped.",
            f"If the run had begun, dlrecipes runs lists it: resume it with --workers {count}.",
        )
    if code == Interrupted.exit_code:
        raise Interrupted("")  # The chief has said why.
    return code


def _start(words: Sequence[str], rank: int) -> "subprocess.Popen[bytes]":
    """Start one worker, which no terminal sends signals to: they come once, from here."""
    shown = None if rank == 0 else subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dlrecipes.training.launch", *words],
        stdin=subprocess.DEVNULL,
        stdout=shown,
        stderr=shown,
        start_new_session=True,
    )


def _end(worker: "subprocess.Popen[bytes]") -> None:
    """Wait for a worker that leaves, and end one that does not."""
    try:
        worker.wait(LEAVING_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _end_with(parent: int) -> None:
    """Ask this process to stop once another one is its parent."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    runpy.run_module("dlrecipes", run_name="__main__", alter_sys=True)
