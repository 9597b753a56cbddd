"""Tables as people have them: what is read is what they mean."""

import json
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import read_own

from dlrecipes.datasets.own.cells import NO_VALUE
from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.datasets.own.moments import moment, shown
from dlrecipes.datasets.own.numerals import numeral
from dlrecipes.datasets.own.tables import delimited
from dlrecipes.errors import InputError
from dlrecipes.tasks import find_task

TASK = "tabular-regression"
ROWS = 60


def write(path: Path, header: str, *columns: list[str], separator: str = ",") -> Path:
    """Write a CSV file of columns of texts, in quotation marks where that is needed."""
    lines = [header]
    for cells in zip(*columns, strict=True):
        lines.append(separator.join(f'"{one}"' if separator in one else one for one in cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_column(path: Path, **options: Any) -> Any:
    """Return all values of the column `size`, in the order of the file, and the source."""
    source = read_own(TASK, path, **options)
    values = np.concatenate(
        [np.asarray(part.columns["size"][:]) for part in source.splits().values()]
    )
    places = np.concatenate([np.asarray(part.origins) for part in source.splits().values()])
    return values[np.argsort(places)], source


NUMBERS = [1000 + 137.25 * number for number in range(ROWS)]
FORMS = {
    "plain": (str, 0),
    "thousands": (lambda v: f"{v:,.0f}", 0.5),
    "currency": (lambda v: f"${v:,.2f}", 0),
    "currency behind": (lambda v: f"{v:,.2f} EUR", 0),
    "decimal comma": (lambda v: f"{v:.2f}".replace(".", ","), 0),
    "percent": (lambda v: f"{v:.2f} %", 0),
    "unit": (lambda v: f"{v:.2f} kg", 0),
    "thousands with points": (lambda v: f"{v:_.2f}".replace(".", ",").replace("_", "."), 0),
    "thin spaces": (lambda v: f"{v:,.2f}".replace(",", "\u202f"), 0),
    "no-break spaces and a comma": (
        lambda v: f"{v:_.2f}".replace(".", ",").replace("_", "\u00a0"),
        0,
    ),
    "apostrophes": (lambda v: f"{v:,.2f}".replace(",", "'"), 0),
    "scientific": (lambda v: f"{v:.6e}", 1e-3),
    "in brackets": (lambda v: f"({v:,.2f})", 0),
    "minus behind": (lambda v: f"{v:.2f}-", 0),
    "typographic minus": (lambda v: f"\u2212{v:.2f}", 0),
    "thousands of a k": (lambda v: f"{v / 1000:.5f}k", 0.01),
    "rupees": (lambda v: f"Rs. {v:,.2f}", 0),
    "about": (lambda v: f"ca. {v:.2f}", 0),
    "kept as text by Excel": (lambda v: f'="{v:.2f}"', 0),
    "out of 5 stars": (lambda v: f"{v:.2f} out of 5 stars", 0),
    "of ten thousand": (lambda v: f"{v:.2f}/10000", 0),
    "north": (lambda v: f"{v / 100:.4f}\u00b0 N", 0),
    "minutes and seconds": (lambda v: f"{int(v / 15)} min {4 * (v % 15):.2f} s", 0),
    "hours and minutes": (lambda v: f"{int(v) // 36}:{int(v) % 36:02d}", 0),
    "quarters": (lambda v: f"{int(v)} {int(v % 1 * 4)}/4" if v % 1 else str(int(v)), 0),
    "grams and kilograms": (lambda v: f"{v:.2f} kg" if v > 4000 else f"{1000 * v:.0f} g", 1e-9),
}
READ_AS = {
    "north": lambda v: np.round(v / 100, 4),
    "minutes and seconds": lambda v: 60 * (v // 15) + np.round(4 * (v % 15), 2),
    "hours and minutes": lambda v: 3600 * (v // 36) + 60 * (v // 1 % 36),
}
"""What a form is read as, where it is not the number itself."""


@pytest.mark.parametrize("name", FORMS)
def test_numbers_are_read_as_people_write_them(name: str, tmp_path: Path) -> None:
    form, within = FORMS[name]
    path = write(
        tmp_path / "mine.csv",
        "size,price",
        [form(value) for value in NUMBERS],
        [str(number) for number in range(ROWS)],
    )
    values, source = read_column(path)
    sign = -1 if name in ("in brackets", "minus behind", "typographic minus") else 1
    assert source.input.kinds == {"size": "numbers"}
    assert values.dtype == "float64"
    wanted = READ_AS.get(name, np.array)(np.array(NUMBERS))
    assert np.abs(values - sign * wanted).max() <= within


@pytest.mark.parametrize(
    "mark", ["-", "unknown", "#DIV/0!", "n.a.", "keine Angabe", "\u2013", "ausstehend", "..", ""]
)
def test_words_for_a_missing_value_leave_a_column_of_numbers(mark: str, tmp_path: Path) -> None:
    cells = [mark if number % 5 == 0 else str(value) for number, value in enumerate(NUMBERS)]
    path = write(tmp_path / "mine.csv", "size,price", cells, [str(n) for n in range(ROWS)])
    values, _ = read_column(path)
    assert np.isnan(values[::5]).all()
    assert np.array_equal(values[1::5], NUMBERS[1::5])


def test_a_number_is_read_in_both_countries_and_nothing_else_is_one() -> None:
    for text, point, comma in (
        ("1,234", 1234.0, 1.234),
        ("1.234", 1.234, 1234.0),
        ("0,123", None, 0.123),
        ("1,23,456", 123456.0, None),
        ("1.234.567", None, 1234567.0),
        ("-$5.00", -5.0, None),
        ("5,-", 5.0, 5.0),
        ("R$ 5,00", None, 5.0),
        ("5'10\"", 70.0, 70.0),
        ("1 1/2", 1.5, 1.5),
        ("33\u00b0 30' S", -33.5, -33.5),
        ("PT1H30M", 5400.0, 5400.0),
        ("2 d 3 h", 183_600.0, 183_600.0),
        ("1h05", 3900.0, 3900.0),
    ):
        found = numeral(text)
        assert found is not None, text
        assert (found.point, found.comma) == (point, comma), text
    for text in (
        "1m80",
        "5 3/0",
        "5-10",
        "A12",
        "12:30",
        "31.12.2020",
        "192.168.0.1",
        "1,2,3",
        "<5",
        "x",
    ):
        assert numeral(text) is None, text


@pytest.mark.parametrize(
    ("cells", "says", "hint"),
    [
        (["1,234.5", "1.234,5"], "behind points (30) and behind commas (30)", "--decimal"),
        (["3 kg", "500 km"], "different units: kg (30), km (30)", "--types size=number"),
        (["3 %", "0.5"], "different units: % (30), none (30)", "--types size=number"),
        (["1.5", "2", "x7"], "67% of its values are numbers", "--types size=category"),
        (["1.250", "999"], "can be read in two ways", "--decimal"),
        (["01/02/2021", "02/03/2021"], "day or month may come first", "size=day-first"),
        (["31/12/2021", "12/31/2021"], "the day first (30) and with the month", "size=day-first"),
    ],
)
def test_a_column_that_cannot_be_told_is_a_question(
    cells: list[str], says: str, hint: str, tmp_path: Path
) -> None:
    column = (cells * ROWS)[:ROWS]
    path = write(tmp_path / "mine.csv", "size,price", column, [str(n) for n in range(ROWS)])
    with pytest.raises(InputError) as error:
        read_own(TASK, path)
    assert says in error.value.message
    assert hint in error.value.hint


DATES = np.array("2021-01-25", "datetime64[D]") + np.arange(ROWS)
WRITTEN = {
    "%Y-%m-%d": "",
    "%d/%m/%Y": "day-first",
    "%m/%d/%Y": "month-first",
    "%d.%m.%Y": "day-first",
    "%d %B %Y": "",
    "%b %d, %Y": "",
    "%d-%b-%y": "",
    "%Y%m%d": "",
    "%Y-%m-%dT00:00:00Z": "",
    "%m/%d/%y 12:00 AM": "month-first",
}


@pytest.mark.parametrize("form", WRITTEN)
def test_dates_are_read_in_every_form(form: str, tmp_path: Path) -> None:
    days = [day.item().strftime(form) for day in DATES]
    path = tmp_path / "mine.tsv"
    write(path, "size\tprice", days, [str(n) for n in range(ROWS)], separator="\t")
    values, source = read_column(path)
    assert source.input.kinds == {"size": "dates"}
    assert source.input.written["size"].get("order", "") == WRITTEN[form]
    assert np.array_equal(values, DATES.astype("datetime64[s]").astype("int64"))


RUSSIAN = (
    "янв.",
    "фев.",
    "марта",
    "апр.",
    "мая",
    "июня",
    "июля",
    "авг.",
    "сен.",
    "окт.",
    "ноя.",
    "дек.",
)


@pytest.mark.parametrize(
    ("form", "step"),
    [
        (lambda day: f"{day:%G}-W{day:%V}", 7),
        (lambda day: f"Q{(day.month - 1) // 3 + 1} {day.year}", 0),
        (lambda day: f"{day.year}Q{(day.month - 1) // 3 + 1}", 0),
        (lambda day: f"{day.year}\ub144 {day.month}\uc6d4 {day.day}\uc77c", 1),
        (lambda day: f"{day.day} {RUSSIAN[day.month - 1]} {day.year}", 1),
    ],
)
def test_weeks_quarters_and_months_of_other_languages_are_dates(
    form: Callable[[Any], str], step: int, tmp_path: Path
) -> None:
    days = [day.item() for day in DATES[0] + 6 * np.arange(ROWS)]
    path, prices = tmp_path / "mine.csv", [str(n) for n in range(ROWS)]
    values, source = read_column(write(path, "size,price", [form(day) for day in days], prices))
    assert source.input.kinds == {"size": "dates"}
    wanted = {
        0: lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        1: lambda day: day,
        7: lambda day: day - timedelta(days=day.weekday()),
    }[step]
    seconds = np.array([wanted(day) for day in days], "datetime64[s]").astype("int64")
    assert np.array_equal(values, seconds)


def test_another_file_is_read_as_the_runs_was_and_its_columns_in_any_order(tmp_path: Path) -> None:
    first = write(
        tmp_path / "mine.csv",
        "größe;size;price",
        [f"{value:.2f}".replace(".", ",") for value in NUMBERS],
        ["13/01/2021", "02/01/2021"] * (ROWS // 2),
        [str(n) for n in range(ROWS)],
        separator="\t",
    ).rename(tmp_path / "mine.tsv")
    first.write_text(first.read_text().replace(";", "\t"))
    like = read_own(TASK, first)
    second = tmp_path / "other.csv"
    second.write_text('extra,price,size,größe\nx,1,03/02/2021,"1.000,5"\n')
    source = read_own(TASK, second, like=like)
    assert source.test.columns["gru00f6u00dfe"][:].tolist() == [1000.5]
    day = np.array("2021-02-03", "datetime64[s]").astype("int64")
    assert source.test.columns["size"][:].tolist() == [day]
    flags = {"types": "size=month-first", "decimal": "."}
    second.write_text('extra,price,size,größe\nx,1,03/02/2021,"1,000.5"\n')
    other = read_own(TASK, second, like=like, **flags)
    assert other.test.columns["gru00f6u00dfe"][:].tolist() == [1000.5]
    other_day = np.array("2021-03-02", "datetime64[s]").astype("int64")
    assert other.test.columns["size"][:].tolist() == [other_day]
    parts = find_task(TASK).input.parse([str(second)], like.input, FileOptions(**flags))
    given = next(parts).features
    assert isinstance(given, dict)
    assert [given[name].tolist() for name in ("gru00f6u00dfe", "size")] == [[1000.5], [other_day]]


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "xlsx"])
def test_names_are_the_same_in_either_form_of_unicode(kind: str, tmp_path: Path) -> None:
    import pandas as pd

    cities = [
        unicodedata.normalize(("NFC", "NFD")[n // 3 % 2], f"Orléans {n % 3}") for n in range(ROWS)
    ]
    classes = [
        unicodedata.normalize(("NFC", "NFD")[n % 2], "nãojá"[n // 2 % 2 :][:3]) for n in range(ROWS)
    ]
    path = tmp_path / f"mine.{kind}"
    names = [unicodedata.normalize("NFD", name) for name in ("größe", "città", "célula")]
    table = pd.DataFrame(dict(zip(names, (range(ROWS), cities, classes), strict=True)))
    writers = {"csv": table.to_csv, "parquet": table.to_parquet, "xlsx": table.to_excel}
    if kind == "jsonl":
        table.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        writers[kind](path, index=False)
    flags = {"target": "célula", "use": "größe"}
    source = read_own("tabular-classification", path, **flags)
    assert source.classes == ("não", "ãoj")
    wanted = [f"Orléans {n}" for n in range(3)]
    assert sorted(set(source.train.columns["cittu00e0"][:])) == wanted
    (tmp_path / "new.csv").write_text(
        "città,größe\n" + f"{unicodedata.normalize('NFD', wanted[0])},1\n"
    )
    (part,) = find_task("tabular-classification").input.parse(
        [str(tmp_path / "new.csv")], source.input, FileOptions()
    )
    assert isinstance(part.features, dict)
    assert part.features["cittu00e0"].tolist() == [wanted[0]]


def test_columns_of_any_name_have_a_name_of_their_own() -> None:
    from dlrecipes.datasets.own.columns import safe_names

    names = ["Age", "age", "AGE", "a b", "a-b", "größe", "x" * 300, "class", "self", "7", "where"]
    safe = list(safe_names(names).values())
    assert len({name.lower() for name in safe}) == len(names)
    assert all(name.isidentifier() and len(name) <= 120 for name in safe)


def test_large_numbers_and_targets_keep_their_digits(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv",
        "size,price",
        [str(1_700_000_000_000 + n) for n in range(ROWS)],
        [f"{1_700_000_000 + n / 8}" for n in range(ROWS)],
    )
    values, source = read_column(path)
    assert np.array_equal(values - 1_700_000_000_000, np.arange(ROWS))
    assert np.isin(source.test.labels - 1_700_000_000, np.arange(ROWS) / 8).all()


def test_parquet_types_are_read_as_what_they_are(tmp_path: Path) -> None:
    import datetime
    import decimal

    import pyarrow
    from pyarrow import parquet

    n = range(ROWS)
    day = datetime.datetime(2021, 1, 25)
    parquet.write_table(
        pyarrow.table(
            {
                "stamp": [day + datetime.timedelta(hours=k) for k in n],
                "date": [(day + datetime.timedelta(days=k)).date() for k in n],
                "zone": pyarrow.array(
                    [day + datetime.timedelta(hours=k) for k in n],
                    pyarrow.timestamp("ns", "Europe/Berlin"),
                ),
                "time": [datetime.time(k % 24, 30) for k in n],
                "decimal": [decimal.Decimal(k) / 4 for k in n],
                "code": pyarrow.array([f"c{k % 3}" for k in n]).dictionary_encode(),
                "flag": [k % 2 == 0 if k % 5 else None for k in n],
                "wait": [datetime.timedelta(seconds=k) for k in n],
                "half": pyarrow.array(np.arange(ROWS, dtype="float16")),
                "price": list(n),
            }
        ),
        tmp_path / "mine.parquet",
    )
    source = read_own(TASK, tmp_path / "mine.parquet")
    kinds = dict(source.input.kinds)
    assert {name for name, kind in kinds.items() if kind == "dates"} == {
        *("stamp", "date", "zone", "time")
    }
    assert kinds["code"] == "texts"
    row = next(source.train.chunks(1))
    first = int(np.asarray(row.origins)[0]) - 1
    values = {name: column[0] for name, column in row.columns.items()}
    seconds = int(np.datetime64(day, "s").astype("int64"))
    assert values["stamp"] == seconds + 3600 * first
    assert values["zone"] == seconds + 3600 * (first + 1)  # The clock of Berlin.
    assert values["time"] == first % 24 * 3600 + 1800
    assert values["decimal"] == first / 4
    assert values["wait"] == first
    assert json.dumps(source.input.document())


def layout(rows: int = 60, decimal: str = ".") -> list[list[str]]:
    """Return the rows of a small table: a, b and c."""
    return [
        [
            f"{n % 9 + 0.5}".replace(".", decimal),
            ("red", "blue")[n % 2],
            f"{n * 1.25}".replace(".", decimal),
        ]
        for n in range(rows)
    ]


def joined(separator: str = ",", decimal: str = ".", end: str = "\n", last: str = "") -> str:
    """Return the rows of that table as text."""
    return "".join(separator.join(row) + last + end for row in layout(decimal=decimal))


def aligned(*, right: bool = True, missing: bool = False) -> str:
    """Return the rows of that table in columns of one width, as programs print them."""
    rows = [["a", "the b", "c"], *layout()]
    if missing:
        rows[4][0] = rows[8][0] = ""
    rows = [[cell.replace("red", "dark red") for cell in row] for row in rows]
    widths = (8, 9, 8)
    return "".join(
        " ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        + "\n"
        for row in rows
    )


LAYOUTS = {
    "one space": "a b c\n" + joined(" "),
    "runs of spaces": "  a    b  c  \n"
    + "".join(f" {line}  \n" for line in joined("   ").split("\n") if line),
    "spaces and tabs": "a\tb\tc\n" + joined("\t").replace("\tred", "\t\tred"),
    "spaces and decimal commas": "a  b  c\n" + joined("   ", ","),
    "spaces and quotation marks": "a b c\n" + joined(" ").replace("red", '"dark red"'),
    "spaces below a title and above a line": "Prices\n\na b c\n--- --- ---\n" + joined(" "),
    "spaces and names of rows": '"a" "b" "c"\n'
    + "".join(f'"{n}" ' + " ".join(row) + "\n" for n, row in enumerate(layout())),
    "columns of one width": aligned().replace("the b", "    b"),
    "columns of one width, to the left": aligned(right=False).replace("the b", "b    "),
    "columns of one width with empty cells": aligned(missing=True).replace("the b", "    b"),
    "tabs called csv": "a\tb\tc\n" + joined("\t"),
    "semicolons and decimal commas": "a;b;c\n" + joined(";", ","),
    "bars": "a|b|c\n" + joined("|"),
    "declared": "sep=;\na;b;c\n" + joined(";"),
    "separators at the end": "a,b,c,\n" + joined(last=","),
    "separators at the end of the rows": "a,b,c\n" + joined(last=","),
    "title": "Prices of 2024,,\n,,\na,b,c\n" + joined(),
    "title without separators": "Prices of 2024\n\na,b,c\n" + joined(),
    "comments": "# made by a tool\n# in 2024\na,b,c\n" + joined(),
    "header behind a hash": "#a,b,c\n" + joined(),
    "total": "a,b,c\n" + joined() + "Total,,2212.5\n",
    "empty row and total": "a,b,c\n" + joined() + ",,\nSumme,,2212.5\n",
    "source below": "a,b,c\n" + joined() + "\nSource: the office\n",
    "CR alone": "a,b,c\r" + joined(end="\r"),
    "CR and LF": "a,b,c\r\n" + joined(end="\r\n"),
    "no-break space and zero width": "a,b,\u00a0c\u200b\n" + joined(),
    "break in the header": '"a",b,"c"\n' + joined(),
    "quotation marks": '"a","b","c"\n' + joined().replace("red", '"red"').replace("blue", '"blue"'),
    "byte order mark": "\ufeffa,b,c\n" + joined(),
    "header twice": "a,b,c\n"
    + joined()[: len(joined(",")) // 2].rpartition("\n")[0]
    + "\na,b,c\n"
    + joined()[: len(joined(",")) // 2].rpartition("\n")[2]
    + joined()[len(joined(",")) // 2 :],
    "names of rows as R writes them": "a,b,c\n"
    + "".join(f"{n}," + ",".join(row) + "\n" for n, row in enumerate(layout())),
}


def test_numbers_without_a_header_that_spaces_part(tmp_path: Path) -> None:
    path = tmp_path / "housing.data"
    rows = [f" {n / 100:8.5f}  {n % 25 * 100:6.2f}   {n % 2}  {n * 1.5:7.2f}\n" for n in range(60)]
    path.write_text("".join(rows))
    with pytest.raises(InputError, match="has no header: its first line holds the number"):
        read_own(TASK, path)
    source = read_own(TASK, path, header="none")
    labels = np.concatenate([np.asarray(one.labels) for one in source.splits().values()])
    assert sorted(labels) == [n * 1.5 for n in range(60)]
    assert list(source.input.kinds) == ["column_1", "column_2", "column_3"]
    path.write_text("1.5 2.5 1 9\n")
    (part,) = find_task(TASK).input.parse([str(path)], source.input, FileOptions(header="none"))
    assert isinstance(part.features, dict)
    assert [column.tolist() for column in part.features.values()] == [[1.5], [2.5], [1.0]]
    path.write_text(rows[0] + " 1 2\n" + "".join(rows[2:]))
    with pytest.raises(InputError, match="line 2: it has 2 cells, and the header 4"):
        read_own(TASK, path, header="none", separator="space")


@pytest.mark.parametrize(
    "text",
    [
        "text,label\n" + "".join(f"film {n} is fine,{'ab'[n % 2]}\n" for n in range(60)),
        "text\tlabel\n" + "".join(f"film {n} is\t{n % 2}\n" for n in range(60)),
        "text;label\n" + "".join(f"{n} {n}, {n};{n % 2}\n" for n in range(60)),
    ],
)
def test_spaces_within_texts_part_nothing(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    source = read_own("text-classification", path)
    found = [str(one) for part in source.splits().values() for one in part.columns["features"][:]]
    expected = [
        line.replace("\t", ",").replace(";", ",").rpartition(",")[0] for line in text.splitlines()
    ]
    assert sorted(found) == sorted(expected[1:])


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_text_is_read_as_a_careful_person_would(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(LAYOUTS[name], encoding="utf-8", newline="")
    source = read_own(TASK, path)
    assert source.input.target == "c"
    assert {"a": "numbers", "b": "texts"}.items() <= dict(source.input.kinds).items()
    labels = np.concatenate([np.asarray(one.labels) for one in source.splits().values()])
    assert sorted(labels) == [n * 1.25 for n in range(60)]
    row = {name: column[0] for name, column in source.test.columns.items()}
    n = int(source.test.labels[0] / 1.25)
    assert (row["a"], row["b"].split()[-1]) == (n % 9 + 0.5, ("red", "blue")[n % 2])


def test_tables_are_read_packed_and_in_other_formats(tmp_path: Path) -> None:
    import bz2
    import gzip
    import lzma
    import zipfile

    import pandas as pd

    text = "a,b,c\n" + joined()
    plain = tmp_path / "mine.csv"
    plain.write_text(text)
    wanted = read_own(TASK, plain).fingerprint
    frame = pd.read_csv(plain)
    (tmp_path / "mine.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "gzip.csv").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "mine.csv.bz2").write_bytes(bz2.compress(text.encode()))
    (tmp_path / "mine.csv.xz").write_bytes(lzma.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("mine.csv", text)
        archive.writestr("__MACOSX/._mine.csv", "x")
    (tmp_path / "mine.txt").write_text(text)
    frame.to_json(tmp_path / "mine.ndjson", orient="records", lines=True)
    frame.to_json(tmp_path / "mine.json", orient="records", indent=1)
    frame.to_feather(tmp_path / "mine.feather")
    frame.to_parquet(tmp_path / "mine.parquet")
    for name in sorted(path.name for path in tmp_path.iterdir()):
        assert read_own(TASK, tmp_path / name).fingerprint == wanted, name
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text.encode())[:-20])
    with pytest.raises(InputError, match=r"cut\.csv\.gz is damaged"):
        read_own(TASK, tmp_path / "cut.csv.gz")


def test_a_sheet_is_read_with_its_dates_below_its_title(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    import datetime

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Prices of 2024"])
    sheet.append([])
    sheet.append(["when", "size", "price"])
    for n in range(ROWS):
        sheet.append([datetime.datetime(2024, 1, 1) + datetime.timedelta(days=n), n % 7 + 0.5, n])
    sheet.append(["Total", None, 1770])
    book.save(tmp_path / "mine.xlsx")
    source = read_own(TASK, tmp_path / "mine.xlsx")
    assert dict(source.input.kinds) == {"when": "dates", "size": "numbers"}
    assert sum(map(len, source.splits().values())) == ROWS


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_quotation_marks_that_mean_nothing_swallow_no_rows(kind: str, tmp_path: Path) -> None:
    mark = {"csv": ",", "tsv": "\t"}[kind]
    texts = [f'the {n}" pipe' if n % 20 == 0 else f"item {n % 5}" for n in range(ROWS)]
    texts[7] = '"half a quotation'
    texts[45] = 'the end of it"'
    path = tmp_path / f"mine.{kind}"
    path.write_text(f"name{mark}price\n" + "".join(f"{t}{mark}{n}\n" for n, t in enumerate(texts)))
    source = read_own(TASK, path)
    assert sum(map(len, source.splits().values())) == ROWS


def test_a_header_of_years_is_one_and_a_row_of_numbers_is_none(tmp_path: Path) -> None:
    years = write(
        tmp_path / "years.csv",
        "country,2019,2020,2021",
        [("Peru", "Chad", "Fiji")[n % 3] for n in range(ROWS)],
        *[[str(n * k + 0.5) for n in range(ROWS)] for k in (1, 2, 3)],
    )
    assert read_own(TASK, years).input.target == "2021"
    only = write(
        tmp_path / "only.csv",
        "2019,2020,2021",
        *[[str(n * k + 0.5) for n in range(ROWS)] for k in (1, 2, 3)],
    )
    assert read_own(TASK, only).input.target == "2021"
    none = write(
        tmp_path / "none.csv",
        "5.1,3.5,1",
        *[[str(n * k + 0.5) for n in range(ROWS)] for k in (1, 2, 3)],
    )
    with pytest.raises(InputError, match="has no header"):
        read_own(TASK, none)


SORTED = [str(number) for number in range(1000, 1000 + 2 * ROWS)]
NAMING = {
    "Unnamed: 0": [str(n) for n in range(2 * ROWS)],
    "customer_id": [str(7000 + 13 * n) for n in range(2 * ROWS)],
    "counter": [str(500 + n) for n in range(2 * ROWS)],
    "uuid": [f"{n:08x}-1c3b-4a2f-9d0e-0123456789ab" for n in range(2 * ROWS)],
    "hash": [f"{n * 7919:032x}" for n in range(2 * ROWS)],
    "remark": [f"Remark number {n} of a visitor, who liked it" for n in range(2 * ROWS)],
    "key": [f"c-{(n * 37) % 120:05}" for n in range(2 * ROWS)],
}


@pytest.mark.parametrize("name", NAMING)
def test_a_column_that_names_the_row_is_left_out_and_said(name: str, tmp_path: Path) -> None:
    from dlrecipes.datasets.own.files import FileOptions, Report
    from dlrecipes.tasks import find_task
    from dlrecipes.tasks.reading import Reading

    size = [str(n * 17 % 41 + 0.5) for n in range(2 * ROWS)]
    path = write(tmp_path / "mine.csv", f"{name},size,price", NAMING[name], size, SORTED)
    report = Report()
    found = find_task(TASK).read(Reading(path, FileOptions(), report))
    assert list(found.input.kinds) == ["size"]
    assert any(note.startswith(f"The column {name} is left out") for note in report.notes)
    assert report.columns == [
        ("size", "numbers", "0.5, 17.5"),
        ("price", "numbers (target)", "1000, 1001"),
    ]
    kept = read_own(TASK, path, use=name).input
    assert len(kept.kinds) == 2
    assert list(read_own(TASK, path, ignore=f'"{name}"').input.kinds) == ["size"]


def test_a_target_of_words_is_shown_as_classes(tmp_path: Path) -> None:
    from dlrecipes.datasets.own.files import FileOptions, Report
    from dlrecipes.tasks import find_task
    from dlrecipes.tasks.reading import Reading

    paid = ["yes" if n % 3 else "no" for n in range(2 * ROWS)]
    path = write(tmp_path / "mine.csv", "size,paid", SORTED, paid)
    report = Report()
    find_task("tabular-classification").read(Reading(path, FileOptions(), report))
    assert report.columns[-1] == ("paid", "classes (target)", "no, yes")


def test_columns_are_what_the_user_says(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv",
        "zip;size;when;both;price",
        [str(10000 + n % 7) for n in range(ROWS)],
        ["1,234", "2,345"] * (ROWS // 2),
        ["01/02/2021", "02/03/2021"] * (ROWS // 2),
        ["5", "n-7", "6"] * (ROWS // 3),
        [f"{n},5" for n in range(ROWS)],
        separator=";",
    )
    path.write_text(path.read_text().replace('"', ""))
    flags = {"types": "zip=category,when=month-first,both=number", "decimal": ",", "separator": ";"}
    source = read_own(TASK, path, **flags)
    assert dict(source.input.kinds) == {
        **{"zip": "texts", "size": "numbers", "when": "dates", "both": "numbers"}
    }
    assert set(source.train.columns["size"][:]) == {1.234, 2.345}
    days = np.array(["2021-01-02", "2021-02-03"], "datetime64[s]").astype("int64")
    assert set(source.train.columns["when"][:]) == set(days.tolist())
    assert np.isnan(source.train.columns["both"][:]).any()
    dotted = {"target": "zip", "types": "when=month-first,both=number", "ignore": "price"}
    thousands = read_own(TASK, path, decimal=".", **dotted)
    assert set(thousands.train.columns["size"][:]) == {1234.0, 2345.0}
    for wrong, says in (
        ({"types": "size=length"}, "number, category, date"),
        ({"types": "sice=number"}, "--types sice: "),
        ({"types": "size"}, "--types must be COLUMN=TYPE"),
        ({"ignore": "sice"}, "--ignore sice"),
        ({"decimal": "x"}, "--decimal must be"),
        ({"quoting": "x"}, "--quoting must be"),
        ({"header": "x"}, "--header must be"),
    ):
        with pytest.raises(InputError) as error:
            read_own(TASK, path, **wrong)
        assert says in error.value.message
        if "sice" in str(wrong):
            assert "it has zip, size, when, both, price" in error.value.message


def test_a_table_without_a_header_is_read_where_the_user_says_so(tmp_path: Path) -> None:
    path = tmp_path / "iris.data"
    path.write_text("".join(f"{n / 10},{n % 3}.5,{n}.0\n" for n in range(1, ROWS + 1)))
    with pytest.raises(InputError, match="has no header"):
        read_own(TASK, path)
    source = read_own(TASK, path, header="none")
    assert source.input.target == "column_3"
    rows = np.concatenate([source.train.labels[:], source.test.labels[:]])
    assert sorted(rows) == list(range(1, ROWS + 1)), "the first line is a row"
    named = read_own(TASK, path, header="none", target="column_1")
    assert dict(named.input.kinds) == {"column_2": "numbers", "column_3": "numbers"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a": 1, "price": 2}, {"a": [', "is not JSON"),
        ('[{"a": ' + "[" * 100_000, "too deep"),
        ('[{"a": ' + "1" * 5_000 + ', "price": 2}]', "a number too long"),
        ('[{"a": "\\ud83d", "price": 2}]', "item 1: it holds half of a surrogate pair"),
        ('{"a": 1, "price": 2}\n{"a": 1, "pri\n', "line 2: it is not JSON"),
    ],
)
def test_broken_json_is_a_sentence(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=says):
        read_own(TASK, tmp_path / "x.json")


@pytest.mark.parametrize("word", sorted(NO_VALUE))
def test_a_target_that_is_missing_in_any_words_is_named_and_never_nan(
    word: str, tmp_path: Path
) -> None:
    prices = [f"{n},5 €" for n in range(ROWS)]
    prices[7] = word
    path = write(
        tmp_path / "x.csv", "size;price", [str(n) for n in range(ROWS)], prices, separator=";"
    )
    with pytest.raises(InputError, match="line 9: the target price is missing"):
        read_own(TASK, path)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_total_is_left_out_wherever_a_block_ends(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"item {n % 3},{n % 5},{n}.5" for n in range(ROWS)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["name,size,price", *rows, f"Total,,999.5{end}"]))
    for characters in (2**20, len(rows[0]) + 1, 200):
        monkeypatch.setattr(delimited, "BLOCK_CHARACTERS", characters)
        source = read_own(TASK, path)
        found = np.concatenate([source.train.labels[:], source.test.labels[:]])
        assert sorted(found) == [n + 0.5 for n in range(ROWS)]


def cells(line: str) -> list[str]:
    """Return the cells of a line."""
    return line.split(",")


SIZES = [1.5 * number + 20 for number in range(ROWS)]
LINES = [f"{size},{number % 7},{100 * size}" for number, size in enumerate(SIZES)]
BOX = "+------+-----+-------+"


def parted(mark: str) -> str:
    """Return a table whose cells a mark parts."""
    return "\n".join(line.replace(",", mark) for line in ("size,age,price", *LINES)) + "\n"


AS_PROGRAMS_WRITE_THEM = {
    "units below the header": "\n".join(["size,age,price", "m2,years,EUR", *LINES]),
    "units in brackets": "\n".join(["size,age,price", "[m2],[a],[EUR]", *LINES]),
    "names on two rows": "\n".join(["House,,Money", "size,age,price", *LINES]),
    "means and totals": "\n".join(
        ["size,age,price", *LINES, "Mean,3.0,6425.0", "Total,180,385500.0"]
    ),
    "two columns of a name": "\n".join(
        ["size,age,age,price", *(line.replace(",", ",1,", 1) for line in LINES)]
    ),
    "a column without a name": "\n".join(
        ["size,,age,price", *(line.replace(",", ",1,", 1) for line in LINES)]
    ),
    "spaces before quotation marks": "\n".join(
        ["size, age, who, price", *(f'{a}, {b}, "Li, A", {c}' for a, b, c in map(cells, LINES))]
    ),
    "marks behind a backslash": "\n".join(
        ["size,age,who,price", *(f'{a},{b},"an \\"A\\", or",{c}' for a, b, c in map(cells, LINES))]
    ),
    "carets": parted("^"),
    "control characters": parted("\x01"),
    "two colons": parted("::"),
    "two bars": parted("||"),
    "Markdown": parted("|").replace("\n", "\n|---|---:|---|\n", 1),
    "a terminal of PostgreSQL": parted(" | ").replace("\n", "\n------+-----+-------\n", 1)
    + f"({ROWS} rows)\n",
    "a terminal of MySQL": "\n".join(
        [BOX, "| size | age | price |", BOX]
        + [f"| {line.replace(',', ' | ')} |" for line in LINES]
        + [BOX, f"{ROWS} rows in set (0.00 sec)", ""]
    ),
}


@pytest.mark.parametrize("name", AS_PROGRAMS_WRITE_THEM)
def test_a_table_is_read_as_programs_write_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text(AS_PROGRAMS_WRITE_THEM[name], encoding="utf-8")
    values, source = read_column(path)
    assert values.tolist() == SIZES
    assert source.input.target == "price"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("\u20ac110.5M", 110.5e6),
        ("$450K", 450e3),
        ("$ (1,234.50)", -1234.5),
        ("10,000+", 10_000),
        ("12.3 \u00b1 0.5", 12.3),
        ("1.04D+05", 104_000),
    ],
)
def test_decorated_numbers_are_the_numbers_meant(cell: str, expected: float) -> None:
    found = numeral(cell)
    assert found is not None
    assert found.point == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "Wed Jan  1 14:05:59 2020",
        "Wed Jan 01 14:05:59 +0000 2020",
        "01/Jan/2020:14:05:59 +0000",
        "20200101T140559Z",
        "2020-01-01 14:05:59 EST",
    ],
)
def test_dates_of_logs_are_read(text: str) -> None:
    found = moment(text)
    assert found is not None
    assert shown(found.seconds("")) == "2020-01-01 14:05:59"


def test_months_and_days_with_a_time_in_one_number_are_dates(tmp_path: Path) -> None:
    for name, cell in (("month", "03/2021"), ("number", "20210301140500")):
        cells = [cell, cell.replace("2021", "2022"), cell.replace("2021", "2023")] * (ROWS // 3)
        path = write(tmp_path / f"{name}.csv", "size,price", cells, [str(one) for one in SIZES])
        values, _ = read_column(path)
        assert shown(int(values[0])).startswith("2021-03-01"), name


def test_ticked_boxes_are_a_column(tmp_path: Path) -> None:
    cells = ["x" if number % 3 else "" for number in range(ROWS)]
    ages = [str(number % 7) for number in range(ROWS)]
    path = write(tmp_path / "rows.csv", "size,age,price", cells, ages, [str(one) for one in SIZES])
    values, _ = read_column(path)
    assert values.tolist() == cells


def test_objects_bytes_and_indices_of_parquet_are_understood(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"size": [str(one).encode() for one in SIZES], "price": SIZES})
    frame["house"] = [{"rooms": number % 5} for number in range(ROWS)]
    frame = frame[["size", "house", "price"]].set_index(pd.Index([f"r{one}" for one in SIZES]))
    frame.to_parquet(tmp_path / "rows.parquet")
    values, source = read_column(tmp_path / "rows.parquet")
    assert values.tolist() == SIZES
    assert source.input.target == "price"
    assert set(source.input.called.values()) == {"size", "house.rooms", "price"}


def test_a_column_that_the_first_objects_lack_stands_where_others_have_it(tmp_path: Path) -> None:
    rows = [{"size": one, **({"age": 3} if one > 30 else {}), "price": one} for one in SIZES]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert read_column(path)[1].input.target == "price"


def test_a_sheet_is_read_below_merged_names_and_beside_notes(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["Read me"])
    book.active.append(["by me"])
    sheet = book.create_sheet("Data")
    for row in (["House", None, "Money"], ["size", "age", "price"], ["m2", "years", "EUR"]):
        sheet.append(row)
    for number, size in enumerate(SIZES):
        sheet.append([size, number % 7, 100 * size])
    for row in (["Total", 180, 385500.0], [], ["Source: a survey"]):
        sheet.append(row)
    book.save(tmp_path / "rows.xlsx")
    assert read_column(tmp_path / "rows.xlsx")[0].tolist() == SIZES


def test_a_sheet_that_is_a_text_and_a_table_packed_by_zstd_are_read(tmp_path: Path) -> None:
    import pyarrow

    (tmp_path / "rows.xls").write_text(parted("\t"), encoding="utf-8")
    with pyarrow.CompressedOutputStream(str(tmp_path / "rows.csv.zst"), "zstd") as file:
        file.write(parted(",").encode())
    for name in ("rows.xls", "rows.csv.zst"):
        assert read_column(tmp_path / name)[0].tolist() == SIZES, name


@pytest.mark.parametrize("name", ["rows.tar", "rows.tar.gz", "rows.zip", "twice.zip"])
def test_a_table_that_is_packed_alone_is_read_and_predicted(name: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(parted(","), encoding="utf-8")
    if ".tar" in name:
        with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as archive:
            archive.add(tmp_path / "rows.csv", "in/rows.csv")
    else:
        with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
            archive.write(tmp_path / "rows.csv", "in/rows.csv")
            archive.writestr("__MACOSX/._rows.csv", "x")
        with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
            archive.write(tmp_path / "rows.zip", "rows.zip")
    values, source = read_column(tmp_path / name)
    assert values.tolist() == SIZES
    (found,) = find_task(TASK).input.parse([str(tmp_path / name)], source.input, FileOptions())
    assert not found.errors
    assert found.names[0] == f"{tmp_path / name}:2", "called by its line"


def test_several_tables_in_an_archive_are_refused_by_its_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, parted(","))
    with pytest.raises(InputError) as raised:
        read_own(TASK, tmp_path / "rows.zip")
    assert (
        raised.value.message == f"{tmp_path / 'rows.zip'} must hold one table, and no other files."
    )


def test_a_misspelt_column_of_types_is_named_with_the_closest(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(parted(","), encoding="utf-8")
    source = read_own(TASK, path)
    with pytest.raises(InputError) as raised:
        read_own(TASK, path, like=source, types="siz=number")
    assert raised.value.hint == "Did you mean size?"
    options = FileOptions(types="siz=number")
    (found,) = find_task(TASK).input.parse([str(path)], source.input, options)
    assert "--types siz" in found.errors[0].message


def test_a_column_that_stands_twice_is_refused_where_the_model_knows_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(parted(","), encoding="utf-8")
    source = read_own(TASK, path)
    path.write_text("age," + parted(",").replace("\n", "\n1,"), encoding="utf-8")
    with pytest.raises(InputError, match="duplicate column age"):
        read_own(TASK, path, like=source)
