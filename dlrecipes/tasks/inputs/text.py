"""Texts that are apart from each other: reviews, messages, sentences."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Examples, Features
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.archives import is_packed_folder
from dlrecipes.datasets.own.cells import as_texts
from dlrecipes.datasets.own.class_files import class_files
from dlrecipes.datasets.own.columns import Wanted, find_columns
from dlrecipes.datasets.own.files import (
    FileOptions,
    Report,
    nearest_path,
    read_standard_input,
    read_text,
    shortened,
)
from dlrecipes.datasets.own.folders import text_suffixes
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.own.tables import is_delimited, is_table
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import CHUNK, Array
from dlrecipes.errors import InputError
from dlrecipes.tasks import base
from dlrecipes.tasks.choosing import Named, one_feature
from dlrecipes.tasks.inputs.given import (
    EMPTY_TEXT,
    Given,
    as_error,
    failed,
    gathered,
    given_files,
)
from dlrecipes.tasks.inputs.given_rows import GivenRows
from dlrecipes.tasks.reading import Found, Reading, SplitsWriter, read_unpacked
from dlrecipes.tasks.trying.widgets import TextWidget, Widget

TEXT_COLUMNS = (
    *("text", "review", "sentence", "content", "message", "comment", "body", "tweet"),
    *("document", "description", "title"),
)
FILE_NAME = re.compile(r"\S*[/\\]\S*|\S+\.(txt|csv|tsv|json|jsonl|md|parquet|html)", re.IGNORECASE)
"""A single word that can only be meant as a file."""


LONG_WORD = 30
"""Characters of a text without spaces that can hardly be one word."""
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""How Unicode's names of the letters of scripts begin that put no spaces between words."""


def given_texts(
    arguments: Sequence[str], options: FileOptions, wanted: Wanted | None = None
) -> Iterator[Given | base.Inputs]:
    """Yield the texts that arguments stand for.

    These are the arguments themselves, the lines of files and of standard input (`-`), the text
    files in folders, and the rows of tables.

    Args:
        arguments: Texts, files, folders, patterns, or `-`.
        options: How files are read.
        wanted: How the column of texts is found in a table; None to read tables line by line.

    Raises:
        InputError: if every text is empty.
    """
    found = _each_text(arguments, options, wanted)
    empty: list[Given | base.Inputs] = []
    for one in found:
        empty.append(one)
        if not (isinstance(one, Given) and one.note):
            yield from empty
            yield from found
            return
    raise InputError("There is no text to read: every input is empty.")


def _each_text(
    arguments: Sequence[str], options: FileOptions, wanted: Wanted | None
) -> Iterator[Given | base.Inputs]:
    """Yield the texts that arguments stand for, those of tables some at a time."""
    for argument in arguments:
        is_there = os.path.lexists(argument)  # False for a text too long to be a path
        if argument == "-":
            yield from _lines("-", read_standard_input().splitlines())
        elif not is_there and not FILE_NAME.fullmatch(argument):
            yield _text(argument, argument)
        else:
            yield from _of_path(argument, options, wanted)


def _of_path(
    argument: str, options: FileOptions, wanted: Wanted | None
) -> Iterator[Given | base.Inputs]:
    """Yield the texts in a file, a folder or an archive, those of tables some at a time."""
    if os.path.isdir(argument) and (of_lines := class_files(Path(argument), (".txt",))):
        for file in of_lines:
            yield from _file_lines(Given(str(file), file), options)
        return
    for given in given_files([argument], _suffixes, "text files", is_packed_folder):
        if given.error is not None:
            yield given
        elif not os.path.isfile(given.value):
            hint = nearest_path(given.value)
            yield replace(given, error=InputError(f"There is no text file {argument}.", hint))
        elif given.in_folder:
            yield from _whole_file(given, options)
        elif wanted and (is_table(given.value) or is_delimited(Path(given.value), options)):
            yield from _rows(given, options, wanted)
        else:
            yield from _file_lines(given, options)


def _suffixes(folder: Path) -> Sequence[str]:
    """Return the endings of the texts in a folder."""
    return text_suffixes(folder, Report())


def _text(name: str, text: str, place: Mapping[str, Any] | None = None) -> Given:
    """Return a text; an empty one has a note."""
    note = "" if text.strip() else EMPTY_TEXT
    return Given(name, text, place or {}, note=note)


def _lines(file: str, lines: Iterable[str]) -> Iterator[Given]:
    """Yield each line of a file."""
    for number, line in enumerate(lines, start=1):
        yield _text(line, line, {"file": file, "row": number, "line": number})


def _file_lines(given: Given, options: FileOptions) -> Iterator[Given]:
    """Yield each line of a text file, or the file with its error."""
    try:
        text = read_text(given.value, options.encoding)
    except InputError as error:
        yield replace(given, error=given.failure(error))
    else:
        yield from _lines(given.name, text.splitlines())


def _whole_file(given: Given, options: FileOptions) -> Iterator[Given]:
    """Yield the text in a file of a folder: as in training, a file is one text."""
    try:
        yield _text(given.name, read_text(given.value, options.encoding))
    except InputError as error:
        yield replace(given, error=given.failure(error))


def _rows(given: Given, options: FileOptions, wanted: Wanted) -> Iterator[base.Inputs]:
    """Yield the texts in a table, by the column that the model was trained on."""
    try:
        rows = GivenRows(given.value, options, given.said)
        (column,) = find_columns(rows.table, [wanted], rows.report)
        if not column:
            raise as_error(rows.report)
    except InputError as error:
        yield failed(given.name, given.failure(error))
    else:
        yield from rows.inputs(
            lambda chunk, _: as_texts(chunk.cells[column]), lambda texts: list(texts)
        )


@dataclass(frozen=True)
class TextForm(Form):
    """The form of texts.

    Args:
        column: The column of a table that they were read from; empty if it was none.
    """

    column: str = ""


def text_array(texts: Sequence[str]) -> Array:
    """Return texts as an array of Python strings, which TensorFlow takes as UTF-8.

    A letter and its accent are one character (NFC), however a system writes them.
    """
    return np.array(
        [text if text.isascii() else unicodedata.normalize("NFC", text) for text in texts],
        dtype=object,
    )


def said(text: str) -> base.Inputs:
    """Return a text as an input, whatever it reads: it is not taken for a file's name."""
    return next(gathered([_text(text, text)], text_array))


class Text(base.Input):
    """Texts, one an example."""

    name = "text"
    form: ClassVar[type[Form]] = TextForm
    suffixes = (".txt",)
    plural = "text files"
    widget: ClassVar[Widget] = TextWidget(said)

    def suffixes_in(self, folder: Path, report: Report) -> Sequence[str]:
        """Return the endings of the texts in a folder."""
        return text_suffixes(folder, report)

    def wanted(self, options: FileOptions) -> Wanted:
        """Return how the column of texts is found in a table."""
        return Wanted("texts", TEXT_COLUMNS, options.text_column, "--text-column")

    def read(self, reading: Reading, answer: base.Answer) -> Found:
        """Return the texts that the answer finds: rows of a table, or files."""
        if is_packed_folder(reading.path):
            return read_unpacked(reading, lambda inside: self.read(inside, answer))
        encoder, writer = answer.encoder(reading, TextForm()), SplitsWriter()
        items: Iterable[Item] = answer.items(reading, self)
        if reading.path.is_dir() and not class_files(reading.path, self.suffixes):
            items = _contents(items, reading)
        rest = iter(items)
        while some := list(islice(rest, CHUNK)):
            labels = encoder.encode(some)
            texts = text_array([one.value for one in some])
            origins = [reading.origin(one.origin) for one in some]
            writer.append([one.split for one in some], texts, labels, origins)
        answer_form, splits = encoder.finish(writer.finish())
        reading.require_usable()
        _warn_of_unparted(next(iter(splits.values())), reading)
        return Found(splits, TextForm(reading.report.chosen.get("texts", "")), answer_form)

    def parse(
        self, arguments: Sequence[str], form: Form, options: FileOptions
    ) -> Iterator[base.Inputs]:
        """Yield the texts that the arguments stand for, in order."""
        wanted = self.wanted(options).first(getattr(form, "column", ""))
        return gathered(given_texts(arguments, options, wanted), text_array)

    def shown(self, some: Examples, form: Form) -> list[str]:
        """Return the texts."""
        return [str(text) for text in some.columns["features"][:]]

    def choose(
        self, published: Description, named: Named, taken: Sequence[Feature]
    ) -> tuple[Feature, ...]:
        """Return the feature of texts."""
        return (one_feature(published, named, "text", ("text",), side=0, taken=taken),)

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the form of texts, of which nothing need be known."""
        return TextForm()

    def convert(self, chunk: base.Chunk, chosen: Sequence[Feature], form: Form) -> Features:
        """Return the texts."""
        return text_array(list(chunk[chosen[0].path]))


def _warn_of_unparted(examples: Examples, reading: Reading) -> None:
    """Note if most texts are one word, though they are long: nothing parts their words."""
    texts = [str(text) for text in next(examples.chunks()).columns["features"][:]]
    whole = [
        text
        for text in texts
        if len(text) > LONG_WORD and len(text.split()) == 1 and not _is_unspaced(text)
    ]
    if len(whole) > len(texts) / 2:
        reading.report.note(
            f"Most texts are one word, such as {shortened(whole[0])!r}: put spaces between words."
        )


def _is_unspaced(text: str) -> bool:
    """Tell whether a text has letters of a script that puts no spaces between words."""
    return any(unicodedata.name(letter, "").startswith(UNSPACED) for letter in text)


def _contents(items: Iterable[Item], reading: Reading) -> Iterable[Item]:
    """Yield the items of text files with their texts; an empty file is a problem."""
    for item in items:
        before = reading.report.count
        text = read_text(Path(item.value), reading.options.encoding, reading.report)
        if reading.report.count > before:
            continue
        if not text.strip():
            reading.report.problem(f"{item.value} is empty.")
        else:
            yield Item(item.split, text, item.label, item.origin)
