"""What the tests expect of `text-generation-lstm`."""

from recipes.expected import Expected, dense, lstm

CHARACTERS = 2 + 71
"""Padding, unknown, and the characters of the first 90 % of the bundled prose."""

EXPECTED = Expected(
    parameters={
        "": CHARACTERS * 64 + lstm(64, 192) + dense(192, CHARACTERS),
        "fast": CHARACTERS * 32 + lstm(32, 96) + dense(96, CHARACTERS),
        "lstm-128": CHARACTERS * 128 + lstm(128, 128) + dense(128, CHARACTERS),
    },
    rows={"train": 12_356, "validation": 88, "test": 88},
    baseline=3.0810,
    cheap=("--epochs", "1", "--lstm-units", "32", "--batch-size", "256"),
    practices=("--schedule constant", "--dropout 0.2", "--precision mixed_bfloat16"),
    shorter="--epochs 1 --lstm-units 64",
)
