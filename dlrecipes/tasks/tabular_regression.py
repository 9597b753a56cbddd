"""Tabular regression: rows with named columns in, a number out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter, Source, Splits
from dlrecipes.datasets.own.files import FileOptions, Report, shortened
from dlrecipes.datasets.own.tables import (
    MAX_CATEGORIES,
    MOSTLY,
    NO_NUMBER_HINT,
    TABLE_SUFFIXES,
    ColumnFacts,
    Table,
    column_values,
    is_missing,
    is_table,
    look_through,
    open_table,
    safe_name,
    safe_names,
    splits_of,
)
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError, nearest
from dlrecipes.tasks import base


class TabularRegression(base.Task):
    """Predict a number from the named columns of a row."""

    name = "tabular-regression"
    headline = "mae"
    higher_is_better = False

    def read_path(
        self, path: Path, options: FileOptions, like: Source | None, report: Report
    ) -> Source:
        """Return the rows of a table, one column of which is the target.

        Where the data is to be like that of a finished run, its columns and its target are found
        by name.
        """
        if not is_table(path) or path.is_dir():
            raise InputError(f"{path} must be a table: {', '.join(TABLE_SUFFIXES)}.")
        table = open_table(path, options.encoding, report)
        report.require_usable(path)
        assert table is not None
        names = safe_names(table.names, path, report)
        if like is None:
            facts, rows = look_through(table, report)
            if rows < base.MIN_EXAMPLES:
                report.require_usable(path)
                raise base.too_few(path, rows)
            before = report.count
            target = _find_target(table, facts, options.target, report)
            numeric = _usable_columns(table, facts, target, report)
            if report.count > before:
                report.require_usable(path)
        else:
            original = {short: name for name, short in names.items()}
            wanted = safe_name(like.target)
            _check_columns(table, original, [*like.train.columns, wanted], like, report)
            numeric = {original[short]: is_number for short, is_number in _numeric(like).items()}
            target = original[wanted]
        splits = _read_rows(table, names, numeric, target, report, looked_through=like is None)
        if not splits and not report.count:
            report.problem(f"{path} has no rows.")
        report.require_usable(path)
        return base.own_source(
            path,
            splits,
            like,
            target=target,
            column_names={names[name]: name for name in [*numeric, target]},
            place=f"{path}, {table.unit}",
        )

    def baseline(self, source: Source) -> base.Baseline:
        """Return the mean absolute error of always answering the median of the training rows."""
        median = float(np.median(np.asarray(source.train.labels)))
        errors = np.abs(np.asarray(source.test.labels) - median)
        return base.Baseline(f"always {median:g}, the median", float(errors.mean()))

    def read_inputs(
        self, arguments: Sequence[str], form: Source, options: FileOptions
    ) -> base.Inputs:
        """Return the rows of CSV, TSV, JSON lines or Parquet files (`-`: CSV on standard input)."""
        report = Report()
        names: list[str] = []
        numeric = _numeric(form)
        parts: dict[str, list[Array]] = {name: [] for name in numeric}
        for argument in arguments:
            path = Path(argument).expanduser()
            table = open_table(path, "utf-8", report)
            report.require_usable("The input")
            assert table is not None
            safe = safe_names(table.names, path, report)
            original = {short: name for name, short in safe.items()}
            _check_columns(table, original, list(parts), form, report)
            wanted = {original[short]: short for short in parts}
            kinds = {original[short]: is_number for short, is_number in numeric.items()}
            before = len(names)
            for chunk in table.chunks(report):
                for name, values in column_values(table, chunk, wanted, kinds, report).items():
                    parts[name].append(values)
                names += [
                    f"{argument}:{len(names) - before + 1 + n}" for n in range(len(chunk.lines))
                ]
            if len(names) == before:
                report.problem(f"{path} has no rows.")
        report.require_usable("The input")
        return base.Inputs(names, {name: np.concatenate(part) for name, part in parts.items()})

    def answer(self, outputs: Any, classes: Sequence[str]) -> dict[str, Any]:
        """Return `value`."""
        import tensorflow as tf

        return {"value": tf.squeeze(outputs, axis=-1)}

    def predict(
        self,
        serving: Any,
        inputs: base.Inputs,
        classes: Sequence[str],
        options: base.GenerationOptions,
    ) -> list[dict[str, Any]]:
        """Return the predicted value of each row."""
        values = base.run_serving(serving, inputs.features).ravel()
        return [
            {"input": name, "value": float(value)}
            for name, value in zip(inputs.names, values, strict=True)
        ]

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return each row and its predicted value."""
        rows = [[prediction["input"], f"{prediction['value']:,.2f}"] for prediction in predictions]
        return ["row", "value"], rows


def _numeric(form: Source) -> dict[str, bool]:
    """Return whether each column that a network reads holds numbers."""
    return {name: column.dtype.kind != "O" for name, column in form.train.columns.items()}


def _check_columns(
    table: Table,
    original: Mapping[str, str],
    needed: Sequence[str],
    form: Source,
    report: Report,
) -> None:
    """Raise InputError unless a table has the columns that a network needs.

    Args:
        table: The table.
        original: Its columns' names by those that a network's inputs can have.
        needed: The names of the latter kind that the network needs.
        form: The data that the network was trained on, which knows what its user calls them.
        report: What was found so far.
    """
    called = {name: form.column_names.get(name, name) for name in needed}
    missing = [called[name] for name in needed if name not in original]
    if missing:
        report.problem(
            f"{table.path} has no column {', '.join(missing)}: it has "
            f"{', '.join(map(shortened, table.names))}."
        )
    report.require_usable(table.path, f"The columns needed are {', '.join(called.values())}.")


def _find_target(
    table: Table, facts: Mapping[str, ColumnFacts], wanted: str, report: Report
) -> str:
    """Return the column to be predicted: the one that the user names, or the last."""
    others = [name for name in table.names if name != table.split_column]
    target = wanted or (others or [""])[-1]
    if len(others) < 2:
        report.problem(f"{table.path} has one column only: a target and others are needed.")
    elif target not in others:
        report.problem(
            f"{table.path} has no column {target}: it has {', '.join(map(shortened, others))}.",
            nearest(target, others),
        )
    elif not facts[target].is_numeric and facts[target].texts:
        report.problem(
            f"{table.path}: the target {target} holds text, not numbers, such as "
            f"{shortened(min(facts[target].distinct))!r}. Name a column of numbers with --target.",
            NO_NUMBER_HINT,
        )
    elif facts[target].is_constant:
        report.problem(f"{table.path}: the target {target} is the same in every row.")
    elif not wanted:
        report.note(f"The target is the last column, {target} (--target names another).")
    return target


def _usable_columns(
    table: Table, facts: Mapping[str, ColumnFacts], target: str, report: Report
) -> dict[str, bool]:
    """Return the columns to predict from, and whether each holds numbers; note what is odd."""
    numeric = {}
    for name, held in table.unusable.items():
        report.note(f"The column {name} is left out: it holds {held}.")
    for name in table.names:
        column = facts[name]
        if name in (target, table.split_column):
            continue
        if column.is_constant:
            held = "has no values" if column.missing else "is the same in every row"
            report.note(f"The column {name} is left out: it {held}.")
            continue
        numeric[name] = column.is_numeric
        if column.missing:
            report.note(
                f"The column {name} lacks {column.missing:,} of {column.rows:,} values: the "
                "network is told where."
            )
        if column.is_numeric:
            continue
        if len(column.distinct) > MAX_CATEGORIES:
            report.note(
                f"The column {name} has more than {MAX_CATEGORIES:,} different texts: the "
                f"{MAX_CATEGORIES:,} commonest are told apart."
            )
        elif len(column.distinct) > MOSTLY * column.rows:
            report.note(
                f"The column {name} has another text in almost every row: nothing can be learned "
                "from it."
            )
    if not numeric and not report.count:
        report.problem(f"{table.path}: no column but the target has different values.")
    return numeric


def _read_rows(
    table: Table,
    names: Mapping[str, str],
    numeric: Mapping[str, bool],
    target: str,
    report: Report,
    *,
    looked_through: bool,
) -> Splits:
    """Return the examples of each split; rows without a target are problems.

    Rows that cannot be read are, too, unless that was told when the table was looked through.
    """
    wanted = {name: names[name] for name in [*numeric, target]}
    writers: dict[str, ExamplesWriter] = {}
    for chunk in table.chunks(None if looked_through else report):
        columns = column_values(table, chunk, wanted, {**numeric, target: True}, report)
        targets = columns.pop(names[target])
        for line, cell in zip(chunk.lines, chunk.cells[target], strict=True):
            if is_missing(cell):
                received = f" ({cell!r})" if str(cell).strip() and cell is not None else ""
                report.problem(f"{table.where(line)}: the target {target} is missing{received}.")
        splits = np.array(splits_of(table, chunk, report), dtype=object)
        examples = Examples(columns, targets, np.array(chunk.lines))
        for split in sorted(set(splits) - {""}):
            some = examples.take(np.flatnonzero(splits == split))
            writers.setdefault(split, ExamplesWriter()).append(some)
    return {split: writer.finish() for split, writer in writers.items()}
