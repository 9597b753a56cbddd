"""The arithmetic floor of a training: its operations over the machine's rate of multiplying."""

import statistics
import time

WORDS_READ = 198
"""Words of a review that the preset `fast` reads on average, and 400 at most."""


def _convolution(places: int, inputs: int, outputs: int, size: int = 9) -> int:
    """Return the operations of a convolution over so many places of an image or a text."""
    return 2 * places * inputs * outputs * size


def _dense(inputs: int, outputs: int) -> int:
    return 2 * inputs * outputs


def _lstm(inputs: int, units: int) -> int:
    """Return the operations of an LSTM in one time step: four gates."""
    return 2 * 4 * units * (inputs + units)


def _fast_cnn(filters: int) -> int:
    """Return the operations of mnist-cnn's preset `fast` with so many second filters."""
    return (
        _convolution(12**2, 1, 16, 25)
        + _convolution(10**2, 16, filters)
        + _convolution(3**2, filters, 128)
        + _dense(1152, 10)
    )


TUTORIALS = {
    "one-conv": (
        60_000,
        _convolution(26**2, 1, 32) + _dense(13**2 * 32, 128) + _dense(128, 10),
    ),
    "three-conv": (
        60_000,
        _convolution(26**2, 1, 32)
        + _convolution(11**2, 32, 64)
        + _convolution(3**2, 64, 64)
        + _dense(576, 64)
        + _dense(64, 10),
    ),
    "two-conv": (
        60_000,
        _convolution(26**2, 1, 32) + _convolution(11**2, 32, 64) + _dense(1600, 10),
    ),
    "lstm-128": (25_000, 200 * _lstm(128, 128) + _dense(128, 1)),
    "text": (1_003_854, _lstm(128, 128) + _dense(128, 65)),
    "dense-32": (48_546, _dense(26, 32) + _dense(32, 1)),
}
"""Rows that the script trains on, of a text its characters; and operations forward for one."""
FAST = {
    "one-conv": (57_000, _fast_cnn(16)),
    "three-conv": (57_000, _fast_cnn(64)),
    "two-conv": (57_000, _fast_cnn(32)),
    "lstm-128": (
        23_750,
        _convolution(WORDS_READ, 32, 32, 3)
        + 2 * (WORDS_READ // 25 + 1) * _lstm(32, 32)
        + _dense(160, 1),
    ),
    "text": (1_003_854, _lstm(32, 96) + _dense(96, 67)),
    "dense-32": (
        46_119,
        _dense(29, 128) + _dense(128, 64) + _dense(64, 32) + _dense(32, 1),
    ),
}
"""The same of what reaches the row's target in dlrecipes."""


def training_operations(rows: int, forward: int, epochs: int) -> int:
    """Return the operations of a training: the way back takes twice those of the way forward.

    Args:
        rows: Rows that it trains on; of a text that is written, its characters.
        forward: Operations for one of them.
        epochs: Passes over them.
    """
    return 3 * forward * rows * epochs


def multiplications_per_second(size: int = 2048, repetitions: int = 9) -> float:
    """Return the float operations a second in which TensorFlow multiplies two matrices."""
    import tensorflow as tf

    matrix = tf.random.normal((size, size))
    tf.linalg.matmul(matrix, matrix).numpy()
    seconds = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        tf.linalg.matmul(matrix, matrix).numpy()
        seconds.append(time.perf_counter() - begun)
    return 2 * size**3 / statistics.median(seconds)
