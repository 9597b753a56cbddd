"""Open the data of a training: full, sample or own. That is decided here and nowhere else."""

import hashlib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from shlex import quote

import numpy as np

from dlrecipes.datasets.duplicates import count_leaks
from dlrecipes.datasets.examples import Examples, Source, Splits
from dlrecipes.datasets.forms import NOTHING, Form
from dlrecipes.datasets.own.files import FileOptions, Report, existing_path, nearest_path, printable
from dlrecipes.datasets.own.tables import is_table, open_table
from dlrecipes.datasets.published.disk import Unavailable
from dlrecipes.datasets.published.download import FetchListener
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.published.fetch import (
    brings_files,
    describe,
    download_sources,
    fetch,
    is_prepared,
)
from dlrecipes.datasets.published.names import PUBLISHED
from dlrecipes.datasets.published.read import is_decoded, peek, read
from dlrecipes.errors import InputError, nearest
from dlrecipes.system.home import expanded
from dlrecipes.tasks.base import PEEKED, Chunk, Task
from dlrecipes.tasks.choosing import Named
from dlrecipes.tasks.other_kinds import read_own
from dlrecipes.tasks.reading import Found, Reading, own_source

RUNGS = ("auto", "full", "sample")


@dataclass(frozen=True)
class DataRequest:
    """The data that was asked for.

    Args:
        data: `auto`, `full`, `sample`, `tfds:NAME`, or the path of the user's own data.
        data_dir: The folder of prepared data sets, or None for the default.
        files: How the user's own files are to be read.
        held_out: For a trial of a search: the share of the training examples to test on, in place
            of the test split, where the data has no validation split; 0 for the test split.
    """

    data: str = "auto"
    data_dir: str | None = None
    files: FileOptions = field(default_factory=FileOptions)
    held_out: float = 0.0

    @property
    def is_path(self) -> bool:
        """Tell whether it is the user's own data."""
        return self.data not in RUNGS and not self.data.startswith(PUBLISHED)


@dataclass(frozen=True)
class RecipeData:
    """What a recipe says of its data.

    Args:
        task: Its task.
        dataset: Name of its full data set: `DATASET`.
        sample: The file or folder of its sample; None without one.
        features: The features that it names, by what they are for: `FEATURES`.
        recipes: Name of a recipe for each task, for advice.
    """

    task: Task
    dataset: str
    sample: Path | None = None
    features: Named = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)


def settle(recipe: RecipeData, wanted: DataRequest, listener: FetchListener) -> DataRequest:
    """Return which data there is of what was asked for, fetched if need be. No TensorFlow at first.

    Args:
        recipe: What the recipe says of its data.
        wanted: What was asked for.
        listener: Hears how data is fetched, and that `auto` falls back to the sample.

    Returns:
        The request with `full`, `sample`, `tfds:NAME` or a path: no longer `auto`.

    Raises:
        Unavailable: if the full data was asked for and cannot be had.
        InputError: if the recipe has no sample, or `--data` names nothing that exists.
    """
    if wanted.is_path:
        _require_path(wanted.data)
        return wanted
    if wanted.data == "sample":
        if recipe.sample is None:
            raise InputError(
                "This recipe has no sample.", "Train on the full data set: --data full"
            )
        return wanted
    try:
        download_sources(full_name(recipe, wanted), wanted.data_dir, listener)
    except Unavailable as error:
        if recipe.sample is None or wanted.data.startswith(PUBLISHED):
            raise
        if wanted.data != "auto":
            error.hint = f"{error.hint} Or train on the bundled sample: --data sample"
            raise
        listener.warn(f"{error.message} Training on the sample instead ({recipe.sample.name}).")
        return replace(wanted, data="sample")
    return replace(wanted, data="full") if wanted.data == "auto" else wanted


def open_source(
    recipe: RecipeData,
    wanted: DataRequest,
    seed: int,
    listener: FetchListener,
    like: Source | None = None,
) -> Source:
    """Return the data that `settle` found.

    Args:
        recipe: What the recipe says of its data.
        wanted: What was asked for, as `settle` returned it.
        seed: Seeds the order of training examples.
        listener: Hears what was guessed in a user's files.
        like: The data that a model was trained on, where other data is to be tested in its form.
    """
    if wanted.is_path:
        source = _open_own(recipe, wanted, listener, like)
    elif wanted.data == "sample":
        source = _open_sample(recipe, like)
    else:
        source = _open_full(recipe, wanted, listener, like)
    if wanted.held_out:
        source = source.without_test(wanted.held_out)
    return source.in_order_of(seed)


def warn_of_leaks(task: Task, source: Source, wanted: DataRequest, listener: FetchListener) -> None:
    """Say how many test examples are also training examples, if some are."""
    if not task.input.is_running_text and (leaks := count_leaks(source)):
        listener.warn(
            f"{leaks:,} of {len(source.test):,} test examples are also in the training data. To "
            f"list them: dlrecipes data check {quote(source.name)} --task {task.name}"
            f"{wanted.files.flags}"
        )


def full_name(recipe: RecipeData, wanted: DataRequest) -> str:
    """Return the name of the published data set that was asked for."""
    if not wanted.data.startswith(PUBLISHED):
        return recipe.dataset
    if wanted.data == PUBLISHED:
        raise InputError(
            f"--data {PUBLISHED}NAME needs the name of a data set.",
            "See https://www.tensorflow.org/datasets/catalog/overview",
        )
    return wanted.data.removeprefix(PUBLISHED)


def _require_path(text: str) -> Path:
    """Return the path that `--data` names, or raise InputError."""
    path = existing_path(text)
    if path is None:
        raise InputError(
            f"There is no file or folder {printable(text)}: --data must be {', '.join(RUNGS)}, "
            f"{PUBLISHED}NAME or a path that exists.",
            nearest_path(expanded(text)) or nearest(text, RUNGS),
        )
    return path


def _open_own(
    recipe: RecipeData, wanted: DataRequest, listener: FetchListener, like: Source | None
) -> Source:
    """Return a user's own data."""
    report = Report()
    reading = Reading(_require_path(wanted.data), wanted.files, report, like, recipe.recipes)
    source = own_source(reading, read_own(recipe.task, reading))
    if report.columns:
        listener.columns_found(report.columns)
    for note in report.notes:
        listener.warn(note)
    warn_of_leaks(recipe.task, source, wanted, listener)
    return source


def _open_sample(recipe: RecipeData, like: Source | None) -> Source:
    """Return a recipe's sample, which is read as a user's own data is."""
    assert recipe.sample is not None
    return replace(
        own_source(*_read_file(recipe, recipe.sample, like)),
        name=f"{recipe.sample.stem.replace('_', '-')}-sample",
        rung="sample",
        origin=f"sample {recipe.sample.name}",
    )


def _read_file(recipe: RecipeData, path: Path, like: Source | None) -> tuple[Reading, Found]:
    """Return how a file that comes with a recipe is read, and what is in it.

    Its columns may have the names that `FEATURES` has for the full data set, or others.
    """
    table = open_table(path, FileOptions(), Report()) if is_table(path) and path.is_file() else None
    named = {
        role: name
        for role, name in recipe.features.items()
        if table and isinstance(name, str) and name in table.names
    }
    files = FileOptions(
        target=named.get("target", ""),
        text_column=named.get("text", ""),
        label_column=named.get("label", ""),
    )
    reading = Reading(path, files, like=like)
    return reading, recipe.task.read(reading)


def _open_full(
    recipe: RecipeData, wanted: DataRequest, listener: FetchListener, like: Source | None
) -> Source:
    """Return a published data set, prepared if need be."""
    name = full_name(recipe, wanted)
    path = fetch(name, wanted.data_dir, listener)
    if brings_files(name, wanted.data_dir):
        source = own_source(*_read_file(recipe, path, like))
        return replace(source, name=name, rung="full", origin=f"data set {name}")
    published, selection = _selected(recipe, wanted, like)
    splits = read(name, wanted.data_dir, selection, listener)
    splits = _answered(splits, recipe.task, published, listener)
    source = Source(
        name=name,
        rung="full",
        origin=f"TensorFlow Datasets {published.name}",
        train=splits["train"],
        test=splits.get("test", splits["train"]),
        validation=splits.get("validation"),
        input=selection.forms[0],
        answer=selection.forms[1],
    )
    return recipe.task.input.completed(source, has_test="test" in splits)


def is_ready(recipe: RecipeData, wanted: DataRequest) -> bool:
    """Tell whether the full data set is prepared, and was decoded before."""
    name = full_name(recipe, wanted)
    if not is_prepared(name, wanted.data_dir) or brings_files(name, wanted.data_dir):
        return False
    return is_decoded(name, wanted.data_dir, _selected(recipe, wanted)[1])


def _selected(
    recipe: RecipeData, wanted: DataRequest, like: Source | None = None
) -> tuple[Description, "_Selection"]:
    """Return what a prepared data set holds, and what is read of it."""
    name = full_name(recipe, wanted)
    published = describe(name, wanted.data_dir)
    # What a recipe names are features of its own data set, not of any other.
    named = recipe.features if _base(name) == _base(recipe.dataset) else {}
    answers = recipe.task.answer.choose(published, named)
    inputs = recipe.task.input.choose(published, named, answers)

    def look(features: Sequence[Feature], count: int = PEEKED) -> Chunk:
        return peek(name, wanted.data_dir, tuple(one.path for one in features), count)

    task = recipe.task
    forms = (
        task.input.with_answer(task.input.published_form(inputs, look), answers),
        task.answer.published_form(answers, look),
    )
    if like is not None:
        forms = (
            task.input.adapted(forms[0], like.input),
            task.answer.adapted(forms[1], like.answer),
        )
    return published, _Selection(recipe.task, inputs, answers, forms)


@dataclass(frozen=True)
class _Selection:
    """What is read of a published data set, and what becomes of it.

    Args:
        task: The task.
        inputs: The features that are inputs.
        answers: The features that are answers.
        forms: The forms of both.
    """

    task: Task
    inputs: tuple[Feature, ...]
    answers: tuple[Feature, ...]
    forms: tuple[Form, Form] = (NOTHING, NOTHING)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the paths of the features that are read."""
        return tuple(dict.fromkeys(one.path for one in (*self.inputs, *self.answers)))

    @property
    def pixels(self) -> Collection[str]:
        """Return the images that are decoded before they are converted."""
        answers = {one.path for one in self.answers}
        return set(self.task.input.decoded(self.inputs, self.forms[0])) - answers

    @property
    def key(self) -> str:
        """Return what the decoded examples depend on."""
        kinds = (self.task.input, self.task.answer)
        return f"{self.task.name} {self.columns} {self.forms} {code_of(*kinds)}"

    def convert(self, chunk: Chunk) -> Examples:
        """Return some examples from their raw values."""
        features = self.task.input.convert(chunk, self.inputs, self.forms[0])
        labels = self.task.answer.convert(chunk, self.answers, self.forms)
        return Examples(features, labels)


def _answered(
    splits: Splits, task: Task, published: Description, listener: FetchListener
) -> Splits:
    """Return the splits without examples whose answers are kept secret, as test labels may be."""
    found = dict(splits)
    for split, examples in splits.items():
        known = None if examples.labels is None else task.answer.known(examples.labels)
        if known is None or known.all():
            continue
        if not known.any() and split != "train":
            listener.warn(f"The split {split} of {published.name} has no labels: it is not used.")
            del found[split]
        else:
            listener.warn(
                f"{(~known).sum():,} examples of the split {split} of {published.name} have no "
                "label: they are not used."
            )
            found[split] = examples.take(np.flatnonzero(known))
    return found


def _base(name: str) -> str:
    """Return the name of a data set without its version."""
    return name.partition(":")[0]


def code_of(*kinds: object) -> str:
    """Return a digest of the code that decodes: of dlrecipes' version and the kinds' own files."""
    digest = hashlib.sha256(version("dlrecipes").encode())
    for kind in kinds:
        file = sys.modules[type(kind).__module__].__file__
        digest.update(Path(file or "").read_bytes() if file else b"")
    return digest.hexdigest()[:16]
