"""A user's bad data: every problem in a sentence with file and line, exit code 2, nothing written.

Each case is given to the real `train` and the real `data check`, as real files.
"""

import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from support import (
    COMMAND,
    MNIST,
    REGRESSION,
    SENTIMENT,
    TEXT,
    WITHOUT_TENSORFLOW,
    Outcome,
    dlrecipes,
    run_process,
    run_python,
    side_by_side,
)

IMAGES, TEXTS = MNIST, SENTIMENT
WITHOUT_ROOTS_RIGHTS = (
    *("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"),
)
"""A container's tests often run as root, which may read whatever it likes."""


@dataclass(frozen=True)
class Case:
    """Data that cannot be used.

    Args:
        name: What is wrong with it.
        recipe: What it is to be trained with.
        says: Every problem, in order; … stands for what Pillow, Arrow or Python say.
        files: What is there, by path: content, the target of a symbolic link, or None for a folder.
        path: What is given as --data.
        flags: What else is given.
        hint: The line below the problems, if that is to be checked.
        locked: A file or folder that must not be read.
    """

    name: str
    recipe: str
    says: tuple[str, ...]
    files: Mapping[str, bytes | Path | None] = field(default_factory=dict)
    path: str = "mine"
    flags: tuple[str, ...] = ()
    hint: str | None = None
    locked: str = ""


def encoded(kind: str, **options: Any) -> bytes:
    """Return an image file of noise, which no format makes small."""
    import numpy as np
    from PIL import Image

    content = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), dtype="uint8")
    Image.fromarray(pixels).save(content, kind, **options)
    return content.getvalue()


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG file of very many black pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(height * (width // 8 + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    )


def parquet(**columns: Any) -> bytes:
    """Return a Parquet file."""
    import pyarrow
    from pyarrow import parquet

    content = BytesIO()
    parquet.write_table(pyarrow.table(columns), content)
    return content.getvalue()


PNG, JPEG = encoded("PNG"), encoded("JPEG")
PETS: Mapping[str, bytes | Path | None] = {
    f"mine/{label}/{number}.png": PNG for label in ("cat", "dog") for number in range(3)
}
DISHES: Mapping[str, bytes | Path | None] = {
    f"mine/{label}/{number}.txt": f"{label} {number}".encode()
    for label in ("soup", "cake")
    for number in range(3)
}
ENDINGS = (
    "(.png, .jpg, .jpeg, .bmp, .gif, .webp, .tif, .tiff, .heic, .heif, .avif, .jpe, .jfif, .pgm, "
    ".ppm, .pbm, .pnm, .jp2)"
)
FORMATS = "PNG, JPEG, BMP, GIF, WebP, TIFF, AVIF, PPM or JPEG 2000"
TOO_FEW = "at least 3 are needed, to train on, to validate on, and to test on."  # one of each
ROWS = tuple(f"{number % 7},{('red', 'blue')[number % 2]},{number}" for number in range(30))
REVIEWS = tuple(f"dish {number},{('good', 'bad')[number % 2]}" for number in range(12))
ENCODING = (
    "Save it as UTF-8, or name its encoding to train, evaluate or data check: --encoding latin-1"
)
NUMBERS = "Numbers are such as -1234.5, 1,234.50, $5 or 12 %."
JSON = 'Every line is an object of its own, such as {"text": "good", "label": "yes"}'


def images(name: str, files: Mapping[str, Any], *says: str, **options: Any) -> Case:
    """Return a case of two classes of good images and other files."""
    return Case(name, IMAGES, says, {**PETS, **files}, **options)


def texts(name: str, files: Mapping[str, Any], *says: str, **options: Any) -> Case:
    """Return a case of two classes of good text files and other files."""
    return Case(name, TEXTS, says, {**DISHES, **files}, **options)


def lines(*some: str) -> bytes:
    """Return a text file."""
    return "\n".join(some).encode() + b"\n"


def table(name: str, content: bytes, *says: str, file: str = "mine.csv", **options: Any) -> Case:
    """Return a case of a table for regression."""
    return Case(name, REGRESSION, says, {file: content}, file, **options)


def reviews(name: str, content: bytes, *says: str, file: str = "mine.csv", **options: Any) -> Case:
    """Return a case of a table of texts."""
    return Case(name, TEXTS, says, {file: content}, file, **options)


def priced(*more: str) -> bytes:
    """Return a good table, from line 1 to 31, with more rows at its end."""
    return lines("metres,colour,price", *ROWS, *more)


OF_IMAGES = [
    images("image of zero bytes", {"mine/cat/x.png": b""}, "mine/cat/x.png is empty."),
    images(
        "PNG cut short",
        {"mine/cat/x.png": PNG[:300]},
        "mine/cat/x.png is a damaged image: image file is truncated…",
    ),
    images(
        "JPEG cut short",
        {"mine/cat/x.jpg": JPEG[: len(JPEG) * 2 // 3]},
        "mine/cat/x.jpg is a damaged image: image file is truncated…",
    ),
    images(
        "JPEG cut in its header",
        {"mine/cat/x.jpg": JPEG[:100]},
        "mine/cat/x.jpg is a damaged image: …",
    ),
    images(
        "PNG with a wrong byte",
        {"mine/cat/x.png": PNG[:60] + b"xx" + PNG[62:]},
        "mine/cat/x.png is a damaged image: …",
    ),
    images(
        "text named .png",
        {"mine/cat/x.png": b"hello"},
        f"mine/cat/x.png is not an image: {FORMATS}.",
    ),
    images(
        "icon named .png",
        {"mine/cat/x.png": encoded("ICO")},
        f"mine/cat/x.png is not an image: {FORMATS}.",
    ),
    images(
        "decompression bomb",
        {"mine/cat/x.png": bomb(20_000, 20_000)},
        "mine/cat/x.png has 20,000 x 20,000 pixels (height x width): 100,000,000 are the most that "
        "are read.",
    ),
    images(
        "smaller decompression bomb",
        {"mine/cat/x.png": bomb(15_000, 10_000)},
        "mine/cat/x.png has 10,000 x 15,000 pixels (height x width): 100,000,000 are the most that "
        "are read.",
    ),
    images("empty class", {"mine/cow": None}, f"mine/cow has no images {ENDINGS}."),
    images(
        "class folder with other files only",
        {"mine/cow/Thumbs.db": b"x", "mine/cow/.hidden.png": PNG},
        f"mine/cow has no images {ENDINGS}.",
    ),
    images(
        "every problem of a folder at once",
        {"mine/cat/x.png": b"", "mine/cow": None, "mine/dog/x.gif": b"GIF", "mine/dog/a.png": b"-"},
        f"mine/cow has no images {ENDINGS}.",
        "mine/cat/x.png is empty.",
        f"mine/dog/a.png is not an image: {FORMATS}.",
        f"mine/dog/x.gif is not an image: {FORMATS}.",
    ),
    images(
        "file name that would draw on the terminal",
        {"mine/cat/a\n\x1b[31mb.png": b""},
        r"mine/cat/a\n\x1b[31mb.png is empty.",
    ),
    images(
        "class whose name is no text",
        {"mine/" + b"\xff".decode("utf-8", "surrogateescape") + "/1.png": PNG},
        r"mine/\udcff cannot be a class: its name is not UTF-8.",
    ),
    images(
        "label in test that train never saw",
        {
            "split/train": Path("../mine"),
            "split/Test/cat/1.png": PNG,
            "split/Test/cow/1.png": PNG,
            "split/val/hen/1.png": PNG,
        },
        "split: the label 'cow' is in test and not in train.",
        "split: the label 'hen' is in validation and not in train.",
        path="split",
    ),
    images(
        "link to itself",
        {"mine/cow": Path("cow")},
        "mine/cow is a symbolic link that leads nowhere, or back to itself.",
    ),
    images(
        "link to a folder above",
        {"mine/cat/more": Path("..")},
        "mine/cat/more/cat leads back, by a symbolic link, to a folder above it.",
    ),
    images(
        "link to nothing",
        {"mine/cat/x.png": Path("gone.png")},
        "mine/cat/x.png is a symbolic link that leads nowhere, or back to itself.",
    ),
    images(
        "image that may not be read",
        {"mine/cat/x.png": PNG},
        "mine/cat/x.png cannot be read: Permission denied.",
        locked="mine/cat/x.png",
    ),
    images(
        "class that may not be read",
        {"mine/cow/1.png": PNG},
        "mine/cow cannot be read: Permission denied.",
        locked="mine/cow",
    ),
    Case(
        "one class only",
        IMAGES,
        ("mine has one class only (cat): two are needed.",),
        {name: content for name, content in PETS.items() if "cat" in name},
    ),
    Case(
        "images without classes",
        IMAGES,
        ("mine has no folder for each class, such as mine/cat.",),
        {"mine/1.png": PNG, "mine/2.png": PNG},
    ),
    Case(
        "two images",
        IMAGES,
        (f"mine has too few examples, 2: {TOO_FEW}",),
        {"mine/cat/1.png": PNG, "mine/dog/1.png": PNG},
    ),
    Case(
        "one image for a data set",
        IMAGES,
        (
            "a.png must be a folder with a folder of images for each class, or a table (.csv, "
            ".tsv, .jsonl, .parquet, .xlsx) with a column of paths and one of labels.",
        ),
        {"a.png": PNG},
        "a.png",
    ),
    images(
        "table of images with faults of its own",
        {
            "mine/list.csv": lines(
                *("file,kind,split", "cat/1.png,cat,train", "cat/9.png,cat,train"),
                *("dog/1.png,dog,Train", "dog/2.png,,train", ",dog,train", "dog,dog,train"),
                "dog/2.png,dog,later",
            )
        },
        "mine/list.csv, line 8: its split must be train, validation or test, not 'later'.",
        "mine/list.csv, line 5: kind must not be empty.",
        "mine/list.csv, line 6: file must not be empty.",
        "mine/list.csv, line 3: There is no file mine/cat/9.png.",
        "mine/list.csv, line 7: mine/dog cannot be read: Is a directory.",
        path="mine/list.csv",
    ),
    images(
        "table of images without known columns",
        {"mine/list.csv": lines("a,b,c", "cat/1.png,cat,1")},
        "mine/list.csv has no column of paths: it has a, b, c. Call it path.",
        "mine/list.csv has no column of labels: it has a, b, c. Name it with --label-column.",
        path="mine/list.csv",
    ),
]

OF_TEXTS = [
    texts("empty class of texts", {"mine/pie": None}, "mine/pie has no text files (.txt)."),
    texts("text of zero bytes", {"mine/soup/x.txt": b""}, "mine/soup/x.txt is empty."),
    texts("text of spaces", {"mine/soup/x.txt": b" \n\t\n"}, "mine/soup/x.txt is empty."),
    texts(
        "text that is not UTF-8",
        {"mine/soup/x.txt": b"caf\xe9\ntea\n\xfcber\n"},
        "mine/soup/x.txt, line 1: byte 4 is not UTF-8 text (0xe9).",
        "mine/soup/x.txt, line 3: byte 1 is not UTF-8 text (0xfc).",
        hint=ENCODING,
    ),
    texts(
        "image named .txt",
        {"mine/soup/x.txt": PNG},
        "mine/soup/x.txt is not a text file: it holds a zero byte.",
    ),
    texts(
        "text that may not be read",
        {"mine/soup/x.txt": b"hot"},
        "mine/soup/x.txt cannot be read: Permission denied.",
        locked="mine/soup/x.txt",
    ),
    Case(
        "one class of texts only",
        TEXTS,
        ("mine has one class only (soup): two are needed.",),
        {name: content for name, content in DISHES.items() if "soup" in name},
    ),
    Case(
        "texts in an unknown form",
        TEXTS,
        (
            "mine.doc must be a folder with a folder of text files for each class, or a table "
            "(.csv, .tsv, .jsonl, .parquet, .xlsx) with a column of texts and one of labels.",
        ),
        {"mine.doc": b"x"},
        "mine.doc",
    ),
    reviews(
        "columns of no known name",
        lines("a,b,c", "soup,good,1"),
        "mine.csv has no column of texts: it has a, b, c. Name it with --text-column.",
        "mine.csv has no column of labels: it has a, b, c. Name it with --label-column.",
    ),
    reviews(
        "columns named that are not there",
        lines("text,label", *REVIEWS),
        "mine.csv has no column Text: it has text, label. Did you mean text?",
        "mine.csv has no column stars: it has text, label. Name it with --label-column.",
        flags=("--text-column", "Text", "--label-column", "stars"),
    ),
    reviews(
        "one column for texts and labels",
        lines("text,label", *REVIEWS),
        "mine.csv: the column text cannot hold texts and others too.",
        "mine.csv: the column text cannot hold labels and others too.",
        flags=("--label-column", "text"),
    ),
    reviews(
        "empty texts and labels, below a cell of two lines",
        lines("text,label", '"hot\nsoup",good', ",bad", '"  ",good', "cake,", " , ", *REVIEWS),
        "mine.csv, line 4: text must not be empty.",
        "mine.csv, line 5: text must not be empty.",
        "mine.csv, line 6: label must not be empty.",
        "mine.csv, line 7: text and label must not be empty.",
    ),
    reviews(
        "one class in a table",
        lines("text,label", "soup,good", "cake,good", "pie, good"),
        "mine.csv has one class only (good): two are needed.",
    ),
    reviews(
        "label in the test rows alone",
        lines("text,label,Split", *[f"{row},train" for row in REVIEWS], "tea,fair,TEST"),
        "mine.csv: the label 'fair' is in test and not in train.",
    ),
    reviews(
        "no rows to train on",
        lines("text,label,split", *[f"{row},test" for row in REVIEWS]),
        "mine.csv: the label 'bad' is in test and not in train.",
        "mine.csv: the label 'good' is in test and not in train.",
    ),
    reviews("table of texts with a header alone", lines("text,label"), "mine.csv has no examples."),
    reviews(
        "JSON lines with three faults",
        lines(
            *('{"text": "soup", "label": "good"}', '{"text": "soup", ', '["soup", "good"]', ""),
            '{"text": "soup", "label": "good", "stars": 5}',
            '{"label": ["good"], "text": "soup"}',
        ),
        "mine.jsonl, line 2: it is not JSON (…",
        "mine.jsonl, line 3: it is not a JSON object.",
        "mine.jsonl, line 6: 'label' is not a text or a number.",
        "mine.jsonl has one class only (good): two are needed.",
        file="mine.jsonl",
        hint=JSON,
    ),
    reviews(
        "half a character in JSON",
        lines(*[json.dumps({"text": row, "label": row[-3:]}) for row in REVIEWS])
        + rb'{"text": "\ud83d", "label": "d"}',
        "mine.jsonl, line 13: it holds half of a surrogate pair.",
        file="mine.jsonl",
    ),
    reviews(
        "JSON array with an item that is no object",
        json.dumps(
            [*({"text": row, "label": row[-3:]} for row in REVIEWS), ["soup", "good"]]
        ).encode(),
        f"mine.jsonl, item {len(REVIEWS) + 1}: it is not a JSON object.",
        file="mine.jsonl",
        hint=JSON,
    ),
    reviews(
        "JSON without end",
        b"[" * 100_000,
        "mine.jsonl: its JSON is too deep, or a number too long.",
        file="mine.jsonl",
    ),
    reviews(
        "JSON lines without end",
        b'{"text": ' + b"[" * 100_000 + b"\n",
        "mine.jsonl, line 1: its JSON is too deep, or a number too long.",
        file="mine.jsonl",
    ),
    reviews(
        "JSON array with an endless number",
        b'[{"text": "soup", "label": ' + b"9" * 5000 + b"}]",
        "mine.jsonl: its JSON is too deep, or a number too long.",
        file="mine.jsonl",
    ),
    reviews(
        "JSON lines with a broken one",
        lines(
            *[json.dumps({"text": row, "label": row[-3:]}) for row in REVIEWS],
            '{"text": "soup", "lab',
        ),
        f"mine.jsonl, line {len(REVIEWS) + 1}: it is not JSON (Unterminated string starting at "
        "character 18).",
        file="mine.jsonl",
        hint=JSON,
    ),
    reviews("empty JSON lines", b"\n\n", "mine.jsonl is empty.", file="mine.jsonl"),
    reviews(
        "JSON objects without keys",
        b"{}\n{}\n",
        "mine.jsonl, line 1: it names no columns.",
        file="mine.jsonl",
    ),
    reviews(
        "text named .parquet",
        b"text,label\nsoup,good\n",
        "mine.parquet is not a Parquet file: …",
        file="mine.parquet",
    ),
    reviews(
        "Parquet whose texts are bytes of something else",
        parquet(text=[b"\xff\x00", b"\xfe\x01"], label=["good", "bad"]),
        "mine.parquet has no column of texts: it has label, text (bytes). Name it with "
        "--text-column.",
        file="mine.parquet",
    ),
    reviews(
        "Parquet whose labels are lists",
        parquet(text=["soup", "cake"], label=[["good"], ["bad"]]),
        "mine.parquet: the column label holds lists or objects, not labels.",
        file="mine.parquet",
        flags=("--label-column", "label"),
    ),
    reviews(
        "Parquet without a label in a row",
        parquet(text=["soup", "cake", "pie"], label=["good", None, "bad"]),
        "mine.parquet, row 2: label must not be empty.",
        file="mine.parquet",
    ),
]

OF_TEXT = [
    Case(
        "text that is too short",
        TEXT,
        ("mine.txt is too short: 6 characters, at least 2000 needed.",),
        {"mine.txt": b"to be\n"},
        "mine.txt",
    ),
    Case(
        "folder without text files",
        TEXT,
        ("mine has no .txt files.",),
        {"mine/a.md": b"x" * 5000, "mine/.b.txt": b"x" * 5000},
    ),
    Case(
        "folder with faults in two files",
        TEXT,
        (
            "mine/b.txt, line 2: byte 3 is not UTF-8 text (0xe9).",
            "mine/c.txt is not a text file: it holds a zero byte.",
        ),
        {"mine/a.txt": b"x" * 5000, "mine/b.txt": b"ab\nab\xe9", "mine/c.txt": b"a\0b" * 100},
    ),
    Case(
        "another encoding than was said",
        TEXT,
        ("mine.txt, line 2: byte 1 is not ASCII text (0xc3).",),
        {"mine.txt": "abc\nä\n".encode() * 1},
        "mine.txt",
        flags=("--encoding", "ascii"),
    ),
    Case(
        "UTF-16",
        TEXT,
        ("mine.txt is not UTF-8 text but UTF-16 (--encoding utf-16).",),
        {"mine.txt": ("abc\n" * 2000).encode("utf-16")},
        "mine.txt",
    ),
    Case(
        "UTF-16 that ends within a character",
        TEXT,
        ("mine.txt is not UTF-16 text.",),
        {"mine.txt": ("abc\n" * 2000).encode("utf-16")[:-1]},
        "mine.txt",
        flags=("--encoding", "utf-16"),
    ),
    Case(
        "encoding that there is not",
        TEXT,
        ("--encoding latin-99 is not an encoding that Python knows.",),
        {"mine.txt": b"abc\n" * 2000},
        "mine.txt",
        flags=("--encoding", "latin-99"),
    ),
]

OF_TABLES = [
    table(
        "ragged rows",
        lines("metres,colour,price", *ROWS, "1,red", '"a\nb",red,3,4', "", "1,red,3,4"),
        "mine.csv, line 32: it has 2 cells, and the header 3.",
        "mine.csv, line 33: it has 4 cells, and the header 3.",
        "mine.csv, line 36: it has 4 cells, and the header 3.",
        hint="Put a cell that contains the separator in quotation marks.",
    ),
    table(
        "no header",
        lines(*ROWS),
        "mine.csv has no header: its first line holds the number 0.",
        hint="Name the columns in a line above it; or --header none: they are column_1 and so on; "
        "or --header first: the line names them.",
    ),
    table(
        "missing and infinite targets",
        priced("1,red,nan", "1,red,", "1,red,inf", "1,red,-Infinity", "1,red,1e400", "1,red,1e39"),
        "mine.csv, line 32: the target price is missing ('nan').",
        "mine.csv, line 33: the target price is missing.",
        "mine.csv, line 34: price is 'inf', not a finite number.",
        "mine.csv, line 35: price is '-Infinity', not a finite number.",
        "mine.csv, line 36: price is '1e400', not a finite number.",
        "mine.csv, line 37: price is '1e39', not a number up to 1e+19.",
        hint=NUMBERS,
    ),
    table(
        "infinite target in Parquet",
        parquet(a=[1.0, 2.0, 3.0, 4.0], b=[1.0, 2.0, float("inf"), float("nan")]),
        "mine.parquet, row 4: the target b is missing (nan).",
        "mine.parquet, row 3: b is 'inf', not a finite number.",
        file="mine.parquet",
    ),
    table(
        "an integer in JSON lines that is too large for any float",
        lines(*(json.dumps({"a": n, "b": n if n < 9 else 10**400}) for n in range(10))),
        f"mine.jsonl, line 10: b is '{10**58}…', not a finite number.",
        file="mine.jsonl",
        hint=NUMBERS,
    ),
    table(
        "target that is text",
        priced(),
        "mine.csv: the target colour holds text, not numbers, such as 'blue'. Name a column of "
        "numbers with --target.",
        flags=("--target", "colour"),
    ),
    table(
        "target that is not there",
        priced(),
        "mine.csv has no column prize: it has metres, colour, price.",
        flags=("--target", "prize"),
    ),
    table(
        "target that is the same in every row",
        lines("metres,price", *[f"{number},5" for number in range(9)]),
        "mine.csv: the target price is the same in every row.",
    ),
    table(
        "nothing to predict from",
        lines("a,b,price", *[f",x,{number}" for number in range(9)]),
        "mine.csv: no column but the target has different values.",
    ),
    table(
        "one column",
        lines("price", *map(str, range(9))),
        "mine.csv has one column only: a target and others are needed.",
    ),
    table(
        "a few words in a column of numbers, and an infinity",
        priced("tall,red,3", "inf,red,3"),
        "mine.csv, line 32: metres is 'tall', not a finite number.",
        "mine.csv, line 33: metres is 'inf', not a finite number.",
        hint=f"To take all that is no number as missing: --types NAME=number. {NUMBERS} To take a "
        "column as names: --types NAME=category; to leave it out: --ignore NAME",
    ),
    table("one row", lines("a,b", "1,2"), f"mine.csv has too few examples, 1: {TOO_FEW}"),
    table("header alone", lines("a,b"), "mine.csv has no rows."),
    table("table of zero bytes", b"", "mine.csv is empty."),
    table("empty lines alone", b"\n\r\n\n", "mine.csv is empty."),
    table(
        "quotation mark that does not end",
        priced('1,"re,d,3', "2,red,4"),
        "mine.csv, line 32: it cannot be read (unexpected end of data): is a quotation mark "
        "missing?",
        hint="A cell that begins with a quotation mark ends with one, and those within are "
        "doubled. If they mean nothing: --quoting none",
    ),
    table(
        "zero byte in the middle",
        priced("1,r\0d,3"),
        "mine.csv, line 32: it holds a zero byte: this is no text file.",
    ),
    table(
        "table that is not UTF-8",
        priced("1,gr\xfcn,3").decode().encode("latin-1"),
        "mine.csv, line 32: byte 5 is not UTF-8 text (0xfc).",
        hint=ENCODING,
    ),
    table(
        "table that may not be read",
        priced(),
        "mine.csv cannot be read: Permission denied.",
        locked="mine.csv",
    ),
    table(
        "splits of other names",
        lines("a,split,b", "1,train,2", "2,later,3", "3,,4", "4,test,5"),
        "mine.csv, line 3: its split must be train, validation or test, not 'later'.",
        "mine.csv, line 4: its split must be train, validation or test, not ''.",
        hint="A column split says which rows to train and to test on: rename it, if it is "
        "something else.",
    ),
    table(
        "rows to test on alone",
        lines("a,split,b", "1,test,2", "2,test,3", "3,test,4"),
        "mine.csv has no examples to train on: their split is called train.",
    ),
    table(
        "spreadsheet that is none",
        b"PK\x03\x04",
        "mine.xlsx cannot be read as a sheet: invalid Zip archive: Could not find EOCD.",
        file="mine.xlsx",
        hint="Save it as .csv.",
    ),
    Case(
        "file whose name is no text",
        REGRESSION,
        (r"\udcff.csv cannot be recorded: its name is not UTF-8. Rename it.",),
        {b"\xff.csv".decode("utf-8", "surrogateescape"): priced()},
        b"\xff.csv".decode("utf-8", "surrogateescape"),
    ),
    Case(
        "folder for a table",
        REGRESSION,
        ("mine must be a table: .csv, .tsv, .jsonl, .parquet, .xlsx.",),
        {"mine": None},
    ),
    Case(
        "link to nothing for a table",
        REGRESSION,
        ("mine.csv is a symbolic link that leads nowhere.",),
        {"mine.csv": Path("gone.csv")},
        "mine.csv",
    ),
    Case(
        "link to itself for a table",
        REGRESSION,
        ("mine.csv is a symbolic link that leads nowhere, or back to itself.",),
        {"mine.csv": Path("mine.csv")},
        "mine.csv",
    ),
    Case(
        "folder that may not be entered",
        REGRESSION,
        ("inner/mine.csv cannot be read: Permission denied.",),
        {"inner/mine.csv": priced()},
        "inner/mine.csv",
        locked="inner",
    ),
]

CASES = {case.name: case for case in (*OF_IMAGES, *OF_TEXTS, *OF_TEXT, *OF_TABLES)}


@dataclass(frozen=True)
class Tried:
    """What came of a case, and what lay in its folder before and after."""

    trained: Outcome
    checked: Outcome
    wrote: bool


def listing(folder: Path) -> list[tuple[str, int, int]]:
    """Return every path below a folder, with its size and the time of its last change."""
    found = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found.append((str(path), status.st_size, status.st_mtime_ns))
    return found


def write_files(folder: Path, files: Mapping[str, bytes | Path | None]) -> None:
    """Write files, symbolic links and folders."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content)


def try_case(case: Case, folder: Path) -> Tried:
    """Give a case to `train` and to `data check`."""
    write_files(folder, case.files)
    before = listing(folder)
    if case.locked:
        (folder / case.locked).chmod(0)
    command = [*(WITHOUT_ROOTS_RIGHTS if case.locked and is_root() else ()), COMMAND]
    arguments = ("--data", case.path, *case.flags)
    trained = run_process([*command, "train", case.recipe, *arguments], cwd=folder, code=None)
    arguments = (case.path, "--task", case.recipe, *case.flags, "--json")
    checked = run_process([*command, "data", "check", *arguments], cwd=folder, code=None)
    if case.locked:
        (folder / case.locked).chmod(0o755)
    return Tried(trained, checked, wrote=before != listing(folder))


def require_same(found: Sequence[str], expected: Sequence[str]) -> None:
    """Fail unless the sentences are those expected."""
    assert len(found) == len(expected), found
    for sentence, wanted in zip(found, expected, strict=True):
        begin, cut, _ = wanted.partition("…")
        assert sentence.startswith(begin) if cut else sentence == wanted, found


def is_root() -> bool:
    """Tell whether permissions do not bind this process."""
    return os.geteuid() == 0


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Tried]:
    """Return what came of each case that is to be tested, by its name."""
    callspecs = [getattr(item, "callspec", None) for item in request.session.items]
    names = {
        callspec.params["name"]
        for callspec in callspecs
        if callspec is not None and callspec.params.get("name") in CASES
    }
    folders = {name: tmp_path_factory.mktemp("case") for name in sorted(names)}
    return side_by_side(lambda name: try_case(CASES[name], folders[name]), folders)


def test_there_are_many_cases_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) == len([*OF_IMAGES, *OF_TEXTS, *OF_TEXT, *OF_TABLES])
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_bad_data_gets_every_problem_in_a_sentence_and_nothing_is_written(
    name: str, results: Mapping[str, Tried]
) -> None:
    case, tried = CASES[name], results[name]
    assert not tried.wrote
    trained = tried.trained
    assert trained.code == 2, trained
    assert trained.out == ""
    shown = trained.error.splitlines()
    if len(case.says) == 1:
        expected = [f"Error: {case.says[0]}"]
    else:
        title = f"Error: {case.path} has {len(case.says)} problems."
        expected = [title, *(f"  {sentence}" for sentence in case.says)]
    require_same(shown[: len(expected)], expected)
    assert len(shown) <= len(expected) + 1
    if case.hint is not None:
        assert shown[-1] == case.hint
    checked = tried.checked
    assert checked.code == 2, checked
    assert checked.err == ""
    document = checked.document
    if "error" in document:  # Then there is nothing to look through.
        require_same([document["error"]], case.says)
        return
    assert document["usable"] is False
    require_same(document["problems"], case.says)
    assert document["problem_count"] == len(case.says)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = dlrecipes("train", MNIST, "--data", "gone", cwd=tmp_path, code=2).error
    assert error.startswith("Error: There is no file or folder gone: --data must be auto, full,")
    error = dlrecipes("data", "check", "gone", "--task", MNIST, cwd=tmp_path, code=2).error
    assert error == "Error: There is no file or folder gone.\n"


def test_of_very_many_problems_training_shows_the_first_and_the_check_all(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(priced(*["1,red"] * 300))
    shown = dlrecipes("train", REGRESSION, "--data", "mine.csv", cwd=tmp_path, code=2).error
    assert shown.startswith("Error: mine.csv has 300 problems.\n  mine.csv, line 32:")
    assert "  and 280 more\n" in shown
    assert len(shown.splitlines()) == 23
    check = ("data", "check", "mine.csv", "--task", REGRESSION)
    shown = dlrecipes(*check, cwd=tmp_path, code=2).out
    assert "  300 problems: it has … cells, and the header …\n    mine.csv, line 32: " in shown
    assert "\n  All of them: --all\n" in shown
    outcome = dlrecipes(*check, "--all", cwd=tmp_path, code=2)
    found = [line for line in outcome.out.splitlines() if line.startswith("  problem: ")]
    assert len(found) == 300
    assert found[-1] == "  problem: mine.csv, line 331: it has 2 cells, and the header 3."


GOOD: Mapping[str, tuple[str, Mapping[str, bytes | Path | None]]] = {
    IMAGES: ("mine", PETS),
    TEXTS: ("mine.csv", {"mine.csv": lines("text,label", *REVIEWS)}),
    TEXT: ("mine.txt", {"mine.txt": b"to be or not to be\n" * 200}),
    REGRESSION: ("mine.csv", {"mine.csv": priced()}),
}


@pytest.mark.parametrize("recipe", GOOD)
def test_data_is_looked_through_without_tensorflow(recipe: str, tmp_path: Path) -> None:
    """That is why a mistake is named in a second, by `train` too."""
    path, files = GOOD[recipe]
    write_files(tmp_path, {**files, "empty": None})
    run_python(WITHOUT_TENSORFLOW, "data", "check", path, "--task", recipe, cwd=tmp_path)
    arguments = ("train", recipe, "--data", "empty")
    run_python(WITHOUT_TENSORFLOW, *arguments, cwd=tmp_path, code=2)
