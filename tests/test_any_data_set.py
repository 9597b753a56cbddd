"""`--data tfds:NAME`: any data set of TensorFlow Datasets through a recipe of its task."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prepared import HANDS, NEWS, WEEDS, drawing
from support import (
    CHEAP,
    MNIST,
    REGRESSION,
    SENTIMENT,
    SHARED,
    TEXT,
    dlrecipes,
    files_below,
    side_by_side,
    write_image,
)

from dlrecipes.catalog.find import find_recipe
from dlrecipes.datasets.examples import Source
from dlrecipes.errors import InputError
from dlrecipes.tasks import find_task
from dlrecipes.tasks.inputs.image import ImageForm
from dlrecipes.tasks.inputs.table import TableForm
from dlrecipes.tasks.opening import DataRequest, RecipeData, open_source
from dlrecipes.training.listener import Silence
from dlrecipes.training.request import Request

LOANS = "loans-mlp"


class Notes(Silence):
    """A listener that keeps what it is warned of."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        """Keep what should be known."""
        self.warnings.append(message)


def opened(
    folder: Path, task: str, name: str, notes: Notes | None = None, **features: Any
) -> Source:
    """Return a data set as a recipe opens it.

    Args:
        folder: The folder of prepared data sets.
        task: Name of the recipe's task.
        name: The data set.
        notes: Is told of warnings.
        features: `FEATURES` of the recipe.
    """
    recipe = RecipeData(task=find_task(task), dataset=name, features=features)
    wanted = DataRequest("full", str(folder))
    return open_source(recipe, wanted, 0, notes or Notes())


def rows(source: Source) -> dict[str, int]:
    """Return the rows of each split."""
    return {split: len(examples) for split, examples in source.splits().items()}


# --- what is found in a data set


def test_images_of_one_size_that_is_large_are_made_smaller(tfds_folder: Path) -> None:
    source = opened(tfds_folder, "image-classification", "rock_paper_scissors")
    assert source.classes == HANDS
    assert rows(source) == {"train": 120, "test": 30}
    assert isinstance(source.input, ImageForm)
    height, width, channels = source.input.shape
    assert height == width < 300
    assert channels == 3
    assert np.asarray(source.train.features[:1]).shape == (1, height, width, 3)


def test_images_of_many_sizes_get_one_shape_and_all_classes_stay(tfds_folder: Path) -> None:
    source = opened(tfds_folder, "image-classification", "oxford_flowers102")
    assert len(source.classes) == 102
    assert rows(source) == {"train": 90, "validation": 20, "test": 30}
    assert isinstance(source.input, ImageForm)
    pixels = np.asarray(source.test.features)
    assert pixels.shape == (30, *source.input.shape)
    assert pixels.dtype == np.uint8
    labels = np.asarray(source.test.labels)
    assert labels.tolist() == [number % 3 for number in range(90, 120)]
    bright = pixels.reshape(30, -1).mean(axis=1)
    assert bright[labels == 1].min() > bright[labels == 2].max(), "images stay with their labels"


def test_a_test_split_that_is_missing_is_held_out_the_same_every_time(tfds_folder: Path) -> None:
    once = opened(tfds_folder, "image-classification", "deep_weeds")
    assert rows(once) == {"train": 90, "test": 10}
    assert once.classes == WEEDS
    again = opened(tfds_folder, "image-classification", "deep_weeds")
    assert once.fingerprint == again.fingerprint


def test_a_test_split_whose_labels_are_secret_is_not_used_which_is_said(tfds_folder: Path) -> None:
    notes = Notes()
    source = opened(tfds_folder, "text-classification", "glue/sst2", notes)
    assert rows(source) == {"train": 180, "validation": 40, "test": 20}
    assert source.classes == ("negative", "positive")
    assert set(np.asarray(source.test.labels)) == {0, 1}
    assert [note for note in notes.warnings if "split test of glue/sst2" in note]


def test_of_two_texts_the_one_that_the_data_set_names_is_read(tfds_folder: Path) -> None:
    source = opened(tfds_folder, "text-classification", "ag_news_subset")
    assert source.train.features[0].startswith("Report ")
    assert source.classes == tuple(NEWS)
    titles = opened(tfds_folder, "text-classification", "ag_news_subset", text="title")
    assert titles.train.features[0].startswith("On day ")
    assert titles.fingerprint != source.fingerprint


def test_text_alone_is_read_for_a_generator(tfds_folder: Path) -> None:
    source = opened(tfds_folder, "text-generation", "ag_news_subset", text="description")
    assert set(rows(source)) == {"train", "validation", "test"}
    assert source.train.labels is None


def test_a_nested_feature_becomes_columns(tfds_folder: Path) -> None:
    source = opened(tfds_folder, "tabular-regression", "wine_quality/white")
    assert isinstance(source.input, TableForm)
    assert set(source.input.kinds.values()) == {"numbers"}
    columns = ["alcohol", "chlorides", "citric acid", "pH"]
    assert sorted(source.input.called.values()) == [*columns, "quality"]
    assert source.input.target == "quality"
    assert sorted(source.input.kinds) == ["alcohol", "chlorides", "citric_acid", "pH"]
    assert rows(source) == {"train": 360, "test": 40}
    alcohol = np.asarray(source.train.columns["alcohol"])
    quality = np.asarray(source.train.labels)
    assert np.corrcoef(alcohol, quality)[0, 1] > 0.9


def test_a_vector_becomes_a_column_for_each_number(tfds_folder: Path) -> None:
    source = opened(tfds_folder, "tabular-classification", "german_credit_numeric")
    assert isinstance(source.input, TableForm)
    assert list(source.input.kinds) == [f"features_{number}" for number in range(24)]
    assert source.classes == ("bad", "good")
    assert all(column.dtype == np.float32 for column in source.train.columns.values())


def test_columns_of_every_kind_are_read_and_features_name_the_target(tfds_folder: Path) -> None:
    named = {"target": "survived", "columns": ("age", "sex", "name")}
    source = opened(tfds_folder, "tabular-classification", "titanic", **named)
    assert isinstance(source.input, TableForm)
    assert dict(source.input.kinds) == {"age": "numbers", "sex": "texts", "name": "texts"}
    assert set(source.train.columns["sex"]) == {"male", "female"}
    assert np.isnan(np.asarray(source.train.columns["age"])).any()
    assert source.classes == ("died", "survived")
    other = opened(tfds_folder, "tabular-regression", "titanic", target="age", columns="sex")
    assert list(other.train.columns) == ["sex"]


@pytest.mark.parametrize(
    ("task", "name", "features", "says", "hint"),
    [
        (
            "image-classification",
            "smallnorb",
            {},
            "smallnorb:2.0.0 has several features that can be the label: label_category, "
            "label_lighting.",
            'FEATURES = {"label": "label_category"}',
        ),
        (
            "image-classification",
            "smallnorb",
            {"label": "label_category"},
            "has several features that can be the image: image, image2.",
            'FEATURES = {"image": "image"}',
        ),
        (
            "image-classification",
            "ag_news_subset",
            {},
            "the image must be an image, and it has none",
            "Use a data set or a recipe of another task",
        ),
        (
            "text-classification",
            "wine_quality/white",
            {},
            "the label must be a category, and it has none",
            "Use a data set or a recipe of another task",
        ),
        (
            "text-classification",
            "ag_news_subset",
            {"text": "titel"},
            "FEATURES names 'titel' as the text",
            "Did you mean title?",
        ),
        (
            "text-classification",
            "ag_news_subset",
            {"text": "label"},
            "the text must be a text, and label is category",
            "",
        ),
    ],
)
def test_a_data_set_that_does_not_fit_is_refused_with_what_to_do(
    task: str, name: str, features: dict[str, Any], says: str, hint: str, tfds_folder: Path
) -> None:
    with pytest.raises(InputError) as error:
        opened(tfds_folder, task, name, **features)
    assert says in error.value.message
    assert hint in error.value.hint


def test_features_decide_where_several_fit(tfds_folder: Path) -> None:
    named = {"image": "image2", "label": "label_lighting"}
    source = opened(tfds_folder, "image-classification", "smallnorb", **named)
    assert source.classes == ("0", "1")
    assert rows(source) == {"train": 90, "test": 30}


# --- the command

SETS = {
    "flowers": (MNIST, "oxford_flowers102", ("--epochs", "4", "--batch-size", "16")),
    "weeds": (MNIST, "deep_weeds", ("--epochs", "1", "--filters", "4")),
    "news": (SENTIMENT, "ag_news_subset", ("--epochs", "3", "--batch-size", "16")),
    "reviews": (SENTIMENT, "glue/sst2", ("--epochs", "1", "--vocabulary-size", "500")),
    "wines": (REGRESSION, "wine_quality/white", ("--epochs", "10", "--batch-size", "32")),
    "credits": (LOANS, "german_credit_numeric", ("--batch-size", "16")),
    "prose": (TEXT, "ag_news_subset", CHEAP[TEXT]),
}


@pytest.fixture(scope="module")
def run_on(tfds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return a function to what `train --json` printed of a data set: all run side by side."""
    folder = tmp_path_factory.mktemp("trained")

    @cache
    def outcomes() -> dict[str, Any]:
        return side_by_side(
            lambda name: dlrecipes(
                *("train", SETS[name][0], "--data", f"tfds:{SETS[name][1]}", *SETS[name][2]),
                *("--data-dir", tfds_folder, "--name", name, "--json"),
                cwd=folder,
                code=None,
            ),
            SETS,
        )

    def of(name: str) -> dict[str, Any]:
        outcome = outcomes()[name]
        assert outcome.code == 0, outcome
        return outcome.document | {"cwd": folder}

    return of


@pytest.mark.long
@pytest.mark.parametrize("name", SETS)
def test_another_data_set_trains_with_no_word_of_the_recipes_own(
    name: str, run_on: Callable[[str], Any]
) -> None:
    recipe, data_set, _ = SETS[name]
    document = run_on(name)
    assert document["recipe"] == recipe
    assert document["data"]["rung"] == "full"
    assert document["data"]["name"] == data_set
    assert document["data"]["requested"] == f"tfds:{data_set}"
    assert document["expected"] == {}, "the recipe's results are those of its own data set"
    assert document["verdict"].endswith("than the baseline") or "tie" in document["verdict"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "metric", "least"), [("news", "accuracy", 0.7), ("wines", "r2", 0.5)]
)
def test_what_is_in_another_data_set_is_learned(
    name: str, metric: str, least: float, run_on: Callable[[str], Any]
) -> None:
    assert run_on(name)["metrics"][metric] > least


@pytest.mark.long
def test_a_run_on_another_data_set_is_used_like_any_other(
    run_on: Callable[[str], Any], tfds_folder: Path, tmp_path: Path
) -> None:
    run = run_on("flowers")
    path = run["cwd"] / run["path"]
    write_image(tmp_path / "sheet.png", drawing(1, 7, (50, 61)))
    (answer,) = dlrecipes("predict", path, "sheet.png", "--json", cwd=tmp_path).document[
        "predictions"
    ]
    assert len(answer["probabilities"]) == 102
    assert answer["label"] in {f"flower {number}" for number in range(3)}
    exported = dlrecipes("export", path, "--output", "out", "--json", cwd=tmp_path).document
    assert exported["max_abs_difference"] <= 1e-6
    tested = dlrecipes("evaluate", path, "--json", cwd=tmp_path).document
    assert tested["metrics"] == run["metrics"]
    again = dlrecipes("train", "--config", path, "--json", cwd=tmp_path).document
    assert again["metrics"] == run["metrics"]
    assert again["data"] == run["data"]


@pytest.mark.long
def test_a_run_is_tested_on_another_published_data_set(
    run_on: Callable[[str], Any], tfds_folder: Path, tmp_path: Path
) -> None:
    run = run_on("reviews")
    path = run["cwd"] / run["path"]
    arguments = ("evaluate", path, "--data", "tfds:glue/sst2", "--data-dir", tfds_folder)
    tested = dlrecipes(*arguments, "--json", cwd=tmp_path).document
    assert tested["metrics"]["accuracy"] == run["metrics"]["accuracy"]
    other = ("evaluate", path, "--data", "tfds:ag_news_subset", "--data-dir", tfds_folder)
    error = dlrecipes(*other, "--json", cwd=tmp_path, code=2).document["error"]
    assert "World" in error


@pytest.mark.parametrize(
    ("recipe", "name", "says"),
    [
        (MNIST, "ag_news_subset", "the image must be an image, and it has none"),
        (MNIST, "smallnorb", "several features that can be the label"),
        (MNIST, "cifra10", "Did you mean cifar10?"),
        (MNIST, "", "tfds:NAME"),
    ],
)
def test_what_does_not_fit_is_said_in_two_lines_and_nothing_is_written(
    recipe: str, name: str, says: str, tfds_folder: Path, tmp_path: Path
) -> None:
    arguments = ("train", recipe, "--data", f"tfds:{name}", "--data-dir", tfds_folder)
    outcome = dlrecipes(*arguments, cwd=tmp_path, code=2)
    assert says in outcome.error
    assert len(outcome.error.splitlines()) <= 2
    assert files_below(tmp_path) == {}


# --- real data sets


@pytest.mark.long
@pytest.mark.shared
def test_cifar10_trains_predicts_and_exports_with_class_names_through_mnist_cnn(
    tmp_path: Path,
) -> None:
    run = dlrecipes(
        *("train", MNIST, "--data", "tfds:cifar10", "--data-dir", SHARED, "--json"),
        *("--epochs", "1", "--batch-size", "512", "--filters", "8,16", "--dense-units", "0"),
        cwd=tmp_path,
    ).document
    assert run["data"]["rows"] == {"train": 47_500, "validation": 2500, "test": 10_000}
    assert run["data"]["answer"]["classes"][:2] == ["airplane", "automobile"]
    assert run["data"]["input"]["shape"] == [32, 32, 3]
    assert run["metrics"]["accuracy"] > 0.25
    write_image(tmp_path / "sky.png", np.full((64, 64, 3), (120, 170, 230), dtype="uint8"))
    (answer,) = dlrecipes("predict", MNIST, "sky.png", "--json", cwd=tmp_path).document[
        "predictions"
    ]
    assert "truck" in answer["probabilities"]
    assert dlrecipes("export", MNIST, "--json", cwd=tmp_path).document["max_abs_difference"] <= 1e-6


@pytest.mark.shared
def test_a_recipes_own_data_set_asked_for_by_name_is_its_full_data() -> None:
    recipe = Request(find_recipe(REGRESSION), {}).recipe_data
    full, named = (
        open_source(recipe, DataRequest(data, str(SHARED)), 0, Notes())
        for data in ("full", "tfds:diamonds")
    )
    assert full.fingerprint == named.fingerprint
    assert full.rung == named.rung == "full"
