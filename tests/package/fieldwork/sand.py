"""Grains of sand: how much stays in each of four sieves, how round it is, and which rock it was."""

import numpy as np

ROCKS = ("basalt", "coral", "quartz")
BEACHES = ("north", "south")
HEADER = "sieves_0,sieves_1,sieves_2,sieves_3,roundness,beach,rock\n"


def grains(start, stop):
    """Yield sieves (4,), roundness, and the numbers of beach and rock."""
    for number in range(start, stop):
        random = np.random.default_rng(number)
        rock = int(random.integers(3))
        sieves = random.normal(rock, 0.5, 4).astype("float32")
        yield sieves, np.float32(random.normal(2 * rock, 0.5)), number % 2, rock


def table(count):
    """Yield the rows of a table of grains."""
    for sieves, roundness, beach, rock in grains(0, count):
        numbers = ",".join(f"{value:.3f}" for value in (*sieves, roundness))
        yield f"{numbers},{BEACHES[beach]},{ROCKS[rock]}\n"
