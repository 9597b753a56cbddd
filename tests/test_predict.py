"""`predict` takes what `train` took, answers what it can, and says which row each answer is of."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import (
    MNIST,
    REGRESSION,
    SENTIMENT,
    dlrecipes,
    mnist_test_images,
    read_own,
    run_python,
    sample_table,
    write_image,
)

RunOf = Callable[[str], dict[str, Any]]


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Return a folder of tables: one as in training, one with other columns, one half bad."""
    rows = sample_table("diamonds.csv", "test").head(6).drop(columns="price")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    other = rows[rows.columns[::-1]].assign(remark="fine", carats=7)
    other.to_csv(tmp_path / "other [1].csv", index=False)
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[0], "heavy", 1)
    lines[4] += ",1"
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_bad_row_is_an_entry_with_its_error_and_the_others_are_answered(
    tables: Path, run_of: RunOf
) -> None:
    run = run_of(REGRESSION)["path"]
    words = ("predict", run, "bad.csv", "nowhere.csv", "other [[]1].csv", "--json")
    outcome = dlrecipes(*words, cwd=tables, code=1)
    found = outcome.document["predictions"]
    assert [(one.get("file"), one.get("row"), one.get("line")) for one in found] == [
        *(("bad.csv", row, row + 1) for row in range(1, 7)),
        (None, None, None),
        *(("other [1].csv", row, row + 1) for row in range(1, 7)),
    ]
    assert [place for place, one in enumerate(found) if "error" in one] == [2, 3, 6]
    assert "heavy" in found[2]["error"]
    assert found[6] == {"input": "nowhere.csv", "error": "There is no file nowhere.csv."}
    for row in (0, 1, 4, 5):  # Other columns in another order say the same.
        assert found[row]["value"] == pytest.approx(found[7 + row]["value"], rel=1e-5)
    assert outcome.error.endswith("Error: 3 of 13 inputs could not be used.\n")
    assert f"Using run {run_of(REGRESSION)['run']}" in outcome.err


def test_the_human_view_has_the_errors_in_their_place_and_below(
    tables: Path, run_of: RunOf
) -> None:
    shown = dlrecipes("predict", run_of(REGRESSION)["path"], "bad.csv", cwd=tables, code=1).out
    lines = shown.splitlines()
    assert [line.split()[0] for line in lines[1:7]] == [f"bad.csv:{line}" for line in range(2, 8)]
    assert [line.split()[1] == "error" for line in lines[1:7]] == [False] * 2 + [True] * 2 + [
        False
    ] * 2
    assert lines[7].startswith("  bad.csv, line 4: carat")
    assert "heavy" in lines[7]
    assert lines[8].startswith("  bad.csv, line 5: ")


def test_the_hint_of_a_bad_row_names_no_flag_as_none_changes_what_the_model_takes(
    tables: Path, run_of: RunOf
) -> None:
    head, *_, bad = (tables / "bad.csv").read_text().splitlines()[:4]
    (tables / "one.csv").write_text(f"{head}\n{bad}\n")
    refused = dlrecipes("predict", run_of(REGRESSION)["path"], "one.csv", cwd=tables, code=2)
    assert "one.csv, line 2: carat is 'heavy'" in refused.err
    assert "Numbers are such as -1234.5" in refused.err
    assert "--" not in refused.err


def test_strict_stops_at_the_first_that_is_bad_with_no_answers(tables: Path, run_of: RunOf) -> None:
    run = run_of(REGRESSION)["path"]
    for words in (["rows.csv", "bad.csv"], ["bad.csv", "rows.csv", "--output-format", "csv"]):
        outcome = dlrecipes("predict", run, *words, "--strict", cwd=tables, code=2)
        assert outcome.out == ""
        assert "bad.csv, line 4: carat" in outcome.err
    words = ["bad.csv", "--strict", "--output-format=json"]
    outcome = dlrecipes("predict", run, *words, cwd=tables, code=2)
    assert set(outcome.document) == {"error", "hint"}


@pytest.mark.long
def test_answers_come_as_json_lines_and_as_csv_with_the_row_they_belong_to(
    tables: Path, run_of: RunOf
) -> None:
    run, patterns = run_of(REGRESSION)["path"], ("*.csv", "-")
    stdin = (tables / "rows.csv").read_text()
    words = ("predict", run, *patterns, "--output-format")
    lines = dlrecipes(*words, "jsonl", cwd=tables, stdin=stdin, code=1).out.splitlines()
    entries = [json.loads(line) for line in lines]
    assert [one["file"] for one in entries] == [
        *["bad.csv"] * 6,
        *["other [1].csv"] * 6,
        *["rows.csv"] * 6,
        *["-"] * 6,
    ]
    text = dlrecipes(*words, "csv", cwd=tables, stdin=stdin, code=1).out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["input", "file", "row", "line", "value", "note", "error"]
    assert [row["value"] for row in rows] == [str(one.get("value", "")) for one in entries]
    assert [bool(row["error"]) for row in rows] == ["error" in one for one in entries]
    dlrecipes(*words, "xml", cwd=tables, code=2)


def test_images_come_in_folders_and_patterns_and_a_damaged_one_is_an_entry(
    run_of: RunOf, tmp_path: Path
) -> None:
    images, digits = mnist_test_images()
    for place in range(4):
        write_image(tmp_path / "new [1] *" / f"{place}.png", images[place])
    (tmp_path / "new [1] *" / "x.png").write_bytes(b"nothing")
    words = ("predict", run_of(MNIST)["path"], "new [1] *", "new*/[01].png", "no*.jpg", "--json")
    found = dlrecipes(*words, cwd=tmp_path, code=1).document["predictions"]
    names = [f"new [1] */{name}.png" for name in (0, 1, 2, 3, "x", 0, 1)]
    assert [one["input"] for one in found] == [*names, "no*.jpg"]
    assert ["error" in one for one in found] == [False] * 4 + [True] + [False] * 2 + [True]
    answered = [one["label"] for one in found[:4]]
    assert sum(label == str(digit) for label, digit in zip(answered, digits, strict=False)) >= 3
    assert found[5] == found[0]


def test_empty_texts_are_answered_with_a_note_and_files_of_texts_are_read_as_in_training(
    run_of: RunOf, tmp_path: Path
) -> None:
    (tmp_path / "reviews" / "later").mkdir(parents=True)
    (tmp_path / "reviews" / "later" / "one.txt").write_text("A dull film.\nVery dull.\n")
    (tmp_path / "rows.csv").write_text("stars,text\n1,Good\n2,\n3,Bad\n")
    (tmp_path / "lines.txt").write_text("Good\n\n")
    words = ("reviews", "rows.csv", "*.txt", "", "Is it good?", "--json")
    found = dlrecipes("predict", run_of(SENTIMENT)["path"], *words, cwd=tmp_path).document
    entries = found["predictions"]
    assert [one["input"] for one in entries] == [
        *("reviews/later/one.txt", "Good", "", "Bad", "Good", "", "", "Is it good?")
    ]
    assert [place for place, one in enumerate(entries) if "note" in one] == [2, 5, 6]
    assert entries[3] | {"input": ""} == {
        **entries[3],
        "input": "",
        "file": "rows.csv",
        "row": 3,
        "line": 4,
    }
    assert all(one["label"] in ("negative", "positive") for one in entries)


def test_texts_come_packed_as_in_training(run_of: RunOf, tmp_path: Path) -> None:
    folder, texts = tmp_path / "reviews", ("A fine film.", "A dull one, and long.")
    for name, text in zip("ab", texts, strict=True):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            (folder / name / f"{number}.txt").write_text(f"{text} {number}")
    rows = "".join(f'{number},"{text}"\n' for number, text in enumerate(texts))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for file in sorted(folder.rglob("*.txt")):
            archive.write(file, file.relative_to(tmp_path))
    for name, inside, content in (
        ("table", "rows.csv", f"stars,text\n{rows}"),
        ("lines", "lines.txt", "\n".join(texts)),
    ):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr(inside, content)
    source = read_own("text-classification", tmp_path / "packed.zip")
    assert source.classes == ("a", "b")
    assert str(tmp_path / "packed.zip" / "reviews" / "a" / "0.txt") in map(
        str, (origin for part in source.splits().values() for origin in part.origins[:])
    )
    words = ("reviews", "packed.zip", "table.zip", "lines.zip", *texts)
    found = dlrecipes("predict", run_of(SENTIMENT)["path"], *words, "--json", cwd=tmp_path)
    entries = found.document["predictions"]
    plain, packed, table, lines, bare = (
        *(entries[:8], entries[8:16]),
        *(entries[16:18], entries[18:20], entries[20:]),
    )
    assert [one["input"] for one in packed] == [f"packed.zip/{one['input']}" for one in plain]
    assert [one["probabilities"] for one in packed] == [one["probabilities"] for one in plain]
    assert [one["probabilities"] for one in lines] == [one["probabilities"] for one in bare]
    assert [(one["file"], one["row"]) for one in table] == [("table.zip", 1), ("table.zip", 2)]
    assert [(one["file"], one["row"]) for one in lines] == [("lines.zip", 1), ("lines.zip", 2)]


@pytest.mark.long
def test_memory_stays_flat_for_ten_times_the_rows(run_of: RunOf, tmp_path: Path) -> None:
    import pandas as pd

    rows = sample_table("diamonds.csv", "test").drop(columns="price")
    program = """
import resource, sys
from dlrecipes.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
    peak = {}
    for count in (10_000, 100_000):
        many = pd.concat([rows] * (count // len(rows) + 1)).head(count)
        many.to_csv(tmp_path / f"{count}.csv", index=False)
        words = ("predict", run_of(REGRESSION)["path"], f"{count}.csv", "--json")
        outcome = run_python(program, *words, cwd=tmp_path)
        assert len(outcome.document["predictions"]) == count
        peak[count] = int(outcome.err.split()[-1])
    assert peak[100_000] < 1.1 * peak[10_000]
