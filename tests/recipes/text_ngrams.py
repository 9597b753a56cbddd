"""What the tests expect of `text-ngrams`."""

from recipes.expected import Expected, dense

NGRAMS = 20_000 + 2 * 100_000
"""Words, and phrases of two and of three words."""

EXPECTED = Expected(
    parameters={"": 2 * NGRAMS + dense(1, 1)},  # A weight and a ratio for each.
    rows={"train": 8030, "validation": 423, "test": 2113},
    baseline=1065 / 2113,
    cheap=("--epochs", "1", "--ngrams", "50000"),
    practices=("--balance-classes", "--dropout 0.5", "--longest 1"),
)
