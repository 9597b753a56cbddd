"""Train with one seed of several: `python -m dlrecipes.training.seed_process`.

Standard input holds the request, the seed, and the name of the group; when it ends, this process
ends, too, as Ctrl-C would end it: its run is interrupted. What is heard of the training goes to
standard output, a JSON document a line: the method of `jobs.JobsListener` that hears it, and what
it hears. The last one is what the process comes to: `run`, or `error`.
"""

import json
import os
import pickle
import signal
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

from dlrecipes.errors import DlrecipesError, Interrupted
from dlrecipes.runs.record import Run, finite
from dlrecipes.system.process import peak_memory
from dlrecipes.system.signals import stop_on_signals
from dlrecipes.training.listener import Silence


class Telling(Silence):
    """A listener that tells another process what that may show.

    Args:
        told: Where it tells it.
    """

    def __init__(self, told: IO[str]) -> None:
        self.told = told

    def tell(self, what: str, **facts: Any) -> None:
        """Tell that something happened, as a line."""
        self.told.write(json.dumps({"what": what, **finite(facts)}) + "\n")
        self.told.flush()

    def warn(self, *heard: Any, **more: Any) -> None:
        """Tell something that the user should know."""
        self.tell("warning", message=heard[0])

    def fit_begins(self, run: Run, epochs: int, *sizes: int) -> None:
        """Tell that training begins."""
        self.tell("fit_begins", path=str(run.path), epochs=epochs)

    def epoch_ends(self, epoch: int, logs: Mapping[str, float], *more: float) -> None:
        """Tell that an epoch ended."""
        self.tell("epoch_ends", epoch=epoch, logs={name: float(one) for name, one in logs.items()})


def main() -> None:
    """Train what standard input asks for."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What a recipe prints is no result.
    listener = Telling(told)
    with stop_on_signals():
        try:
            request, seed, group = pickle.load(sys.stdin.buffer)
            threading.Thread(target=_stop_with_input, daemon=True).start()
            from dlrecipes.training.seeds import train_seed

            run = train_seed(request, seed, group, listener)
            listener.tell("run", path=str(run.path), memory=peak_memory())
        except KeyboardInterrupt:
            listener.tell("error", message="Interrupted.", code=Interrupted.exit_code)
        except DlrecipesError as error:
            listener.tell("error", message=error.message, hint=error.hint, code=error.exit_code)
        except Exception as error:
            listener.tell("error", message=f"{type(error).__name__}: {error}", code=1)


def _stop_with_input() -> None:
    """Ask this process to stop once its standard input is closed, or the one that has it ends."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
