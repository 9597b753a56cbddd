"""Find examples that stand twice: within a split, and in both training and test."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.storage import Array

PRIME = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose bits are spread: so the digests of columns are joined in their order."""


@dataclass(frozen=True)
class Repeated:
    """One example that stands several times.

    Args:
        places: Split and origin of each time.
        labels: Names of the classes that it is labelled with, without repetition.
    """

    places: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]

    @property
    def is_leak(self) -> bool:
        """Tell whether it is tested on after it was trained on."""
        splits = {split for split, _ in self.places}
        return "train" in splits and len(splits) > 1


def example_digests(examples: Examples, *, with_labels: bool) -> Array:
    """Return a 64-bit digest of each example, uint64 (examples,).

    Args:
        examples: The examples.
        with_labels: Whether examples with other labels are others. Two images of one content and
            two labels are a mistake; two rows of one content and two prices are not.
    """
    import pandas as pd

    parts = [np.empty(0, "uint64")]
    for chunk in examples.chunks():
        digests = np.zeros(len(chunk), "uint64")
        columns = list(chunk.columns.values())
        if with_labels and chunk.labels is not None:
            columns.append(chunk.labels)
        for column in columns:
            values = np.asarray(column)
            if values.ndim == 1:
                found: Array = pd.util.hash_array(values)
            else:
                found = np.array(
                    [
                        int.from_bytes(hashlib.blake2b(row, digest_size=8).digest(), "little")
                        for row in values
                    ],
                    "uint64",
                )
            with np.errstate(over="ignore"):
                digests = digests * PRIME + found
        parts.append(digests)
    return np.concatenate(parts)


def count_leaks(source: Source) -> int:
    """Return how many test examples are training examples too."""
    train, test = (
        example_digests(examples, with_labels=bool(source.target))
        for examples in (source.train, source.test)
    )
    return int(np.isin(test, train).sum())


def repeated_examples(source: Source) -> Iterator[Repeated]:
    """Yield every example that stands more than once, with the places where it does."""
    splits = source.splits()
    names = list(splits)
    digests = [
        example_digests(examples, with_labels=bool(source.target)) for examples in splits.values()
    ]
    everything = np.concatenate(digests)
    of_split = np.repeat(np.arange(len(names)), [len(some) for some in digests])
    row_of = np.concatenate([np.arange(len(some)) for some in digests])
    order = np.argsort(everything, kind="stable")
    begins = np.flatnonzero(np.diff(everything[order], prepend=np.nan) != 0)
    for group in np.split(order, begins[1:]):
        if len(group) < 2:
            continue
        places, labels = [], []
        for place in group:
            split = names[of_split[place]]
            one = splits[split].take(row_of[[place]])
            origin = "" if one.origins is None else str(one.origins[:][0])
            places.append((split, f"{source.place} {origin}".strip()))
            if source.classes and one.labels is not None:
                labels.append(source.classes[int(one.labels[:][0])])
        yield Repeated(tuple(places), tuple(dict.fromkeys(labels)))
