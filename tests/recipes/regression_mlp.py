"""What the tests expect of `regression-mlp`."""

from recipes.expected import Expected, dense, members, waves

COLUMNS = 6 + (1 + 5) + (1 + 7) + (1 + 8)
"""Numbers, and one-hot columns of cut, color and clarity: each with one for unseen words."""
WIDE = COLUMNS + 6 * 3
"""With three sums of waves of each number."""
DEEP = dense(COLUMNS, 128) + dense(128, 64) + dense(64, 32) + dense(32, 1)

EXPECTED = Expected(
    parameters={
        "": waves(6) + dense(WIDE, 128) + dense(128, 128) + members(8, WIDE, 128, 1),
        "fast": DEEP,
        "dense-32": dense(COLUMNS, 32) + dense(32, 1),
    },
    rows={"train": 4275, "validation": 225, "test": 500},
    baseline=2694.944,
    practices=(
        "--dropout 0.2",
        "--l1 1e-3",
        "--l2 1e-3",
        "--early-stopping 2",
        "--precision mixed_bfloat16",
        "--activation sigmoid",
        "--loss mse --optimizer sgd",
        "--waves 0 --members 1",
    ),
    shorter="--epochs 15",
)
