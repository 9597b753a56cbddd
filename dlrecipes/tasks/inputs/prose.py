"""Running text: one text in order, which is learned a piece at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter, Features, Rows, Source
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.archives import is_archive
from dlrecipes.datasets.own.files import FileOptions, Report, files_below, text_pieces
from dlrecipes.datasets.own.folders import text_suffixes
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.tasks import base
from dlrecipes.tasks.choosing import Named, one_feature
from dlrecipes.tasks.inputs.given import gathered
from dlrecipes.tasks.inputs.text import given_texts, said, text_array
from dlrecipes.tasks.reading import Found, Reading, read_unpacked
from dlrecipes.tasks.trying.widgets import PromptWidget, Widget

CONTEXT = 100
"""Characters of a raw input: what a generator reads before it writes the next one."""
MIN_CHARACTERS = 2000
PUBLISHED_FRACTION = 0.05
"""What each split that a published text lacks takes of its end."""
FEW_ROWS = 20
"""Rows of a published text of which none can be spared."""


class Prose(base.Input):
    """A running text, split in order: 90 % to train on, 5 % to validate on, 5 % to test on."""

    name = "prose"
    suffixes = (".txt",)
    plural = "text files"
    is_running_text = True
    widget: ClassVar[Widget] = PromptWidget(said)

    def read(self, reading: Reading, answer: base.Answer) -> Found:
        """Return a text file, or the .txt files of a folder, split in order 90/5/5."""
        if is_archive(reading.path):
            return read_unpacked(reading, lambda inside: self.read(inside, answer))
        path, report = reading.path, reading.report
        files = [path]
        if path.is_dir():
            suffixes = text_suffixes(path, report)
            files = [file for file in files_below(path, report) if file.suffix.lower() in suffixes]
            if not files and not report.count:
                report.problem(f"{path} has no .txt files.")
        length = sum(len(piece) for piece in _pieces(files, reading.options, report))
        if length < MIN_CHARACTERS and not report.count:
            report.problem(
                f"{path} is too short: {length} characters, at least {MIN_CHARACTERS} needed."
            )
        reading.require_usable()
        ends = {"test": length}
        if reading.like is None:
            ends = {"train": int(length * 0.90), "validation": int(length * 0.95), **ends}
        writers = {split: ExamplesWriter() for split in ends}
        place = 0
        for piece in _pieces(files, reading.options, report):
            for split, end in ends.items():
                part, piece = piece[: max(end - place, 0)], piece[max(end - place, 0) :]
                place += len(part)
                if part:
                    writers[split].append(Examples(text_array([part])))
        splits = {split: writer.finish() for split, writer in writers.items()}
        return Found(splits, Form(), answer.form())

    def parse(
        self, arguments: Sequence[str], form: Form, options: FileOptions
    ) -> Iterator[base.Inputs]:
        """Yield the prompts that the arguments stand for."""
        return gathered(given_texts(arguments, options), text_array)

    def choose(
        self, published: Description, named: Named, taken: Sequence[Feature]
    ) -> tuple[Feature, ...]:
        """Return the feature of texts."""
        return (one_feature(published, named, "text", ("text",), side=0, taken=taken),)

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the form of prose, of which nothing need be known."""
        return Form()

    def convert(self, chunk: base.Chunk, chosen: Sequence[Feature], form: Form) -> Features:
        """Return the texts."""
        return text_array(list(chunk[chosen[0].path]))

    def completed(self, source: Source, *, has_test: bool) -> Source:
        """Return a text with all three splits; what is missing is its last twentieths, in order."""
        train, validation, test = source.train, source.validation, source.test
        if not has_test:
            train, test = _without_the_end(train, PUBLISHED_FRACTION)
        if validation is None:
            train, validation = _without_the_end(train, PUBLISHED_FRACTION)
        return replace(source, train=train, validation=validation, test=test)

    def golden(self, test: Examples, form: Form) -> Rows:
        """Return prompts: pieces of the test text, of different lengths."""
        text = str(test.columns["features"][:1][0])
        pieces = [
            text[start : start + 20 + 10 * number]
            for number, start in enumerate(
                np.linspace(0, max(len(text) - 100, 0), base.GOLDEN_EXAMPLES, dtype=int)
            )
        ]
        return text_array(pieces)

    def on_page(self, some: Examples, form: Form) -> list[dict[str, Any]]:
        """Return how each text begins."""
        return [{"text": str(text)[: base.SHOWN]} for text in some.columns["features"][:]]

    def raw(self, test: Examples, count: int, form: Form) -> Rows:
        """Return so many pieces of the test text, each as long as the generator reads."""
        text = str(test.columns["features"][:1][0])
        starts = np.linspace(0, max(len(text) - CONTEXT, 0), count, dtype=int)
        return text_array([text[start : start + CONTEXT] for start in starts])


def _without_the_end(text: Examples, fraction: float) -> tuple[Examples, Examples]:
    """Return a text without its end, and its end: rows, or characters if it has few rows."""
    rows = np.arange(len(text))
    if len(rows) >= FEW_ROWS:
        cut = len(rows) - max(round(len(rows) * fraction), 1)
        return text.take(rows[:cut]), text.take(rows[cut:])
    whole = "\n".join(str(row) for row in text.columns["features"][:])
    place = int(len(whole) * (1 - fraction))
    return Examples(text_array([whole[:place]]), order=text.order), Examples(
        text_array([whole[place:]])
    )


def _pieces(files: Sequence[Path], options: FileOptions, report: Report) -> Iterator[str]:
    """Yield the texts of files, about a million characters at a time, a line break in between."""
    for number, file in enumerate(files):
        if number:
            yield "\n"
        yield from text_pieces(file, options.encoding, report)
