"""A package that brings data sets of its own, as a stranger would write one: real digits.

Its builder has two configurations, whose files have the same names in different folders of a host
that does not exist; images of many sizes; three splits, of which one is used for nothing. Its
function copies a folder of images. The package is put on PYTHONPATH with the metadata that pip
would install.
"""

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path

from PIL import Image
from servers import Behaviour, Handler, half, status, whole
from support import mnist_test_images

HOST = "https://digits.example.org"
COUNTS = {"train": 60, "test": 20, "spare": 10}

BUILDER = '''
"""Digits of many sizes, to try what brings data sets."""

import numpy as np
import tensorflow_datasets as tfds

_CITATION = "@misc{digits}"
NAMES = ("even", "odd")


class RoughDigits(tfds.core.GeneratorBasedBuilder):
    """Builder of rough_digits."""

    VERSION = tfds.core.Version("1.2.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name, description=name) for name in NAMES]
    # MANUAL

    def _info(self):
        return self.dataset_info_from_configs(
            description="Digits that were cropped at random. They are real.",
            citation=_CITATION,
            homepage="https://digits.example.org/about",
            license="CC0",
            features=tfds.features.FeaturesDict(
                {
                    "picture": tfds.features.Image(shape=(None, None, 1)),
                    "digit": tfds.features.ClassLabel(names=[f"the {n}" for n in range(10)]),
                    "size": {"rows": np.int64, "columns": np.int64},
                }
            ),
            supervised_keys=("picture", "digit"),
        )

    def _split_generators(self, dl_manager):
        # IMPORT
        url = f"https://digits.example.org/{self.builder_config.name}"
        found = dl_manager.download_and_extract({n: f"{url}/{n}.zip" for n in ("train", "test")})
        found["spare"] = dl_manager.extract(dl_manager.download(f"{url}/spare.zip"))
        return {split: self._generate_examples(path) for split, path in found.items()}

    def _generate_examples(self, path):
        for file in sorted(path.glob("*.png")):
            number, digit, rows, columns = map(int, file.stem.split("-"))
            yield number, {
                "picture": file,
                "digit": digit,
                "size": {"rows": rows, "columns": columns},
            }
'''

FUNCTION = '''
def digit_folders(folder):
    """Put images into a folder for each digit."""
    import shutil
    from pathlib import Path

    target = folder / "images"
    if not target.exists():
        shutil.copytree(Path(__file__).with_name("digits"), target)
    return target
'''

ENTRY_POINTS = """
[dlrecipes.datasets]
rough_digits = foreign_data_sets.rough:RoughDigits
digit_folders = foreign_data_sets.folders:digit_folders
"""


@cache
def archives() -> dict[str, bytes]:
    """Return the files of the host, by path."""
    images, digits = mnist_test_images()
    files, number = {}, 0
    for config in range(2):
        chosen = [row for row in range(len(digits)) if digits[row] % 2 == config]
        for split, count in COUNTS.items():
            content = io.BytesIO()
            with zipfile.ZipFile(content, "w") as archive:
                for row in chosen[number : number + count]:
                    pixels = images[row][row % 3 : 28 - row % 5, : 28 - row % 4]
                    png = io.BytesIO()
                    Image.fromarray(pixels).save(png, "png")
                    name = f"{row}-{digits[row]}-{pixels.shape[0]}-{pixels.shape[1]}.png"
                    archive.writestr(zipfile.ZipInfo(name), png.getvalue())
            files[f"{('even', 'odd')[config]}/{split}.zip"] = content.getvalue()
            number += count
        number = 0
    return files


def mirror_name(path: str) -> str:
    """Return the name that a file of the host has on a mirror: others have the same name."""
    digest = hashlib.sha256(archives()[path]).hexdigest()
    return f"{digest[:8]}-{path.partition('/')[2]}"


def mirror(*, wrong: str = "", cut: str = "") -> Behaviour:
    """Return how a mirror answers that has every file.

    Args:
        wrong: The path of a file of which it sends something else.
        cut: The path of a file of which it sends half.
    """
    files = {f"/{mirror_name(path)}": whole(content) for path, content in archives().items()}
    if wrong:
        files[f"/{mirror_name(wrong)}"] = whole(bytes(len(archives()[wrong])))
    if cut:
        files[f"/{mirror_name(cut)}"] = half(archives()[cut])

    def answer(request: Handler) -> None:
        files.get(request.path, status(404))(request)

    return answer


def write_package(folder: Path, *, manual: str = "", needs: str = "") -> dict[str, str]:
    """Write the package, and return the variables with which it is found.

    Args:
        folder: Where to.
        manual: What its builder says must be done by hand.
        needs: A module that its builder imports, in TensorFlow Datasets' way.
    """
    package = folder / "foreign_data_sets"
    (package / "digits").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    source = BUILDER
    if manual:
        source = source.replace("# MANUAL", f"MANUAL_DOWNLOAD_INSTRUCTIONS = {manual!r}")
    if needs:
        source = source.replace("# IMPORT", f"tfds.core.lazy_imports.{needs}")
    (package / "rough.py").write_text(source)
    (package / "folders.py").write_text(FUNCTION)
    lines = [
        f"{HOST}/{path}\t{len(content)}\t{hashlib.sha256(content).hexdigest()}\t"
        for path, content in archives().items()
    ]
    (package / "checksums.tsv").write_text("".join(f"{line}\n" for line in lines))
    images, digits = mnist_test_images()
    for row in range(100):
        place = package / "digits" / str(digits[row])
        place.mkdir(exist_ok=True)
        Image.fromarray(images[row]).save(place / f"{row}.png")
    (folder / "foreign-1.0.dist-info").mkdir()
    (folder / "foreign-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    return {"PYTHONPATH": str(folder)}
