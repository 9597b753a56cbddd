"""What a measured script says of itself: when its first step ended, how long it fitted, its result.

The benchmark gives the time at which it started the process; the script prints one JSON line.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

STARTED = float(os.environ.get("BENCHMARK_STARTED") or time.time())
figures: dict[str, float] = {}


def step() -> None:
    """Note that a training step has ended; only the first counts."""
    figures.setdefault("first_step", time.time() - STARTED)


@contextmanager
def fitting(samples: int) -> Iterator[None]:
    """Time the training in the block.

    Args:
        samples: Training rows that it goes through, those of all epochs together.
    """
    begun = time.perf_counter()
    yield
    figures["fit"] = time.perf_counter() - begun
    figures["samples_per_second"] = samples / figures["fit"]


def keras_callback():
    """Return a Keras callback that notes the first step."""
    import keras

    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: step())


def result(value: float) -> None:
    """Print the script's result on the test split, with what was noted."""
    print(json.dumps({"result": float(value), **figures}))
