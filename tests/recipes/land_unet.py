"""What the tests expect of `land-unet`."""

from recipes.expected import Expected, dense, normalized

EXPECTED = Expected(
    parameters={
        # Down: two convolutions at every level.
        "": normalized(9, 3, 16)
        + normalized(9, 16, 16)
        + normalized(9, 16, 32)
        + normalized(9, 32, 32)
        + normalized(9, 32, 64)
        + normalized(9, 64, 64)
        # Up: twice the side, and two convolutions that read the way down beside it.
        + (4 * 64 * 32 + 32)
        + normalized(9, 64, 32)
        + normalized(9, 32, 32)
        + (4 * 32 * 16 + 16)
        + normalized(9, 32, 16)
        + normalized(9, 16, 16)
        + dense(16, 2),
    },
    rows={"train": 390, "validation": 20, "test": 70},
    baseline=0.2171,
    cheap=("--epochs", "2", "--filters", "4,8", "--steps-per-execution", "1"),
    practices=("--no-batch-normalization",),
    shorter="--epochs 4 --filters 8,16",
)
