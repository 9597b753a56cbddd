"""`data check` answers on one screen: what is wrong, how often, and the worst of each."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import MNIST, REGRESSION, SENTIMENT, TEXT, dlrecipes, write_image
from terminal import in_terminal

from dlrecipes.catalog.find import all_recipes
from dlrecipes.datasets.duplicates import Repetitions, count_leaks
from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.files import FileOptions, Report
from dlrecipes.tasks import find_task
from dlrecipes.tasks.check import by_kind, look_at
from dlrecipes.tasks.reading import Reading

SCREEN = 40


def rows_of(columns: list[np.ndarray], target: np.ndarray) -> Source:
    """Return a table of numbers, the last fifth of which is tested on."""
    cut = len(target) * 4 // 5
    named = {f"c{place}": column.astype("float32") for place, column in enumerate(columns)}

    def part(rows: slice) -> Examples:
        some = {name: column[rows] for name, column in named.items()}
        return Examples(some, target[rows].astype("float32"), np.arange(len(target))[rows])

    return Source(
        name="rows",
        rung="own",
        origin="rows",
        train=part(slice(0, cut)),
        test=part(slice(cut, None)),
        input=Form(),
        answer=Form(),
        place="rows.csv, line",
    )


def grid(count: int, side: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, side, (2, count)))


def test_rows_of_a_small_grid_are_no_leaks() -> None:
    one, other = grid(200, 10)
    for columns, target in (
        ([one, other], 10 * one + other),
        ([one, other, one + other], (one - other) ** 2),
        (grid(4000, 100), sum(grid(4000, 100))),
        (list(np.random.default_rng(0).random((10, 500)) > 0.95), np.arange(500) % 2),
    ):
        source = rows_of(columns, np.asarray(target))
        assert Repetitions(source).are_by_chance
        assert count_leaks(source) == 0


def test_copies_of_measured_rows_are_leaks_whatever_stands_beside_them() -> None:
    random = np.random.default_rng(0)
    again = np.r_[np.arange(200), np.arange(20)]
    one, other = grid(200, 10)
    measured = random.normal(size=(4, 200))
    ternary = random.integers(0, 3, (8, 100))
    twice = np.r_[np.arange(100), np.arange(100)]
    for columns, target in (
        ([one[again], other[again]], random.normal(size=200)[again]),
        (list(measured[:, again]), measured.sum(0)[again]),
        ([measured[0][again], one[again]], one[again]),
        (list(ternary[:, twice]), ternary.sum(0)[twice]),
    ):
        source = rows_of(columns, target)
        assert not Repetitions(source).are_by_chance
        assert count_leaks(source) >= 20


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Return a table of texts in which much is wrong."""
    lines = ["text,label"]
    lines += [
        f"This is film number {n % 220},{'pos' if n % 220 % 2 else 'neg'}" for n in range(300)
    ]
    lines += [f"This is film number {n},meh" for n in (11, 12, 13, 14)]
    lines += [f"text {n},c{n % 20}" for n in range(40)]
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_everything_is_on_one_screen_with_the_worst_of_each_kind(texts: Path) -> None:
    words = ("data", "check", texts.name, "--task", SENTIMENT)
    shown = in_terminal(*words, cwd=texts.parent)
    assert shown.code == 0
    assert len(shown.lines) <= SCREEN
    assert "'This is film number 11' as pos, meh: texts.csv, line 13" in shown.text
    assert "and 16 more classes (--all)" in shown.text
    assert shown.text.count("labelled with more than one class:") == 1 + 3
    everything = dlrecipes(*words, "--all", cwd=texts.parent).out
    assert everything.count("labelled with more than one class:") == 1 + 4
    document = dlrecipes(*words, "--json", cwd=texts.parent).document
    assert document["repeated"][0]["labels"] in (["pos", "meh"], ["meh", "pos"], ["neg", "meh"])
    assert len(document["repeated"]) == document["repeated_count"] == 80
    assert document["repeated"][0]["example"].startswith("This is film number 1")


def test_problems_are_counted_by_kind_and_the_first_of_each_are_shown(tmp_path: Path) -> None:
    lines = ["a,b,y", *(f"{n}.5,{n},{n}" for n in range(60))]
    lines[5:25] = ["1,2,3,4"] * 20
    lines[30:40] = ["1,2,"] * 10
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    words = ("data", "check", "rows.csv", "--task", REGRESSION)
    shown = in_terminal(*words, cwd=tmp_path)
    assert shown.code == 2
    assert len(shown.lines) <= SCREEN // 2
    assert "20 problems: it has … cells, and the header …" in shown.text
    assert "10 problems: the target y is missing." in shown.text
    assert sum("rows.csv, line" in line for line in shown.lines) == 6
    assert dlrecipes(*words, "--all", cwd=tmp_path, code=2).out.count("rows.csv, line") == 30


def test_a_table_of_a_grid_can_be_used_without_a_warning(tmp_path: Path) -> None:
    lines = [f"{one},{other},{3 * one + other}" for one, other in zip(*grid(200, 10), strict=True)]
    (tmp_path / "grid.csv").write_text("\n".join(["x,y,z", *lines]) + "\n")
    found = dlrecipes(
        *("data", "check", "grid.csv", "--task", REGRESSION, "--json"), cwd=tmp_path
    ).document
    assert (found["leaks"], found["warnings"], found["repeated_by_chance"]) == (0, [], True)


def test_sentences_of_a_kind_differ_in_place_numbers_and_what_was_found() -> None:
    kinds = by_kind(
        [
            "a/b.csv, line 7: size is 'tall', not a finite number.",
            "a/b.csv, line 19: size is '3 m', not a finite number.",
            "photos/cat/1.png is not an image: PNG, JPEG, BMP, GIF or WebP.",
        ]
    )
    assert [len(some) for some in kinds.values()] == [2, 1]


@pytest.mark.parametrize(("rows", "warned"), [(12, True), (110, False)])
def test_too_few_test_rows_are_a_warning(rows: int, warned: bool, tmp_path: Path) -> None:
    lines = [f"{n}.5,{n * n},{3 * n}" for n in range(rows)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,y,z", *lines]) + "\n")
    words = ("data", "check", "rows.csv", "--task", REGRESSION, "--json")
    warnings = dlrecipes(*words, cwd=tmp_path).document["warnings"]
    assert [one for one in warnings if "test examples cannot tell" in one] == warnings
    assert bool(warnings) == warned


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("regresion-mlp", "regression-mlp"), ("tabular-regresion", "tabular-regression")],
)
def test_a_misspelled_recipe_or_task_names_the_closest(
    typed: str, meant: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("x,y\n1,2\n")
    refused = dlrecipes("data", "check", "rows.csv", "--task", typed, cwd=tmp_path, code=2)
    assert f"Did you mean {meant}?" in refused.err


KINDS = [
    ("photos", SENTIMENT, "photos holds images: mnist-cnn reads them."),
    ("photos", REGRESSION, "photos holds images: mnist-cnn reads them."),
    ("photos.zip", TEXT, "photos.zip holds images: mnist-cnn reads them."),
    ("book.txt", "loans-mlp", "book.txt is a text: text-generation-lstm reads it."),
    ("notes", MNIST, "notes holds text files: sentiment-lstm reads them."),
    ("flats.csv", MNIST, "flats.csv is a table: loans-mlp and regression-mlp read it."),
    ("flats.csv", SENTIMENT, "flats.csv is a table: loans-mlp and regression-mlp read it."),
    ("notes.csv", "land-unet", "notes.csv is a table of texts: sentiment-lstm reads it."),
]
"""Data of another kind than a recipe reads, and what is said of it."""
SAID = "The room was clean and the food was very good."


@pytest.mark.parametrize(("data", "recipe", "said"), KINDS)
def test_data_of_another_kind_is_told_with_the_recipe_that_reads_it(
    data: str, recipe: str, said: str, tmp_path: Path
) -> None:
    for number in range(4):
        write_image(
            tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg", np.zeros((9, 9), "uint8")
        )
        note = tmp_path / "notes" / "ab"[number % 2] / f"{number}.txt"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(SAID)
    shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path / "photos")
    (tmp_path / "book.txt").write_text(f"{SAID}\n" * 90)
    (tmp_path / "flats.csv").write_text("rooms,size,price\n" + "2,50,100\n3,70,130\n" * 5)
    (tmp_path / "notes.csv").write_text("body,topic\n" + f"{SAID},food\n" * 5)
    task = find_task(next(one.task for one in all_recipes() if one.name == recipe))
    recipes = {one.task: one.name for one in reversed(all_recipes())}
    found = look_at(tmp_path / data, task, FileOptions(), recipes)
    assert found.problems == [f"{tmp_path}/{said}"]
    assert found.hint.startswith(f"dlrecipes data check {tmp_path / data} --task ")


def test_a_damaged_table_is_told_of_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text(f'text,label\n{SAID},\n{SAID},food\n"{SAID},food\n')
    said = dlrecipes("data", "check", "notes.csv", "--task", SENTIMENT, cwd=tmp_path, code=2).out
    assert "reads" not in said
    assert "notes.csv, line 2: label must not be empty." in said


def test_a_column_has_one_name_for_what_it_holds_and_a_size_says_its_order(tmp_path: Path) -> None:
    rows = "".join(f"{'ab'[n % 2]},{n},2024-01-0{1 + n % 9},{n * n}\n" for n in range(20))
    (tmp_path / "flats.csv").write_text(f"town,size,built,price\n{rows}")
    task, report = find_task("tabular-regression"), Report()
    task.read(Reading(tmp_path / "flats.csv", report=report))
    shown = {name: kind for name, kind, _ in report.columns if name != "price"}
    found = look_at(tmp_path / "flats.csv", task, FileOptions(), {})
    assert shown == {one["name"]: one["kind"] for one in found.columns}
    assert shown == {"town": "categories", "size": "numbers", "built": "dates"}
    for number in range(8):
        pixels = np.full((30, 20), number, "uint8")
        write_image(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", pixels)
    said = dlrecipes("data", "check", "photos", "--task", MNIST, cwd=tmp_path).out
    assert re.search(r"Images: \d+x\d+ pixels \(height x width\), grey\.", said)
