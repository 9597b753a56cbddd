"""Read the examples of a full data set: only what is needed, decoded once, in little memory."""

import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Protocol

from dlrecipes.datasets.examples import Examples, ExamplesWriter, Splits
from dlrecipes.datasets.published.cache import cached, is_cached
from dlrecipes.datasets.published.disk import data_folder
from dlrecipes.datasets.published.download import FetchListener
from dlrecipes.datasets.published.names import find_data_set
from dlrecipes.datasets.published.prepared import Prepared, find_prepared
from dlrecipes.datasets.published.records import Chunk, read_chunks
from dlrecipes.errors import InputError

MOST_WORKERS = 4
"""Chunks that are converted side by side at most: each takes memory."""
ROLES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""What data sets call their splits."""


class Selection(Protocol):
    """What is wanted of a data set: some of its columns, and the examples that they make."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the paths of the features that are needed."""

    @property
    def pixels(self) -> Collection[str]:
        """Return those of images that `convert` is to be given decoded: all of one shape."""

    @property
    def key(self) -> str:
        """Return a text that differs if `convert` makes other examples of the same columns."""

    def convert(self, chunk: Mapping[str, Any]) -> Examples:
        """Return the examples that some rows make, in memory.

        Args:
            chunk: From each path to the values of the rows, as `records.Chunk` has them.
        """


def peek(
    name: str, data_dir: str | None, columns: Sequence[str], count: int = 1
) -> dict[str, list[Any]]:
    """Return the first rows of the training split of a prepared data set. Imports TensorFlow.

    Args:
        name: The data set's name.
        data_dir: The value of `--data-dir`, or None.
        columns: Paths of the features that are wanted.
        count: How many rows.

    Raises:
        InputError: if the data set is not prepared, or a column cannot be read.
    """
    prepared = _prepared(name, data_dir)
    rows: dict[str, list[Any]] = {path: [] for path in columns}
    for chunk in read_chunks(prepared, split_roles(prepared)["train"], columns, most=count):
        for path, values in chunk.items():
            rows[path].extend(values)
    return rows


def read(name: str, data_dir: str | None, selection: Selection, listener: FetchListener) -> Splits:
    """Return the examples of a prepared data set: its splits `train`, `validation` and `test`.

    They are decoded the first time, which imports TensorFlow, and kept in the cache folder.

    Args:
        name: The data set's name.
        data_dir: The value of `--data-dir`, or None.
        selection: What is wanted of it.
        listener: Hears which splits are left out, when they are decoded.

    Raises:
        InputError: if the data set is not prepared, has no split to train on, or lacks a column.
        DlrecipesError: if its files are damaged.
    """
    prepared = _prepared(name, data_dir)

    def decode() -> Splits:
        roles = split_roles(prepared)
        unused = sorted(set(prepared.rows) - set(roles.values()))
        if unused:
            listener.warn(f"Not used: the splits {', '.join(unused)} of {prepared.name}.")
        return {role: _examples(prepared, split, selection) for role, split in roles.items()}

    key = _key(prepared, selection)
    return cached(_cache_name(prepared), key, prepared.state(), decode)


def is_decoded(name: str, data_dir: str | None, selection: Selection) -> bool:
    """Tell whether `read` finds the examples in the cache folder, as `read` takes its arguments."""
    prepared = _prepared(name, data_dir)
    return is_cached(_cache_name(prepared), _key(prepared, selection), prepared.state())


def split_roles(prepared: Prepared) -> dict[str, str]:
    """Return the data set's own names of the splits `train`, `validation` and `test`.

    Raises:
        InputError: if none is for training.
    """
    filled = {split: rows for split, rows in prepared.rows.items() if rows}
    if len(filled) == 1:
        return {"train": next(iter(filled))}
    roles = {}
    for role, names in ROLES.items():
        for split in islice((split for split in names if split in filled), 1):
            roles[role] = split
    if "train" not in roles:
        raise InputError(
            f"{prepared.name} has no split to train on: it has {', '.join(filled) or 'none'}."
        )
    return roles


def _examples(prepared: Prepared, split: str, selection: Selection) -> Examples:
    """Return the examples that a split makes."""
    writer = ExamplesWriter()
    chunks = read_chunks(prepared, split, selection.columns, selection.pixels)
    for examples in _converted(chunks, selection):
        writer.append(examples)
    return writer.finish()


def _converted(chunks: Iterator[Chunk], selection: Selection) -> Iterator[Examples]:
    """Yield what chunks are converted to, in order, with a few at work side by side.

    Decoding an image lets other threads run meanwhile, so that large ones are decoded on all cores.
    """
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    waiting: deque[Future[Examples]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for chunk in chunks:
            waiting.append(pool.submit(selection.convert, chunk))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _key(prepared: Prepared, selection: Selection) -> str:
    """Return what tells one form of a data set in the cache from another."""
    return "\n".join([prepared.name, *selection.columns, selection.key])


def _cache_name(prepared: Prepared) -> str:
    """Return the name of a data set's folder in the cache."""
    return prepared.name.partition("/")[0].partition(":")[0]


def _prepared(name: str, data_dir: str | None) -> Prepared:
    """Return a data set that is prepared."""
    folder = data_folder(data_dir)
    prepared = find_prepared(find_data_set(name, folder), folder)
    if prepared is None:
        raise InputError(
            f"The data set {name} is not prepared in {folder}.",
            f"Fetch it: dlrecipes data fetch {name}",
        )
    return prepared
