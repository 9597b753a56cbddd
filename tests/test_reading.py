"""What tasks make of data, kind by kind: what would be misread is refused, with its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import write_image

from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.own.masks import VOID, class_numbers, classes_of
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.errors import InputError
from dlrecipes.kit.rare_classes import average_precision, best_threshold, resampled
from dlrecipes.tasks import find_task
from dlrecipes.tasks.answers.category import Category, CategoryForm
from dlrecipes.tasks.inputs.table import Table, TableForm
from dlrecipes.tasks.reading import Found, Reading

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 255, (12, 28, 28), dtype="uint8")


def read(task: str, path: Path, **arrays: Any) -> Found:
    """Return what a task makes of an .npz file of arrays, or of a path as it is."""
    if arrays:
        np.savez(path, **arrays)
    return find_task(task).read(Reading(path))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y_train": np.arange(12) % 2, "x_test": IMAGES}, "x_test and no y_test"),
        ({"y_train": np.arange(12) % 3 + 1, "classes": ["a", "b", "c"]}, "the label is 3"),
        ({"y_train": np.arange(12) % 3 - 1, "classes": ["a", "b", "c"]}, "the label is -1"),
        ({"y_train": np.eye(3)[np.arange(12) % 3]}, "one class number or name"),
        ({"y_train": np.arange(5)}, "differ in length"),
        ({"y_train": np.zeros(12, int)}, "one class only"),
    ],
)
def test_labels_of_arrays_are_never_guessed(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read("image-classification", tmp_path / "a.npz", x_train=IMAGES, **arrays)


def test_arrays_with_names_of_classes_keep_their_order(tmp_path: Path) -> None:
    labels = np.array([2, 0, 1] * 4)
    found = read(
        "image-classification",
        tmp_path / "a.npz",
        **{"x_train": IMAGES, "y_train": labels, "classes": ["b", "a", "c"]},
    )
    assert getattr(found.answer, "classes", ()) == ("a", "b", "c")
    assert np.asarray(found.splits["train"].labels)[:3].tolist() == [2, 1, 0]


def test_masks_may_be_of_any_whole_numbers(tmp_path: Path) -> None:
    masks = RANDOM.integers(0, 3, (12, 28, 28, 1))
    found = read("image-segmentation", tmp_path / "a.npz", x_train=IMAGES, y_train=masks)
    assert (np.asarray(found.splits["train"].labels) == masks[..., 0]).all()
    with pytest.raises(InputError, match="whole numbers"):
        read("image-segmentation", tmp_path / "a.npz", x_train=IMAGES, y_train=masks / 2)


@pytest.mark.parametrize(
    ("values", "names", "classes", "numbered"),
    [
        ([0, 255], (), ("0", "255"), [0, 255]),
        ([0, 1, 255], (), ("0", "1"), [0, 1]),
        ([0, 128, 255], (), ("0", "128", "255"), [0, 128, 255]),
        ([0, 1, 255], ("sea", "land"), ("sea", "land"), [0, 1]),
        ([0, 255], ("sea", "land"), ("sea", "land"), [0, 255]),
        ([0, 2], ("sea", "land", "ice"), ("sea", "land", "ice"), [0, 1, 2]),
    ],
)
def test_255_is_a_class_or_void(
    values: list[int], names: tuple[str, ...], classes: tuple[str, ...], numbered: list[int]
) -> None:
    found, of = classes_of(values, names)
    assert (found, of.tolist()) == (classes, numbered)


def test_a_pixel_without_a_class_is_void_or_an_error() -> None:
    values = np.array([0, 1, 5])
    assert class_numbers(np.array([[5, 255]]), values).tolist() == [[2, VOID]]
    with pytest.raises(InputError, match="pixel value 3"):
        class_numbers(np.array([[0, 3]]), values)


def test_a_mask_must_have_the_size_of_its_image(tmp_path: Path) -> None:
    for number in range(4):
        write_image(tmp_path / "images" / f"{number}.png", IMAGES[number])
        mask = np.zeros((20 if number == 2 else 28, 28), "uint8")
        mask[:5] = 1
        write_image(tmp_path / "masks" / f"{number}.png", mask)
    with pytest.raises(InputError, match=r"2\.png has 20x28 pixels, and its image .* 28x28"):
        read("image-segmentation", tmp_path)


def test_names_of_classes_are_found_beside_the_masks_of_a_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(4):
            write_image(tmp_path / split / "images" / f"{number}.png", IMAGES[number])
            mask = (IMAGES[number] > 100).astype("uint8")
            write_image(tmp_path / split / "masks" / f"{number}.png", mask)
    (tmp_path / "train" / "classes.txt").write_text("dark\nbright\n")
    found = read("image-segmentation", tmp_path)
    assert getattr(found.answer, "classes", ()) == ("dark", "bright")


def test_columns_of_one_name_keep_their_whole_paths_or_are_refused() -> None:
    home, away = Feature("home/score", "number"), Feature("away/score", "number")
    form = Table().published_form((home, away), _no_peek)
    assert isinstance(form, TableForm)
    assert set(form.kinds) == {"home_score", "away_score"}
    alike = (Feature("a-b", "number"), Feature("a_b", "number"))
    with pytest.raises(InputError, match="would be one column, a_b"):
        Table().published_form(alike, _no_peek)


def test_what_is_predicted_is_no_column() -> None:
    price = Feature("price", "number")
    published = Description("shop", (Feature("size", "number"), price), None, {"train": 9})
    with pytest.raises(InputError, match="price among the columns, which is what is predicted"):
        Table().choose(published, {"columns": ("size", "price")}, (price,))


def test_labels_that_are_texts_or_numbers_are_classes_where_the_recipe_names_them() -> None:
    for kind, values, classes in (
        ("text", ["b", "a", "b"], ("a", "b")),
        ("number", [3.0, 1.0, 3.0], ("1", "3")),
    ):
        stars = Feature("stars", kind)
        published = Description("shop", (stars, Feature("size", "number")), None, {"train": 3})
        assert Category().choose(published, {"label": "stars"}) == (stars,)
        peeked = {"stars": values}
        form = Category().published_form((stars,), lambda features, count=0, peeked=peeked: peeked)
        assert isinstance(form, CategoryForm)
        assert form.classes == classes
        numbers = Category().convert({"stars": values}, (stars,), (form, form))
        assert numbers.tolist() == [1, 0, 1]
        with pytest.raises(InputError, match="not in train"):
            Category().convert({"stars": ["c" if kind == "text" else 9.0]}, (stars,), (form, form))


def test_other_data_is_tested_by_the_names_of_classes() -> None:
    label = Feature("label", "category", classes=("cat", "dog"))
    known, other = CategoryForm(("dog", "cat", "cow")), CategoryForm(("cat", "dog"))
    assert Category().adapted(other, known) == known
    numbers = Category().convert({"label": [0, 1, -1]}, (label,), (known, known))
    assert numbers.tolist() == [1, 0, -1]
    with pytest.raises(InputError, match="'pig'"):
        Category().adapted(CategoryForm(("pig", "dog")), known)


def test_a_baseline_is_over_the_classes_that_the_test_has() -> None:
    train = Examples(np.zeros(6), np.array([0, 0, 0, 1, 1, 2]))
    test = Examples(np.zeros(4), np.array([0, 1, 1, 0]))
    source = Source("s", "own", "", train, test, answer=CategoryForm(("a", "b", "c")))
    baseline = Category().baseline(source)
    assert baseline.metrics["balanced_accuracy"] == 0.5
    assert baseline.metrics["accuracy"] == 0.5


def test_average_precision_and_threshold_are_those_of_scikit_learn() -> None:
    import sklearn.metrics as reference

    positive = RANDOM.random(400) < 0.1
    scores = np.round(RANDOM.random(400) + positive * 0.4, 2)  # with ties
    expected = reference.average_precision_score(positive, scores)
    assert average_precision(positive, scores) == pytest.approx(expected)
    threshold = best_threshold(positive, scores)
    found = reference.f1_score(positive, scores >= threshold)
    assert found == max(reference.f1_score(positive, scores >= one) for one in np.unique(scores))


def test_resampling_makes_classes_equal_and_loses_none() -> None:
    examples = Examples(np.arange(10), np.array([0] * 8 + [1] * 2))
    more, fewer = resampled(examples, "oversample"), resampled(examples, "undersample")
    assert np.bincount(np.asarray(more.labels)).tolist() == [8, 8]
    assert set(np.asarray(more.features)) == set(range(10))
    assert np.bincount(np.asarray(fewer.labels)).tolist() == [2, 2]
    assert resampled(examples, "none") is examples


def _no_peek(features: Any, count: int = 0) -> Any:
    """Fail: nothing need be looked at."""
    raise AssertionError
