"""`--watch`: a page on this machine that shows a training as it goes."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import typer

from dlrecipes.cli import output
from dlrecipes.runs.record import Run

Watch = Annotated[
    bool, typer.Option("--watch", help="Show the curves in your web browser while it trains.")
]
Follow = Callable[[Run], None]
"""Has the page show a run that begins."""


@contextmanager
def watched(wanted: bool, screen: output.Screen) -> Iterator[Follow | None]:
    """Serve a page while the block trains, if that is wanted, and print its address.

    The page is that of another process, so it costs the training nothing; that hears of the end of
    this one, however it ends, as its standard input is closed.

    Args:
        wanted: Whether to serve it.
        screen: Where to print its address.

    Yields:
        What is to be told of the run; None for nobody.
    """
    server = _start() if wanted else None
    if server is None:
        yield None
        return
    assert server.stdin is not None
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    server.stdout.close()
    if port:
        screen.print(f"Watch the training: http://127.0.0.1:{port}/", markup=False, soft_wrap=True)
    else:
        output.print_warning("The page to watch the training could not be served.")
    orders = server.stdin

    def follow(run: Run) -> None:
        with suppress(OSError):  # The training goes on without its page.
            orders.write(json.dumps(str(run.path.resolve())) + "\n")
            orders.flush()

    try:
        yield follow
    finally:
        with suppress(OSError):
            orders.close()


def _start() -> subprocess.Popen[str] | None:
    """Start the server; None, with a warning, if that is not possible."""
    try:
        return subprocess.Popen(
            # Without the folder it is started in, whose modules are not ours.
            [sys.executable, "-P", "-m", "dlrecipes.use.watching"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the training.
        )
    except OSError as error:
        output.print_warning(f"The page to watch the training cannot be served: {error.strerror}.")
        return None
