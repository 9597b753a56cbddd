"""What the tests expect of `sentiment-lstm`."""

from recipes.expected import Expected, dense, lstm

# Phrases of 3 words, an LSTM in each direction; the last layer reads the largest and the mean of
# both LSTMs' states, and the mean word.
EXPECTED = Expected(
    parameters={
        "": 20_000 * 64 + dense(3 * 64, 64) + 2 * lstm(64, 32) + dense(4 * 32 + 64, 1),
        "fast": 20_000 * 32 + dense(3 * 32, 32) + 2 * lstm(32, 32) + dense(4 * 32 + 32, 1),
        "lstm-128": 20_000 * 128 + lstm(128, 128) + dense(128, 1),
        "lstm-64": 20_000 * 64 + lstm(64, 64) + dense(64, 1),
    },
    rows={"train": 8030, "validation": 423, "test": 2113},
    baseline=1065 / 2113,
    cheap=("--epochs", "1", "--vocabulary-size", "5000"),
    practices=("--balance-classes", "--l2 1e-4", "--reading last"),
)
