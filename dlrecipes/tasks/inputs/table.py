"""Rows of a table: named columns of numbers and of texts."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Examples, Features, Source
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.archives import is_packed_folder
from dlrecipes.datasets.own.columns import Columns, column_values, safe_name
from dlrecipes.datasets.own.files import FileOptions, Report
from dlrecipes.datasets.own.moments import NO_MOMENT, shown
from dlrecipes.datasets.own.tables import TABLE_SUFFIXES, Chunk, is_rows, open_table
from dlrecipes.datasets.own.tables import Table as TableFile
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.kit.calendar import Moments
from dlrecipes.kit.columns import Categories, column_statistics
from dlrecipes.tasks import base
from dlrecipes.tasks.choosing import Named, named_feature
from dlrecipes.tasks.inputs.given import failed, given_files
from dlrecipes.tasks.inputs.given_rows import GivenRows
from dlrecipes.tasks.inputs.rows import (
    TableForm,
    columns_needed,
    form_in_data,
    known_form,
    read_rows,
    require_typed_columns,
    said_otherwise,
    with_ranges,
)
from dlrecipes.tasks.reading import Found, Reading, read_unpacked
from dlrecipes.tasks.trying.widgets import FormWidget

LONGEST_VECTOR = 1000
"""Numbers of one feature of a published data set that become columns of their own."""
MISSING = "(missing)"
"""What people see in place of a value that is missing."""


class Table(base.Input):
    """The columns of a table but for the target: numbers, dates and texts.

    Numbers are float64, NaN where missing (float32 in a published data set); dates int64, seconds
    since 1970; texts are empty where missing.
    """

    name = "table"
    form: ClassVar[type[Form]] = TableForm
    plural = "rows"
    widget = FormWidget()

    def read(self, reading: Reading, answer: base.Answer) -> Found:
        """Return the rows of a table, one column of which is the target.

        Where the data is to be like that of a finished run, its columns and its target are found
        by name.
        """
        path = reading.path
        if is_packed_folder(path):
            return read_unpacked(reading, lambda inside: self.read(inside, answer))
        if path.is_dir() and reading.packed[0]:
            raise InputError(f"{path} must hold one table, and no other files.", "Unpack it.")
        if not is_rows(path) or path.is_dir():
            raise InputError(f"{path} must be a table: {', '.join(TABLE_SUFFIXES)}.")
        table = open_table(path, reading.options, reading.report)
        reading.require_usable()
        assert table is not None
        form = (
            form_in_data(table, reading, answer)
            if reading.like is None
            else known_form(table, reading)
        )
        splits, answer_form = read_rows(table, form, reading, answer)
        if reading.like is None and "train" in splits:
            form = with_ranges(form, splits["train"])
        return Found(splits, form, answer_form, place=f"{reading.origin(path)}, {table.unit}")

    def parse(
        self, arguments: Sequence[str], form: Form, options: FileOptions
    ) -> Iterator[base.Inputs]:
        """Yield the rows of tables (`-`: CSV on standard input), by the names of their columns."""
        assert isinstance(form, TableForm)
        for given in given_files(arguments, TABLE_SUFFIXES, "tables"):
            try:
                if given.error is not None:
                    raise given.error
                rows = GivenRows(given.value, options, given.said)
                require_typed_columns(rows.table, form, options, rows.report)
                own = said_otherwise(form, options, rows.report)
                columns = _columns_for(rows.table, own, rows.report)
            except InputError as error:
                yield failed(given.name, given.failure(error))
            else:
                yield from rows.inputs(columns)

    def choose(
        self, published: Description, named: Named, taken: Sequence[Feature]
    ) -> tuple[Feature, ...]:
        """Return every feature of numbers, categories or texts that is not the answer."""
        supervised = published.supervised[0] if published.supervised else ()
        fitting = [
            one
            for one in published.features
            if one not in taken and (one.kind in ("category", "text") or _is_numbers(one))
        ]
        marked = [
            one
            for one in fitting
            if any(one.path == path or one.path.startswith(f"{path}/") for path in supervised)
        ]
        if named.get("columns"):
            wanted = named["columns"]
            names = (wanted,) if isinstance(wanted, str) else wanted
            found = [named_feature(published, {"columns": name}, "columns") for name in names]
            marked = [one for one in found if one is not None]
            if unusable := [one for one in marked if one not in fitting]:
                why = "what is predicted" if unusable[0] in taken else unusable[0].kind
                raise InputError(
                    f"FEATURES names {unusable[0].path} among the columns, which is {why}."
                )
        if not fitting:
            features = ", ".join(f"{one.path} ({one.kind})" for one in published.features)
            raise InputError(
                f"{published.name} has no columns of numbers or texts. Its features are "
                f"{features}.",
                "Use a data set or a recipe of another task: dlrecipes list",
            )
        return tuple(marked or fitting)

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the columns of the features; a vector of numbers becomes a column for each."""
        kinds: dict[str, str] = {}
        called: dict[str, str] = {}
        for feature, names in _columns_of(chosen):
            for column in names:
                short = safe_name(column)
                if short in kinds:
                    raise InputError(
                        f"The features {called[short]} and {column} would be one column, {short}."
                    )
                kinds[short] = "numbers" if feature.kind == "number" else "texts"
                called[short] = column
        return TableForm(kinds=kinds, called=called)

    def with_answer(self, form: Form, answers: Sequence[Feature]) -> Form:
        """Return the form with the name of what is predicted."""
        assert isinstance(form, TableForm)
        target = answers[0].path.rpartition("/")[2] if answers else ""
        return replace(form, target=target, called={**form.called, safe_name(target): target})

    def completed(self, source: Source, *, has_test: bool) -> Source:
        """Return a published data set, with what the columns of its rows hold."""
        whole = super().completed(source, has_test=has_test)
        return replace(whole, input=with_ranges(whole.input, whole.train))

    def adapted(self, form: Form, known: Form) -> Form:
        """Return the columns that a model was trained on.

        Raises:
            InputError: if the data set lacks one.
        """
        assert isinstance(form, TableForm)
        assert isinstance(known, TableForm)
        if missing := [name for name in known.kinds if name not in form.kinds]:
            raise InputError(
                f"The data set has no column {', '.join(missing)}: it has {', '.join(form.kinds)}."
            )
        return known

    def convert(self, chunk: base.Chunk, chosen: Sequence[Feature], form: Form) -> Features:
        """Return the columns of some rows."""
        assert isinstance(form, TableForm)
        columns: dict[str, Array] = {}
        for feature, own_names in _columns_of(chosen):
            values = chunk[feature.path]
            names = [safe_name(column) for column in own_names]
            if feature.kind == "category":
                texts = [feature.classes[number] if number >= 0 else "" for number in values]
                columns[names[0]] = np.array(texts, dtype=object)
            elif feature.kind == "text":
                columns[names[0]] = np.array(list(values), dtype=object)
            else:
                numbers = np.asarray(values, "float32").reshape(len(values), -1)
                columns |= {name: numbers[:, place] for place, name in enumerate(names)}
        return {name: columns[name] for name in form.kinds}

    def shown(self, some: Examples, form: Form) -> list[str]:
        """Return the columns of each row, called as the user does, with their values."""
        return [
            ", ".join(f"{name}={text or MISSING}" for name, text in row["columns"].items())
            for row in self.on_page(some, form)
        ]

    def on_page(self, some: Examples, form: Form) -> list[dict[str, Any]]:
        """Return the columns of each row, called as the user does, with their values."""
        called = getattr(form, "called", {})
        columns = {name: column[:] for name, column in some.columns.items()}
        return [
            {
                "columns": {
                    called.get(name, name): cell_text(column[place])
                    for name, column in columns.items()
                }
            }
            for place in range(len(some))
        ]

    def describe(self, source: Source) -> dict[str, Any]:
        """Return the target, and what the other columns hold."""
        assert isinstance(source.input, TableForm)
        columns = [
            _described(source.input.called.get(name, name), statistics)
            for name, statistics in column_statistics(source.train).items()
        ]
        return {"target": source.input.target, "columns": columns}


def shown_cell(value: Any) -> str:
    """Return a value of a row as `cell_text`, and a word for one that is missing."""
    return cell_text(value) or MISSING


def cell_text(value: Any) -> str:
    """Return a value of a row for people: all its digits; nothing for one that is missing.

    Args:
        value: A text, a number, or a date: whole seconds since 1970.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return "" if value == NO_MOMENT else shown(int(value))
    return "" if np.isnan(value) else str(value).removesuffix(".0")


def _is_numbers(feature: Feature) -> bool:
    """Tell whether a feature is a number or a short vector of numbers of a fixed length."""
    if feature.kind != "number" or len(feature.shape) > 1:
        return False
    return not feature.shape or 0 < (feature.shape[0] or 0) <= LONGEST_VECTOR


def _columns_of(chosen: Sequence[Feature]) -> Iterator[tuple[Feature, list[str]]]:
    """Yield each feature with the names of the columns that it becomes.

    That is the last part of its path, or the whole path where two would have one name.
    """
    last = Counter(feature.path.rpartition("/")[2] for feature in chosen)
    for feature in chosen:
        name = feature.path.rpartition("/")[2]
        name = name if last[name] == 1 else feature.path
        if feature.shape:
            yield feature, [f"{name}_{place}" for place in range(feature.shape[0] or 0)]
        else:
            yield feature, [name]


def _columns_for(
    table: TableFile, form: TableForm, report: Report
) -> Callable[[Chunk, Report], dict[str, Array]]:
    """Return what reads the columns that a model needs from rows of a table.

    Raises:
        InputError: if the table lacks one.
    """
    names = columns_needed(table, list(form.kinds), form, report)
    wanted = Columns(names, form.columns, is_settled=True)

    def columns(chunk: Chunk, report: Report) -> dict[str, Array]:
        found = column_values(table, chunk, wanted, report)
        return {short: found[short] for short in form.kinds}

    return columns


def _described(name: str, statistics: Any) -> dict[str, Any]:
    """Return what a column of the training examples holds."""
    if isinstance(statistics, Categories):
        texts = [value for value in statistics.values if value]  # An empty one is a missing one.
        return {
            "name": name,
            "kind": "categories",
            "values": len(texts),
            "has_missing": len(texts) < len(statistics.values),
        }
    if isinstance(statistics, Moments):
        return {
            "name": name,
            "kind": "dates",
            "first": shown(statistics.lowest),
            "last": shown(statistics.highest),
            "has_missing": statistics.has_missing,
        }
    return {
        "name": name,
        "kind": "numbers",
        "mean": statistics.mean,
        "deviation": float(np.sqrt(statistics.variance)),
        "has_missing": statistics.has_missing,
    }
