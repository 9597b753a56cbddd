"""What a model says of each test row, beside the truth: the worst first, or all in a file."""

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.forms import Form
from dlrecipes.errors import InputError
from dlrecipes.system.atomic import whole_file
from dlrecipes.tasks.base import Task
from dlrecipes.tasks.serving import BATCH_SIZE, call_serving, named_features

Row = dict[str, Any]
"""`input`, `truth`, `prediction`, `probability`, `loss`, `example`, and where it stands."""
SUFFIXES = (".csv", ".parquet")
PLACE = re.compile(r"(.+), (line|row) (\d+)")


@dataclass(frozen=True)
class Look:
    """What is asked of the test rows, besides the metrics.

    Args:
        mistakes: How many of the worst mistakes to return; None for none.
        predictions: File to write all rows to; None for none.
        by: Column whose values are groups of rows to be compared; empty for none.
    """

    mistakes: int | None = None
    predictions: Path | None = None
    by: str = ""

    def require_possible(self, task: Task) -> None:
        """Raise InputError unless this can be asked of a task; no test is needed to know."""
        flag = "--predictions" if self.mistakes is None else "--mistakes"
        if (self.mistakes is not None or self.predictions) and not task.answer.has_truth:
            raise InputError(
                f"{flag} needs a true answer for each test row, and {task.name} has none."
            )
        if self.mistakes is not None and self.mistakes < 1:
            raise InputError(f"--mistakes must be at least 1. Received: {self.mistakes}")
        path = self.predictions
        if path and path.suffix.lower() not in SUFFIXES:
            raise InputError(f"--predictions must end in {' or '.join(SUFFIXES)}: {path}")
        if path and path.exists():
            raise InputError(f"{path} exists already.", "Name another file, or remove it.")
        if path and not path.parent.is_dir():
            raise InputError(f"{path.parent} is not a folder.")


def examined(task: Task, serving: Any, source: Source, form: Form) -> Iterator[list[Row]]:
    """Yield what a model says of each test row, some at a time, in order.

    Args:
        task: The task.
        serving: The model, from raw inputs to the answer.
        source: The raw examples.
        form: The form of the answers, as the run has it.
    """
    import tensorflow as tf

    answer = tf.function(partial(call_serving, serving), reduce_retracing=True, autograph=False)
    number = 0
    for part in source.test.chunks(BATCH_SIZE):
        outputs = answer(named_features(part.arrays(), serving)).numpy()
        found = task.answer.examine(outputs, np.asarray(part.labels), form)
        names, places = task.input.shown(part, source.input), _places(part, source.place)
        rows = []
        for place, name in enumerate(names):
            number += 1
            is_place = str(name) == str(place)  # It has no name and no place: its number is both.
            rows.append(
                {
                    "input": str(number) if is_place else name,
                    "truth": found.truth[place],
                    "prediction": found.prediction[place],
                    "probability": found.probability[place] if found.probability else None,
                    "loss": found.loss[place],
                    "example": number,
                    **places[place],
                }
            )
        yield rows


def _places(some: Examples, place: str) -> list[dict[str, Any]]:
    """Return where examples stand in the user's files: `file`, and `line`, `row` or `place`."""
    if some.origins is None:
        return [{} for _ in range(len(some))]
    found = []
    for origin in some.origins[:]:
        text = f"{place} {origin}".strip()
        if match := PLACE.fullmatch(text):
            found.append({"file": match[1], match[2]: int(match[3])})
        else:
            file, _, rest = text.rpartition(", ")
            found.append({"file": file or rest, **({"place": rest} if file else {})})
    return found


def worst(rows: Iterable[Row], count: int) -> list[Row]:
    """Return the rows whose answers are wrong and have the highest loss, the worst first."""
    wrong = [row for row in rows if _is_wrong(row)]
    return sorted(wrong, key=lambda row: (-row["loss"], row["example"]))[:count]


def _is_wrong(row: Row) -> bool:
    """Tell whether an answer is wrong: of classes the class; of others, if any loss is left."""
    return bool(row["truth"] != row["prediction"] or (row["probability"] is None and row["loss"]))


def looked_through(parts: Iterator[list[Row]], look: Look) -> list[Row]:
    """Go through all test rows: write them, if that is asked for, and return the worst mistakes."""
    found: list[Row] = []
    count = look.mistakes or 0
    if look.predictions is None:
        for part in parts:
            found = worst([*found, *part], count)
        return found
    with _writing(look.predictions) as write:
        for part in parts:
            write(part)
            found = worst([*found, *part], count)
    return found


@contextmanager
def _writing(path: Path) -> Iterator[Any]:
    """Give the block what writes rows to a file, which is there once it is whole."""
    with whole_file(path) as temporary:
        if path.suffix.lower() == ".csv":
            with temporary.open("w", encoding="utf-8", newline="") as file:
                yield _csv_writer(file)
        else:
            with _ParquetWriter(temporary) as writer:
                yield writer.write


def _csv_writer(file: IO[str]) -> Any:
    """Return what writes rows as comma-separated values; the first ones name the columns."""
    writer = csv.writer(file, lineterminator="\n")
    names: list[str] = []

    def write(rows: list[Row]) -> None:
        if not names:
            names.extend(rows[0])
            writer.writerow(names)
        writer.writerows([row.get(name) for name in names] for row in rows)

    return write


class _ParquetWriter:
    """Writes rows to a Parquet file, some at a time.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def __enter__(self) -> "_ParquetWriter":
        """Return the writer."""
        return self

    def write(self, rows: list[Row]) -> None:
        """Write rows; the first ones tell the types of the columns."""
        import pyarrow
        from pyarrow import parquet

        if self.writer is None:
            table = pyarrow.Table.from_pylist(rows)
            place = table.schema.get_field_index("probability")
            # A column of nothing is one of numbers.
            schema = table.schema.set(place, pyarrow.field("probability", pyarrow.float64()))
            self.writer = parquet.ParquetWriter(self.path, schema)
        self.writer.write_table(pyarrow.Table.from_pylist(rows, schema=self.writer.schema))

    def __exit__(self, *_: object) -> None:
        """End the file."""
        if self.writer is not None:
            self.writer.close()
