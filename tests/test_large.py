"""Data larger than memory: ten times as much takes no more than 1.2 times the memory.

What fits into memory is made small here, so that data of a few megabytes does not.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import write_image

MOST = 1.2
CHILD = """
import resource, sys
from dlrecipes.datasets import digests, storage
storage.MEMORY_BYTES, digests.AT_ONCE = 2**20, 2**14
from dlrecipes.cli.app import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
WINDOWS = """
import resource, sys
from pathlib import Path
from dlrecipes.datasets import storage
storage.MEMORY_BYTES = 2**20
from dlrecipes.kit import vocabulary
from dlrecipes.tasks import find_task
from dlrecipes.tasks.reading import Reading, own_source
reading = Reading(Path(sys.argv[1]))
source = own_source(reading, find_task("text-generation").read(reading))
vectorize = vocabulary.character_vectorization(source.train)
windows = vocabulary.character_windows(source.train, vectorize, 64)
assert source.fingerprint and sum(1 for _ in windows.chunks())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def memory(code: str, *arguments: object) -> float:
    """Return the largest memory of a process that runs some code, in the system's unit."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr + result.stdout
    return float(result.stderr.split()[-1])


def write_table(path: Path, count: int) -> Path:
    """Write a table of numbers, categories and classes, a few rows of which are repeated."""
    random = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("a,b,c,colour,side,target\n")
        for start in range(0, count, 10_000):
            numbers = random.normal(size=(min(10_000, count - start), 3))
            kinds = random.integers(0, 5, (len(numbers), 2))
            for (a, b, c), (colour, side) in zip(numbers, kinds, strict=True):
                target = "yes" if a + b > 0 else "no"
                file.write(f"{a:.5f},{b:.5f},{c:.5f},colour {colour},side {side},{target}\n")
            file.write("1,2,3,colour 1,side 1,yes\n" * 2)
    return path


def write_images(path: Path, count: int) -> Path:
    """Write images in two class folders."""
    random = np.random.default_rng(0)
    for number in range(count):
        tile = random.integers(0, 256, (12, 12, 3), dtype="uint8")
        write_image(path / f"class {number % 2}" / f"{number}.png", np.tile(tile, (8, 8, 1)))
    return path


def write_prose(path: Path, count: int) -> Path:
    """Write so many characters of running text."""
    words = [f"word{number}ä" for number in range(1000)]
    random = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count // 10_000):
            text = " ".join(words[number] for number in random.integers(0, 1000, 1300))
            file.write(f"{text:.9999}\n")
    return path


def ratio(measure: Callable[[int], float], count: int) -> float:
    """Return how much more memory ten times as many examples take."""
    few = measure(count)
    return measure(10 * count) / few


@pytest.mark.long
@pytest.mark.parametrize("recipe", ["loans-mlp", "sentiment-lstm"])
def test_memory_does_not_grow_with_the_rows_of_a_table(recipe: str, tmp_path: Path) -> None:
    columns = ["--text-column", "a", "--label-column", "target"] if recipe[0] == "s" else []

    def measure(count: int) -> float:
        path = write_table(tmp_path / f"{count}.csv", count)
        return memory(CHILD, "data", "check", path, "--task", recipe, "--json", *columns)

    assert ratio(measure, 80_000 if recipe == "loans-mlp" else 50_000) <= MOST


@pytest.mark.long
def test_memory_does_not_grow_with_the_images_of_a_folder(tmp_path: Path) -> None:
    def measure(count: int) -> float:
        path = write_images(tmp_path / f"images-{count}", count)
        return memory(CHILD, "data", "check", path, "--task", "mnist-cnn", "--json")

    assert ratio(measure, 1000) <= MOST


@pytest.mark.long
def test_memory_does_not_grow_with_the_characters_of_a_text(tmp_path: Path) -> None:
    def measure(count: int) -> float:
        return memory(WINDOWS, write_prose(tmp_path / f"{count}.txt", count))

    assert ratio(measure, 10_000_000) <= MOST
