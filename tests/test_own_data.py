"""A user's own good data, in every form that the README names: trained on, and used afterwards."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import require_readable, started_browser
from support import (
    CHEAP,
    MNIST,
    REGRESSION,
    SENTIMENT,
    TEXT,
    WITHOUT_TENSORFLOW,
    Array,
    Outcome,
    dlrecipes,
    prose_test_text,
    read_own,
    run_python,
    same_weights,
    side_by_side,
    weights_of,
)

from dlrecipes.datasets.examples import Source
from dlrecipes.errors import InputError

SHAPES = ("bars, upright", "bars, lying", "Fläche")
IMAGE_ENDINGS = ("png", "JPG", "bmp", "gif", "webp")
MODES = ("RGB", "L", "LA", "P", "RGBA", "I;16", "1")
DISHES = ("Suppe", "Kuchen", "Brot")
WORDS = {"Suppe": "heiß gelöffelt", "Kuchen": "süß gebacken", "Brot": "kräftig geschnitten"}
COLOURS = ("red", "green", "blue")


def pattern(shape: str, number: int) -> Array:
    """Return a grey image (height, width) of a shape; every fourth is of another size."""
    size = (40, 32) if number % 4 else (20, 30)
    pixels = np.random.default_rng(number).integers(0, 60, size, dtype="uint8")
    if shape != "Fläche":
        (pixels if shape == "bars, lying" else pixels.T)[number % 4 :: 4] = 255
    return pixels


def write_pictures(folder: Path, shapes: Iterable[str], count: int) -> None:
    """Write images of every format, mode and two sizes into a folder for each shape."""
    from PIL import Image

    for shape in shapes:
        (folder / shape).mkdir(parents=True)
        for number in range(count):
            ending, mode = IMAGE_ENDINGS[number % 5], MODES[number % 7]
            pixels = pattern(shape, number)
            path = folder / shape / f"{number:03}.{ending}"
            if mode == "I;16" and ending == "png":
                Image.fromarray(pixels.astype("uint16") * 257).save(path)
                continue
            if ending in ("JPG", "bmp") and mode in ("LA", "P", "RGBA", "I;16", "1"):
                mode = "CMYK" if ending == "JPG" else "L"
            image = Image.fromarray(pixels)
            image.convert("RGB" if mode == "I;16" else mode).save(path, quality=95)


def write_images(folder: Path) -> None:
    """Write the same images in three forms, and others to test on."""
    mine = folder / "photos"
    write_pictures(mine, SHAPES, 40)
    (mine / "Fläche" / "Thumbs.db").write_bytes(b"x")
    (mine / ".hidden").mkdir()
    (mine / "__MACOSX" / "Fläche").mkdir(parents=True)
    rows = ["kind,file"]
    for path in sorted(mine.glob("[!._]*/*.*")):
        if path.name != "Thumbs.db":
            rows.append(f'"{path.parent.name}","photos/{path.parent.name}/{path.name}"')
    (folder / "photos.csv").write_text("\n".join(rows) + "\n")
    write_pictures(folder / "parted" / "Train", SHAPES, 12)
    write_pictures(folder / "parted" / "val", SHAPES, 3)
    write_pictures(folder / "parted" / "test", SHAPES[:2], 5)
    write_pictures(folder / "later", SHAPES[:2], 6)


def sentences(count: int) -> list[tuple[str, str]]:
    """Return texts and their labels; some texts have two lines, commas and quotation marks."""
    found = []
    for number in range(count):
        dish = DISHES[number % 3]
        text = f'Nr. {number}: "{WORDS[dish]}", sagt man'
        found.append((text + ("\nund isst." if number % 5 == 0 else "."), dish))
    return found


def write_texts(folder: Path) -> None:
    """Write the same texts in five forms."""
    import pandas as pd

    table = pd.DataFrame(sentences(90), columns=["was", "Gericht"])
    table["stars"] = range(90)
    table.to_csv(folder / "dishes.csv", index=False, encoding="latin-1")
    named = table.rename(columns={"was": "Text", "Gericht": "LABEL"}).drop(columns="stars")
    named.to_csv(folder / "dishes.TSV", index=False, sep="\t")
    named.astype({"LABEL": "category"}).to_parquet(folder / "dishes.parquet")
    with (folder / "dishes.jsonl").open("w") as file:
        for number, (text, dish) in enumerate(sentences(90)):
            row = {"body": text, "topic": dish, "tags": [1, 2]}
            pairs = list(row.items())[:: (-1) ** number]
            file.write(json.dumps(dict(pairs), ensure_ascii=number % 2 == 0) + "\n")
    for number, (text, dish) in enumerate(sentences(90)):
        path = folder / "dishes" / dish / f"{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_prose(folder: Path) -> None:
    """Write a text in one file and in several."""
    text = prose_test_text()[:12_000]
    (folder / "prose.txt").write_bytes(text.encode("utf-16"))
    (folder / "prose").mkdir()
    for number in range(3):
        (folder / "prose" / f"{number}.TXT").write_text(text[number * 4000 : (number + 1) * 4000])
    (folder / "prose" / "notes.md").write_text("not this")


def houses(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Return rows: numbers, categories, booleans and dates, some missing, and a price."""
    rows = []
    for number in range(start, start + count):
        metres, colour, sold = 20 + number * 7 % 100, COLOURS[number % 3], number % 4 < 2
        rows.append(
            {
                "Größe (m²)": None if number % 11 == 0 else metres + 0.5,
                "price": 3.0 * metres + 100 * (number % 3) + (50 if sold else 0),
                "colour": None if number % 13 == 0 else colour,
                "sold": None if number % 7 == 0 else sold,
                "floor": number % 5,
                "street": f"street {number}",
                "currency": "EUR",
                "nothing": None,
            }
        )
    return rows


def write_tables(folder: Path) -> None:
    """Write the same rows in four forms."""
    import pandas as pd

    rows = houses(300)
    table = pd.DataFrame(rows)
    table.to_csv(folder / "houses.csv", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    table.to_csv(folder / "houses.tsv", index=False, sep="\t", na_rep="n/a")
    table.astype({"colour": "category"}).to_parquet(folder / "houses.parquet")
    (folder / "houses.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    pd.DataFrame(houses(40, 300)).to_csv(folder / "newer.csv", index=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data of every form."""
    folder = tmp_path_factory.mktemp("own")
    for write in (write_images, write_texts, write_prose, write_tables):
        write(folder)
    return folder


@dataclass(frozen=True)
class Form:
    """One form of a user's data.

    Args:
        recipe: What is trained on it.
        path: The file or folder.
        flags: How it is read.
        settings: With which it is trained.
        notes: What is said about it, in this order.
    """

    recipe: str
    path: str
    flags: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def arguments(self) -> tuple[str, ...]:
        """Return what is typed behind `train`."""
        flags = [word for pair in self.flags.items() for word in pair]
        return (self.recipe, "--data", self.path, *flags, *CHEAP[self.recipe], *self.settings)


OF_IMAGES = ("--epochs", "6", "--batch-size", "8", "--filters", "8,16")
OF_TEXTS = ("--epochs", "6", "--batch-size", "8", "--lstm-units", "8")
OF_TABLES = ("--epochs", "40", "--batch-size", "16", "--hidden-units", "32,16")
ONE_EPOCH = ("--epochs", "1")
RESIZED = "The images are of 2 sizes from 20x30 to 40x32 pixels (height x width); all are made"
DEEP = "3 images have more than 8 bits: 0 becomes black and 65535 white, for all of them."
LEFT_OUT = (
    "The column Größe (m²) lacks 28 of 300 values: the model is told where.",
    "The column colour lacks 24 of 300 values: the model is told where.",
    "The column sold lacks 43 of 300 values: the model is told where.",
    "The column street is left out: it has another text in almost every row: nothing can be "
    "learned from it (--use street uses it).",
    "The column currency is left out: it is the same in every row.",
    "The column nothing is left out: it has no values.",
)
LONG = ("class folders of images", "image folders in train, val and test")
FORMS = {
    "class folders of images": Form(
        MNIST,
        "photos",
        settings=OF_IMAGES,
        notes=(
            DEEP,
            f"{RESIZED} 40x32.",
            "The images are read as grey.",
            "Left out: 3 of the system or a tool (.hidden, …).",
        ),
    ),
    "image folders in train, val and test": Form(
        MNIST, "parted", settings=ONE_EPOCH, notes=(DEEP, f"{RESIZED} 40x32.")
    ),
    "table of images": Form(
        MNIST,
        "photos.csv",
        {"--label-column": "kind"},
        ONE_EPOCH,
        ("The column of paths is file.", DEEP, f"{RESIZED} 40x32.", "The images are read as grey."),
    ),
    "class folders of texts": Form(SENTIMENT, "dishes"),
    "CSV of texts": Form(
        SENTIMENT,
        "dishes.csv",
        {"--text-column": "was", "--label-column": "Gericht", "--encoding": "latin-1"},
        OF_TEXTS,
    ),
    "TSV of texts": Form(SENTIMENT, "dishes.TSV"),
    "JSON lines of texts": Form(
        SENTIMENT,
        "dishes.jsonl",
        notes=(
            "The column of texts is body (--text-column names another).",
            "The column of labels is topic (--label-column names another).",
        ),
    ),
    "Parquet of texts": Form(SENTIMENT, "dishes.parquet"),
    "text file": Form(TEXT, "prose.txt", {"--encoding": "utf-16"}, ("--batch-size", "16")),
    "folder of text files": Form(TEXT, "prose"),
    "CSV of numbers": Form(
        REGRESSION, "houses.csv", {"--target": "price"}, OF_TABLES, notes=LEFT_OUT
    ),
    "TSV of numbers": Form(REGRESSION, "houses.tsv", {"--target": "price"}, ONE_EPOCH, LEFT_OUT),
    "Parquet of numbers": Form(
        REGRESSION, "houses.parquet", {"--target": "price"}, ONE_EPOCH, LEFT_OUT
    ),
    "JSON lines of numbers": Form(
        REGRESSION, "houses.jsonl", {"--target": "price"}, ONE_EPOCH, LEFT_OUT
    ),
}
MAIN = {
    MNIST: "class folders of images",
    SENTIMENT: "CSV of texts",
    TEXT: "text file",
    REGRESSION: "CSV of numbers",
}
"""The form that each recipe is trained on longer, to be used afterwards."""


@pytest.fixture(scope="module")
def train(folder: Path) -> Callable[[str], Outcome]:
    """Return a function to what `train --json` printed for a form, which is trained once."""

    @cache
    def trained(name: str) -> Outcome:
        named = ("--name", name.replace(",", "").replace(" ", "-"))
        words = ("train", *FORMS[name].arguments(), *named, "--json")
        return dlrecipes(*words, cwd=folder, report=True)

    return trained


@pytest.fixture(scope="module")
def run_on(train: Callable[[str], Outcome]) -> Callable[[str], dict[str, Any]]:
    """Return a function from a recipe to the run that is used afterwards."""
    return lambda recipe: train(MAIN[recipe]).document


@pytest.mark.long
@pytest.mark.browser
def test_reports_of_own_data_are_whole_and_readable(
    train: Callable[[str], Outcome], folder: Path
) -> None:
    with started_browser() as browser:
        for name in MAIN.values():
            require_readable(browser, folder / train(name).document["path"] / "report.html")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in FORMS],
)
def test_every_form_trains_and_what_was_guessed_or_converted_is_said(
    name: str, train: Callable[[str], Outcome], folder: Path
) -> None:
    outcome, form = train(name), FORMS[name]
    document = outcome.document
    assert document["status"] == "finished"
    assert document["data"]["rung"] == "own"
    shown = json.loads((folder / document["path"] / "shown.json").read_text("utf-8"))
    assert shown["missing"] == {}
    assert (folder / document["path"] / "report.html").stat().st_size < 3_000_000
    assert all(math.isfinite(value) for value in document["metrics"].values() if value is not None)
    said = [line.removeprefix("Note: ") for line in outcome.err.splitlines() if "Note: " in line]
    place = 0
    for note in form.notes:
        assert note in said[place:], said
        place = said.index(note, place) + 1
    few = [note for note in said if note.startswith("Training makes ")]
    rows, config = document["data"]["rows"]["train"], document["config"]
    steps = math.ceil(rows / config["batch_size"]) * config["epochs"]
    assert len(few) == (steps < 50)
    if few:
        assert f"{steps} steps" in few[0]
        assert f"--epochs {config['epochs']}, --batch-size {config['batch_size']}" in few[0]
    chosen = [note for note in said if note.startswith("Settings that suit your data")]
    assert bool(chosen) == bool(document["chosen"])
    if not form.notes:
        assert said == [*chosen, *few]


@pytest.mark.parametrize(
    ("recipe", "metric", "beats"),
    [
        (MNIST, "accuracy", lambda value: value > 0.75),
        (SENTIMENT, "accuracy", lambda value: value > 0.75),
        (TEXT, "perplexity", lambda value: value < 60),
        (REGRESSION, "r2", lambda value: value > 0.7),
    ],
)
def test_what_is_in_the_data_is_learned(
    recipe: str,
    metric: str,
    beats: Callable[[float], bool],
    run_on: Callable[[str], dict[str, Any]],
) -> None:
    assert beats(run_on(recipe)["metrics"][metric]), run_on(recipe)["metrics"]


def read(folder: Path, task: str, path: str, **options: str) -> Source:
    """Return a user's data as training reads it."""
    return read_own(task, folder / path, **options)


def test_the_same_data_in_another_form_is_the_same_to_the_bit(folder: Path) -> None:
    task = "image-classification"
    of_folder = read(folder, task, "photos")
    assert read(folder, task, "photos.csv", label_column="kind").fingerprint == (
        of_folder.fingerprint
    )
    task = "text-classification"
    options = {"text_column": "was", "label_column": "Gericht", "encoding": "latin-1"}
    csv = read(folder, task, "dishes.csv", **options)
    for path in ("dishes.TSV", "dishes.jsonl", "dishes.parquet"):
        assert read(folder, task, path).fingerprint == csv.fingerprint, path
    of_folder = read(folder, task, "dishes")  # Its order is that of the files' names.
    assert of_folder.classes == csv.classes
    assert len(of_folder.train) == len(csv.train)
    task = "tabular-regression"
    csv = read(folder, task, "houses.csv", target="price")
    for path in ("houses.tsv", "houses.jsonl", "houses.parquet"):
        other = read(folder, task, path, target="price")
        assert other.fingerprint == csv.fingerprint, path


def test_a_table_in_the_form_of_a_runs_data_is_read_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrecipes.datasets.own.tables import DelimitedTable

    task = "tabular-regression"
    like = read(folder, task, "houses.csv", target="price")
    times = []
    rows = DelimitedTable.rows
    monkeypatch.setattr(
        DelimitedTable, "rows", lambda *arguments: times.append(1) or rows(*arguments)
    )
    path = folder / "newer.csv"
    assert len(read_own(task, path, like=like).test) == 40
    assert len(times) == 1
    lines = path.read_text().splitlines()
    bad = folder / "bad.csv"
    for content, problem in (
        ([lines[0]], "bad.csv has no rows."),
        ([*lines[:2], "1,2"], "bad.csv, line 3: it has 2 cells, and the header 8."),
    ):
        bad.write_text("\n".join(content))
        with pytest.raises(InputError) as error:
            read_own(task, bad, like=like)
        assert error.value.message.endswith(problem)


def test_long_cells_and_names_are_cut_in_messages(folder: Path) -> None:
    long = "x" * 1000
    shown = "x" * 59 + "…"
    (folder / "long.csv").write_text("\n".join([f"a,{long}", *["1,2", "2,3"] * 9, f"1,{long}"]))
    with pytest.raises(InputError) as error:
        read(folder, "tabular-regression", "long.csv", target=long)
    assert error.value.message.endswith(f"line 20: {shown} is '{shown}', not a finite number.")
    with pytest.raises(InputError) as error:
        read(folder, "tabular-regression", "long.csv", target="b")
    assert error.value.message.endswith(f"has no column b: it has a, {shown}.")
    (folder / "classes.csv").write_text(f"text,label\ngood,{long}\nbad,{long}\n")
    with pytest.raises(InputError) as error:
        read(folder, "text-classification", "classes.csv")
    assert f"has one class only ({shown})" in error.value.message


def test_every_class_of_small_data_is_trained_on_and_tested(folder: Path) -> None:
    labels = ["common"] * 20 + ["rare", "rarer"] * 2
    rows = [f"text {number},{label}" for number, label in enumerate(labels)]
    (folder / "small.csv").write_text("\n".join(["text,label", *rows]))
    counts = read(folder, "text-classification", "small.csv").rows_per_class()
    assert counts["test"] == {"common": 3, "rare": 1, "rarer": 1}
    assert counts["train"] == {"common": 17, "rare": 1, "rarer": 1}


def test_the_record_says_what_the_data_was_and_how_it_was_read(
    run_on: Callable[[str], dict[str, Any]], train: Callable[[str], Outcome], folder: Path
) -> None:
    data = run_on(MNIST)["data"]
    assert data["answer"]["classes"] == sorted(SHAPES)
    assert data["rows"] == {"train": 86, "validation": 10, "test": 24}
    counts = data["rows_per_class"]
    assert {split: sum(of.values()) for split, of in counts.items()} == {"train": 96, "test": 24}
    assert counts["test"] == dict.fromkeys(sorted(SHAPES), 8)
    assert data["fingerprint"] == read(folder, "image-classification", "photos").fingerprint
    parted = train("image folders in train, val and test").document["data"]
    assert parted["rows"] == {"train": 36, "validation": 9, "test": 10}
    assert parted["rows_per_class"]["test"] == {"bars, upright": 5, "bars, lying": 5, "Fläche": 0}
    data = run_on(SENTIMENT)["data"]
    given = {name: value for name, value in data["files"].items() if value}
    assert given == {"text_column": "was", "label_column": "Gericht", "encoding": "latin-1"}
    assert data["requested"] == str(folder / "dishes.csv")
    data = run_on(REGRESSION)["data"]
    assert data["input"]["target"] == "price"
    assert data["rows"] == {"train": 216, "validation": 24, "test": 60}


@pytest.fixture(scope="module")
def again(
    folder: Path, run_on: Callable[[str], dict[str, Any]]
) -> Callable[[tuple[str, ...]], dict[str, Any]]:
    """Return a function to what further trainings printed, which all run side by side."""
    texts = Path(run_on(SENTIMENT)["path"], "run.json")
    numbers = Path(run_on(REGRESSION)["path"], "run.json")
    wanted = [
        ("--config", str(texts)),
        ("--config", str(numbers)),
        ("--config", str(numbers), "--seed", "1"),
    ]

    @cache
    def outcomes() -> dict[tuple[str, ...], Outcome]:
        names = dict(zip(wanted, ("again-texts", "again-numbers", "other-seed"), strict=True))
        return side_by_side(
            lambda arguments: dlrecipes(
                "train", *arguments, "--name", names[arguments], "--json", cwd=folder
            ),
            wanted,
        )

    return lambda arguments: outcomes()[arguments].document


@pytest.mark.parametrize("recipe", [pytest.param(SENTIMENT, marks=pytest.mark.long), REGRESSION])
def test_a_runs_record_trains_the_same_again_with_the_same_columns_and_encoding(
    recipe: str,
    run_on: Callable[[str], dict[str, Any]],
    again: Callable[[tuple[str, ...]], dict[str, Any]],
    folder: Path,
) -> None:
    first = run_on(recipe)
    second = again(("--config", str(Path(first["path"], "run.json"))))
    # The name is the path as it was typed, which is a whole one in a record.
    assert second["data"] | {"name": ""} == first["data"] | {"name": ""}
    assert second["metrics"] == first["metrics"]
    assert same_weights(weights_of(second, folder), weights_of(first, folder))


def test_another_seed_gives_other_weights_and_the_same_rows(
    run_on: Callable[[str], dict[str, Any]],
    again: Callable[[tuple[str, ...]], dict[str, Any]],
    folder: Path,
) -> None:
    first = run_on(REGRESSION)
    second = again(("--config", str(Path(first["path"], "run.json")), "--seed", "1"))
    assert second["data"]["fingerprint"] == first["data"]["fingerprint"]
    assert not same_weights(weights_of(second, folder), weights_of(first, folder))


GREAT = "ein kräftig geschnitten Brot"
ROWS = (
    {"Größe (m²)": 60.5, "colour": "red", "sold": True, "floor": 2, "street": "street 1"},
    {"Größe (m²)": 60.5, "colour": "violet", "sold": True, "floor": 2, "street": "elsewhere"},
    {"Größe (m²)": None, "colour": None, "sold": None, "floor": 2, "street": None},
    {"Größe (m²)": 60.5, "colour": "red", "sold": False, "floor": None, "street": "street 1"},
)
"""To predict: as in training; with unseen categories; missing; missing where training never was."""


@dataclass(frozen=True)
class Asked:
    """What the runs were asked, by name: the arguments after the run's path."""

    recipe: str
    command: str
    arguments: tuple[str, ...] = ()


QUESTIONS = {
    "images": Asked(MNIST, "predict", ("later", "photos/Fläche/001.JPG")),
    "other images": Asked(MNIST, "evaluate", ("--data", "later")),
    "exported images": Asked(MNIST, "export", ("--output", "export-images")),
    "texts": Asked(SENTIMENT, "predict", (GREAT, "süß gebacken")),
    "other texts": Asked(SENTIMENT, "evaluate", ("--data", "dishes.csv")),
    "exported texts": Asked(SENTIMENT, "export", ("--output", "export-texts")),
    "prose": Asked(TEXT, "predict", ("It is ", "--length", "20", "--temperature", "0")),
    "other prose": Asked(TEXT, "evaluate", ("--data", "prose", "--encoding", "utf-8")),
    "exported prose": Asked(TEXT, "export", ("--output", "export-prose")),
    "rows": Asked(REGRESSION, "predict", ("new.csv", "new.jsonl", "new.parquet")),
    "other rows": Asked(REGRESSION, "evaluate", ("--data", "newer.csv")),
    "exported rows": Asked(REGRESSION, "export", ("--output", "export-rows")),
}


@pytest.fixture(scope="module")
def ask(folder: Path, run_on: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """Return a function to what the runs answered to the questions, asked side by side."""
    import pandas as pd

    table = pd.DataFrame(ROWS)
    table.to_csv(folder / "new.csv", index=False)
    table[table.columns[::-1]].to_parquet(folder / "new.parquet")
    (folder / "new.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    paths = {recipe: run_on(recipe)["path"] for recipe in MAIN}

    @cache
    def outcomes() -> dict[str, Outcome]:
        return side_by_side(
            lambda name: dlrecipes(
                *(QUESTIONS[name].command, paths[QUESTIONS[name].recipe]),
                *(*QUESTIONS[name].arguments, "--json"),
                cwd=folder,
                code=None,
            ),
            QUESTIONS,
        )

    def answer(name: str) -> dict[str, Any]:
        outcome = outcomes()[name]
        assert outcome.code == 0, outcome
        return outcome.document

    return answer


@pytest.mark.long
def test_predict_names_the_users_classes_and_converts_images_as_training_did(
    ask: Callable[[str], dict[str, Any]],
) -> None:
    found = ask("images")["predictions"]
    assert len(found) == 13
    assert all(set(entry["probabilities"]) == set(SHAPES) for entry in found)
    right = sum(entry["label"] == Path(entry["input"]).parent.name for entry in found)
    assert right >= 9
    labels = [entry["label"] for entry in ask("texts")["predictions"]]
    assert labels == ["Brot", "Kuchen"]


@pytest.mark.long
def test_evaluate_tests_on_other_data_in_the_form_of_the_runs(
    ask: Callable[[str], dict[str, Any]],
) -> None:
    assert ask("other images")["metrics"]["accuracy"] > 0.7
    matrix = np.array(ask("other images")["details"]["confusion_matrix"])
    assert matrix.sum(axis=1).tolist() == [0, 6, 6], "the classes are the run's, in its order"
    assert ask("other texts")["metrics"]["accuracy"] > 0.75
    assert ask("other prose")["metrics"]["loss"] < math.log(60)
    assert ask("other rows")["metrics"]["r2"] > 0.6


@pytest.mark.parametrize("what", ["images", "texts", "prose", "rows"])
def test_the_export_predicts_as_the_run_does(
    what: str, ask: Callable[[str], dict[str, Any]]
) -> None:
    assert ask(f"exported {what}")["max_abs_difference"] <= 1e-6


def test_missing_values_and_unseen_categories_get_an_answer_in_every_form_of_table(
    ask: Callable[[str], dict[str, Any]],
) -> None:
    values = [entry["value"] for entry in ask("rows")["predictions"]]
    assert len(values) == 12
    assert all(math.isfinite(value) for value in values)
    assert values[:4] == pytest.approx(values[4:8], rel=1e-6)
    assert values[:4] == pytest.approx(values[8:], rel=1e-6)


def test_errors_name_columns_as_the_user_does(
    run_on: Callable[[str], dict[str, Any]], folder: Path
) -> None:
    document = run_on(REGRESSION)
    assert document["data"]["input"]["called"]["Gru00f6u00dfe__mu00b2_"] == "Größe (m²)"
    words = ("evaluate", document["path"], "--mistakes", "1", "--json")
    (worst,) = dlrecipes(*words, cwd=folder).document["mistakes"]
    assert "Größe (m²)=" in worst["input"]
    (folder / "short.csv").write_text("colour,sold,floor,street\nred,true,2,x\n")
    shown = "short.csv has no column Größe (m²)"
    command = ("predict", document["path"], "short.csv")
    error = run_python(WITHOUT_TENSORFLOW, *command, cwd=folder, code=2).error
    assert error == (
        f"Error: {shown}: it has colour, sold, floor, street.\n"
        "The columns needed are Größe (m²), colour, sold, floor.\n"
    )
    command = ("evaluate", document["path"], "--data", "short.csv")
    error = run_python(WITHOUT_TENSORFLOW, *command, cwd=folder, code=2).error
    assert error.startswith(f"Error: {shown}, price: it has")
    command = ("data", "check", "houses.csv", "--task", REGRESSION, "--target", "price", "--json")
    checked = dlrecipes(*command, cwd=folder).document
    assert checked["target"] == "price"
    columns = {column["name"]: column for column in checked["columns"]}
    assert list(columns) == ["Größe (m²)", "colour", "sold", "floor"]
    colour = {"name": "colour", "kind": "categories", "values": 3, "has_missing": True}
    assert columns["colour"] == colour, "a missing value is no category"


def test_a_table_without_rows_to_test_on_is_refused(
    run_on: Callable[[str], dict[str, Any]], folder: Path
) -> None:
    document = run_on(REGRESSION)
    header, *rows = (folder / "houses.csv").read_text().splitlines()
    lines = [f"{header},split", *(f"{row},validation" for row in rows)]
    (folder / "watched.csv").write_text("\n".join(lines) + "\n")
    command = ("evaluate", document["path"], "--data", "watched.csv")
    error = dlrecipes(*command, cwd=folder, code=2).err
    assert "watched.csv has no examples to test on: their split is called test." in error


# Asks an export as another program would: it knows nothing of dlrecipes.
ASK_EXPORT = """
import json, sys
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
columns = json.loads(sys.argv[2])
inputs = {
    name: tf.constant([[one] for one in values], "string" if "red" in values else "float64")
    for name, values in columns.items()
}
assert not [name for name in sys.modules if name.startswith("dlrecipes")]
print(json.dumps(loaded.signatures["serving_default"](**inputs)["value"].numpy().tolist()))
"""


def test_the_export_of_a_table_answers_for_missing_and_unseen_values_as_predict_does(
    ask: Callable[[str], dict[str, Any]], folder: Path
) -> None:
    expected = [entry["value"] for entry in ask("rows")["predictions"]][:4]
    ask("exported rows")
    columns = {
        "Gru00f6u00dfe__mu00b2_": [60.5, 60.5, math.nan, 60.5],
        "colour": ["red", "violet", "", "red"],
        "sold": [1.0, 1.0, math.nan, 0.0],
        "floor": [2.0, 2.0, 2.0, math.nan],
    }
    arguments = ("export-rows", json.dumps(columns))
    answers = json.loads(run_python(ASK_EXPORT, *arguments, cwd=folder).out)
    assert answers == pytest.approx(expected, abs=1e-3)
