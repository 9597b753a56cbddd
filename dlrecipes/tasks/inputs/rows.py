"""Read the rows of a user's table: which columns are used, what they hold, and the target."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.cells import (
    MAX_CATEGORIES,
    MISSING,
    NO_VALUE,
    are_plain_values,
    is_missing,
    word_of,
)
from dlrecipes.datasets.own.columns import (
    Columns,
    column_values,
    look_through,
    safe_name,
    safe_names,
    same_column,
    splits_of,
)
from dlrecipes.datasets.own.facts import ColumnFacts
from dlrecipes.datasets.own.files import FileOptions, Report, listed, shortened
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.own.moments import DAY_FIRST, MONTH_FIRST, shown
from dlrecipes.datasets.own.naming import why_left_out
from dlrecipes.datasets.own.tables import Chunk, Table
from dlrecipes.datasets.own.written import (
    CALLED,
    DATES,
    NUMBERS,
    TEXTS,
    TYPES,
    Written,
    different,
    read_dates,
    read_numbers,
    settle,
)
from dlrecipes.errors import nearest
from dlrecipes.tasks import base
from dlrecipes.tasks.encoders import ColumnEncoder
from dlrecipes.tasks.inputs.ranges import Range, ranges_and_choices
from dlrecipes.tasks.reading import MIN_EXAMPLES, Reading, SplitsWriter, too_few


@dataclass(frozen=True)
class TableForm(Form):
    """The form of a table's rows.

    Args:
        kinds: `numbers`, `dates` or `texts`, by the names that a model's inputs can have.
        called: The columns' own names, by those names; the target's too.
        target: The own name of the column that is predicted.
        written: How the columns are written (see `Written`), by the names of the inputs.
        target_written: How the target is written.
        ranges: Of columns of numbers and dates, the lowest and the highest value of the training
            rows, and the step that all are multiples of (0 for none), by the names of the inputs.
        choices: Of columns of texts, the commonest values, by the names of the inputs.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    called: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    written: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target_written: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Written]:
        """Return how each column is written; as programs do, if that is not known."""
        return {
            name: replace(Written.of(self.written.get(name, {})), kind=kind)
            for name, kind in self.kinds.items()
        }


def form_in_data(table: Table, reading: Reading, answer: base.Answer) -> TableForm:
    """Return the form of a table's rows, after looking through all of them."""
    report = reading.report
    facts, rows = look_through(table, report)
    if rows < MIN_EXAMPLES:
        reading.require_usable()
        raise too_few(reading.path, rows)
    before = report.count
    target = _find_target(table, reading)
    options = reading.options
    left_out = _ignored(table, target, options, report)
    types = options.column_types
    _require_columns(table, types, "--types", report)
    wanted = {name: facts[name] for name in table.names if name not in left_out}
    written = settle(wanted, types, options.decimal, table.separator, report)
    if report.count == before:
        answer.check_target(target, facts[target], reading)
        if report.count == before and not reading.options.target:
            report.note(f"The target is the last column, {target} (--target names another).")
    usable = _usable_columns(table, wanted, written, target, reading)
    if report.count > before:
        reading.require_usable()
    for name in [*usable, target]:
        kind = CALLED[written[name].kind]
        if name == target:
            kind = f"{answer.target_kind or kind} (target)"
        examples = ", ".join(shortened(one) for one in facts[name].examples)
        report.columns.append((name, kind, examples))
    names = safe_names(table.names)
    return TableForm(
        kinds={names[name]: written[name].kind for name in usable},
        called={names[name]: name for name in [*usable, target]},
        target=target,
        written={names[name]: written[name].document() for name in usable},
        target_written=written[target].document(),
    )


def with_ranges(form: Form, train: Examples) -> TableForm:
    """Return the form with what the training rows hold."""
    assert isinstance(form, TableForm)
    ranges, choices = ranges_and_choices(train)
    return replace(form, ranges=ranges, choices=choices)


def known_form(table: Table, reading: Reading) -> TableForm:
    """Return the form of the data that a model was trained on, with this table's own names."""
    assert reading.like is not None
    known = reading.like.input
    assert isinstance(known, TableForm)
    given, report = reading.options.target, reading.report
    require_typed_columns(table, known, reading.options, report)
    short = next((one for one, name in known.called.items() if name == known.target), "")
    short = short or safe_name(known.target)
    target = given if given in table.names else same_column(known.target, short, table.names)
    columns = columns_needed(table, list(known.kinds), known, report, missing=not target)
    return replace(
        said_otherwise(known, reading.options, report),
        called={**{one: name for name, one in columns.items()}, short: target},
        target=target,
    )


def said_otherwise(known: TableForm, options: FileOptions, report: Report) -> TableForm:
    """Return the form of the data that a model was trained on, but for what the user says.

    Args:
        known: The form.
        options: How the user's own table is written, where another table was written otherwise.
        report: Is told of a column that is said to hold what the model does not take there.
    """
    written = {name: dict(how) for name, how in known.written.items()}
    short_names = {name: short for short, name in known.called.items() if short in written}
    for how in written.values():
        if options.decimal:
            how["decimal"] = options.decimal
    for name, kind in options.column_types.items():
        short = short_names.get(name) or safe_name(name)
        if short not in written:
            continue
        trained = known.kinds[short]
        if TYPES[kind] != trained:
            is_called = next(one for one, its in TYPES.items() if its == trained)
            report.note(
                f"--types {name}={kind} has no effect: the model takes a {is_called} there."
            )
        elif kind in (DAY_FIRST, MONTH_FIRST):
            written[short]["order"] = kind
    return replace(known, written=written)


def require_typed_columns(
    table: Table, known: TableForm, options: FileOptions, report: Report
) -> None:
    """Refuse a `--types` for a column that neither the table nor the model has.

    Raises:
        InputError: if there is one; it names the closest.
    """
    unknown = [
        name
        for name in options.column_types
        if name not in known.called.values() and safe_name(name) not in known.called
    ]
    _require_columns(table, unknown, "--types", report)
    report.require_usable(table.path)


def columns_needed(
    table: Table, needed: Sequence[str], form: TableForm, report: Report, *, missing: bool = False
) -> dict[str, str]:
    """Return the columns of a table that a model needs, and their names in the network.

    Args:
        table: The table.
        needed: Their names in the network.
        form: The form of the data that it was trained on, which knows what its user calls them.
        report: What was found so far.
        missing: Whether the target is missing.

    Raises:
        InputError: if the table lacks some.
    """
    called = {short: form.called.get(short, short) for short in needed}
    found = {short: same_column(name, short, table.names) for short, name in called.items()}
    lacking = [called[short] for short in needed if not found[short]]
    lacking += [form.target] if missing else []
    wanted = [*called.values(), *([form.target] if missing else [])]
    if lacking:
        report.problem(
            f"{table.path} has no column {', '.join(lacking)}: it has "
            f"{', '.join(map(shortened, table.names))}."
        )
    for name in table.repeated & set(found.values()):
        if f"{name}_2" not in called.values():
            report.problem(f"{table.path}: duplicate column {shortened(name)}.")
    report.require_usable(table.path, f"The columns needed are {', '.join(wanted)}.")
    return {name: short for short, name in found.items()}


def _find_target(table: Table, reading: Reading) -> str:
    """Return the column to be predicted: the one that the user names, or the last."""
    others = [name for name in table.names if name != table.split_column]
    target = reading.options.target or (others or [""])[-1]
    if len(others) < 2:
        reading.report.problem(f"{table.path} has one column only: a target and others are needed.")
    elif target not in others:
        reading.report.problem(
            f"{table.path} has no column {target}: it has {', '.join(map(shortened, others))}.",
            nearest(target, others),
        )
    return target


def _usable_columns(
    table: Table,
    facts: Mapping[str, ColumnFacts],
    written: Mapping[str, Written],
    target: str,
    reading: Reading,
) -> list[str]:
    """Return the columns to predict from; note what is odd."""
    usable, report = [], reading.report
    chosen = listed(reading.options.use)
    names_rows = {
        name: why
        for name, column in facts.items()
        if name not in (target, table.split_column, *chosen)
        and (why := why_left_out(name, column, written[name]))
    }
    others = set(facts) - {target, table.split_column} - set(names_rows)
    if all(facts[name].is_constant for name in others):
        names_rows = {}  # There is nothing else to learn from.
    for name, held in table.unusable.items():
        report.note(f"The column {name} is left out: it holds {held}.")
    for name, column in facts.items():
        if name in (target, table.split_column):
            continue
        if column.is_constant:
            held = "has no values" if column.missing else "is the same in every row"
            report.note(f"The column {name} is left out: it {held}.")
            continue
        if name in names_rows:
            again = shortened(name) if name.isidentifier() else repr(shortened(name))
            report.note(
                f"The column {name} is left out: it {names_rows[name]} (--use {again} uses it)."
            )
            continue
        usable.append(name)
        _note_oddities(name, column, written[name], report)
    if not usable and not report.count:
        report.problem(f"{table.path}: no column but the target has different values.")
    return usable


def _note_oddities(name: str, column: ColumnFacts, written: Written, report: Report) -> None:
    """Note how a column is understood, and what it lacks."""
    if said := how_written(written, column):
        report.note(f"The column {name} {said}.")
    if column.missing:
        report.note(
            f"The column {name} lacks {column.missing:,} of {column.rows:,} values: the "
            "model is told where."
        )
    if written.kind == TEXTS and len(column.distinct) > MAX_CATEGORIES:
        report.note(
            f"The column {name} has more than {MAX_CATEGORIES:,} categories: the "
            f"{MAX_CATEGORIES:,} commonest are told apart."
        )


def _ignored(table: Table, target: str, options: FileOptions, report: Report) -> list[str]:
    """Return the columns that the user leaves out."""
    ignored = listed(options.ignore)
    _require_columns(table, ignored, "--ignore", report)
    _require_columns(table, listed(options.use), "--use", report)
    if target in ignored:
        report.problem(f"--ignore {target} leaves out what is to be predicted.")
    return [name for name in ignored if name != target]


def _require_columns(table: Table, names: Iterable[str], flag: str, report: Report) -> None:
    """Report names that a flag has and the table lacks."""
    for name in names:
        if name not in table.names and name not in table.unusable:
            there = ", ".join(map(shortened, table.names))
            report.problem(
                f"{flag} {name}: {table.path} has no such column: it has {there}.",
                nearest(name, table.names),
            )


def how_written(written: Written, facts: ColumnFacts) -> str:
    """Return how a column is understood, if that is not plain to see; else an empty text."""
    empty = [word for word in facts.words if word in written.missing]
    if written.kind != TEXTS:
        empty += [word for word in facts.words if word in NO_VALUE and word not in MISSING]
    missing = f"{' and '.join(map(repr, sorted(empty)))} for a missing value" if empty else ""
    said = ""
    if written.kind == DATES:
        example = (facts.examples or [""])[0]
        seconds, _ = read_dates([example], written)
        order = f" ({written.order.replace('-', ' ')})" if written.order else ""
        said = f"holds dates: {shortened(example)!r} is {shown(int(seconds[0]))}{order}"
    elif written.kind == NUMBERS and written.words and "true" not in written.words:
        pair = " and ".join(f"{word!r} is {value:g}" for word, value in written.words.items())
        said = f"holds numbers: {pair}"
    elif written.kind == NUMBERS and facts.odd:
        values, _ = read_numbers([facts.odd], written)
        said = f"holds numbers: {shortened(facts.odd)!r} is {values[0]:.10g}"
    return ", ".join(filter(None, (said, f"has {missing}" if missing else "")))


def read_rows(
    table: Table, form: TableForm, reading: Reading, answer: base.Answer
) -> tuple[dict[str, Any], Form]:
    """Return the examples of each split and the form of their answers.

    Rows without a target are problems. Rows that cannot be read are, too, unless that was told
    when the table was looked through.
    """
    report, target = reading.report, form.target
    names = {form.called[name]: name for name in form.kinds}
    wanted = Columns(names, form.columns, is_settled=reading.like is not None)
    encoder, writer = answer.encoder(reading, form), SplitsWriter()
    for chunk in table.chunks(None if reading.like is None else report):
        columns = column_values(table, chunk, wanted, report)
        of_split = splits_of(table, chunk, report)
        _report_missing(table, chunk, of_split, form, report)
        labels = _labels(table, chunk, form, encoder, of_split)
        writer.append(of_split, columns, labels, chunk.lines)
    splits = writer.finish()
    if not splits and not report.count:
        report.problem(f"{reading.path} has no rows.")
    reading.require_usable()
    assert target not in names
    answer_form, splits = encoder.finish(splits)
    reading.require_usable()
    return splits, answer_form


def _labels(
    table: Table, chunk: Chunk, form: TableForm, encoder: base.Encoder, splits: Sequence[str]
) -> Any:
    """Return the answers of a chunk: all at once, if the encoder can do that."""
    cells, target = chunk.columns[form.target], shortened(form.target)

    def where(place: int) -> str:
        return f"{table.where(int(chunk.lines[place]))}: {target}"

    if isinstance(encoder, ColumnEncoder):
        return encoder.encode_column(cells, splits, where)
    texts = chunk.cells[form.target]
    items = [Item(split, None, texts[place], where(place)) for place, split in enumerate(splits)]
    return encoder.encode(items)


def _report_missing(
    table: Table, chunk: Chunk, splits: Sequence[str], form: TableForm, report: Report
) -> None:
    """Report the rows of a chunk that are in a split and have no target."""
    written = form.target_written
    # More words stand for a missing number than for a missing class, which "none" may be.
    words = {*written.get("missing", ()), *(NO_VALUE if written.get("kind") == NUMBERS else ())}
    cells = chunk.columns[form.target]
    for places, text in different(cells, ~are_plain_values(cells)):
        if is_missing(text) or (isinstance(text, str) and word_of(text) in words):
            received = _received(text)
            for place in filter(splits.__getitem__, places.tolist()):
                where = table.where(int(chunk.lines[place]))
                report.problem(f"{where}: the target {form.target} is missing{received}.")


def _received(cell: Any) -> str:
    """Return what stands in a cell without a value, to be shown; empty if nothing does."""
    if isinstance(cell, str):
        return f" ({cell!r})" if cell.strip() else ""
    return "" if cell is None else f" ({cell})"
