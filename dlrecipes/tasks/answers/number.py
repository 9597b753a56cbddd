"""A number in a unit of its own: a price, a temperature."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Source, Splits
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.cells import why_no_number
from dlrecipes.datasets.own.columns import NUMBERS_ARE
from dlrecipes.datasets.own.facts import ColumnFacts
from dlrecipes.datasets.own.files import shortened
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.own.written import Written, read_numbers
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import number_metrics
from dlrecipes.system.words import grouped, number
from dlrecipes.tasks import base
from dlrecipes.tasks.choosing import Named, one_feature
from dlrecipes.tasks.reading import Reading
from dlrecipes.tasks.results import Baseline, Examined
from dlrecipes.tasks.serving import run_serving
from dlrecipes.tasks.trying.displays import NumberDisplay

FEW_VALUES = 10
"""Different values of a column that may well be classes rather than quantities."""


class Number(base.Answer):
    """A number, float64: the network rounds it once it is centred."""

    name = "number"
    display = NumberDisplay()
    has_truth = True

    def items(self, reading: Reading, inputs: base.Input) -> Iterator[Item]:
        """Raise InputError: numbers are read from the column of a table alone."""
        raise InputError(f"{reading.path} must be a table with a column of numbers.")

    def encoder(self, reading: Reading, form: Form, names: Sequence[str] = ()) -> base.Encoder:
        """Return what turns cells into numbers."""
        return _Numbers(reading, getattr(form, "target_written", {}))

    def check_target(self, name: str, facts: ColumnFacts, reading: Reading) -> None:
        """Report a column that holds no numbers; note one that may hold classes."""
        path, report = reading.path, reading.report
        classification = reading.recipes.get("tabular-classification", "")
        if not facts.is_numeric and facts.texts:
            use = f"To predict a class, use {classification}. " if classification else ""
            report.problem(
                f"{path}: the target {name} holds text, not numbers, such as "
                f"{shortened(min(facts.distinct))!r}. Name a column of numbers with --target.",
                f"{use}{NUMBERS_ARE}",
            )
        elif facts.is_constant:
            report.problem(f"{path}: the target {name} is the same in every row.")
        elif len(facts.values) <= FEW_VALUES < facts.rows / 2:
            use = f": {classification} does that" if classification else ""
            report.note(
                f"The target {name} has {len(facts.values)} different values only. If they are "
                f"classes, this is a classification{use}."
            )

    def baseline(self, source: Source) -> Baseline:
        """Return the errors of always answering the median of the training rows."""
        median = float(np.median(np.array(source.train.labels), overwrite_input=True))
        truth = np.asarray(source.test.labels, "float64")
        errors = np.abs(truth - median)
        square = float((errors**2).mean())
        spread = float(truth.var())
        return Baseline(
            f"always {median:g}, the median",
            {
                "mae": float(errors.mean()),
                "mse": square,
                "rmse": square**0.5,
                **({"r2": 1 - square / spread} if spread else {}),
            },
        )

    def choose(self, published: Description, named: Named) -> tuple[Feature, ...]:
        """Return the feature of numbers to predict."""
        return (one_feature(published, named, "target", ("number",), side=1),)

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the form of numbers, of which nothing need be known."""
        return Form()

    def convert(
        self, chunk: base.Chunk, chosen: Sequence[Feature], forms: tuple[Form, Form]
    ) -> Array:
        """Return the numbers."""
        return np.asarray(chunk[chosen[0].path], "float32").reshape(-1)

    def tensors(self, outputs: Any, form: Form) -> dict[str, Any]:
        """Return `value` (batch,)."""
        import tensorflow as tf

        return {"value": tf.squeeze(outputs, axis=-1)}

    def examine(self, outputs: Array, labels: Array, form: Form) -> Examined:
        """Return each number, the predicted one, and the absolute error."""
        values = outputs.ravel().astype("float64")
        return Examined(
            truth=labels.tolist(),
            prediction=values.tolist(),
            loss=np.abs(values - labels.astype("float64")).tolist(),
        )

    def truths(self, labels: Array, form: Form) -> list[dict[str, Any]]:
        """Return the numbers."""
        return [{"text": number(value)} for value in labels.tolist()]

    def measured(self, outputs: Array, labels: Array, form: Form) -> Mapping[str, float]:
        """Return the metrics of predicted numbers."""
        return number_metrics(outputs.ravel().astype("float64"), labels.astype("float64"))

    def predict(
        self, serving: Any, inputs: base.Inputs, form: Form, options: base.PredictOptions
    ) -> list[dict[str, Any]]:
        """Return the predicted value of each row."""
        values = run_serving(serving, inputs.features).ravel()
        return [
            {"input": name, "value": float(value)}
            for name, value in zip(inputs.names, values, strict=True)
        ]

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return each row and its predicted value."""
        rows = [
            [prediction["input"], grouped(prediction["value"], 2)] for prediction in predictions
        ]
        return ["row", "value"], rows


class _Numbers:
    """Turns cells into numbers.

    Args:
        reading: Its report is told of cells that are no numbers.
        written: How they are written (see `Written`).
    """

    def __init__(self, reading: Reading, written: Mapping[str, Any]) -> None:
        self.report, self.written = reading.report, Written.of(written)

    def encode(self, items: Sequence[Item]) -> Array:
        """Return the numbers in the items' cells; NaN where there is none, which is a problem."""
        cells = [item.label for item in items]
        numbers, bad = read_numbers(cells, self.written)
        for place in bad:
            self.report.problem(
                f"{items[place].origin} is {why_no_number(cells[place])}.", NUMBERS_ARE
            )
        return numbers

    def encode_column(
        self, cells: Any, splits: Sequence[str], where: Callable[[int], str]
    ) -> Array:
        """Return the numbers in a column; what is none is a problem, but for a missing one."""
        numbers, bad = read_numbers(cells, self.written)
        for place in bad:
            why = why_no_number(cells[place])
            self.report.problem(f"{where(place)} is {why}.", NUMBERS_ARE)
        return numbers

    def finish(self, splits: Splits) -> tuple[Form, Splits]:
        """Return the form of numbers, and the splits as they are."""
        return Form(), splits
