"""Read your own files: what was asked for, what is found, and the splits that are made of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter, Features, Source, Splits
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.archives import only_file, unpacked
from dlrecipes.datasets.own.files import FileOptions, Report
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError

MIN_EXAMPLES = 3
"""One to train on, one to watch training with, and one to test on."""
TEST_FRACTION = 0.2
"""What is held out of a user's data that comes without a test split."""
PUBLISHED_TEST_FRACTION = 0.1
"""What is held out of a published data set that comes without a test split."""


@dataclass(frozen=True)
class Reading:
    """How a user's files are read.

    Args:
        path: The file or folder.
        options: The flags that say how to read it.
        report: Is told of what was guessed or converted, and of every problem.
        like: The data that a model was trained on, if the user's is to be in its form (classes,
            columns, image size); None to find the form in the data.
        recipes: Name of a recipe for each task, for advice on which one to use instead.
        packed: The folder that an archive was unpacked into, and the archive; empty for none.
    """

    path: Path
    options: FileOptions = field(default_factory=FileOptions)
    report: Report = field(default_factory=Report)
    like: Source | None = None
    recipes: Mapping[str, str] = field(default_factory=dict)
    packed: tuple[str, str] = ("", "")

    def origin(self, place: object) -> str:
        """Return where an example stands, as the user knows it: in the archive, if it was one."""
        folder, archive = self.packed
        return str(place).replace(folder, archive) if folder else str(place)

    def require_usable(self, hint: str = "") -> None:
        """Raise InputError that lists the problems found so far, if there are any."""
        self.report.require_usable(self.path, hint)


@dataclass(frozen=True)
class Found:
    """What was read: the examples of each split, and their form.

    Args:
        splits: Examples by split.
        input: The form of their inputs.
        answer: The form of their answers.
        place: What the origins of the examples are places in (see `Source`).
    """

    splits: Splits
    input: Form
    answer: Form
    place: str = ""


def read_unpacked(reading: Reading, read: Callable[[Reading], Found]) -> Found:
    """Return what is in an archive: what is said of it names the archive, and not a folder.

    Args:
        reading: How it is read; its path is the archive.
        read: Reads the folder that it is unpacked into, or the only file in it.

    Raises:
        InputError: if it cannot be unpacked or used.
    """
    archive = str(reading.path)
    with unpacked(reading.path) as folder:
        inside = replace(
            reading, path=only_file(folder), report=Report(), packed=(str(folder), archive)
        )
        try:
            return read(inside)
        except InputError as error:
            raise InputError(inside.origin(error.message), inside.origin(error.hint)) from None
        finally:
            reading.report.add(inside.report.renamed(str(folder), archive))


class SplitsWriter:
    """Gathers examples by split, a chunk at a time, in memory as long as they fit there."""

    def __init__(self) -> None:
        self.writers: dict[str, ExamplesWriter] = {}

    def append(
        self,
        splits: Sequence[str],
        features: Features,
        labels: Array | None,
        origins: Sequence[object] | Array,
    ) -> None:
        """Add examples in memory.

        Args:
            splits: The split of each example; an example of the split "" is left out.
            features: Their inputs.
            labels: Their answers; None without answers.
            origins: Where each stands: a file, or a line.
        """
        places = np.array(origins)
        if places.dtype.kind == "U":
            places = np.empty(len(origins), dtype=object)
            places[:] = list(origins)
        examples = Examples(features, labels, places)
        of_split = np.array(splits, dtype=object)
        for split in dict.fromkeys(splits):
            if split:
                some = examples.take(np.flatnonzero(of_split == split))
                self.writers.setdefault(split, ExamplesWriter(coded=True)).append(some)

    def finish(self) -> Splits:
        """Return the examples of each split."""
        return {split: writer.finish() for split, writer in self.writers.items()}


def too_few(path: Path, rows: int) -> InputError:
    """Return the error of data that cannot be split."""
    return InputError(
        f"{path} has too few examples, {rows}: at least {MIN_EXAMPLES} are needed, to train on, "
        "to validate on, and to test on."
    )


def held_out(source: Source, fraction: float, *, every_class: bool = False) -> Source:
    """Return the source with a fixed random part of its training examples as its test split.

    Args:
        source: Its test split is not looked at.
        fraction: How much to hold out.
        every_class: Whether each class is held out by its share.
    """
    train = source.train
    by_class = every_class and source.has_class_labels
    rest, test = (
        train.split_by_class(fraction, every_class=True) if by_class else train.split(fraction)
    )
    return replace(source, train=rest, test=test)


def own_source(reading: Reading, found: Found) -> Source:
    """Return a user's splits as a source.

    Without a test split, a fixed random fifth is held out, of each class by its share; or, where
    the data is to be like that of a finished run, all of it is the test split and the run's own is
    trained on.

    Raises:
        InputError: if there is nothing to train on or to test on.
    """
    path, splits = reading.path, dict(found.splits)
    if reading.like is not None:
        if not {"train", "test"} & splits.keys():
            raise InputError(f"{path} has no examples to test on: their split is called test.")
        test = splits["test"] if "test" in splits else splits["train"]
        splits = {"train": reading.like.train, "test": test}
        if reading.like.validation is not None:
            splits["validation"] = reading.like.validation
    elif "train" not in splits:
        raise InputError(f"{path} has no examples to train on: their split is called train.")
    elif (rows := sum(map(len, splits.values()))) < MIN_EXAMPLES:
        raise too_few(path, rows)
    source = Source(
        name=str(path),
        rung="own",
        origin=str(path.resolve()),
        train=splits["train"],
        test=splits.get("test", splits["train"]),
        validation=splits.get("validation"),
        input=found.input,
        answer=found.answer,
        place=found.place,
    )
    return source if "test" in splits else held_out(source, TEST_FRACTION, every_class=True)
