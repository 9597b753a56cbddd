"""Forms that files come in: what they hold is read, whatever writes them so."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import read_own, write_image

from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.errors import InputError
from dlrecipes.tasks import find_task

SIZES = [round(10 + 1.25 * number, 2) for number in range(60)]
PRICES = [3 * number % 41 for number in range(60)]
RECORDS = [{"size": size, "price": price} for size, price in zip(SIZES, PRICES, strict=True)]
DOCUMENTS = {
    "records": RECORDS,
    "records in an object": {"data": RECORDS},
    "lists": {"size": SIZES, "price": PRICES},
    "columns": {
        name: {str(row): one[name] for row, one in enumerate(RECORDS)} for name in ("size", "price")
    },
    "index": {str(row): one for row, one in enumerate(RECORDS)},
    "split": {
        "columns": ["size", "price"],
        "index": list(range(60)),
        "data": [list(one.values()) for one in RECORDS],
    },
    "rows below their names": [["size", "price"], *[list(one.values()) for one in RECORDS]],
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_json_document_has_the_rows_that_its_writer_means(
    name: str, indent: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(DOCUMENTS[name], indent=indent))
    source = read_own("tabular-regression", path, target="price")
    found = np.concatenate(
        [np.asarray(part.columns["size"][:]) for part in source.splits().values()]
    )
    assert sorted(found.tolist()) == SIZES


def test_json_lines_that_leave_out_what_is_missing(tmp_path: Path) -> None:
    rows = [{"size": one["size"], "price": one["price"]} for one in RECORDS]
    for row in rows[::5]:
        del row["size"]
    path = tmp_path / "mine.ndjson"
    path.write_text("\n".join(map(json.dumps, rows)))
    source = read_own("tabular-regression", path, target="price")
    found = np.concatenate(
        [np.asarray(part.columns["size"][:]) for part in source.splits().values()]
    )
    assert int(np.isnan(found).sum()) == 12


def counts(source: Any) -> dict[str, Counter[str]]:
    """Return how often each class is in each split."""
    return {
        split: Counter(source.classes[number] for number in np.asarray(part.labels).tolist())
        for split, part in source.splits().items()
    }


def origins(source: Any) -> list[str]:
    """Return where all examples stand."""
    parts = source.splits().values()
    return [str(origin) for part in parts for origin in np.asarray(part.origins)]


def reviews(*more: str) -> str:
    """Return a CSV of texts with a label and a split, with more rows behind."""
    rows = [
        f"text {n} is {label},{label},{split}"
        for split, rows in (("train", 12), ("test", 6))
        for n in range(rows)
        for label in ("good", "bad")
    ]
    return "\n".join(["text,label,split", *rows, *more]) + "\n"


@pytest.mark.parametrize(
    "row",
    [
        "a text without label,,unsup",
        "a text without label,unsup,Unlabelled",
        "a text without label,not labelled,train",
        "a text without label,unlabeled,test",
    ],
)
def test_rows_without_a_label_are_left_out_of_tables(row: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(reviews(*[row] * 9))
    source = read_own("text-classification", path)
    expected = {"train": {"good": 12, "bad": 12}, "test": {"good": 6, "bad": 6}}
    assert counts(source) == expected
    again = read_own("text-classification", path, like=source)
    assert sum(len(part) for part in again.splits().values()) == 36


def test_rows_of_a_table_without_target_are_left_out_where_their_split_says_so(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.csv"
    rows = [
        f"{one['size']},{'test' if n % 4 else 'train'},{one['price']}"
        for n, one in enumerate(RECORDS)
    ]
    path.write_text("\n".join(["size,split,price", *rows, *["9999,unlabeled,"] * 5]))
    source = read_own("tabular-regression", path)
    assert {split: len(part) for split, part in source.splits().items()} == {
        "train": 15,
        "test": 45,
    }


@pytest.mark.parametrize("name", ["{}", "{:05}.bfc8d64d12b325ff", "{}.eml"])
def test_texts_in_files_without_the_usual_ending(name: str, tmp_path: Path) -> None:
    for split in ("20news-bydate-train", "20news-bydate-test"):
        for label in ("alt.atheism", "sci.space"):
            folder = tmp_path / "news" / split / label
            folder.mkdir(parents=True)
            for number in range(8):
                (folder / name.format(49960 + number)).write_text(f"{label} says {number}")
    source = read_own("text-classification", tmp_path / "news")
    each = {"alt.atheism": 8, "sci.space": 8}
    assert counts(source) == {"train": each, "test": each}
    form, options = source.input, FileOptions()
    parts = find_task("text-classification").input.parse([str(folder)], form, options)
    assert [text for part in parts for text in part.features] == [
        f"sci.space says {number}" for number in range(8)
    ]
    (tmp_path / "news" / "readme.txt").write_text("what is in it")
    assert counts(read_own("text-classification", tmp_path / "news")) == counts(source)


def test_a_line_of_fasttext_with_several_labels_says_what_to_do(tmp_path: Path) -> None:
    rows = [f"__label__{'spam' if number % 3 else 'ham'} text {number}" for number in range(30)]
    path = tmp_path / "mine.txt"
    path.write_text("\n".join([*rows, "__label__spam __label__spam twice", ""]))
    assert len(origins(read_own("text-classification", path))) == 31
    path.write_text("\n".join([*rows, "__label__spam __label__loan a text", ""]))
    with pytest.raises(InputError) as error:
        read_own("text-classification", path)
    assert error.value.message == f"{path}, line 31: it has 2 labels (spam, loan): a text has one."
    assert "__label__spam_loan" in error.value.hint


def test_a_damaged_mask_among_many_is_left_out_with_its_image(tmp_path: Path) -> None:
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3)).astype("uint8")
        write_image(tmp_path / "images" / f"{number:02}.png", pixels)
        write_image(tmp_path / "masks" / f"{number:02}.png", (pixels[..., 0] > 99).astype("uint8"))
    damaged = tmp_path / "masks" / "07.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    found = origins(read_own("image-segmentation", tmp_path))
    assert len(found) == 23
    assert not any("07.png" in origin for origin in found)
    with pytest.raises(InputError, match=r"masks/07\.png cannot be read as a mask"):
        read_own("image-segmentation", tmp_path, strict=True)
    for number in range(3):
        (tmp_path / "masks" / f"{number:02}.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="4 problems") as error:
        read_own("image-segmentation", tmp_path)
    assert "--skip-damaged" in error.value.hint
    assert len(origins(read_own("image-segmentation", tmp_path, skip_damaged=True))) == 20


def test_a_sheet_without_a_header_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "mine.xlsx"
    pd.DataFrame(RECORDS).to_excel(path, header=False, index=False)
    with pytest.raises(InputError, match="has no header"):
        read_own("tabular-regression", path)
    source = read_own("tabular-regression", path, header="none")
    assert sum(len(part) for part in source.splits().values()) == len(RECORDS)


def test_how_a_table_is_parted_is_said_for_texts_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text^label\n" + "".join(f'a "text, {n}^{n % 2}\n' for n in range(40)))
    source = read_own("text-classification", path, separator="^", quoting="none")
    assert len(origins(source)) == 40
    assert str(source.train.columns["features"][:1][0]).startswith('a "text, ')
