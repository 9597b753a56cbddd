"""What the tests expect of `loans-mlp`."""

from recipes.expected import Expected, dense, members

COLUMNS = 123
"""Numbers, one-hot columns of the texts that are not rare, and which numbers are missing."""

EXPECTED = Expected(
    parameters={"": dense(COLUMNS, 128) + members(8, COLUMNS, 128, 2)},
    rows={"train": 5914, "validation": 1479, "test": 2464},
    baseline=0.0524,
    practices=(
        "--imbalance class_weights",
        "--imbalance oversample",
        "--imbalance undersample",
        "--schedule constant",
    ),
)
