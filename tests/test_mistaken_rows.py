"""The test rows themselves: the worst mistakes, all predictions in a file, groups of rows."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import MNIST, OFTEN, RECIPES, REGRESSION, SENTIMENT, TEXT, dlrecipes, sample_table

from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.errors import InputError
from dlrecipes.kit.scores import first, of_each
from dlrecipes.runs.groups import MOST_GROUPS, OTHERS, by_group, grouped, worst_groups
from dlrecipes.runs.noise import gap_of, interval_of
from dlrecipes.tasks.inputs.table import MISSING
from dlrecipes.tasks.results import Metric
from dlrecipes.use.groups import groups_in
from dlrecipes.use.rows import worst

RunOf = Callable[[str], dict[str, Any]]


def evaluate(path: str, *words: str | Path, cwd: Path, code: int = 0) -> Any:
    """Return what `evaluate --json` prints of a run."""
    return dlrecipes("evaluate", path, *words, "--json", cwd=cwd, code=code).document


def test_mistakes_of_a_text_classifier_are_the_wrong_answers_with_the_highest_loss(
    run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of(SENTIMENT)
    document = evaluate(
        run["path"], "--mistakes", "5", "--predictions", tmp_path / "all.csv", cwd=tmp_path
    )
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == (
        ["input", "truth", "prediction", "probability", "loss", "example", "file", "line"]
    )
    losses = np.array([float(row["loss"]) for row in rows])
    right = np.array([row["truth"] == row["prediction"] for row in rows])
    metrics = document["metrics"]
    assert right.mean() == pytest.approx(metrics["accuracy"], abs=1e-9)
    assert losses.mean() == pytest.approx(metrics["loss"], rel=1e-4)
    found = document["mistakes"]
    expected = np.sort(losses[~right])[::-1][:5]
    assert [one["loss"] for one in found] == pytest.approx(expected.tolist())
    assert document["predictions"] == str(tmp_path / "all.csv")
    lines = Path(found[0]["file"]).read_text("utf-8").splitlines()
    assert found[0]["input"][:30].split()[0] in lines[found[0]["line"] - 1]
    texts = sample_table("movie_reviews.csv", "test")
    assert [row["input"] for row in rows[:20]] == texts["text"].tolist()[:20]


def test_predictions_of_numbers_are_a_parquet_file_in_the_order_of_the_rows(
    run_of: RunOf, tmp_path: Path
) -> None:
    import pandas as pd

    path = tmp_path / "all.parquet"
    words = ("--predictions", path, "--by", "price", "--mistakes", "3")
    document = evaluate(run_of(REGRESSION)["path"], *words, cwd=tmp_path)
    written, table = pd.read_parquet(path), sample_table("diamonds.csv", "test")
    assert written["truth"].tolist() == table["price"].tolist()
    assert written["loss"].mean() == pytest.approx(document["metrics"]["mae"], rel=1e-5)
    assert written["probability"].isna().all()
    worst_rows = written.sort_values("loss", ascending=False)["example"][:3].tolist()
    assert [one["example"] for one in document["mistakes"]] == worst_rows
    groups = document["by"]["groups"]
    assert sum(one["rows"] for one in groups) == len(table)
    assert [one["verdict"] for one in groups][-1] == "worse", "the dearest have the largest errors"
    of_last = written[written["truth"] >= float(groups[-1]["group"].split(" to ")[0])]
    assert groups[-1]["metrics"]["mae"] == pytest.approx(of_last["loss"].mean(), rel=1e-5)
    for group in groups:
        lowest, highest = group["intervals"]["mae"]
        assert lowest < group["metrics"]["mae"] < highest


def test_mistakes_are_shown_as_a_table_that_says_where_they_are(
    run_of: RunOf, tmp_path: Path
) -> None:
    lines = dlrecipes("evaluate", run_of(MNIST)["path"], "--mistakes", "3", cwd=tmp_path).out
    shown = lines.split("The worst mistakes in mnist.npz, the worst first\n")[1].splitlines()
    assert shown[0].split() == (
        ["test", "example", "truth", "prediction", "probability", "loss", "where"]
    )
    assert all(" x_test[" in line for line in shown[1:4])
    assert shown[4].startswith("Next: dlrecipes export")


def test_groups_may_come_from_a_column_that_training_was_told_to_ignore(tmp_path: Path) -> None:
    import pandas as pd

    random = np.random.default_rng(0)
    rows = 1500
    x, team = random.normal(size=rows), random.choice(["north", "south", "west"], rows)
    right = np.where(x > 0, "yes", "no")
    # Nobody can tell what is right in the south.
    label = np.where(team == "south", random.choice(["yes", "no"], rows), right)
    table = pd.DataFrame({"x": x.round(4), "z": random.normal(size=rows), "team": team})
    table["label"] = label
    table.to_csv(tmp_path / "teams.csv", index=False)
    quick = ("--data", "teams.csv", "--ignore", "team", "--epochs", "8")
    run = dlrecipes("train", "loans-mlp", *quick, "--json", cwd=tmp_path).document
    groups = evaluate(run["path"], "--by", "team", cwd=tmp_path)["by"]["groups"]
    verdicts = {one["group"]: one["verdict"] for one in groups}
    assert verdicts == {"north": "better", "south": "worse", "west": "better"}
    wrong = evaluate(run["path"], "--by", "teem", cwd=tmp_path, code=2)
    assert "no such column" in wrong["error"]
    assert "team" in wrong["hint"]


APART = [
    TEXT,
    *(pytest.param(name, marks=pytest.mark.long) for name in RECIPES if name not in OFTEN),
]
"""Those that no other test looks at."""


@pytest.mark.parametrize("recipe", APART)
def test_every_recipe_has_mistakes_or_says_why_not(
    recipe: str, run_of: RunOf, tmp_path: Path
) -> None:
    has_truth = recipe not in (TEXT, "digits-gan")
    document = evaluate(
        run_of(recipe)["path"], "--mistakes", "2", cwd=tmp_path, code=0 if has_truth else 2
    )
    if has_truth:
        assert 1 <= len(document["mistakes"]) <= 2
    else:
        assert "needs a true answer for each test row" in document["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--predictions", "all.xlsx"), "must end in .csv or .parquet"),
        (("--predictions", "there.csv"), "exists already"),
        (("--predictions", "none/all.csv"), "is not a folder"),
        (("--mistakes", "0"), "at least 1"),
    ],
)
def test_what_cannot_be_asked_is_said_before_the_model_is_tested(
    words: tuple[str, str], said: str, run_of: RunOf, tmp_path: Path
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    document = evaluate(run_of(REGRESSION)["path"], *words, cwd=tmp_path, code=2)
    assert said in document["error"]
    assert (tmp_path / "there.csv").read_text() == "mine"


def row(example: int, loss: float, prediction: str = "no") -> dict[str, Any]:
    """Return a tested row whose true answer is yes."""
    answer = {"truth": "yes", "prediction": prediction, "probability": 0.9}
    return {"example": example, "loss": loss, **answer}


def test_right_answers_are_no_mistakes_however_unsure() -> None:
    rows = [row(1, 0.2), row(2, 3.0), row(3, 9.0, "yes"), row(4, 3.0)]
    assert [one["example"] for one in worst(rows, 2)] == [2, 4]


def test_groups_are_values_quarters_of_numbers_and_what_is_rare_or_missing() -> None:
    assert grouped(["a", None, "b", " "]) == ["a", MISSING, "b", MISSING]
    quarters = grouped([str(number) for number in range(100)])
    assert sorted(set(quarters)) == sorted(
        ["0 to 24.75", "24.75 to 49.5", "49.5 to 74.25", "74.25 to 99"]
    )
    assert quarters.count("0 to 24.75") == 25
    many = grouped([f"town {number % 30}" for number in range(300)] + ["town 1"] * 9)
    assert len(set(many)) == MOST_GROUPS + 1
    assert OTHERS in many


def test_groups_of_examples_without_columns_are_refused_for_what_they_are() -> None:
    images = Examples(np.zeros((4, 2, 2, 1), "uint8"), np.zeros(4, "int64"))
    source = Source("shapes", "own", "", images, images)
    with pytest.raises(InputError, match="no columns to group by"):
        groups_in(source, "class", FileOptions())


def test_an_interval_of_a_share_is_honest_where_all_are_right() -> None:
    lowest, highest = interval_of(of_each(first, np.ones(10), truth=np.zeros(10)))
    assert lowest == pytest.approx(0.7225, abs=1e-3)  # Wilson 1927
    assert highest == 1
    ten, many = (
        of_each(first, right, truth=right) for right in (np.ones(10), np.arange(500) % 10 > 0)
    )
    assert gap_of(ten, many).verdict(higher_is_better=True) == "tie", "ten rows tell nothing"


def test_gaps_of_groups_that_do_not_differ_are_rarely_more_than_noise() -> None:
    random = np.random.default_rng(0)
    called = 0
    for _ in range(50):
        right = random.random(400) < 0.8
        scores = {"accuracy": of_each(first, right, truth=right)}
        groups = [f"group {number}" for number in random.integers(8, size=400)]
        found = by_group(scores, groups, Metric("accuracy"))
        called += any(one["verdict"] != "tie" for one in found)
    assert called <= 6, "5 % of 50 are 2.5"
    assert json.dumps(found)


def test_only_groups_that_do_worse_by_more_than_noise_are_named() -> None:
    random = np.random.default_rng(0)
    place = random.integers(0, 4, 800)
    columns = {
        "place": [f"place {number}" for number in place],
        **{f"noise {number}": random.integers(0, 5, 800).tolist() for number in range(10)},
        "size": random.standard_normal(800).tolist(),
    }
    right = random.random(800) < np.where(place == 2, 0.6, 0.9)
    scores = of_each(first, right, truth=place)
    found = worst_groups(scores, columns, higher_is_better=True)
    assert found["compared"] == 4 + 10 * 5 + 4
    (worse,) = found["worse"]
    assert (worse["column"], worse["group"]) == ("place", "place 2")
    assert worse["rows"] == (place == 2).sum()
    assert worse["inside"] == pytest.approx(right[place == 2].mean())
    assert worse["outside"] == pytest.approx(right[place != 2].mean())
    even = of_each(first, random.random(800) < 0.9, truth=place)
    assert worst_groups(even, columns, higher_is_better=True)["worse"] == []


def test_the_model_card_names_a_group_as_evaluate_finds_it(run_of: RunOf, tmp_path: Path) -> None:
    path = Path(run_of(REGRESSION)["path"])
    groups = json.loads((path / "shown.json").read_text("utf-8"))["groups"]
    worse = groups["worse"][0]
    html = (path / "report.html").read_text("utf-8")
    assert f"On {worse['rows']} test rows with {worse['column']} = {worse['group']}" in html
    found = dlrecipes("evaluate", path, "--by", worse["column"], "--json", cwd=tmp_path).document
    (same,) = (one for one in found["by"]["groups"] if one["group"] == worse["group"])
    assert same["rows"] == worse["rows"]
    assert same["metrics"]["mae"] == pytest.approx(worse["inside"], rel=1e-4)
    assert same["verdict"] == "worse"
