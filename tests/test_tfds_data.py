"""Any data set of TensorFlow Datasets, and those of installed packages: named, fetched and read."""

import hashlib
import io
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_data import COUNTS, archives, mirror, mirror_name, write_package
from PIL import Image
from servers import NO_REAL_HOSTS, Server, serving, silent
from support import (
    MNIST,
    SHARED,
    WITHOUT_TENSORFLOW,
    Outcome,
    dlrecipes,
    files_below,
    run_python,
    side_by_side,
)

from dlrecipes.datasets import storage
from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.published import cache
from dlrecipes.datasets.published.download import host_of
from dlrecipes.datasets.published.features import Feature
from dlrecipes.datasets.published.fetch import OFFLINE_SECONDS, describe
from dlrecipes.datasets.published.read import is_decoded, peek, read
from dlrecipes.datasets.storage import StoredColumn
from dlrecipes.errors import DlrecipesError, InputError

ROUGH = "rough_digits"


class Notes:
    """A listener that keeps what it is warned of."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def download_begins(self, name: str, host: str, size: int, kept: int) -> None: ...
    def download_moves(self, received: int) -> None: ...
    def download_ends(self) -> None: ...
    def preparation_begins(self, name: str) -> None: ...


@dataclass
class Chosen:
    """A selection: images and categories as they are, the rest too, and how often it converts."""

    columns: tuple[str, ...]
    answer: str
    key: str = "test"
    pixels: tuple[str, ...] = ()
    converted: int = 0

    def convert(self, chunk: Mapping[str, Any]) -> Examples:
        self.converted += 1
        columns = {}
        for name, values in chunk.items():
            if isinstance(values, list) and isinstance(values[0], bytes):
                values = np.stack([np.array(Image.open(io.BytesIO(one))) for one in values])
            elif isinstance(values, list):
                values = np.array(values, dtype=object)
            columns[name] = values
        answers = columns.pop(self.answer)
        features = columns if len(columns) > 1 else next(iter(columns.values()))
        return Examples(features, answers)


@pytest.fixture
def package(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a user who has installed the package, and has no Internet."""
    return {**NO_REAL_HOSTS, **write_package(tmp_path / "site")}


# --- names and records, without TensorFlow Datasets


COMPARE = """
import json
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import load_url_infos
from dlrecipes.datasets.published.names import find_data_set, tfds_builders, tfds_folder
from dlrecipes.datasets.published.sources import recorded_files

names = set(tfds.list_builders(with_community_datasets=False))
assert names == set(tfds_builders()), names ^ set(tfds_builders())
files = 0
for name in names:
    paths = [
        tfds_folder() / "url_checksums" / f"{name}.txt",
        tfds_folder() / "datasets" / name / "checksums.tsv",
    ]
    theirs = {}
    for path in paths:
        theirs |= load_url_infos(path) if path.exists() else {}
    ours = recorded_files(find_data_set(name))
    if name != "diamonds":
        assert {url: (int(info.size), info.checksum) for url, info in theirs.items()} == {
            url: (file.size, file.sha256) for url, file in ours.items()
        }, name
    assert len({(file.name, file.sha256) for file in ours.values()}) == len(
        {file.name for file in ours.values()}
    ), name
    files += len(ours)
print(json.dumps([len(names), files]))
"""


def test_every_name_and_every_checksum_of_tensorflow_datasets_is_known_without_it(
    tmp_path: Path,
) -> None:
    names, files = json.loads(run_python(COMPARE, cwd=tmp_path).out)
    assert names > 400
    assert files > 10_000


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("cifra10", "Did you mean cifar10?"),
        ("oxford_flower102", "Did you mean oxford_flowers102?"),
        ("cifar10/", "NAME/CONFIG:1.0.0"),
        ("../cifar10", "NAME/CONFIG:1.0.0"),
        ("glue/colla", "Did you mean cola?"),
        ("cifar10/plain", "no configuration 'plain': it has none"),
        ("cifar10:9.9.9", "cannot be loaded at version 9.9.9, only: 3.0.2"),
    ],
)
def test_a_wrong_name_is_refused_in_two_lines(name: str, wrong: str, tmp_path: Path) -> None:
    outcome = dlrecipes("data", "info", name, "--data-dir", tmp_path / "data", cwd=tmp_path, code=2)
    assert wrong in outcome.err
    assert len(outcome.err.splitlines()) <= 2
    assert files_below(tmp_path) == {}


def test_info_shows_what_a_set_will_hold_before_anything_is_downloaded(tmp_path: Path) -> None:
    arguments = ("data", "info", "oxford_flowers102", "--data-dir", tmp_path / "data", "--json")
    document = json.loads(run_python(WITHOUT_TENSORFLOW, *arguments, cwd=tmp_path).out)
    features = {feature["path"]: feature for feature in document["features"]}
    assert features["image"]["shape"] == [None, None, 3]
    assert features["label"]["classes"][0] == "pink primrose"
    assert len(features["label"]["classes"]) == 102
    assert document["supervised"] == [["image"], ["label"]]
    assert document["download_bytes"] == 344_878_000
    assert "Nilsback" in document["citation"]
    assert not document["prepared"]


ASK = """
import sys
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.datasets.published.disk import Unavailable
from dlrecipes.datasets.published.fetch import download_sources
try:
    download_sources(sys.argv[1], sys.argv[2], FetchDisplay(quiet=True))
except Unavailable as error:
    print(error.message)
assert not {"tensorflow", "keras", "tensorflow_datasets"} & set(sys.modules)
"""


def require_short_wait(said: str, server: Server) -> None:
    """Fail if a silent server was waited for longer than a training may: the sentence says it."""
    (waited,) = re.findall(rf"{host_of(server.url)} sent nothing for ([\d.]+) s", said)
    assert float(waited) <= max(OFFLINE_SECONDS)


@pytest.mark.parametrize(
    "name", ["cifar10", "ag_news_subset", "glue/mnli", "natural_instructions", "d4rl_adroit_pen"]
)
def test_who_is_offline_hears_of_it_though_the_server_never_answers(
    name: str, tmp_path: Path
) -> None:
    with serving(silent) as server:
        env = {**NO_REAL_HOSTS, "DLRECIPES_MIRROR": server.url}
        said = run_python(ASK, name, tmp_path / "data", cwd=tmp_path, env=env).out
    assert f"The full data set {name} is not in" in said
    require_short_wait(said, server)
    assert files_below(tmp_path) == {}


# --- data sets of a package


def fetch(
    package: Mapping[str, str], folder: Path, url: str, name: str = ROUGH, code: int = 0
) -> Outcome:
    return dlrecipes(
        *("data", "fetch", name, "--data-dir", folder, "--json"),
        cwd=folder.parent,
        code=code,
        env={**package, "DLRECIPES_MIRROR": url},
    )


def test_a_foreign_builder_gets_its_files_from_a_mirror_and_no_others(
    package: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    with serving(mirror()) as server:
        document = fetch(package, folder, server.url, f"{ROUGH}/odd").document
        asked = {
            path for path, wanted in zip(server.paths, server.ranges, strict=True) if not wanted
        }
    assert asked == {f"/{mirror_name(f'odd/{split}.zip')}" for split in COUNTS}
    assert document["version"] == "1.2.0"
    assert document["config"] == "odd"
    assert document["rows"] == COUNTS
    assert document["licence"] == "CC0"
    assert document["package"] == "foreign_data_sets"
    # The default configuration is another, and is not prepared.
    info = ("data", "info", ROUGH, "--json", "--data-dir", folder)
    assert not dlrecipes(*info, cwd=tmp_path, env=package).document["prepared"]
    listed = dlrecipes("data", "list", "--json", "--data-dir", folder, cwd=tmp_path, env=package)
    assert {one["name"] for one in listed.document if one["prepared"]} == {f"{ROUGH}/odd"}
    again = fetch(package, folder, "http://127.0.0.1:9", f"{ROUGH}/odd").document
    assert again["fetched"] is False
    clear = ("data", "clear", f"{ROUGH}/odd", "--yes", "--data-dir", folder)
    dlrecipes(*clear, cwd=tmp_path, env=package)
    assert files_below(tmp_path / "data") == {}


def test_a_foreign_set_is_described_and_read_with_images_of_many_sizes(
    package: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    with serving(mirror()) as server:
        fetch(package, folder, server.url)
    monkeypatch.syspath_prepend(package["PYTHONPATH"])
    found = describe(ROUGH, str(folder))
    assert found.name == f"{ROUGH}/even:1.2.0"
    assert found.supervised == (("picture",), ("digit",))
    assert found.feature("digit") == Feature(
        "digit", "category", (), "int64", tuple(f"the {number}" for number in range(10))
    )
    assert found.feature("size/rows") == Feature("size/rows", "number", (), "int64")
    rows = peek(ROUGH, str(folder), ("picture", "size/rows", "size/columns"), 7)
    assert [len(values) for values in rows.values()] == [7, 7, 7]
    sizes = [Image.open(io.BytesIO(content)).size for content in rows["picture"]]
    assert sizes == list(zip(rows["size/columns"], rows["size/rows"], strict=True))
    assert len(set(sizes)) > 3

    notes = Notes()
    selection = Chosen(("size/rows", "digit"), "digit")
    splits = read(ROUGH, str(folder), selection, notes)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 60, "test": 20}
    assert notes.warnings == [f"Not used: the splits spare of {ROUGH}/even:1.2.0."]
    assert set(np.asarray(splits["train"].labels)) == {0, 2, 4, 6, 8}
    assert is_decoded(ROUGH, str(folder), selection)
    read(ROUGH, str(folder), selection, notes)
    assert len(notes.warnings) == 1, "it is said when they are decoded, and not again"
    with pytest.raises(InputError, match="no feature 'colour': it has digit, picture, size"):
        peek(ROUGH, str(folder), ("colour",))


def test_a_recipe_trains_on_what_a_package_brings_and_that_nobody_here_names(
    package: dict[str, str], tmp_path: Path
) -> None:
    tiny = ("--epochs", "1", "--filters", "2,2", "--dense-units", "4")

    def train(name: str, url: str) -> Any:
        return dlrecipes(
            *("train", MNIST, "--data", f"tfds:{name}", "--data-dir", tmp_path / "data", "--json"),
            *tiny,
            cwd=tmp_path,
            env={**package, "DLRECIPES_MIRROR": url},
        ).document

    with serving(mirror()) as server:
        built = train(f"{ROUGH}/odd", server.url)
    assert built["data"]["name"] == f"{ROUGH}/odd"
    assert built["data"]["rung"] == "full"
    assert built["data"]["rows"] == {"train": 54, "validation": 6, "test": 20}
    assert built["data"]["answer"]["classes"] == [f"the {number}" for number in range(10)]
    assert "expected" not in built["verdict"], "a range belongs to the data that it was measured on"
    brought = train("digit_folders", "http://127.0.0.1:9")
    assert brought["data"]["rung"] == "full"
    assert sum(brought["data"]["rows"].values()) == 100
    assert brought["data"]["answer"]["classes"] == list("0123456789")


@pytest.mark.long
@pytest.mark.shared
def test_cifar10_goes_through_the_recipe_of_mnist_with_its_class_names(tmp_path: Path) -> None:
    document = dlrecipes(
        *("train", MNIST, "--data", "tfds:cifar10", "--data-dir", SHARED, "--json"),
        *("--epochs", "1", "--filters", "4,8", "--dense-units", "16", "--batch-size", "512"),
        cwd=tmp_path,
    ).document
    assert document["data"]["rows"] == {"train": 47_500, "validation": 2500, "test": 10_000}
    assert document["data"]["answer"]["classes"][:2] == ["airplane", "automobile"]
    assert document["metrics"]["accuracy"] > 0.2


def test_training_on_a_set_that_nobody_curated_is_refused_if_the_server_never_answers(
    tmp_path: Path,
) -> None:
    with serving(silent) as server:
        outcome = dlrecipes(
            *("train", MNIST, "--data", "tfds:oxford_flowers102", "--data-dir", tmp_path / "data"),
            cwd=tmp_path,
            code=1,
            env={**NO_REAL_HOSTS, "DLRECIPES_MIRROR": server.url},
        )
    assert "The full data set oxford_flowers102 is not in" in outcome.err
    assert "www.robots.ox.ac.uk" in outcome.err
    require_short_wait(outcome.err, server)
    assert files_below(tmp_path) == {}


def test_a_download_that_broke_off_is_resumed_for_any_set(
    package: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    kept = folder / "downloads" / ROUGH / f"{mirror_name('even/train.zip')}.part"
    with serving(mirror(cut="even/train.zip")) as server:
        error = fetch(package, folder, server.url, code=1).document["error"]
    assert f"{server.url.removeprefix('http://')} broke off" in error
    assert "are kept: the next download resumes from there." in error
    assert archives()["even/train.zip"].startswith(kept.read_bytes())
    size = kept.stat().st_size
    assert size > 0
    with serving(mirror()) as server:
        fetch(package, folder, server.url)
        assert f"bytes={size}-" in server.ranges
    assert not kept.exists()


def test_a_file_with_a_wrong_checksum_is_refused_for_any_set(
    package: dict[str, str], tmp_path: Path
) -> None:
    with serving(mirror(wrong="even/test.zip")) as server:
        outcome = fetch(package, tmp_path / "data", server.url, code=1)
    assert f"sent a wrong {mirror_name('even/test.zip')}" in outcome.document["error"]
    left = files_below(tmp_path / "data")
    assert not any(name.endswith(("test.zip", "test.zip.part")) for name in left)
    assert not any("rough_digits/even" in name for name in left)


def test_files_that_were_laid_down_by_hand_need_no_server(
    package: dict[str, str], tmp_path: Path
) -> None:
    downloads = tmp_path / "data" / "downloads" / ROUGH
    downloads.mkdir(parents=True)
    for path, content in archives().items():
        (downloads / mirror_name(path)).write_bytes(content)
    assert fetch(package, tmp_path / "data", "http://127.0.0.1:9").document["fetched"]


def test_two_processes_share_one_download_of_any_set(
    package: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    with serving(mirror()) as server:
        outcomes = side_by_side(lambda _: fetch(package, folder, server.url), ["one", "other"])
        assert server.ranges.count("") == len(COUNTS)
    assert all(outcome.document["prepared"] for outcome in outcomes.values())


def test_what_a_builder_needs_is_named_before_anything_is_downloaded(tmp_path: Path) -> None:
    package = write_package(tmp_path / "site", needs="gcld3")
    with serving(mirror()) as server:
        outcome = fetch(package, tmp_path / "data", server.url, code=1)
        assert server.paths == []
    assert "needs the package gcld3, which is not installed" in outcome.document["error"]
    assert outcome.document["hint"] == "Install it: python -m pip install gcld3"
    info = ("data", "info", ROUGH, "--json", "--data-dir", tmp_path / "data")
    assert dlrecipes(*info, cwd=tmp_path, env=package).document["needs"] == ["gcld3"]


def test_a_set_that_is_downloaded_by_hand_says_what_goes_where(tmp_path: Path) -> None:
    package = write_package(tmp_path / "site", manual="Ask the authors for a licence file.")
    folder = tmp_path / "data"
    with serving(mirror()) as server:
        outcome = fetch(package, folder, server.url, code=1)
        assert f"into {folder / 'downloads' / ROUGH}" in outcome.document["error"]
        assert "Ask the authors for a licence file." in outcome.document["error"]
        assert server.paths == []
        (folder / "downloads" / ROUGH).mkdir(parents=True)
        (folder / "downloads" / ROUGH / "licence.txt").write_text("granted")
        fetch(package, folder, server.url)


def test_a_function_of_a_package_brings_files(package: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    arguments = ("digit_folders", "--data-dir", folder, "--json")
    before = dlrecipes("data", "info", *arguments, cwd=tmp_path, env=package).document
    assert not before["prepared"]
    fetched = dlrecipes("data", "fetch", *arguments, cwd=tmp_path, env=package).document
    assert fetched["prepared"]
    assert fetched["path"] == str(folder / "digit_folders" / "images")
    assert {path.name for path in Path(fetched["path"]).iterdir()} == set("0123456789")
    cleared = dlrecipes("data", "clear", *arguments, "--yes", cwd=tmp_path, env=package)
    assert cleared.document["removed"] == [str(folder / "digit_folders")]
    assert files_below(tmp_path / "data") == {}


def test_a_broken_package_is_an_error_without_a_traceback(
    package: dict[str, str], tmp_path: Path
) -> None:
    source = Path(package["PYTHONPATH"]) / "foreign_data_sets" / "folders.py"
    source.write_text("import no_such_module_at_all\n")
    fetched = ("data", "fetch", "digit_folders", "--data-dir", tmp_path / "data")
    outcome = dlrecipes(*fetched, cwd=tmp_path, env=package, code=1)
    assert "needs the package no_such_module_at_all" in outcome.err
    assert "Traceback" not in outcome.err


# --- prepared sets, and what is kept of them


@pytest.mark.shared
def test_prepared_sets_show_features_classes_and_splits(tmp_path: Path) -> None:
    def info(name: str) -> Any:
        arguments = ("data", "info", name, "--data-dir", SHARED, "--json")
        return json.loads(run_python(WITHOUT_TENSORFLOW, *arguments, cwd=tmp_path).out)

    cifar = info("cifar10")
    assert cifar["rows"] == {"train": 50_000, "test": 10_000}
    classes = {one["path"]: one["classes"] for one in cifar["features"]}["label"]
    assert classes[:3] == ["airplane", "automobile", "bird"]
    assert "Krizhevsky" in cifar["citation"]
    assert cifar["files"][0]["sha256"].startswith("c4a38c50")
    cells = {one["path"]: one for one in info("bccd")["features"]}
    assert cells["objects/bbox"]["kind"] == "sequence"
    assert cells["objects/bbox"]["of"] == "boxes"
    assert cells["objects/label"]["classes"] == ["RBC", "WBC", "Platelets"]
    reviews = {one["path"]: one for one in info("imdb_reviews")["features"]}
    assert reviews["label"]["classes"] == ["neg", "pos"]


@pytest.mark.shared
def test_sequences_and_sounds_are_read_row_by_row() -> None:
    cells = peek("bccd", str(SHARED), ("image", "objects/bbox", "objects/label"), 3)
    for boxes, labels in zip(cells["objects/bbox"], cells["objects/label"], strict=True):
        assert boxes.shape == (len(labels), 4)
        assert 0 <= boxes.min() < boxes.max() <= 1
    assert Image.open(io.BytesIO(cells["image"][0])).size == (640, 480)
    sounds = peek("spoken_digit", str(SHARED), ("audio", "audio/filename"), 3)
    assert len({len(sound) for sound in sounds["audio"]}) == 3
    assert all(name.endswith(".wav") for name in sounds["audio/filename"])


@pytest.mark.shared
def test_one_split_is_for_training_whatever_it_is_called() -> None:
    assert set(
        read("diamonds", str(SHARED), Chosen(("price", "features/x"), "price"), Notes())
    ) == {"train"}


@pytest.mark.shared
def test_a_large_set_is_decoded_once_and_then_read_by_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(storage, "MEMORY_BYTES", 2**20)
    monkeypatch.setattr(cache, "MEMORY_BYTES", 2**20)
    selection = Chosen(("image", "image/filename"), "image/filename")
    first = read("bccd", str(SHARED), selection, Notes())
    converted = selection.converted
    assert converted > 3, "rows are converted a few at a time"
    again = read("bccd", str(SHARED), selection, Notes())
    assert selection.converted == converted
    for split in ("train", "validation", "test"):
        images, labels = again[split].features, again[split].labels
        assert isinstance(images, StoredColumn)
        assert isinstance(labels, StoredColumn)
        assert images.shape[1:] == (480, 640, 3)
        rows = np.array([5, 0, len(images) - 1])
        assert (images[rows] == first[split].features[rows]).all()
        assert list(labels[rows]) == list(np.asarray(first[split].labels)[rows])
    expected = peek("bccd", str(SHARED), ("image",), 1)["image"][0]
    assert (again["train"].features[0] == np.array(Image.open(io.BytesIO(expected)))).all()


@pytest.mark.long
@pytest.mark.shared
def test_images_of_one_shape_are_decoded_to_the_same_pixels_together_as_one_by_one() -> None:
    one_by_one = Chosen(("image", "label"), "label", "one by one")
    together = Chosen(("image", "label"), "label", "together", pixels=("image",))
    first, second = (
        read("cifar10", str(SHARED), selection, Notes())["test"]
        for selection in (one_by_one, together)
    )
    assert fingerprint(first) == fingerprint(second)
    assert first.features.shape == second.features.shape == (10_000, 32, 32, 3)


@pytest.mark.shared
@pytest.mark.parametrize("harm", ["cut short", "changed", "no record", "other selection"])
def test_what_is_kept_is_made_again_where_it_does_not_fit(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    selection = Chosen(("price", "features/x"), "price")
    digest = fingerprint(read("diamonds", str(SHARED), selection, Notes())["train"])
    (folder,) = (tmp_path / "dlrecipes" / "diamonds").iterdir()
    file = folder / "train-0"
    if harm == "cut short":
        file.write_bytes(file.read_bytes()[:-4])
    elif harm == "changed":
        file.write_bytes(bytes(4) + file.read_bytes()[4:])
    elif harm == "no record":
        (folder / "columns.json").unlink()
    else:
        selection.key = "another"
    converted = selection.converted
    again = read("diamonds", str(SHARED), selection, Notes())["train"]
    assert fingerprint(again) == digest
    assert selection.converted == 2 * converted


def fingerprint(examples: Examples) -> str:
    return hashlib.sha256(np.asarray(examples.features).tobytes()).hexdigest()


@pytest.mark.shared
def test_damaged_files_of_a_prepared_set_are_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "diamonds" / "1.0.0"
    shutil.copytree(SHARED / "diamonds" / "1.0.0", folder, copy_function=shutil.copyfile)
    (file,) = folder.glob("*.tfrecord-*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DlrecipesError, match="cannot be read: corrupted record"):
        read("diamonds", str(tmp_path), Chosen(("price", "features/x"), "price", "new"), Notes())


@pytest.mark.shared
def test_a_prepared_set_that_nobody_knows_is_read_from_its_files(tmp_path: Path) -> None:
    """As one is that somebody else's builder has prepared."""
    folder = tmp_path / "data" / "gems" / "2.0.0"
    shutil.copytree(SHARED / "diamonds" / "1.0.0", folder, copy_function=shutil.copyfile)
    record = folder / "dataset_info.json"
    record.write_text(record.read_text().replace('"name": "diamonds"', '"name": "gems"'))
    (file,) = folder.glob("*.tfrecord-*")
    file.rename(folder / file.name.replace("diamonds", "gems"))
    arguments = ("gems", "--data-dir", tmp_path / "data", "--json")
    document = dlrecipes("data", "info", *arguments, cwd=tmp_path).document
    assert document["rows"] == {"train": 53_940}
    assert document["version"] == "2.0.0"
    rows = peek("gems", str(tmp_path / "data"), ("price",), 2)
    assert rows == peek("diamonds", str(SHARED), ("price",), 2)
