"""What the tests expect of `digits-gan`."""

from recipes.expected import Expected, dense

SMALL = 7 * 7 * 64
"""Numbers of the smallest pictures: the first of the generator, the last of the discriminator."""
GENERATOR = 64 * SMALL + 4 * 64 + (16 * 64 * 32 + 4 * 32) + dense(16 * 32, 1)
DISCRIMINATOR = dense(16 * 1, 32) + dense(16 * 32, 64) + dense(SMALL, 1)

EXPECTED = Expected(
    # The generator and the running average of its weights.
    parameters={"": 2 * GENERATOR + DISCRIMINATOR},
    rows={"train": 3800, "validation": 200, "test": 1000},
    baseline=641.0,
    cheap=("--epochs", "2", "--filters", "8"),
    shorter="--epochs 10 --filters 16",
)
