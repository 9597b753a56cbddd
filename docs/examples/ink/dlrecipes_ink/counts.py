"""The task `signal-counting`: a row of numbers in order in, how many out."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dlrecipes.tasks import (
    Answer,
    Baseline,
    Chunk,
    Description,
    Encoder,
    Feature,
    Form,
    Input,
    InputError,
    Inputs,
    Item,
    Metric,
    Named,
    Peek,
    PredictOptions,
    Reading,
    Source,
    Splits,
    Task,
    one_feature,
    run_serving,
)
from dlrecipes_ink.signals import Signal


class Count(Answer):
    """A count: a whole number, at least 0, as float32."""

    name = "count"

    def items(self, reading: Reading, inputs: Input) -> Iterator[Item]:
        """Raise InputError: signals are read with their labels, so nobody asks for items."""
        raise InputError(f"{reading.path} must be a CSV file of signals.")

    def encoder(self, reading: Reading, form: Form, names: Sequence[str] = ()) -> Encoder:
        """Return what turns labels into counts."""
        return Counts(reading)

    def baseline(self, source: Source) -> Baseline:
        """Return the mean absolute error of always answering the mean of the training counts."""
        mean = float(np.mean(np.asarray(source.train.labels)))
        error = float(np.abs(np.asarray(source.test.labels) - mean).mean())
        return Baseline(f"always {mean:.1f}, the mean", {"mae": error})

    def choose(self, published: Description, named: Named) -> tuple[Feature, ...]:
        """Return the feature of a TensorFlow data set that holds the counts."""
        return (one_feature(published, named, "count", ("number",), side=1),)

    def published_form(self, chosen: Sequence[Feature], peek: Peek) -> Form:
        """Return the form of counts, of which nothing need be known."""
        return Form()

    def convert(self, chunk: Chunk, chosen: Sequence[Feature], forms: tuple[Form, Form]) -> Any:
        """Return some of its counts."""
        return np.asarray(chunk[chosen[0].path], "float32").reshape(-1)

    def tensors(self, outputs: Any, form: Form) -> dict[str, Any]:
        """Return what an exported model answers: `count` (batch,)."""
        import tensorflow as tf

        return {"count": tf.squeeze(outputs, axis=-1)}

    def predict(
        self, serving: Any, inputs: Inputs, form: Form, options: PredictOptions
    ) -> list[dict[str, Any]]:
        """Return what `predict --json` prints of each input."""
        counts = run_serving(serving, inputs.features).ravel()
        return [
            {"input": name, "count": float(count)}
            for name, count in zip(inputs.names, counts, strict=True)
        ]

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return the titles and the rows that `predict` prints."""
        return ["input", "count"], [[one["input"], f"{one['count']:.1f}"] for one in predictions]


class Counts:
    """Turns the labels found in files into counts.

    Args:
        reading: Its report is told of labels that are no counts.
    """

    def __init__(self, reading: Reading) -> None:
        self.report = reading.report

    def encode(self, items: Sequence[Item]) -> Any:
        """Return the counts of some items."""
        for item in items:
            if not str(item.label).isdecimal():
                self.report.problem(f"{item.origin}: the label {item.label!r} is not a count.")
        return np.array(
            [int(item.label) if str(item.label).isdecimal() else 0 for item in items], "float32"
        )

    def finish(self, splits: Splits) -> tuple[Form, Splits]:
        """Return the form of the counts, and the splits as they are."""
        return Form(), splits


SIGNAL_COUNTING = Task("signal-counting", Signal(), Count(), Metric("mae", higher_is_better=False))
