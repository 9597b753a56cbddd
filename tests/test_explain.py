"""`explain`: what each part of an input adds to an answer."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import (
    MNIST,
    REGRESSION,
    SENTIMENT,
    TEXT,
    dlrecipes,
    mnist_test_images,
    run_python,
    sample_table,
    write_image,
)
from terminal import in_terminal
from test_docs import check_keys

from dlrecipes.use.explain.parts import bare_word, cells_of, hidden_cells, joined, words_of

RunOf = Callable[[str], dict[str, Any]]

WITHOUT_SHAP = """
import sys

sys.modules["shap"] = None
from dlrecipes.cli import main

sys.exit(main(sys.argv[1:]))
"""

KILLED_AFTER_THE_FIRST = """
import os
import sys
from dlrecipes.cli import main
from dlrecipes.use import explain as use

explain = use.explain


def first_alone(*words):
    yield next(explain(*words))
    os._exit(7)


use.explain = first_alone
main(sys.argv[1:])
"""
"""What is not written yet is lost."""


def explained(path: str, *inputs: str | Path, cwd: Path) -> list[dict[str, Any]]:
    """Return what `explain --json` prints of each input; its parts add up."""
    document = dlrecipes("explain", path, *inputs, "--output", "out", "--json", cwd=cwd).document
    found: list[dict[str, Any]] = document["explanations"]
    for one in found:
        added = sum(part["attribution"] for part in one["parts"])
        apart = one["value"] - one["expectation"]
        assert added == pytest.approx(apart, abs=1e-4 * max(1.0, abs(one["value"])))
    html = (cwd / "out" / "explanation.html").read_text("utf-8")
    assert "http:" not in html
    assert "https:" not in html
    assert "<script" not in html
    return found


@pytest.mark.explain
def test_columns_add_up_to_the_answer_less_the_expectation(run_of: RunOf, tmp_path: Path) -> None:
    rows = sample_table("diamonds.csv", "test").head(2).drop(columns="price")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    run = run_of(REGRESSION)["path"]
    first, second = explained(run, "rows.csv", cwd=tmp_path)
    assert [part["name"] for part in first["parts"]] == [*rows]
    assert first["kind"] == "columns"
    predicted = dlrecipes("predict", run, "rows.csv", "--json", cwd=tmp_path).document
    values = [one["value"] for one in predicted["predictions"]]
    assert [first["value"], second["value"]] == pytest.approx(values, rel=1e-5)
    assert first["expectation"] == second["expectation"]
    said = dlrecipes("explain", run, "rows.csv", "--output", "out", cwd=tmp_path).out
    assert "carat" in said
    asked = ("explain", run, "rows.csv", "--output", "first")
    killed = run_python(KILLED_AFTER_THE_FIRST, *asked, cwd=tmp_path, code=7)
    assert "carat" in killed.out, "each row is printed when it is explained"
    assert "Using run" in killed.err


@pytest.mark.explain
@pytest.mark.long
def test_a_bad_row_is_an_entry_with_its_error_and_the_others_are_explained(
    run_of: RunOf, tmp_path: Path
) -> None:
    rows = sample_table("diamonds.csv", "test").head(2).drop(columns="price").astype({"carat": str})
    rows.loc[0, "carat"] = "heavy"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    asked = ("explain", run_of(REGRESSION)["path"], "rows.csv", "--output", "out")
    outcome = dlrecipes(*asked, "--json", cwd=tmp_path, code=1)
    check_keys("explain", outcome.document)
    bad, good = outcome.document["explanations"]
    assert (bad["input"], bad["line"], good["input"]) == ("rows.csv:2", 2, "rows.csv:3")
    assert bad["error"].startswith("rows.csv, line 2: carat is 'heavy'")
    assert outcome.error.endswith("Error: 1 input could not be used.\n")
    assert "is &#39;heavy&#39;" in (tmp_path / "out" / "explanation.html").read_text("utf-8")
    (tmp_path / "rows.csv").write_text((tmp_path / "rows.csv").read_text().replace(",", ";"))
    said = dlrecipes(*asked, "--separator", ";", cwd=tmp_path, code=1).out
    assert "\nrows.csv, line 2: carat is 'heavy'" in said, "it is said once where the row is"


@pytest.mark.explain
@pytest.mark.long
def test_words_that_speak_for_the_answer_are_found(run_of: RunOf, tmp_path: Path) -> None:
    text = "<b>A wonderful</b> film, and a wonderful story."
    (one,) = explained(run_of(SENTIMENT)["path"], text, cwd=tmp_path)
    assert one["kind"] == "words"
    words = [part["name"] for part in one["parts"]]
    assert words == text.split()
    assert "&lt;b&gt;A" in (tmp_path / "out" / "explanation.html").read_text("utf-8")


@pytest.mark.explain
def test_parts_of_a_picture_add_up_and_are_drawn(run_of: RunOf, tmp_path: Path) -> None:
    write_image(tmp_path / "digit.png", mnist_test_images()[0][0].squeeze())
    (one,) = explained(run_of(MNIST)["path"], "digit.png", cwd=tmp_path)
    assert one["kind"] == "cells"
    assert len(one["parts"]) == 14 * 14
    for ending in ("", "-saliency", "-grad-cam"):
        assert (tmp_path / "out" / f"explanation-1{ending}.png").stat().st_size > 100
    for share in ("saliency", "grad_cam"):
        assert sum(part[share] for part in one["parts"]) == pytest.approx(1, abs=0.01)
    assert one["layer"].startswith("conv2d")
    assert one["left_out"] == ""
    assert "Feature maps" in (tmp_path / "out" / "explanation.html").read_text("utf-8")
    corner = {(0, 0), (0, 13), (13, 0), (13, 13)}
    empty = [part for part in one["parts"] if tuple(map(int, part["name"].split(","))) in corner]
    strongest = max(abs(part["attribution"]) for part in one["parts"])
    assert all(abs(part["attribution"]) < 0.3 * strongest for part in empty)


@pytest.mark.explain
@pytest.mark.long
def test_a_label_that_is_written_into_a_corner_is_found(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(200):
        pixels = random.integers(0, 160, (28, 28)).astype("uint8")
        kind = "marked" if number % 2 else "plain"
        if kind == "marked":
            pixels[:4, :4] = 255
        write_image(tmp_path / "photos" / kind / f"{number:03}.png", pixels)
    # Mirrored pictures have the label in another corner.
    flags = ("--epochs", "12", "--filters", "8,16", "--no-augmentation", "--json")
    run = dlrecipes("train", MNIST, "--data", "photos", *flags, cwd=tmp_path).document
    assert run["metrics"]["accuracy"] > 0.9
    (one,) = explained(run["path"], "photos/marked/001.png", cwd=tmp_path)
    assert one["answer"] == "marked"
    best = max(one["parts"], key=lambda part: part["attribution"])
    assert max(map(int, best["name"].split(","))) <= 1, "cells of 2 pixels: the corner has 4"
    best = max(one["parts"], key=lambda part: part["saliency"])
    assert max(map(int, best["name"].split(","))) <= 3
    best = max(one["parts"], key=lambda part: part["grad_cam"])
    assert max(map(int, best["name"].split(","))) <= 6, "its maps have 5 pixels a side"


@pytest.mark.explain
@pytest.mark.long
def test_a_column_that_the_model_was_told_to_ignore_adds_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(400, 3)).round(3)
    towns = [random.choice(["north", ""]) for _ in values]
    rows = [
        f"{a},{b},{c},{town},{10 * a + b + 5 * bool(town):.3f}"
        for (a, b, c), town in zip(values, towns, strict=True)
    ]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,secret,town,y", *rows]) + "\n")
    asked = ("train", REGRESSION, "--data", "table.csv", "--ignore", "secret", "--epochs", "20")
    run = dlrecipes(*asked, "--json", cwd=tmp_path).document
    (tmp_path / "one.csv").write_text("a,b,secret,town\n1.5,-0.5,9,\n1.5,-0.5,-9,\n")
    first, second = explained(run["path"], "one.csv", cwd=tmp_path)
    assert [part["name"] for part in first["parts"]] == ["a", "b", "town"]
    assert first["parts"][2]["value"] == "(missing)"
    assert first["parts"] == second["parts"]
    assert abs(first["parts"][0]["attribution"]) > abs(first["parts"][1]["attribution"])
    asked = ("explain", run["path"], "--global", "--output", "out")
    whole = dlrecipes(*asked, "--json", cwd=tmp_path).document
    assert [one["name"] for one in whole["columns"]] == ["a", "town", "b", "secret"]
    secret = whole["columns"][-1]
    assert (secret["mean"], secret["deviation"], secret["used"]) == (0, 0, False)
    assert whole["columns"][0]["mean"] > whole["columns"][1]["mean"]
    (curve,) = [one["points"] for one in whole["dependence"] if one["column"] == "a"]
    assert curve[-1]["answer"] > curve[0]["answer"], "y is 10 a + b, and more in a town"
    (bars,) = [one["points"] for one in whole["dependence"] if one["column"] == "town"]
    assert {one["value"] for one in bars} == {"north", "(missing)"}
    assert "secret" in (tmp_path / "out" / "explanation.html").read_text("utf-8")
    with (tmp_path / "table.csv").open("a") as file:
        file.write("1,1,1,,11\n")
    for what in ("one.csv", "--global"):
        refused = dlrecipes("explain", run["path"], what, "--output", "out", cwd=tmp_path, code=2)
        assert "has changed" in refused.err


@pytest.mark.explain
@pytest.mark.long
def test_what_a_model_relies_on_is_measured_for_its_positive_class(
    run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of("loans-mlp")
    assert run["details"]["positive"] == "bad"
    asked = ("explain", run["path"], "--global", "--output", "out", "--json")
    whole = dlrecipes(*asked, cwd=tmp_path).document
    assert whole["metric"] == "average_precision"
    assert whole["answer"] == "bad"
    # Half of the test rows are looked at; for "good", it would be above 0.9.
    assert whole["value"] == pytest.approx(run["metrics"]["average_precision"], abs=0.1)
    lines = in_terminal(*asked[:-1], cwd=tmp_path).lines
    for one in whole["dependence"]:
        (head,) = (
            place
            for place, line in enumerate(lines)
            if line.split()[:1] == [one["column"]] and line.endswith("probability of bad")
        )
        assert 1 < lines[head:].index("") <= 6, "a few values, one below the other"
    rows = sample_table("lending_club.csv", "test").head(30)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    said = dlrecipes("predict", run["path"], "rows.csv", cwd=tmp_path).out
    threshold = run["metrics"]["threshold"]
    assert f"The answer is bad if its probability is at least {100 * threshold:.3g}%:" in said


@pytest.mark.explain
@pytest.mark.long
def test_words_that_push_each_answer_over_the_test_rows_are_found(
    run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of("text-ngrams")["path"]
    asked = ("explain", run, "--global", "--output", "out")
    whole = dlrecipes(*asked, "--json", cwd=tmp_path).document
    check_keys("explain", whole)
    assert whole["rows"] <= 500 < whole["of"]
    assert [one["answer"] for one in whole["answers"]] == ["negative", "positive"]
    negative, positive = ({word["word"]: word for word in one["words"]} for one in whole["answers"])
    assert negative.keys() & {"too", "bad", "no", "dull", "worst"}
    assert not negative.keys() & positive.keys()
    for word in (*negative.values(), *positive.values()):
        assert 0 < word["mean"] < 1
        assert 3 <= word["texts"] <= whole["rows"]
    said = dlrecipes(*asked, cwd=tmp_path).out
    assert "Towards negative" in said
    html = (tmp_path / "out" / "explanation.html").read_text("utf-8")
    assert f"of {whole['of']:,} test rows" in html


@pytest.mark.explain
@pytest.mark.long
def test_characters_that_moved_the_next_one_add_up(run_of: RunOf, tmp_path: Path) -> None:
    (one,) = explained(run_of(TEXT)["path"], "She was", cwd=tmp_path)
    assert one["kind"] == "characters"
    assert "".join(part["name"] for part in one["parts"]) == "She␣was"
    assert len(one["answer"]) == 1


@pytest.mark.explain
@pytest.mark.long
def test_each_class_of_a_mask_is_explained(run_of: RunOf, tmp_path: Path) -> None:
    with np.load(files("dlrecipes.data") / "land.npz") as data:
        write_image(tmp_path / "land.png", data["x_test"][0])
    found = explained(run_of("land-unet")["path"], "land.png", cwd=tmp_path)
    assert {one["answer"] for one in found} <= {"land", "water"}
    assert all(len(one["parts"]) == 7 * 7 for one in found)
    assert found[0]["layer"].startswith("conv2d")


def test_what_cannot_be_explained_is_said(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(TEXT)["path"]
    outcome = dlrecipes("explain", run, "--global", "--output", "out", cwd=tmp_path, code=2)
    assert "explain --global is for tables, and for texts with a class" in outcome.err
    outcome = dlrecipes("explain", run, "--output", "out", cwd=tmp_path, code=2)
    assert "explain takes inputs, or --global without inputs" in outcome.err
    run = run_of(REGRESSION)["path"]
    outcome = run_python(WITHOUT_SHAP, "explain", run, "rows.csv", cwd=tmp_path, code=2)
    assert "pip install 'dlrecipes[explain]'" in outcome.err
    assert not (tmp_path / "out").exists()


def test_parts_of_texts_and_pictures() -> None:
    assert words_of("Ein Film, wirklich!") == ["Ein ", "Film, ", "wirklich!"]
    assert words_of("好电影 film") == ["好", "电", "影 ", "film"]
    assert words_of("") == [""]
    assert [bare_word(word) for word in ('"Film!" ', "don't ", "-- ", "😀.")] == [
        *("film", "don't", "", "😀")
    ]
    assert len(words_of("word " * 1000, most=0)) == 1000
    assert len(words_of("word " * 1000)) <= 200
    assert "".join(words_of(" a  b\nc ")) == " a  b\nc "
    mask = np.array([[True, False], [False, False]])
    assert joined(["a ", "b"], mask).tolist() == ["a ", ""]
    cells = cells_of((28, 3), 14)
    assert cells.max() == 14 * 3 - 1
    pixels = np.zeros((4, 4, 1), "uint8")
    pixels[:2] = 200
    hidden = hidden_cells(pixels, cells_of((4, 4), 2), np.array([[True, True, False, False]]))
    assert hidden[0, :2].min() == 200
    assert hidden[0, 2:].tolist() == [[[100]] * 4] * 2
