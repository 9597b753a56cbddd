"""A task is a kind of input with a kind of answer: what each kind must know how to do."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from dlrecipes.baselines.base import PlainBaseline
from dlrecipes.datasets.examples import Examples, Features, Rows, Source, Splits
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.columns import Wanted
from dlrecipes.datasets.own.facts import ColumnFacts
from dlrecipes.datasets.own.files import FileOptions, Report
from dlrecipes.datasets.own.images import ImageError
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array, Column
from dlrecipes.errors import InputError
from dlrecipes.tasks.choosing import Named
from dlrecipes.tasks.reading import PUBLISHED_TEST_FRACTION, Found, Reading, held_out
from dlrecipes.tasks.results import Baseline, Examined, Making, Metric
from dlrecipes.tasks.trying.displays import Display, TableDisplay
from dlrecipes.tasks.trying.widgets import FileWidget, Widget

SHOWN = 500
"""Characters of a text on a page."""
GOLDEN_EXAMPLES = 8

Chunk = Mapping[str, Sequence[Any]]
"""Raw values of some examples of a published data set, by the path of the feature."""
PEEKED = 500
"""Training examples that are looked at to find the form of a published data set."""
EVERY = 10**9
"""Training examples that are looked at where a few do not do."""


class Peek(Protocol):
    """Returns the raw values of training examples of a published data set."""

    def __call__(self, features: Sequence[Feature], count: int = PEEKED) -> Chunk:
        """Return the values of the first examples, by the path of the feature."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Some of the raw inputs that a user gave to `predict`, in order.

    Args:
        names: What each input is called: a file, a text, a row.
        features: Those without an error as the serving model takes them, one row an input.
        places: Where each stands in a file of many, for its entry: `file`, its number there from 1
            (`row`), and its `line`; empty for inputs that are a file or a text of their own.
        errors: Why an input cannot be used, by its place among the names.
        notes: What to know of the answer to an input, by its place among the names.
    """

    names: list[str]
    features: Rows
    places: Sequence[Mapping[str, Any]] = ()
    errors: Mapping[int, InputError] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)

    @property
    def usable(self) -> "Inputs":
        """Return those without an error."""
        if not self.errors:
            return self
        names = [name for place, name in enumerate(self.names) if place not in self.errors]
        return Inputs(names, self.features)


@dataclass(frozen=True)
class PredictOptions:
    """The flags of `predict` that some answers take.

    Args:
        length: Characters to write, at least 1.
        temperature: 0 always takes the likeliest character; 1 samples from the predicted
            probabilities; in between is safer, above is wilder.
        seed: The same seed writes the same text.
        output: Folder to write pictures into; None to write none.
        written: How often a name was given to a picture so far.
    """

    length: int = 200
    temperature: float = 0.8
    seed: int = 0
    output: Path | None = None
    written: Counter[str] = field(default_factory=Counter)


class Input(ABC):
    """A kind of input. Uses NumPy only, no TensorFlow.

    Class attributes:
        name: What it is called in the reference.
        form: The class of its forms.
        columns: How the column of inputs is found in a table; None if it reads no table of items.
        suffixes: Endings of the files that hold one input each, in lower case.
        plural: What inputs are called in messages: `images`.
        is_running_text: Whether the examples are one text in order rather than apart.
        predict_flags: Names of the flags of `predict` that it takes, fields of its form.
        widget: What the page to try a model takes an input with.
    """

    name: ClassVar[str]
    form: ClassVar[type[Form]] = Form
    suffixes: ClassVar[tuple[str, ...]] = ()
    plural: ClassVar[str] = "inputs"
    is_running_text: ClassVar[bool] = False
    predict_flags: ClassVar[tuple[str, ...]] = ()
    widget: ClassVar[Widget] = FileWidget()

    def suffixes_in(self, folder: Path, report: Report) -> Sequence[str]:
        """Return the endings of the files in a folder that hold one input each.

        Args:
            folder: The folder.
            report: Is told if they are unusual.
        """
        return self.suffixes

    @abstractmethod
    def read(self, reading: Reading, answer: "Answer") -> Found:
        """Return what is in a user's files.

        Args:
            reading: The path, and how to read it.
            answer: The kind of answer, which knows where the answers are.

        Raises:
            InputError: if the data cannot be used; the problems found are listed.
        """

    @abstractmethod
    def parse(self, arguments: Sequence[str], form: Form, options: FileOptions) -> Iterator[Inputs]:
        """Yield the inputs that the arguments of `predict` stand for, in order, some at a time.

        An input that cannot be used is one with an error: the others are answered.

        Args:
            arguments: Files, folders, texts, or `-` for standard input.
            form: The form of the inputs that the model was trained on.
            options: How the files were read that it was trained on.

        Raises:
            InputError: if an input is missing or not what the model takes.
        """

    @abstractmethod
    def choose(
        self, published: Description, named: Named, taken: Sequence[Feature]
    ) -> tuple[Feature, ...]:
        """Return the features of a published data set that are the inputs.

        Args:
            published: The data set.
            named: The features that the recipe names, by what they are for: `FEATURES`.
            taken: The features that are the answers.

        Raises:
            InputError: if none fits, or several do.
        """

    @abstractmethod
    def published_form(self, chosen: Sequence[Feature], peek: Peek) -> Form:
        """Return the form of the inputs of a published data set."""

    def decoded(self, chosen: Sequence[Feature], form: Form) -> Collection[str]:
        """Return the paths of images that `convert` takes as pixels, decoded on all cores."""
        return ()

    @abstractmethod
    def convert(self, chunk: Chunk, chosen: Sequence[Feature], form: Form) -> Features:
        """Return the inputs of some examples of a published data set."""

    def adapted(self, form: Form, known: Form) -> Form:
        """Return the form in which published inputs are tested by a model that was trained before.

        Args:
            form: The form of the inputs.
            known: The form of the inputs that the model was trained on.

        Raises:
            InputError: if they do not fit together.
        """
        return known

    def with_answer(self, form: Form, answers: Sequence[Feature]) -> Form:
        """Return the form of published inputs, with what it says of the answers."""
        return form

    def wanted(self, options: FileOptions) -> Wanted:
        """Return how the column of inputs is found in a table of labelled items."""
        raise NotImplementedError

    def describe(self, source: Source) -> dict[str, Any]:
        """Return what `data check` says of the inputs, by the names of its `Findings`."""
        return {}

    def completed(self, source: Source, *, has_test: bool) -> Source:
        """Return a published data set with a test split, held out of the training examples if need.

        Args:
            source: The data set.
            has_test: Whether it has a test split of its own.
        """
        return source if has_test else held_out(source, PUBLISHED_TEST_FRACTION)

    def golden(self, test: Examples, form: Form) -> Rows:
        """Return raw inputs that travel with a run and its exports, to prove that they agree.

        Args:
            test: The test split.
            form: The form of the inputs.
        """
        return next(test.chunks(GOLDEN_EXAMPLES)).arrays()

    def shown(self, some: Examples, form: Form) -> list[str]:
        """Return a line for each of some examples: where it stands; of a text or a row, itself."""
        origins = range(len(some)) if some.origins is None else some.origins[:]
        return [str(origin) for origin in origins]

    def on_page(self, some: Examples, form: Form) -> list[dict[str, Any]]:
        """Return what a page shows of some examples.

        Returns:
            Of each one of `image` (a data URL), `text`, or `columns` (name and value).
        """
        return [{"text": line[:SHOWN]} for line in self.shown(some, form)]

    def raw(self, test: Examples, count: int, form: Form) -> Rows:
        """Return so many raw inputs of the test split; the first ones again, if it has fewer."""
        return test.take(np.arange(count) % len(test)).arrays()


class Encoder(Protocol):
    """Turns the answers found in a user's files into arrays, a chunk at a time."""

    def encode(self, items: Sequence[Item]) -> Array | None:
        """Return the answers of some items; None if this kind of data has none."""

    def finish(self, splits: Splits) -> tuple[Form, Splits]:
        """Return the form of the answers, and the splits with their final answers."""


class Answer(ABC):
    """A kind of answer.

    Class attributes:
        name: What it is called in the reference.
        form: The class of its forms.
        predict_flags: Names of the `PredictOptions` that it takes.
        needs_labels: Whether every example must have an answer.
        has_snapshots: Whether it can show what a model makes while it is trained.
        can_be_averaged: Whether the mean of what several models say is an answer, too.
        has_truth: Whether each test example has an answer to compare with: `examine`.
        target_kind: What a target in a table is, for people; empty for the kind of its column.
        display: How the page to try a model shows an answer.
    """

    name: ClassVar[str]
    form: ClassVar[type[Form]] = Form
    predict_flags: ClassVar[tuple[str, ...]] = ()
    needs_labels: ClassVar[bool] = True
    has_snapshots: ClassVar[bool] = False
    can_be_averaged: ClassVar[bool] = True
    has_truth: ClassVar[bool] = False
    target_kind: ClassVar[str] = ""
    display: ClassVar[Display] = TableDisplay()

    @abstractmethod
    def items(self, reading: Reading, inputs: Input) -> Iterator[Item]:
        """Yield where each input of a user's files is, and its answer.

        Args:
            reading: The path, and how to read it; its report is told of every problem.
            inputs: The kind of input, which knows its files' endings.

        Raises:
            InputError: if the path is not of a kind that this answer is read from.
        """

    def unreadable(self, items: Sequence[Item]) -> Mapping[int, ImageError]:
        """Return why the files of some answers cannot be read, by the place of their item."""
        return {}

    @abstractmethod
    def encoder(self, reading: Reading, form: Form, names: Sequence[str] = ()) -> Encoder:
        """Return what turns the answers into arrays.

        Args:
            reading: How the files are read.
            form: The form of the inputs.
            names: Names of the classes that the answers are numbers of; empty if they are not.
        """

    def check_target(self, name: str, facts: ColumnFacts, reading: Reading) -> None:
        """Report why a table's column cannot be the answer, if so."""
        reading.report.problem(f"{reading.path}: {self.name} is not read from a table's column.")

    @abstractmethod
    def baseline(self, source: Source) -> Baseline | None:
        """Return the test metrics without any model; None where there is no such answer."""

    @abstractmethod
    def choose(self, published: Description, named: Named) -> tuple[Feature, ...]:
        """Return the features of a published data set that are the answers, as for an input."""

    @abstractmethod
    def published_form(self, chosen: Sequence[Feature], peek: Peek) -> Form:
        """Return the form of the answers of a published data set."""

    @abstractmethod
    def convert(self, chunk: Chunk, chosen: Sequence[Feature], forms: tuple[Form, Form]) -> Any:
        """Return the answers of some examples of a published data set, or None without answers.

        Args:
            chunk: Their raw values.
            chosen: The features that are the answers.
            forms: The form of the inputs, and that of the answers.
        """

    def snapshots(self, making: Making) -> Callable[[Path, int], None]:
        """Return what writes what a model makes after an epoch, of the same inputs every time.

        It takes the run's folder for that, which need not exist, and the epoch, from 1. It must
        not change the training: it draws no number from a state that training shares.
        """
        raise NotImplementedError(f"{self.name} has no snapshots.")

    def learned(self, form: Form, metrics: Mapping[str, float], details: Any) -> Form:
        """Return the form with what the test of a model found out, such as a threshold.

        Args:
            form: The form of the answers.
            metrics: The test metrics.
            details: What else the test found (see `dlrecipes.kit.metrics.Metrics`).
        """
        return form

    def adapted(self, form: Form, known: Form) -> Form:
        """Return the form in which published answers are tested by a model that was trained before.

        Args:
            form: The form of the answers.
            known: The form of the answers that the model was trained on.

        Raises:
            InputError: if they do not fit together.
        """
        return known

    def known(self, labels: Column) -> Array | None:
        """Return which published answers there are, bool (examples,); None if there are all."""
        return None

    @abstractmethod
    def tensors(self, outputs: Any, form: Form) -> dict[str, Any]:
        """Return named answers, as tensors, for a serving model's outputs; part of the export."""

    def endpoints(self, serving: Any, form: Form) -> dict[str, Any]:
        """Return further endpoints of an export by name: `tf.function`s of tensors by name."""
        return {}

    def output_problem(self, outputs: Array) -> str:
        """Return why a model's outputs cannot be such answers, in a clause; empty if they can.

        Args:
            outputs: What a model, maybe an untrained one, returns for some examples.
        """
        return ""

    def golden_calls(
        self, features: Rows, endpoints: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the inputs, as tensors by name, that each of those endpoints is proven with."""
        return {}

    def examine(self, outputs: Array, labels: Array, form: Form) -> Examined:
        """Return how a model did on each of some examples.

        Args:
            outputs: What the serving model returns for them.
            labels: Their answers.
            form: The form of the answers.
        """
        raise NotImplementedError(f"{self.name} has no truth to compare with.")

    def truths(self, labels: Array, form: Form) -> list[dict[str, Any]]:
        """Return what a page shows of true answers, as `Input.on_page`; nothing without any."""
        return []

    def answers(self, outputs: Array, form: Form) -> list[dict[str, Any]]:
        """Return what a page shows of a model's answers, as `Input.on_page`."""
        return []

    @abstractmethod
    def predict(
        self, serving: Any, inputs: Inputs, form: Form, options: PredictOptions
    ) -> list[dict[str, Any]]:
        """Return what `predict --json` shows, an entry an input."""

    @abstractmethod
    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return the column titles and the rows that `predict` shows."""


@dataclass(frozen=True)
class Task:
    """A kind of problem, such as image classification.

    Args:
        name: As a recipe's `TASK` has it.
        input: The kind of input.
        answer: The kind of answer.
        headline: The test metric that the verdict and the list of runs show.
        plain: What is fitted beside a training to compare the network with; None for nothing.
    """

    name: str
    input: Input
    answer: Answer
    headline: Metric
    plain: PlainBaseline | None = None

    def read(self, reading: Reading) -> Found:
        """Return what is in a user's files; see `Input.read`."""
        found = self.input.read(reading, self.answer)
        reading.report.say_left_out(strict=reading.options.strict)
        reading.require_usable()
        return found

    def forms(self, documents: Mapping[str, Any]) -> tuple[Form, Form]:
        """Return the forms of inputs and answers that a run recorded under `input`, `answer`."""
        return self.input.form.of(documents["input"]), self.answer.form.of(documents["answer"])
