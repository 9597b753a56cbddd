"""Keras callbacks that write a run's history and tell a listener how training goes.

Import after `dlrecipes.backend.load_tensorflow`, which starts TensorFlow quietly.
"""

import csv
import io
import math
import time
from typing import Any

import keras

from dlrecipes import runs
from dlrecipes.datasets.examples import Data
from dlrecipes.datasets.pipelines import Order
from dlrecipes.errors import DlrecipesError
from dlrecipes.listener import Listener
from dlrecipes.runs import Run

REPORT_INTERVAL = 0.1
"""Seconds between two reports of a step: reading the loss from the device takes time."""


class History(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Writes every epoch's metrics to `history.csv`, and stops at a loss that is not a number."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add a row."""
        row = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **row})
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=self.rows[0].keys())
        writer.writeheader()
        writer.writerows(self.rows)
        runs.write_atomically(self.run.path / runs.HISTORY_FILE, text.getvalue().encode())
        if not math.isfinite(row.get("loss", 0.0)):
            raise DlrecipesError(
                f"The loss became {row['loss']} in epoch {epoch + 1}.",
                "Lower --learning-rate, and look for values in the data that are not finite.",
            )


class Report(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Tells a listener of every step and epoch."""

    def __init__(self, run: Run, data: Data, listener: Listener) -> None:
        super().__init__()
        self.run, self.listener = run, listener
        self.steps = max(int(data.train.cardinality()), 0)
        self.samples = data.rows["train"]
        self.epoch = 0
        self.epoch_started = self.reported = time.perf_counter()

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Say how much there is to do."""
        self.listener.fit_begins(self.run, self.params["epochs"], self.steps, self.samples)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the epoch's clock."""
        self.epoch = epoch
        self.epoch_started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the step, unless one was reported just now."""
        now = time.perf_counter()
        if now - self.reported >= REPORT_INTERVAL:
            self.reported = now
            means = {name: float(value) for name, value in (logs or {}).items()}
            self.listener.step_ends(self.epoch + 1, batch + 1, means)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report the epoch."""
        means = {name: float(value) for name, value in (logs or {}).items()}
        self.listener.epoch_ends(epoch + 1, means, time.perf_counter() - self.epoch_started)


class Shuffle(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Puts the training examples into the order of each epoch as it begins."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Choose the order."""
        self.order.epoch.assign(epoch)


def run_callbacks(run: Run, data: Data, order: Order, listener: Listener) -> list[Any]:
    """Return the callbacks of a run.

    They are the order of its examples, its history, TensorBoard's logs, and the listener's.
    """
    logs = str(run.path / "logs")
    return [
        Shuffle(order),
        Report(run, data, listener),
        History(run),
        keras.callbacks.TensorBoard(logs, write_graph=False),
    ]
