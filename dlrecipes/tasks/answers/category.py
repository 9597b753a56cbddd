"""One of a few classes: its name and its probability."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Source, Splits
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.holding_out import places_of
from dlrecipes.datasets.own.cells import class_name
from dlrecipes.datasets.own.class_files import class_files, class_lines
from dlrecipes.datasets.own.columns import Wanted
from dlrecipes.datasets.own.facts import ColumnFacts
from dlrecipes.datasets.own.fasttext import fasttext_lines, is_fasttext
from dlrecipes.datasets.own.files import FileOptions, shortened
from dlrecipes.datasets.own.labelled import Item, labelled_files, labelled_rows
from dlrecipes.datasets.own.labels import (
    MOST_NUMBERS,
    check_classes,
    is_unlabelled,
    joined_names,
    left_out_classes,
    meaning,
)
from dlrecipes.datasets.own.tables import TABLE_SUFFIXES, is_delimited, is_table
from dlrecipes.datasets.own.written import different
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array, Column, chunks, decoded
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import class_metrics, class_probabilities, why_no_probabilities
from dlrecipes.kit.rare_classes import rare_metrics
from dlrecipes.tasks import base
from dlrecipes.tasks.choosing import Named, one_feature
from dlrecipes.tasks.reading import Reading
from dlrecipes.tasks.results import Baseline, Examined
from dlrecipes.tasks.serving import run_serving
from dlrecipes.tasks.trying.displays import ClassesDisplay

LABEL_COLUMNS = ("label", "class", "category", "sentiment", "target", "labels", "y")


@dataclass(frozen=True)
class CategoryForm(Form):
    """The form of classes.

    Args:
        classes: Their names, in the order of their numbers.
        positive: Of two classes, the number of the one that is the answer from `threshold` on.
        threshold: Its probability; None for the likelier class, 0.5.
        column: The column of a table that they were read from; empty if it was none.
    """

    classes: tuple[str, ...] = ()
    positive: int = 1
    threshold: float | None = None
    column: str = ""

    @property
    def rule(self) -> str:
        """Return from which probability on the positive class is the answer."""
        if self.threshold is None or len(self.classes) != 2:
            return ""
        return (
            f"The answer is {shortened(self.classes[self.positive])} if its probability is at "
            f"least {100 * self.threshold:.3g}%: that threshold was chosen on the validation data."
        )


class Category(base.Answer):
    """The number of a class, int32."""

    name = "category"
    display = ClassesDisplay()
    has_truth = True
    target_kind = "classes"
    form: ClassVar[type[Form]] = CategoryForm

    def items(self, reading: Reading, inputs: base.Input) -> Iterator[Item]:
        """Yield the files in folders of their class, or the labelled rows or lines of files."""
        path, options, report = reading.path, reading.options, reading.report
        wanted = inputs.wanted(options)
        if path.is_dir():
            if files := class_files(path, inputs.suffixes):
                return class_lines(files, options.encoding, report)
            return labelled_files(path, inputs.suffixes_in(path, report), inputs.plural, report)
        if is_fasttext(path):
            return fasttext_lines(path, options.encoding, report)
        if is_table(path) or is_delimited(path, options):
            labels = wanted_labels(options)
            if reading.like is not None:  # The columns that the model was trained on come first.
                wanted = wanted.first(getattr(reading.like.input, "column", ""))
                labels = labels.first(getattr(reading.like.answer, "column", ""))
            return labelled_rows(path, options, (wanted, labels), report)
        raise InputError(
            f"{path} must be a folder with a folder of {inputs.plural} for each class, or a table "
            f"({', '.join(TABLE_SUFFIXES)}) with a column of {wanted.what} and one of labels."
        )

    def encoder(self, reading: Reading, form: Form, names: Sequence[str] = ()) -> base.Encoder:
        """Return what turns the names of classes into their numbers."""
        return _ClassNumbers(reading, names)

    def check_target(self, name: str, facts: ColumnFacts, reading: Reading) -> None:
        """Report a column of which there are not a few different values."""
        path, report = reading.path, reading.report
        numbers, texts = len(facts.values), len(facts.distinct)
        regression = reading.recipes.get("tabular-regression", "")
        if facts.is_constant:
            report.problem(f"{path}: the target {name} is the same in every row.")
        elif facts.is_numeric and numbers > MOST_NUMBERS:
            report.problem(
                f"{path}: the target {name} has {facts.count_of_values} different numbers: to "
                "predict a number is a regression, not a classification.",
                f"Use {regression}, or name another column with --target."
                if regression
                else "Name another column with --target.",
            )
        elif not facts.is_numeric and texts > facts.rows / 2:
            report.problem(
                f"{path}: the target {name} has a class of its own for nearly every row "
                f"({texts:,} classes in {facts.rows:,} rows).",
                "Name a column of few different values with --target.",
            )

    def baseline(self, source: Source) -> Baseline:
        """Return the metrics of always answering the class that is commonest in training."""
        counts = source.rows_per_class()
        train, test = counts["train"], counts["test"]
        commonest = max(source.classes, key=lambda name: train[name])
        rarest = min(source.classes, key=lambda name: train[name])
        total, classes = sum(test.values()), sum(map(bool, test.values()))
        return Baseline(
            f"always {shortened(commonest)!r}",
            {
                "accuracy": test[commonest] / total,
                "balanced_accuracy": 1 / classes,
                "roc_auc": 0.5,
                # A ranking by chance: of two classes, the share of the rarer one.
                "average_precision": test[rarest] / total if len(test) == 2 else 1 / classes,
            },
        )

    def choose(self, published: Description, named: Named) -> tuple[Feature, ...]:
        """Return the feature of class labels."""
        role = "target" if "target" in named else "label"
        kinds = ("category", "text", "number") if role in named else ("category",)
        return (one_feature(published, named, role, kinds, side=1),)

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the names of the classes, as the data set has them."""
        if chosen[0].kind == "category":
            return CategoryForm(chosen[0].classes)
        # Every training example is looked at: a class may be rare.
        names = {class_name(value) for value in peek(chosen, base.EVERY)[chosen[0].path]}
        return CategoryForm(tuple(sorted(names, key=_order)))

    def adapted(self, form: Form, known: Form) -> Form:
        """Return the classes that a model was trained on, in their order.

        Raises:
            InputError: if the data set has a class that the model does not know.
        """
        assert isinstance(form, CategoryForm)
        assert isinstance(known, CategoryForm)
        if unknown := [name for name in form.classes if name not in known.classes]:
            raise InputError(
                f"The data set has the class {shortened(unknown[0])!r}, and the model was trained "
                f"on {', '.join(map(shortened, known.classes))}."
            )
        return known

    def known(self, labels: Column) -> Array:
        """Return which labels are known, bool (examples,): a secret one is -1."""
        return np.asarray(labels) >= 0

    def convert(
        self, chunk: base.Chunk, chosen: Sequence[Feature], forms: tuple[Form, Form]
    ) -> Array:
        """Return the numbers of the classes; -1 where the data set has no label."""
        values, classes = chunk[chosen[0].path], getattr(forms[1], "classes", ())
        numbers = {name: number for number, name in enumerate(classes)}
        if chosen[0].kind == "category":
            if chosen[0].classes == classes:
                return np.asarray(values, "int32")
            own = np.array([numbers.get(name, -1) for name in chosen[0].classes], "int32")
            given = np.asarray(values, "int64")
            return np.where(given >= 0, own[np.maximum(given, 0)], -1).astype("int32")
        names = [class_name(value) for value in values]
        if unknown := set(names) - set(numbers):
            raise InputError(
                f"The label {shortened(min(unknown))!r} is in another split and not in train."
            )
        return np.array([numbers[name] for name in names], "int32")

    def learned(self, form: Form, metrics: Mapping[str, float], details: Any) -> Form:
        """Return the form with the threshold that was chosen when the model was tested."""
        assert isinstance(form, CategoryForm)
        if "threshold" not in metrics or "positive" not in details:
            return form
        positive = form.classes.index(details["positive"])
        return replace(form, positive=positive, threshold=float(metrics["threshold"]))

    def tensors(self, outputs: Any, form: Form) -> dict[str, Any]:
        """Return `probabilities` (batch, classes) and `label` (batch,).

        Args:
            outputs: Probabilities (batch, classes), or (batch, 1): that of the second class.
            form: Names the classes.
        """
        import tensorflow as tf

        assert isinstance(form, CategoryForm)
        if outputs.shape[-1] == 1:
            outputs = tf.concat([1 - outputs, outputs], axis=-1)
        names = tf.constant(list(form.classes))
        if form.threshold is None or len(form.classes) != 2:
            numbers = tf.argmax(outputs, axis=-1)
        else:
            called = outputs[:, form.positive] >= form.threshold
            numbers = tf.where(called, form.positive, 1 - form.positive)
        return {"probabilities": tf.identity(outputs), "label": tf.gather(names, numbers)}

    def output_problem(self, outputs: Array) -> str:
        """Return why the outputs are no probabilities; empty if they are."""
        return why_no_probabilities(outputs)

    def examine(self, outputs: Array, labels: Array, form: Form) -> Examined:
        """Return the class of each example, the one that was answered, and the cross-entropy."""
        assert isinstance(form, CategoryForm)
        probabilities = class_probabilities(outputs).astype("float64")
        called = answered(probabilities, form)
        rows = np.arange(len(labels))
        return Examined(
            truth=[form.classes[number] for number in labels],
            prediction=[form.classes[number] for number in called],
            loss=(-np.log(np.clip(probabilities[rows, labels], 1e-7, 1))).tolist(),
            probability=probabilities[rows, called].tolist(),
        )

    def truths(self, labels: Array, form: Form) -> list[dict[str, Any]]:
        """Return the names of the classes."""
        assert isinstance(form, CategoryForm)
        return [{"text": form.classes[number]} for number in labels]

    def measured(self, outputs: Array, labels: Array, form: Form) -> Mapping[str, float]:
        """Return the metrics of probabilities; those of the threshold are of the best one here."""
        assert isinstance(form, CategoryForm)
        probabilities = class_probabilities(outputs).astype("float64")
        answers = probabilities, labels.astype("int64")
        return {
            **rare_metrics(answers, answers, form.classes),
            **class_metrics(*answers, form.classes),
        }

    def predict(
        self, serving: Any, inputs: base.Inputs, form: Form, options: base.PredictOptions
    ) -> list[dict[str, Any]]:
        """Return the label and every class's probability for each input."""
        assert isinstance(form, CategoryForm)
        probabilities = class_probabilities(run_serving(serving, inputs.features))
        called = answered(probabilities, form)
        return [
            {
                "input": name,
                "label": form.classes[number],
                "probabilities": {
                    label: float(p) for label, p in zip(form.classes, row, strict=True)
                },
            }
            for name, row, number in zip(inputs.names, probabilities, called, strict=True)
        ]

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return the label, its probability and the likeliest of the others."""
        rows = []
        for prediction in predictions:
            probabilities, label = prediction["probabilities"], prediction["label"]
            ranked = sorted(probabilities.items(), key=lambda item: -item[1])
            others = [f"{shortened(name)} {p:.1%}" for name, p in ranked if name != label][:2]
            shown = [shortened(prediction["input"]), shortened(label)]
            rows.append([*shown, f"{probabilities[label]:.1%}", ", ".join(others)])
        return ["input", "label", "probability", "likeliest others"], rows


def answered(probabilities: Array, form: CategoryForm) -> Array:
    """Return the numbers of the classes that are the answers for probabilities (rows, classes)."""
    if form.threshold is None or len(form.classes) != 2:
        numbers: Array = probabilities.argmax(axis=-1)
        return numbers
    called = probabilities[:, form.positive] >= form.threshold
    return np.where(called, form.positive, 1 - form.positive)


def wanted_labels(options: FileOptions) -> Wanted:
    """Return how the column of labels is looked for."""
    return Wanted("labels", LABEL_COLUMNS, options.label_column, "--label-column")


class _ClassNumbers:
    """Turns names of classes into numbers: in order of appearance, then in order of names.

    Args:
        reading: Knows which classes there must be, if the data is to be like that of a run.
        given: Names of the classes, if the labels are their numbers.
    """

    def __init__(self, reading: Reading, given: Sequence[str]) -> None:
        self.given = given
        self.path, self.report = reading.path, reading.report
        self.is_table = not reading.path.is_dir()
        self.required = reading.like.classes if reading.like else ()
        self.numbers: dict[str, int] = {name: number for number, name in enumerate(self.required)}
        # Of each way to write a class that the model knows.
        self.likes = {meaning(name): name for name in self.required} if self.is_table else {}
        self.counts: dict[str, Counter[str]] = {}

    def encode(self, items: Sequence[Item]) -> Array:
        """Return the numbers of the items' classes, for now; report classes that are unknown."""
        labels = (
            [self._named(item) for item in items]
            if self.given
            else [_single(item) for item in items]
        )
        names = [self.likes.get(meaning(name), name) for name in map(class_name, labels)]
        for item, name in zip(items, names, strict=True):
            if self._is_unknown(name):
                self._unknown(item.origin, name)
            elif item.split:
                self._count(item.split, name, 1)
        return np.array([self.numbers.get(name, 0) for name in names], dtype="int32")

    def _is_unknown(self, name: str) -> bool:
        """Tell whether a label is none that the model was trained on, though it is a label."""
        return bool(self.required) and name not in self.required and not is_unlabelled(name)

    def _unknown(self, origin: Any, name: str) -> None:
        self.report.problem(
            f"{origin}: unknown label {shortened(name)!r}. The model was trained on "
            f"{', '.join(map(shortened, self.required))}."
        )

    def _count(self, split: str, name: str, count: int) -> None:
        self.counts.setdefault(split, Counter())[name] += count
        self.numbers.setdefault(name, len(self.numbers))

    def encode_column(
        self, cells: Any, splits: Sequence[str], where: Callable[[int], str]
    ) -> Array:
        """Return the numbers of the classes in a column, for now, as `encode` does of items."""
        if isinstance(cells, list):  # Of any types: 1, 1.0 and "1" are one class.
            items = zip(splits, cells, strict=True)
            return self.encode(
                [Item(split, None, cell, where(place)) for place, (split, cell) in enumerate(items)]
            )
        numbers = np.zeros(len(cells), "int32")
        of_split = np.array(splits, dtype=object)
        unknown: dict[int, str] = {}
        for places, cell in different(cells):
            written = class_name(cell)
            name = self.likes.get(meaning(written), written)
            if self._is_unknown(name):
                unknown.update(dict.fromkeys(places.tolist(), name))
                continue
            for split, count in Counter(of_split[places].tolist()).items():
                if split:
                    self._count(split, name, count)
            numbers[places] = self.numbers.get(name, 0)
        for place, name in sorted(unknown.items()):
            self._unknown(where(place), name)
        return numbers

    def _named(self, item: Item) -> str:
        """Return the name of the class that a number stands for; a wrong number is a problem."""
        number = int(_single(item))
        if 0 <= number < len(self.given):
            return self.given[number]
        self.report.problem(
            f"{item.origin}: the label is {number}, and the classes are numbered from 0 to "
            f"{len(self.given) - 1}."
        )
        return self.given[0]

    def finish(self, splits: Splits) -> tuple[Form, Splits]:
        """Return the names of the classes in order, and the splits with their final numbers."""
        names = joined_names(self.counts, self.report) if self.is_table else {}
        counts = {
            split: sum((Counter({names.get(name, name): n}) for name, n in of.items()), Counter())
            for split, of in self.counts.items()
        }
        found = set(self.required) if self.required else set(counts.get("train", ()))
        unlabelled = left_out_classes(counts, self.report, self.required)
        found -= unlabelled
        if not self.required:
            check_classes({name: counts["train"][name] for name in found}, self.path, self.report)
        classes = self.required or tuple(sorted(found, key=_order))
        for split, labels in counts.items():
            for label in sorted(set(labels) - found - unlabelled - set(counts.get("train", ()))):
                self.report.problem(
                    f"{self.path}: the label {shortened(label)!r} is in {split} and not in train."
                )
        if not splits and not self.report.count:
            self.report.problem(f"{self.path} has no examples.")
        elif len(classes) == 1:
            self.report.problem(
                f"{self.path} has one class only ({shortened(classes[0])}): two are needed."
            )
        order = {name: number for number, name in enumerate(classes)}
        numbers = np.array(
            [order.get(names.get(label, label), -1) for label in self.numbers], dtype="int32"
        )
        final = {}
        for split, examples in splits.items():
            column = examples.labels
            assert column is not None
            final_labels = decoded(column, numbers)
            kept = replace(examples, labels=final_labels)
            if (numbers < 0).any():
                is_kept = np.concatenate([rows >= 0 for rows in chunks(final_labels)])
                kept = kept if is_kept.all() else kept.take(places_of(is_kept))
            final[split] = kept
        return CategoryForm(classes, column=self.report.chosen.get("labels", "")), final


def _single(item: Item) -> Any:
    """Return the label of an item, which must be one value.

    Raises:
        InputError: if it is several, such as a one-hot row.
    """
    if isinstance(item.label, np.ndarray) and item.label.ndim:
        raise InputError(
            f"{item.origin}: a label must be one class number or name. Received: an array of shape "
            f"{item.label.shape}",
            "Turn one-hot rows into class numbers: y.argmax(axis=-1)",
        )
    return item.label


def _order(name: str) -> tuple[int, float, str]:
    """Return what classes are sorted by: whole numbers by their value, before all other names."""
    return (0, int(name), name) if name.isdecimal() and len(name) < 16 else (1, 0, name)
