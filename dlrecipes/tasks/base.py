"""What every task offers, and what tasks share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples, Rows, Source, Splits
from dlrecipes.datasets.own.files import FileOptions, Report, shortened
from dlrecipes.datasets.own.tables import Wanted
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import class_probabilities

BATCH_SIZE = 256
GOLDEN_EXAMPLES = 8
MIN_EXAMPLES = 3
"""One to train on, one to watch training with, and one to test on."""
TEST_FRACTION = 0.2
"""What is held out of a user's data that comes without a test split."""
LABEL_COLUMNS = ("label", "class", "category", "sentiment", "target", "labels", "y")


@dataclass(frozen=True, eq=False)
class Inputs:
    """Raw inputs that a user gave to `predict`.

    Args:
        names: What each input is called: a file, a text, a row.
        features: The inputs as the serving model takes them, one row an input.
    """

    names: list[str]
    features: Rows


@dataclass(frozen=True)
class GenerationOptions:
    """How `predict` writes text.

    Args:
        length: Characters to write, at least 1.
        temperature: 0 always takes the likeliest character; 1 samples as the network says; in
            between is safer, above is wilder.
        seed: The same seed writes the same text.
    """

    length: int = 200
    temperature: float = 0.8
    seed: int = 0


@dataclass(frozen=True)
class Baseline:
    """The result of answering without looking at the input: what a network has to beat.

    Args:
        answer: What is answered, in words.
        value: The headline metric on the test split.
    """

    answer: str
    value: float


class Task(ABC):
    """A kind of problem, such as image classification.

    Class attributes:
        name: As a recipe's `TASK` has it.
        headline: The test metric that the verdict and the list of runs show.
        higher_is_better: Whether a larger headline metric is a better one.
        has_single_examples: Whether its data are examples apart from each other, rather than one
            running text.
    """

    name: str
    headline: str
    higher_is_better: bool = True
    has_single_examples: bool = True

    @abstractmethod
    def read_path(
        self, path: Path, options: FileOptions, like: Source | None, report: Report
    ) -> Source:
        """Return a user's own data as a source.

        Args:
            path: The file or folder.
            options: How it is to be read.
            like: The data that a network was trained on, if the user's is to be in its form
                (classes, columns, image size); None to find the form in the data.
            report: Is told of what was guessed or converted, and of every problem.

        Raises:
            InputError: if the data cannot be used; the problems found are listed.
        """

    @abstractmethod
    def baseline(self, source: Source) -> Baseline:
        """Return what the headline metric is on the test split without any network."""

    @abstractmethod
    def read_inputs(self, arguments: Sequence[str], form: Source, options: FileOptions) -> Inputs:
        """Return the inputs that the arguments of `predict` stand for. Needs no TensorFlow.

        Args:
            arguments: Files, folders, texts, or `-` for standard input.
            form: The data that the network was trained on, maybe without its examples.
            options: How the files were read that the network was trained on.

        Raises:
            InputError: if an input is missing or not what the model takes.
        """

    @abstractmethod
    def answer(self, outputs: Any, classes: Sequence[str]) -> dict[str, Any]:
        """Return named answers, as tensors, for a serving model's outputs; part of the export."""

    @abstractmethod
    def predict(
        self, serving: Any, inputs: Inputs, classes: Sequence[str], options: GenerationOptions
    ) -> list[dict[str, Any]]:
        """Return what `predict --json` shows, an entry an input."""

    @abstractmethod
    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return the column titles and the rows that `predict` shows."""

    def golden_inputs(self, test: Examples) -> Rows:
        """Return raw inputs that travel with an export, to prove that it predicts the same."""
        return next(test.chunks(GOLDEN_EXAMPLES)).arrays()

    def raw_inputs(self, test: Examples, count: int) -> Rows:
        """Return so many raw inputs of the test split; the first ones again, if it has fewer."""
        return test.take(np.arange(count) % len(test)).arrays()


def named_features(features: Rows, serving: Any) -> dict[str, Any]:
    """Return the features by the names of the serving model's inputs, as tensors."""
    import tensorflow as tf

    if isinstance(features, dict):
        return {
            tensor.name: tf.constant(features[tensor.name].reshape(len(features[tensor.name]), -1))
            for tensor in serving.inputs
        }
    return {serving.inputs[0].name: tf.constant(features)}


def serving_signature(serving: Any) -> dict[str, Any]:
    """Return the form of a serving model's inputs by name, as `tf.TensorSpec`."""
    import tensorflow as tf

    return {
        tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
        for tensor in serving.inputs
    }


def call_serving(serving: Any, inputs: dict[str, Any]) -> Any:
    """Return a serving model's outputs for inputs by name, as tensors."""
    if isinstance(serving.input, dict):
        return serving(inputs, training=False)
    (features,) = inputs.values()
    return serving(features, training=False)


def run_serving(serving: Any, features: Rows) -> Array:
    """Return a serving model's outputs for raw inputs, one row an input."""
    import tensorflow as tf

    named = tf.data.Dataset.from_tensor_slices(named_features(features, serving))
    batches = named.batch(BATCH_SIZE)
    return np.concatenate([call_serving(serving, batch).numpy() for batch in batches])


def commonest_class(source: Source) -> Baseline:
    """Return the accuracy of always answering the class that is commonest in training."""
    counts = source.rows_per_class()
    commonest = max(source.classes, key=lambda name: counts["train"][name])
    return Baseline(
        f"always {shortened(commonest)!r}", counts["test"][commonest] / sum(counts["test"].values())
    )


def classification_answer(outputs: Any, classes: Sequence[str]) -> dict[str, Any]:
    """Return `probabilities` (batch, classes) and `label` (batch,) as tensors.

    Args:
        outputs: Probabilities (batch, classes), or (batch, 1): that of the second class.
        classes: Names of the classes.
    """
    import tensorflow as tf

    if outputs.shape[-1] == 1:
        outputs = tf.concat([1 - outputs, outputs], axis=-1)
    names = tf.constant(list(classes))
    return {
        "probabilities": tf.identity(outputs),
        "label": tf.gather(names, tf.argmax(outputs, axis=-1)),
    }


def classify(serving: Any, inputs: Inputs, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the label and every class's probability for each input."""
    probabilities = class_probabilities(run_serving(serving, inputs.features))
    return [
        {
            "input": name,
            "label": classes[int(row.argmax())],
            "probabilities": {label: float(p) for label, p in zip(classes, row, strict=True)},
        }
        for name, row in zip(inputs.names, probabilities, strict=True)
    ]


def classification_table(
    predictions: list[dict[str, Any]],
) -> tuple[list[str], list[list[str]]]:
    """Return a table of the label, its probability and the next likeliest classes."""
    rows = []
    for prediction in predictions:
        ranked = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])
        others = ", ".join(f"{shortened(label)} {p:.1%}" for label, p in ranked[1:3])
        label = shortened(prediction["label"])
        rows.append([prediction["input"], label, f"{ranked[0][1]:.1%}", others])
    return ["input", "label", "probability", "next likeliest"], rows


def wanted_labels(options: FileOptions) -> Wanted:
    """Return how the column of labels is looked for."""
    return Wanted("labels", LABEL_COLUMNS, options.label_column, "--label-column")


def too_few(path: Path, rows: int) -> InputError:
    """Return the error of data that cannot be split."""
    return InputError(
        f"{path} has too few examples, {rows}: at least {MIN_EXAMPLES} are needed, to train on, "
        "to watch training with, and to test on."
    )


def own_source(
    path: Path,
    splits: Splits,
    like: Source | None,
    **form: Any,
) -> Source:
    """Return a user's splits as a source.

    Without a test split, a fixed random fifth is held out, of each class by its share; or, where
    the data is to be like that of a finished run, all of it is the test split and the run's own is
    trained on.

    Args:
        path: The file or folder.
        splits: The examples of each split that it has.
        like: The data that a network was trained on, or None.
        form: What else the source says of its examples, such as `classes`.
    """
    if like is not None:
        if not {"train", "test"} & splits.keys():
            raise InputError(f"{path} has no examples to test on: their split is called test.")
        test = splits["test"] if "test" in splits else splits["train"]
        splits = {"train": like.train, "test": test}
        if like.validation is not None:
            splits["validation"] = like.validation
    elif "train" not in splits:
        raise InputError(f"{path} has no examples to train on: their split is called train.")
    elif (rows := sum(map(len, splits.values()))) < MIN_EXAMPLES:
        raise too_few(path, rows)
    if "test" not in splits:
        everything = splits["train"]
        splits["train"], splits["test"] = (
            everything.split_by_class(TEST_FRACTION, every_class=True)
            if form.get("classes")
            else everything.split(TEST_FRACTION)
        )
    return Source(
        name=str(path),
        rung="path",
        origin=str(path.resolve()),
        train=splits["train"],
        test=splits["test"],
        validation=splits.get("validation"),
        **form,
    )
