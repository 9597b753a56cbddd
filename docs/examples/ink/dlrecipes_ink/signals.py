"""The task `signal-classification`: a row of numbers in order in, a class out."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlrecipes.tasks import (
    Answer,
    Category,
    Chunk,
    Description,
    Feature,
    FileOptions,
    Form,
    Found,
    Input,
    InputError,
    Inputs,
    Item,
    Metric,
    Named,
    Peek,
    Reading,
    SplitsWriter,
    Task,
    one_feature,
)


@dataclass(frozen=True)
class SignalForm(Form):
    """What must be known of the signals.

    Args:
        shape: Numbers of a signal, and 1: Keras's convolutions want a channel.
    """

    shape: tuple[int, int] = (0, 1)


class Signal(Input):
    """Signals of one length, float32 (length, 1)."""

    name = "signal"
    form: ClassVar[type[Form]] = SignalForm
    plural = "signals"

    def read(self, reading: Reading, answer: Answer) -> Found:
        """Return the signals of a CSV file: columns `label`, maybe `split`, and numbers."""
        rows = list(_rows(reading.path))
        form = reading.like.input if reading.like else SignalForm((len(rows[0].value), 1))
        assert isinstance(form, SignalForm)
        for row in rows:
            if len(row.value) != form.shape[0]:
                reading.report.problem(
                    f"{row.origin}: {len(row.value)} numbers, not {form.shape[0]}."
                )
        reading.require_usable()
        encoder, writer = answer.encoder(reading, form), SplitsWriter()
        signals = np.array([row.value for row in rows], "float32")[..., np.newaxis]
        origins = [row.origin for row in rows]
        writer.append([row.split for row in rows], signals, encoder.encode(rows), origins)
        answer_form, splits = encoder.finish(writer.finish())
        reading.require_usable()
        return Found(splits, form, answer_form)

    def parse(self, arguments: Sequence[str], form: Form, options: FileOptions) -> Iterator[Inputs]:
        """Yield the signals in the files that `predict` was given, a file at a time."""
        for argument in arguments:
            rows = list(_rows(Path(argument)))
            signals = np.array([row.value for row in rows], "float32")[..., np.newaxis]
            yield Inputs([row.origin for row in rows], signals)

    def choose(
        self, published: Description, named: Named, taken: Sequence[Feature]
    ) -> tuple[Feature, ...]:
        """Return the feature of a TensorFlow data set that holds the signals."""
        kinds = ("audio", "number", "sequence")
        return (one_feature(published, named, "signal", kinds, side=0, taken=taken),)

    def published_form(self, chosen: Sequence[Feature], peek: Peek) -> Form:
        """Return the form of its signals: as long as the longest of some."""
        return SignalForm((max(map(len, peek(chosen)[chosen[0].path])), 1))

    def convert(self, chunk: Chunk, chosen: Sequence[Feature], form: Form) -> Any:
        """Return some of its signals, cut or filled with 0 to one length."""
        assert isinstance(form, SignalForm)
        values = chunk[chosen[0].path]
        signals = np.zeros((len(values), *form.shape), "float32")
        for signal, value in zip(signals, values, strict=True):
            part = np.asarray(value, "float32").ravel()[: form.shape[0]]
            signal[: len(part), 0] = part
        return signals


def _rows(path: Path) -> Iterator[Item]:
    """Yield the rows of a CSV file: the split, the numbers, the label, and where each stands."""
    if path.suffix != ".csv" or not path.is_file():
        raise InputError(f"{path} must be a CSV file of signals.")
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            split, label = row.pop("split", "train"), row.pop("label", "")
            try:
                yield Item(split, [float(cell) for cell in row.values()], label, f"{path}:{line}")
            except ValueError as error:
                raise InputError(f"{path}, line {line}: {error}.") from None


SIGNAL_CLASSIFICATION = Task("signal-classification", Signal(), Category(), Metric("accuracy"))
