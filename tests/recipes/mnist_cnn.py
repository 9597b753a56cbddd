"""What the tests expect of `mnist-cnn`."""

from recipes.expected import Expected, dense, normalized

EXPECTED = Expected(
    parameters={
        "": normalized(9, 1, 16)
        + normalized(9, 16, 32)
        + normalized(9, 32, 64)
        + dense(3 * 3 * 64, 64)
        + dense(64, 10),
        # The first convolution, 5 x 5 with a stride of 2, has a bias and is not normalised.
        "fast": dense(25, 16)
        + normalized(9, 16, 64)
        + normalized(9, 64, 128)
        + dense(3 * 3 * 128, 10),
        "one-conv": 693_962,
        "three-conv": 93_322,
        "two-conv": 34_826,
    },
    rows={"train": 3800, "validation": 200, "test": 1000},
    baseline=0.1,
    practices=(
        "--schedule constant",
        "--no-batch-normalization",
        "--augmentation",
        "--balance-classes",
        "--activation leaky_relu",
        "--activation elu",
        "--activation selu",
        "--activation gelu",
        "--activation silu",
        "--activation tanh",
        "--activation sigmoid",
    ),
)
