"""A data set that TensorFlow Datasets has prepared: found, described and listed without it."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dlrecipes.datasets.published.builder_source import About, read_text
from dlrecipes.datasets.published.features import Description, read_features
from dlrecipes.datasets.published.names import DataSet
from dlrecipes.errors import DlrecipesError

VERSION = re.compile(r"\d+\.\d+\.\d+")
RECORDS = ("dataset_info.json", "features.json")
"""The files that tell that a folder holds a whole data set: they are written last."""
FILE_NAME = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
NOT_DATA_SETS = ("downloads",)


@dataclass(frozen=True)
class Prepared:
    """A prepared data set.

    Args:
        folder: The folder of its version.
        name: Its full name.
    """

    folder: Path
    name: str

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """Return what TensorFlow Datasets has recorded of it.

        Raises:
            DlrecipesError: if that cannot be read.
        """
        return _json(self.folder / "dataset_info.json")

    @cached_property
    def description(self) -> Description:
        """Return its features and its rows.

        Raises:
            DlrecipesError: if the record cannot be read.
        """
        features = read_features(_json(self.folder / "features.json"), self._class_names)
        supervised = None
        items = self.info.get("supervisedKeys", {}).get("tuple", {}).get("items", ())
        if len(items) >= 2:
            paths = [feature.path for feature in features]
            inputs, answers = (tuple(_paths_below(item, paths)) for item in items[:2])
            supervised = (inputs, answers)
        return Description(self.name, features, supervised, self.rows)

    @property
    def rows(self) -> dict[str, int]:
        """Return the rows of each split."""
        return {
            split["name"]: sum(map(int, split.get("shardLengths", ())))
            for split in self.info.get("splits", ())
        }

    @property
    def about(self) -> About:
        """Return what the data set is."""
        return About(
            description=self.info.get("description", ""),
            citation=self.info.get("citation", ""),
            homepage=next(iter(self.info.get("location", {}).get("urls", ())), ""),
            licence=self.info.get("redistributionInfo", {}).get("license", ""),
        )

    def files(self, split: str) -> list[Path]:
        """Return the files of a split, in order.

        Args:
            split: The data set's own name of it.

        Raises:
            DlrecipesError: if they are not in a form that can be read.
        """
        form = self.info.get("fileFormat", "tfrecord")
        if form != "tfrecord":
            raise DlrecipesError(
                f"{self.folder} is prepared as {form} files, and dlrecipes reads tfrecord files.",
                "Prepare it again, in another folder: name that with --data-dir.",
            )
        found = next(one for one in self.info["splits"] if one["name"] == split)
        shards = len(found["shardLengths"])
        return [self.folder / self._file_name(found, shard, shards) for shard in range(shards)]

    def bytes_per_row(self, split: str) -> int:
        """Return how many bytes a row takes in the files, about."""
        found = next(one for one in self.info["splits"] if one["name"] == split)
        return int(found.get("numBytes", 0)) // max(self.rows[split], 1)

    def state(self) -> str:
        """Return a text that differs once a file of the data set does."""
        files = sorted(path for path in self.folder.iterdir() if path.is_file())
        stats = [(path.name, path.stat()) for path in files]
        described = [f"{name} {found.st_size} {found.st_mtime_ns}" for name, found in stats]
        return "\n".join([str(self.folder.resolve()), *described])

    def _file_name(self, split: Mapping[str, Any], shard: int, shards: int) -> str:
        """Return the name of a file of a split."""
        index, count = f"{shard:05}", f"{shards:05}"
        return str(split.get("filepathTemplate") or FILE_NAME).format(
            DATASET=self.info["name"],
            SPLIT=split["name"],
            FILEFORMAT="tfrecord",
            SHARD_INDEX=index,
            NUM_SHARDS=count,
            SHARD_X_OF_Y=f"{index}-of-{count}",
        )

    def _class_names(self, path: str) -> tuple[str, ...]:
        """Return the names of a feature's classes, from the file that has one a line."""
        text = read_text(self.folder / f"{path.replace('/', '-')}.labels.txt")
        return tuple(line.strip() for line in text.splitlines() if line.strip())


def is_whole(folder: Path) -> bool:
    """Tell whether a folder holds a whole prepared data set."""
    return all((folder / name).is_file() for name in RECORDS)


def find_prepared(data_set: DataSet, folder: Path) -> Prepared | None:
    """Return a data set as it is prepared in a folder, or None if it is not.

    Of its configurations, the default one is taken if none is named; of its versions, the highest.

    Args:
        data_set: The data set.
        folder: The folder of prepared data sets.
    """
    for path in version_folders(data_set, folder):
        if is_whole(path):
            return _prepared(path, folder)
    return None


def version_folders(data_set: DataSet, folder: Path) -> list[Path]:
    """Return the folders that may hold a data set in the form that is wanted, the best first.

    Args:
        data_set: The data set.
        folder: The folder of prepared data sets.
    """
    return [
        home / version
        for home in _homes(data_set, folder / data_set.name)
        for version in ([data_set.version] if data_set.version else _versions(home))
    ]


def all_version_folders(data_set: DataSet, folder: Path) -> list[Path]:
    """Return the folders of all versions of a data set, whole or not, of all its configurations.

    Args:
        data_set: The data set: if it has a configuration or a version, those of that alone.
        folder: The folder of prepared data sets.
    """
    home = folder / data_set.name
    homes = [home / data_set.config] if data_set.config else [home, *_folders_in(home)]
    return [
        inner / version
        for inner in homes
        for version in _versions(inner)
        if data_set.version in ("", version)
    ]


def all_prepared(folder: Path) -> list[Prepared]:
    """Return every data set that is prepared in a folder, in its highest version."""
    found = []
    for home in _folders_in(folder):
        if home.name not in NOT_DATA_SETS:
            for inner in (home, *_folders_in(home)):
                whole = [version for version in _versions(inner) if is_whole(inner / version)]
                found += [_prepared(inner / version, folder) for version in whole[:1]]
    return found


def _prepared(path: Path, folder: Path) -> Prepared:
    """Return the prepared data set of which this is the folder of a version."""
    home = path.relative_to(folder).parent
    return Prepared(path, f"{home.as_posix()}:{path.name}")


def _homes(data_set: DataSet, home: Path) -> Iterator[Path]:
    """Yield the folders that may have the versions of a data set."""
    if data_set.config:
        yield home / data_set.config
        return
    yield home
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads((home / ".config" / "metadata.json").read_text("utf-8"))
        yield home / record["default_config_name"]
        return
    if data_set.release and data_set.release.config:
        yield home / data_set.release.config
        return
    # Nothing says which is the default: if there is one alone, that is meant.
    configs = [path for path in _folders_in(home) if any(_versions(path))]
    if len(configs) == 1:
        yield configs[0]


def _versions(home: Path) -> list[str]:
    """Return the versions that have a folder, the highest first."""
    found = [path.name for path in _folders_in(home) if VERSION.fullmatch(path.name)]
    return sorted(found, key=lambda name: [int(part) for part in name.split(".")], reverse=True)


def _folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, in order of name; none if it is not there."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def _paths_below(item: Mapping[str, Any], paths: list[str]) -> Iterator[str]:
    """Yield the features that an entry of the supervised keys means."""
    if "featureKey" in item:
        key = item["featureKey"]  # A name may have a slash of its own: audio/filename beside audio.
        below = [path for path in paths if path.startswith(f"{key}/")]
        yield from [key] if key in paths else below
    for inner in item.get("tuple", {}).get("items", ()):
        yield from _paths_below(inner, paths)
    for inner in item.get("dict", {}).get("dict", {}).values():
        yield from _paths_below(inner, paths)


def _json(path: Path) -> Mapping[str, Any]:
    """Return a record of TensorFlow Datasets."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DlrecipesError(f"{path} cannot be read: {error}.") from error
    if not isinstance(record, dict) or "type" in record:
        raise DlrecipesError(
            f"{path} was written by a TensorFlow Datasets too old for this one.",
            "Prepare the data set again, in another folder: name that with --data-dir.",
        )
    return record
