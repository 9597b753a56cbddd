"""Networks for tables: scaled columns, waves of numbers, members that share weights."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from support import REGRESSION, dlrecipes, read_own

from dlrecipes.datasets.examples import Examples
from dlrecipes.kit.columns import column_statistics, standardised_columns
from dlrecipes.kit.members import (
    error_of_members,
    for_each_member,
    mae_of_mean,
    mean_of_members,
    member_outputs,
    number_waves,
    surprise_of_members,
)


def table(**columns: object) -> Examples:
    """Return rows of named columns: texts, or numbers as they are."""
    return Examples(
        {
            name: np.array(values, dtype=object) if isinstance(values, list) else np.asarray(values)
            for name, values in columns.items()
        }
    )


def encoded(train: Examples, rows: Examples | None = None) -> np.ndarray:
    """Return the matrix of some rows, the training ones unless others are given."""
    columns = (rows or train).columns
    return np.asarray(
        standardised_columns(train)({name: value[:, None] for name, value in columns.items()})
    )


def test_quartiles_lie_one_apart_and_outliers_are_drawn_in() -> None:
    values = np.append(np.arange(101), [1e9]).astype("float32")
    found = encoded(table(x=values))[:, 0]
    assert found[50] == pytest.approx(0, abs=0.02)
    z = (values[75] - np.median(values)) / np.subtract(*np.quantile(values, (0.75, 0.25)))
    assert found[75] == pytest.approx(z / np.sqrt(1 + (z / 3) ** 2), rel=1e-5)
    assert found[-1] == pytest.approx(3.0, rel=1e-4)


def test_large_numbers_that_differ_little_keep_their_digits() -> None:
    seconds = 1_700_000_000 + np.arange(1000, dtype="float64")
    found = encoded(table(when=seconds))[:, 0]
    assert len(np.unique(found)) == 1000
    assert found[0] == pytest.approx(-found[-1], abs=1e-5)


def test_missing_numbers_are_the_median_and_marked() -> None:
    train = table(a=np.array([1, 2, 3, np.nan, 5], "float32"), b=np.arange(5, dtype="float32"))
    found = encoded(train)
    assert found.shape == (5, 3)
    assert found[3, 0] == 0.0
    assert found[:, 2].tolist() == [0, 0, 0, 1, 0]
    alone = table(a=np.full(4, np.nan, "float32"))
    assert encoded(alone).tolist() == [[0, 1]] * 4


def test_a_rare_category_is_taken_together_with_unseen_ones() -> None:
    train = table(c=["a"] * 5 + ["b"] * 4 + ["once"], x=np.arange(10, dtype="float32"))
    found = encoded(train, table(c=["a", "b", "once", "never"], x=np.zeros(4, "float32")))[:, 1:]
    assert found.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]]
    statistics = column_statistics(train)["c"]
    assert statistics.values == ("a", "b", "once")


def test_members_have_their_own_errors_and_their_mean_is_the_answer() -> None:
    import keras

    train = table(x=np.arange(20, dtype="float32"), c=["a", "b"] * 10)
    columns = standardised_columns(train)
    inputs = keras.Input(columns.output_shape[1:])
    x = number_waves(inputs, columns, 4, 1.0)
    assert x.shape[1:] == (4 + 3,), "one number, a category of three, three sums of waves"
    model = keras.Model(inputs, member_outputs(for_each_member(x, 5), 2, "softmax"))
    rows = encoded(train)
    answers = model(rows).numpy()
    assert answers.shape == (20, 5, 2)
    assert answers.std(axis=1).min() > 0, "members differ"
    np.testing.assert_allclose(mean_of_members(model)(rows), answers.mean(axis=1), rtol=1e-5)
    labels = np.arange(20) % 2
    wanted = -np.log(answers[np.arange(20), :, labels]).mean(axis=1)
    np.testing.assert_allclose(surprise_of_members(labels, model(rows)), wanted, rtol=1e-4)
    assert number_waves(inputs, columns, 0, 1.0) is inputs


def test_frequency_scales_the_first_waves() -> None:
    import keras

    columns = standardised_columns(table(x=np.arange(20, dtype="float32")))
    inputs = keras.Input(columns.output_shape[1:])
    for frequency in (0.1, 1.0):
        model = keras.Model(inputs, number_waves(inputs, columns, 1000, frequency))
        angles = model.get_layer("waves").kernel.numpy()
        assert np.std(angles) == pytest.approx(2 * np.pi * frequency, rel=0.1)


@pytest.mark.parametrize(("loss", "wanted"), [("mae", 1.0), ("mse", 1.25), ("huber", 0.5625)])
def test_errors_do_not_depend_on_the_unit(loss: str, wanted: float) -> None:
    for unit in (1.0, 1e6):
        values = np.array([[[1.5], [0.5]]], "float32") * unit
        found = error_of_members(loss, unit)(np.zeros(1, "float64"), values)
        assert np.asarray(found) == pytest.approx(wanted)
        assert np.asarray(mae_of_mean(np.zeros(1, "float32"), values)) == pytest.approx([unit])


def test_the_loss_sees_targets_that_differ_in_their_tenth_digit() -> None:
    targets = np.array([1_700_000_000.0, 1_700_000_001.0])
    found = error_of_members("mae", 2.0)(targets, targets.reshape(2, 1, 1) + 1.0)
    assert np.asarray(found) == pytest.approx(0.5)


def test_a_hundred_columns_are_one_matrix_inside() -> None:
    train = table(**{f"n{n}": np.arange(9, dtype="float32") for n in range(100)})
    model = standardised_columns(train)
    assert len(model.inputs) == 100
    inside = [one for one in model.operations if type(one).__name__ != "InputLayer"]
    assert len(inside) < 120


@pytest.mark.long
def test_a_smooth_curve_is_learned_whatever_the_unit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, other = rng.uniform(-3, 3, 600), rng.normal(size=600)
    y = np.sin(2 * x) + 0.3 * other + 0.05 * rng.normal(size=600)
    for name, unit in (("small", 1e-4), ("large", 1e6)):
        rows = [f"{a},{b},{c * unit}" for a, b, c in zip(x, other, y, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["x,other,y", *rows]))
        run = dlrecipes(
            *("train", REGRESSION, "--data", f"{name}.csv", "--loss", "mse", "--json"),
            cwd=tmp_path,
        ).document
        assert run["metrics"]["r2"] > 0.97
        assert run["metrics"]["rmse"] < 0.15 * unit


def test_an_exported_model_takes_categories_in_either_form_of_unicode(tmp_path: Path) -> None:
    import keras

    path = tmp_path / "mine.csv"
    names = ["Orléans", "Orleans", "Åre"]
    path.write_text(
        "city,size,price\n" + "".join(f"{names[n % 3]},{n % 7},{n}\n" for n in range(60))
    )
    model = standardised_columns(read_own("tabular-regression", path, use="size").train)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    texts = [*names, *(unicodedata.normalize("NFD", name) for name in names), "Paris"]
    size = np.zeros((7, 1), "float64")
    found = np.asarray(model({"city": np.array(texts, object).reshape(-1, 1), "size": size}))
    assert found.shape == (7, 5)
    assert (found[:3] == found[3:6]).all()
    assert len(np.unique(found, axis=0)) == 4
