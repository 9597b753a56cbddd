"""What the source of a builder says of its data set, read from its syntax tree: nothing is run.

A builder is the class of TensorFlow Datasets, or of another package, that prepares a data set.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

OWN_FOLDER = re.compile(r"_dataset_builder$")
"""The end of a file's name that has the texts and checksums of one data set beside it."""
LAZY_IMPORT = re.compile(r"lazy_imports\.(\w+)")
BEAM = re.compile(r"\bBeamBasedBuilder\b|\bbeam\.\w")
ADDRESS = re.compile(r"https?://[^\s'\"`<>()\\]+")

SOURCE_LICENCE = "http://www.apache.org/licenses/"
"""Where the licence of TensorFlow Datasets' own source leads to."""

LAZY_MODULES = {"PIL_Image": "PIL", "PIL_ImageDraw": "PIL", "gcsfs_store": "gcsfs"}
"""The modules behind TensorFlow Datasets' own names for lazy imports, where these differ."""
DISTRIBUTIONS = {
    "PIL": "pillow",
    "apache_beam": "apache-beam",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "tensorflow_data_validation": "tensorflow-data-validation",
    "tensorflow_io": "tensorflow-io",
}
"""What pip calls a module, where its name differs."""


@dataclass(frozen=True)
class About:
    """What a data set is, as far as that is known.

    Args:
        description: What it is, in its authors' words.
        citation: What its authors ask to be cited, as BibTeX.
        homepage: Where to read about it.
        licence: The terms of its use.
    """

    description: str = ""
    citation: str = ""
    homepage: str = ""
    licence: str = ""


@dataclass(frozen=True)
class BuilderSource:
    """Where the class of a builder is defined.

    Args:
        file: The Python file.
        class_name: The name of the class.
    """

    file: Path
    class_name: str

    @property
    def text(self) -> str:
        """Return the source; empty if it cannot be read."""
        return read_text(self.file)

    @property
    def own_folder(self) -> Path | None:
        """Return the folder with the texts and checksums of this data set alone, if it has one."""
        alone = OWN_FOLDER.search(self.file.stem) or self.class_name == "Builder"
        return self.file.parent if alone else None

    def defines_class(self) -> bool:
        """Tell whether the file defines the class."""
        return any(
            isinstance(node, ast.ClassDef) and node.name == self.class_name
            for node in _parsed(self.file).body
        )

    def about(self) -> About:
        """Return what the source, and the texts beside it, say of the data set."""
        said = self._info_arguments()
        folder = self.own_folder
        return About(
            description=(folder and read_text(folder / "README.md")) or said.get("description", ""),
            citation=(folder and read_text(folder / "CITATIONS.bib")) or said.get("citation", ""),
            homepage=said.get("homepage", ""),
            licence=said.get("license", "") or self._licence_tag(),
        )

    def manual_instructions(self) -> str:
        """Return what a user must do by hand before the builder works; empty for nothing."""
        value = dict(_assignments(self._class_body())).get("MANUAL_DOWNLOAD_INSTRUCTIONS")
        return " ".join(_string(value, self._constants()).split())

    def missing_distributions(self) -> list[str]:
        """Return what pip must install before the builder works, as far as the source tells."""
        modules = {LAZY_MODULES.get(name, name) for name in LAZY_IMPORT.findall(self.text)}
        if "features.Audio(" in self.text:
            modules.add("pydub")
        if BEAM.search(self.text):
            modules.add("apache_beam")
        return sorted(distribution_of(module) for module in modules if find_spec(module) is None)

    def addresses(self) -> list[str]:
        """Return the web addresses in the source, each once."""
        found = (address.rstrip(".,;}]") for address in ADDRESS.findall(self.text))
        return list(
            dict.fromkeys(
                address
                for address in found
                if "{" not in address and not address.startswith(SOURCE_LICENCE)
            )
        )

    def makes_its_data(self) -> bool:
        """Tell whether it downloads nothing, as far as its file shows: it makes its examples."""
        names = [
            node.attr for node in ast.walk(_parsed(self.file)) if isinstance(node, ast.Attribute)
        ]
        plain = "GeneratorBasedBuilder" in names and "gs://" not in self.text
        return plain and not any("download" in name or "manual" in name for name in names)

    def _licence_tag(self) -> str:
        """Return the licence among the tags beside the source; empty for none."""
        folder = self.own_folder
        for line in read_text(folder / "TAGS.txt").splitlines() if folder else ():
            tag = line.partition("#")[0].strip()
            if tag.startswith("content.license."):
                return tag.removeprefix("content.license.")
        return ""

    def _class_body(self) -> list[ast.stmt]:
        """Return the statements of the class."""
        for node in _parsed(self.file).body:
            if isinstance(node, ast.ClassDef) and node.name == self.class_name:
                return node.body
        return []

    def _constants(self) -> dict[str, ast.expr]:
        """Return what is assigned to names at the top of the file."""
        return dict(_assignments(_parsed(self.file).body))

    def _info_arguments(self) -> dict[str, str]:
        """Return the texts that the class passes to `DatasetInfo`, by parameter."""
        constants, said = self._constants(), dict[str, str]()
        for method in self._class_body():
            if isinstance(method, ast.FunctionDef) and method.name == "_info":
                for call in ast.walk(method):
                    for keyword in call.keywords if isinstance(call, ast.Call) else ():
                        text = _string(keyword.value, constants).strip()
                        if keyword.arg and text:
                            said.setdefault(keyword.arg, text)
        return said


def read_text(path: Path) -> str:
    """Return the text of a file without white space around it; empty if it cannot be read."""
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def distribution_of(module: str) -> str:
    """Return what pip installs to provide a module."""
    top = module.partition(".")[0]
    return DISTRIBUTIONS.get(top, top)


@cache
def _parsed(file: Path) -> ast.Module:
    """Return the syntax tree of a file; an empty one if it cannot be parsed."""
    try:
        return ast.parse(read_text(file))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _assignments(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name that is assigned to, and the expression."""
    for statement in statements:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id, statement.value


def _string(value: ast.expr | None, constants: dict[str, ast.expr]) -> str:
    """Return the text that an expression is, or that the constant it names is; else nothing."""
    if isinstance(value, ast.Name):
        value = constants.get(value.id)
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return ""
