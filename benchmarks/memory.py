"""Train on N and on 10 N rows, and compare the memory that it takes.

    python benchmarks/memory.py                       # all of it: about 15 minutes, 2 GB of disk
    python benchmarks/memory.py rows texts            # some of them
    python benchmarks/memory.py --json

Columns are kept in memory up to 64 MiB and in a temporary file beyond. `rows` and the like compare
N, which stays below that, with 10 N, which is far above. `rows-worst` compares few rows with ten
times as many that just fit into memory, where most is kept twice. `tfds` is a prepared data set of
TensorFlow Datasets, decoded (`tfds`) or as it was kept before (`tfds-kept`); the others are a
user's own data. Each training is one epoch of
the real command in a process of its own, with small settings, since it is the data whose memory is
measured. Ends with 1 if 10 N rows take more than 1.3 times the memory of N.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TIMES = 10
MOST = 1.3
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


def write_rows(folder: Path, count: int) -> Path:
    """Write a table of five numbers and three categories, and the price that follows from them."""
    random = np.random.default_rng(0)
    path = folder / "rows.csv"
    with path.open("w") as file:
        file.write("a,b,c,d,e,cut,colour,city,price\n")
        for start in range(0, count, 10_000):
            numbers = random.normal(size=(min(10_000, count - start), 5))
            kinds = random.integers(0, 50, (len(numbers), 3))
            for row, (cut, colour, city) in zip(numbers, kinds, strict=True):
                cells = ",".join(f"{number:.4f}" for number in row)
                file.write(f"{cells},cut {cut},colour {colour},city {city},{100 * row.sum():.3f}\n")
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
    "prose": Kind(
        "characters",
        4_000_000,
        write_prose,
        (
            *("text-generation-lstm", "--batch-size", "1024", "--embedding-units", "4"),
            *("--lstm-units", "8"),
        ),
    ),
    "images": Kind("images", 4_000, write_images, TRAIN_IMAGES),
    "tfds": Kind("images", 60_000, write_tfds, TRAIN_IMAGES, is_full=True),
    "tfds-kept": Kind("images", 60_000, write_tfds, TRAIN_IMAGES, is_full=True, trainings=2),
}


def train(kind: Kind, path: Path, folder: Path) -> dict[str, Any]:
    """Train in a process of its own, and return its peak memory in MiB and its seconds.

    Run as `memory.py --child …`, so that the largest child of a process is the one training.
    """
    command = [sys.executable, "-m", "dlrecipes", "train", *kind.train, *ONE_EPOCH]
    command += (
        ["--data", "full", "--data-dir", str(path)] if kind.is_full else ["--data", str(path)]
    )
    command += ["--runs-dir", str(folder / "runs"), "--json"]
    started = time.perf_counter()
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(result.stderr.decode() + result.stdout.decode())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        # macOS counts bytes, Linux kibibytes.
        "peak_mib": round(peak / (2**20 if sys.platform == "darwin" else 2**10)),
        "seconds": round(time.perf_counter() - started, 1),
        "parts": json.loads(result.stdout)["seconds"],
        "rows": json.loads(result.stdout)["data"]["rows"],
    }


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
            command = [sys.executable, __file__, "--child", name, str(path), str(folder)]
            for _ in range(kind.trainings):
                result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            measured.append({"count": count, "bytes": size, **json.loads(result.stdout)})
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
    for name in wanted.kinds or KINDS:
        results[name] = found = measure(name)
        if not wanted.json:
            for part in (found["n"], found["10n"]):
                print(
                    f"{name:10} {part['count']:>12,} {found['unit']:11}"
                    f"{part['bytes'] / 2**20:8.1f} MiB of files  peak {part['peak_mib']:6,} MiB"
                    f"  {part['seconds']:7.1f} s",
                    flush=True,
                )
            print(f"{name:10} {found['ratio']:.2f} times the memory", flush=True)
    if wanted.json:
        print(json.dumps(results, indent=2))
    return int(any(found["ratio"] > MOST for found in results.values()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        name, path, folder = sys.argv[2:]
        print(json.dumps(train(KINDS[name], Path(path), Path(folder))))
        sys.exit(0)
    sys.exit(main())
