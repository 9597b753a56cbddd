"""Train on N and on 10 N rows, and compare the memory that it takes.

    python benchmarks/memory.py                       # all of it: about 15 minutes, 2 GB of disk
    python benchmarks/memory.py rows texts            # some of them
    python benchmarks/memory.py rows-large prose-large images-large    # an hour, 12 GB of disk
    python benchmarks/memory.py --json

Columns are kept in memory up to 64 MiB and in a temporary file beyond. `rows` and the like compare
N, which stays below that, with 10 N, which is far above. `rows-worst` compares few rows with ten
times as many that just fit into memory, where most is kept twice. `tfds` is a prepared data set of
TensorFlow Datasets, decoded (`tfds`) or as it was kept before (`tfds-kept`); the others are a
user's own data. Each training is one epoch of
the real command in a process of its own, with small settings, since it is the data whose memory is
measured. Ends with 1 if 10 N rows take more than 1.3 times the memory of N.

The large kinds, ten million rows, five billion characters and 200,000 images, may take 1.2 times
the memory of a tenth. They are checked by `data check` too, and what looking through a table takes
is held against Arrow and DuckDB (`pip install duckdb`), which read the same file in one thread and
tell the types of its columns. Seconds of the processor are given beside those of the clock.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TIMES = 10
MOST, MOST_OF_LARGE = 1.3, 1.2
NUMBERS, CATEGORIES = ("a", "b", "c", "d", "e"), ("cut", "colour", "city")
ONE_EPOCH = ("--epochs", "1")


class Kind(NamedTuple):
    """One kind of data: how it is written, how many rows N is, and how it is trained on."""

    unit: str
    count: int
    write: Callable[[Path, int], Path]
    train: tuple[str, ...]
    is_full: bool = False
    """Whether it is a folder of prepared full data sets."""
    trainings: int = 1
    """How often it is trained on; the last time counts."""
    is_large: bool = False
    """Whether it is measured only if it is asked for, and checked too."""


def write_rows(folder: Path, count: int) -> Path:
    """Write a table of five numbers and three categories, and the price that follows from them."""
    import pyarrow
    from pyarrow import csv

    random = np.random.default_rng(0)
    path = folder / "rows.csv"
    names = {name: [f"{name} {number}" for number in range(50)] for name in CATEGORIES}
    schema = pyarrow.schema(
        [(name, pyarrow.float64()) for name in NUMBERS]
        + [(name, pyarrow.string()) for name in CATEGORIES]
        + [("price", pyarrow.float64())]
    )
    options = csv.WriteOptions(quoting_style="none")
    with csv.CSVWriter(path, schema, write_options=options) as file:
        for start in range(0, count, 100_000):
            numbers = random.normal(size=(min(100_000, count - start), len(NUMBERS))).round(4)
            columns = [pyarrow.array(column) for column in numbers.T]
            for known in names.values():
                columns.append(pyarrow.array(known).take(random.integers(0, 50, len(numbers))))
            columns.append(pyarrow.array((100 * numbers.sum(axis=1)).round(3)))
            file.write(pyarrow.record_batch(columns, schema=schema))
    return path


def write_texts(folder: Path, count: int) -> Path:
    """Write a table of texts of 200 words, as frequent as in a language, and two labels."""
    random = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(100_000)], dtype=object)
    bounds = np.cumsum(1 / np.arange(1, len(words) + 1))
    path = folder / "texts.csv"
    with path.open("w") as file:
        file.write("text,label\n")
        for number in range(count):
            chosen = np.searchsorted(bounds, random.random(200) * bounds[-1])
            label = ("bad", "good")[number % 2]
            file.write(f"{label} {' '.join(words[chosen])},{label}\n")
    return path


def write_prose(folder: Path, count: int) -> Path:
    """Write so many characters of the bundled prose, again and again."""
    text = files("dlrecipes.data").joinpath("prose.txt").read_text("utf-8")
    path = folder / "prose.txt"
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, count, len(text)):
            file.write(text[: count - start])
    return path


def write_images(folder: Path, count: int) -> Path:
    """Write coloured JPEG images of 64x64 pixels in four class folders."""
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(count):
        label = number % 4
        pixels = random.normal(60 * label + 30, 40, (64, 64, 3)).clip(0, 255).astype("uint8")
        path = folder / "images" / f"class {label}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=60)
    return folder / "images"


FEATURES = {
    "image": {
        "pythonClassName": "tensorflow_datasets.core.features.image_feature.Image",
        "image": {"dtype": "uint8", "shape": {"dimensions": ["28", "28", "1"]}},
    },
    "label": {
        "pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel",
        "classLabel": {"numClasses": "10"},
    },
}


def write_tfds(folder: Path, count: int) -> Path:
    """Write MNIST as TensorFlow Datasets prepares it, with the bundled digits again and again."""
    from dlrecipes.system.backend import load_tensorflow

    tf = load_tensorflow()
    home = folder / "tfds" / "mnist" / "3.0.1"
    home.mkdir(parents=True)
    sample = np.load(BytesIO(files("dlrecipes.data").joinpath("mnist.npz").read_bytes()))
    splits = []
    for split, rows in (("train", count), ("test", 1000)):
        examples = []
        for pixels, label in zip(sample[f"x_{split}"], sample[f"y_{split}"], strict=True):
            png = tf.io.encode_png(pixels[..., np.newaxis]).numpy()
            image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[png]))
            number = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)]))
            values = tf.train.Features(feature={"image": image, "label": number})
            examples.append(tf.train.Example(features=values).SerializeToString())
        with tf.io.TFRecordWriter(str(home / f"mnist-{split}.tfrecord-00000-of-00001")) as writer:
            for number in range(rows):
                writer.write(examples[number % len(examples)])
        size = rows * sum(map(len, examples)) // len(examples)
        splits.append({"name": split, "numBytes": str(size), "shardLengths": [str(rows)]})
    info = {"name": "mnist", "version": "3.0.1", "fileFormat": "tfrecord", "splits": splits}
    (home / "dataset_info.json").write_text(json.dumps(info))
    (home / "features.json").write_text(json.dumps({"featuresDict": {"features": FEATURES}}))
    return folder / "tfds"


TRAIN_ROWS = ("regression-mlp", "--batch-size", "1024")
TRAIN_IMAGES = ("mnist-cnn", "--batch-size", "256", "--filters", "4,4")
TRAIN_PROSE = (
    *("text-generation-lstm", "--batch-size", "1024", "--embedding-units", "4"),
    *("--lstm-units", "8"),
)
KINDS = {
    "rows": Kind("rows", 200_000, write_rows, TRAIN_ROWS),
    "rows-worst": Kind("rows", 60_000, write_rows, TRAIN_ROWS),
    "texts": Kind(
        "texts",
        30_000,
        write_texts,
        (
            *("sentiment-lstm", "--batch-size", "256", "--max-words", "20"),
            *("--embedding-units", "4", "--lstm-units", "4", "--convolution-filters", "4"),
        ),
    ),
    "prose": Kind("characters", 4_000_000, write_prose, TRAIN_PROSE),
    "images": Kind("images", 4_000, write_images, TRAIN_IMAGES),
    "tfds": Kind("images", 60_000, write_tfds, TRAIN_IMAGES, is_full=True),
    "tfds-kept": Kind("images", 60_000, write_tfds, TRAIN_IMAGES, is_full=True, trainings=2),
    "rows-large": Kind("rows", 1_000_000, write_rows, TRAIN_ROWS, is_large=True),
    "prose-large": Kind("characters", 500_000_000, write_prose, TRAIN_PROSE, is_large=True),
    "images-large": Kind("images", 20_000, write_images, TRAIN_IMAGES, is_large=True),
}


def run(words: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run the command in a process of its own, and return its peak memory in MiB and its seconds.

    Called in a process that has no other children, so that the largest child is the command.
    """
    started = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", "dlrecipes", *words, "--json"],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(result.stderr.decode() + result.stdout.decode())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        # macOS counts bytes, Linux kibibytes.
        "peak_mib": round(used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)),
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "document": json.loads(result.stdout),
    }


def train(kind: Kind, path: Path, folder: Path) -> dict[str, Any]:
    """Train, and return what it takes."""
    data = ["full", "--data-dir", str(path)] if kind.is_full else [str(path)]
    words = ["train", *kind.train, *ONE_EPOCH, "--data", *data, "--runs-dir", str(folder / "runs")]
    found = run(words, folder)
    document = found.pop("document")
    return {**found, "parts": document["seconds"], "rows": document["data"]["rows"]}


def check(kind: Kind, path: Path, folder: Path) -> dict[str, Any]:
    """Check the data, and return what that takes, and what reading a table takes."""
    found = run(["data", "check", str(path), "--task", kind.train[0]], folder)
    del found["document"]
    if path.suffix == ".csv":
        readers = {"dlrecipes": read_once, "Arrow": read_with_arrow, "DuckDB": read_with_duckdb}
        found["reading_seconds"] = {name: timed(read, path) for name, read in readers.items()}
    return found


def timed(read: Callable[[Path], None], path: Path) -> tuple[float, float]:
    """Return the seconds, and those of the processor, that reading a file takes."""
    began, used = time.perf_counter(), time.process_time()
    read(path)
    return round(time.perf_counter() - began, 1), round(time.process_time() - used, 1)


def read_once(path: Path) -> None:
    """Read a table as `train` does: look through all of it, and tell what each column holds."""
    from dlrecipes.datasets.own.columns import look_through
    from dlrecipes.datasets.own.files import FileOptions, Report
    from dlrecipes.datasets.own.tables import open_table

    table = open_table(path, FileOptions(), Report())
    assert table is not None
    look_through(table, Report())


def read_with_arrow(path: Path) -> None:
    """Read a table in one thread, a block at a time, with columns of types."""
    from pyarrow import csv

    for _ in csv.open_csv(path, csv.ReadOptions(use_threads=False)):
        pass


def read_with_duckdb(path: Path) -> None:
    """Read a table in one thread, with columns of types, and look at each."""
    import duckdb

    duckdb.sql("SET threads = 1")
    duckdb.sql(f"SUMMARIZE SELECT * FROM read_csv('{path}')").fetchall()


def child(action: str, *words: str) -> dict[str, Any]:
    """Return what an action of this script says in a process of its own."""
    command = [sys.executable, __file__, "--child", action, *words]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def measure(name: str) -> dict[str, Any]:
    """Return what training on N and on 10 N rows of a kind of data takes."""
    kind = KINDS[name]
    measured = []
    for count in (kind.count, TIMES * kind.count):
        with tempfile.TemporaryDirectory(dir=large_folder()) as scratch:
            folder = Path(scratch)
            path = kind.write(folder, count)
            of_files = [path] if path.is_file() else list(path.rglob("*.*"))
            size = sum(file.stat().st_size for file in of_files)
            words = (name, str(path), str(folder))
            found = {"check": child("check", *words)} if kind.is_large else {}
            for _ in range(kind.trainings):
                found |= child("train", *words)
            measured.append({"count": count, "bytes": size, **found})
    one, ten = measured
    return {"unit": kind.unit, "n": one, "10n": ten, "ratio": ten["peak_mib"] / one["peak_mib"]}


def large_folder() -> str | None:
    """Return a folder that is on a disk, which /tmp is not everywhere."""
    return "/var/tmp" if Path("/var/tmp").is_dir() else None


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    results = {}
    for name in wanted.kinds or [name for name, kind in KINDS.items() if not kind.is_large]:
        results[name] = found = measure(name)
        if not wanted.json:
            for part in (found["n"], found["10n"]):
                print(
                    f"{name:12} {part['count']:>13,} {found['unit']:11}"
                    f"{part['bytes'] / 2**20:8.1f} MiB of files  peak {part['peak_mib']:6,} MiB"
                    f"  {part['seconds']:7.1f} s",
                    flush=True,
                )
                if "check" in part:
                    print(f"{'':12} of it {part['parts']}; checked alone: {part['check']}")
            print(f"{name:12} {found['ratio']:.2f} times the memory", flush=True)
    if wanted.json:
        print(json.dumps(results, indent=2))
    return int(
        any(
            found["ratio"] > (MOST_OF_LARGE if KINDS[name].is_large else MOST)
            for name, found in results.items()
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        action, name, path, folder = sys.argv[2:]
        do = train if action == "train" else check
        print(json.dumps(do(KINDS[name], Path(path), Path(folder))))
        sys.exit(0)
    sys.exit(main())
