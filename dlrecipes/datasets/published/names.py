"""The names of data sets: those of TensorFlow Datasets, and those that installed packages bring.

TensorFlow Datasets knows some 450, and takes seconds to import. Their names stand in its source:
each is a folder of `datasets/`, or a class of a builder in one of its older modules.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from dlrecipes.datasets.published.builder_source import BuilderSource
from dlrecipes.datasets.published.releases import RELEASES, Release
from dlrecipes.errors import InputError, nearest
from dlrecipes.system.packages import DATASETS, entry_points, package_folders

PUBLISHED = "tfds:"
"""What `--data` begins with to name a data set of TensorFlow Datasets."""
FULL_NAME = re.compile(r"(?P<name>[\w-]+)(/(?P<config>[\w.+-]+))?(:(?P<version>\d+\.\d+\.\d+))?")

CLASS = re.compile(r"^class (\w+)\(([^)]*)\):", re.MULTILINE)
ROOTS = {"GeneratorBasedBuilder", "BeamBasedBuilder", "DatasetBuilder", "ConllDatasetBuilder"}
NOT_NAMED = ("core", "datasets", "dataset_collections", "scripts", "testing", "proto")
"""The parts of the package without builders that are named after their class."""


@dataclass(frozen=True)
class DataSet:
    """A data set, and which form of it is wanted.

    Args:
        name: Its name in TensorFlow Datasets, or that of the entry point that brings it.
        config: The configuration; empty for the default one, or for none.
        version: The version; empty for the highest that is prepared, else the newest.
        entry_point: Where an installed package defines it, as `package.module:object`; empty for
            a data set of TensorFlow Datasets.
    """

    name: str
    config: str = ""
    version: str = ""
    entry_point: str = ""

    @property
    def full_name(self) -> str:
        """Return its name, as it is typed: `name/config:version`."""
        config = f"/{self.config}" if self.config else ""
        return f"{self.name}{config}" + (f":{self.version}" if self.version else "")

    @property
    def release(self) -> Release | None:
        """Return what is known of it beyond the metadata of TensorFlow Datasets, if anything is."""
        return None if self.entry_point else RELEASES.get(self.name)

    @property
    def is_opaque(self) -> bool:
        """Tell whether only the package that brings it knows how: its entry point is a function."""
        return bool(self.entry_point) and self.source is None

    @cached_property
    def source(self) -> BuilderSource | None:
        """Return where its builder is defined, if that is known without importing it.

        A function of a package that brings files is no builder.
        """
        if not self.entry_point:
            return tfds_builders().get(self.name)
        module, _, attribute = self.entry_point.partition(":")
        package, _, stem = module.rpartition(".")
        for folder in package_folders(package or module):
            for file in (folder / f"{stem}.py", folder / stem / "__init__.py"):
                source = BuilderSource(file, attribute)
                if source.defines_class():
                    return source
        return None


def find_data_set(text: str, folder: Path | None = None) -> DataSet:
    """Return the data set that a name means; it need not be prepared. Imports nobody's code.

    Args:
        text: `name`, `name/config`, `name:version` or `name/config:version`, of a data set of
            TensorFlow Datasets or of an installed package's entry point.
        folder: A folder of prepared data sets, which may hold one that only its files tell of.

    Raises:
        InputError: if there is no such data set; the message offers the nearest.
    """
    found = FULL_NAME.fullmatch(text)
    if not found:
        raise InputError(
            f"A data set is named as NAME, NAME/CONFIG or NAME/CONFIG:1.0.0. Received: {text!r}"
        )
    name, config, version = found["name"], found["config"] or "", found["version"] or ""
    installed = entry_points(DATASETS)
    if name in installed:
        if name in tfds_builders():
            raise InputError(
                f"Two data sets are named {name!r}: that of TensorFlow Datasets and that of an "
                f"installed package ({installed[name]}).",
                "Rename the package's entry point.",
            )
        return DataSet(name, config, version, installed[name])
    if not _is_evident(name, folder) and name not in tfds_builders():
        raise InputError(
            f"There is no data set {name!r}, neither in TensorFlow Datasets nor in an installed "
            "package.",
            nearest(name, [*installed, *tfds_builders()])
            or "See https://www.tensorflow.org/datasets/catalog/overview",
        )
    return DataSet(name, config, version)


def _is_evident(name: str, folder: Path | None) -> bool:
    """Tell whether a data set exists, as far as that shows without going through all builders."""
    if name in RELEASES:
        return True
    return folder is not None and any((folder / name).glob("**/dataset_info.json"))


def tfds_folder() -> Path | None:
    """Return the folder of the installed TensorFlow Datasets, which is not imported."""
    spec = find_spec("tensorflow_datasets")
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) if locations else None


@cache
def tfds_builders() -> Mapping[str, BuilderSource]:
    """Return the source of every builder of TensorFlow Datasets, by the name of its data set."""
    folder = tfds_folder()
    if folder is None:
        return {}
    found = _named_classes(folder)
    for path in (folder / "datasets").iterdir():
        file = path / f"{path.name}_dataset_builder.py"
        if file.is_file():
            found[path.name] = BuilderSource(file, "Builder")
    return found


def _named_classes(folder: Path) -> dict[str, BuilderSource]:
    """Return the builders that are called as their class is, in snake case."""
    classes: dict[str, list[tuple[Path, list[str]]]] = defaultdict(list)
    for part in folder.iterdir():
        if part.is_dir() and part.name not in NOT_NAMED:
            for file in part.rglob("*.py"):
                if not file.name.endswith("_test.py"):
                    for name, bases in CLASS.findall(file.read_text("utf-8")):
                        classes[name].append((file, [base.strip() for base in bases.split(",")]))

    def is_builder(name: str, below: tuple[str, ...] = ()) -> bool:
        bases = [base.rpartition(".")[2] for _, found in classes.get(name, ()) for base in found]
        return name in ROOTS or any(
            is_builder(base, (*below, name)) for base in bases if base not in below
        )

    return {
        file.parent.name if name == "Builder" else _snake_case(name): BuilderSource(file, name)
        for name, places in classes.items()
        if is_builder(name)
        for file, bases in places
        if "skip_registration=True" not in bases
    }


def _snake_case(name: str) -> str:
    """Return the name that TensorFlow Datasets gives to a class: FashionMNIST is fashion_mnist."""
    parted = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", parted).lower()
