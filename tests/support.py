"""What the tests share: the real command in a process of its own, and the real sample data."""

import json
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
import warm

from recipes import BY_NAME

Array = npt.NDArray[Any]
Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED = CHECKOUT.parent / "shared" / "data" / "tfds"
"""The prepared full data sets: beside the project's own checkout, and too large to be in it."""
SCRIPTS = Path(sys.executable).parent
COMMAND = SCRIPTS / "dlrecipes"

MNIST, TEXT, REGRESSION, SENTIMENT = (
    "mnist-cnn",
    "text-generation-lstm",
    "regression-mlp",
    "sentiment-lstm",
)
RECIPES = tuple(BY_NAME)
"""Every built-in recipe: what is expected of each is in `recipes/`."""
OFTEN = (MNIST, TEXT, REGRESSION, SENTIMENT)
EACH = [
    pytest.param(name, marks=() if name in OFTEN else pytest.mark.long, id=name) for name in RECIPES
]
"""Every built-in recipe, for a test that trains: three only among the tests that take long."""
CHEAP = {name: expected.cheap for name, expected in BY_NAME.items()}
"""Settings with which each recipe still learns, in a few seconds."""

FOREIGN_VARIABLES = (
    *("DLRECIPES_DATA", "DLRECIPES_MIRROR", "DLRECIPES_PATH", "DLRECIPES_RUNS", "TFDS_DATA_DIR"),
    *("FORCE_COLOR", "GITHUB_ACTIONS", "PYTHONPATH", "PYTHONUNBUFFERED"),
)
"""What a developer may have set that changes what the command does or prints."""

WITHOUT_TENSORFLOW = """
import sys
from dlrecipes.cli import main

code = main(sys.argv[1:])
assert not {"tensorflow", "keras"} & set(sys.modules), "it imported TensorFlow"
sys.exit(code)
"""
"""The command as a program for `run_python`, which fails if it needed TensorFlow."""


PHASE = re.compile(
    r"(Starting TensorFlow|(Loading|Preparing) the data|Building the model|Tracing the first step)"
    r" …|(Started TensorFlow|(Loaded|Prepared) the data|Built the model|Traced the first step)"
    r" in [\d.]+ s"
)
"""A line that says what is being done, or how long it took."""


@dataclass(frozen=True)
class Outcome:
    """How a process ended, and what it printed."""

    code: int
    out: str
    stderr: str

    @property
    def err(self) -> str:
        """Return what was printed on standard error besides what is being done."""
        lines = self.stderr.splitlines(keepends=True)
        return "".join(line for line in lines if not PHASE.fullmatch(line.rstrip("\n")))

    @property
    def error(self) -> str:
        """Return the same without the line that says which run is used."""
        return re.sub(r"^Using run .*\n", "", self.err)

    @property
    def document(self) -> Any:
        """Return the one JSON document on standard output."""
        return json.loads(self.out)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a user who has set nothing, with a wide output."""
    clean = {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}
    return clean | {"COLUMNS": "200"} | dict(extra or {})


def run_process(
    command: Iterable[str | Path],
    *,
    cwd: Path,
    code: int | None = 0,
    stdin: str | bytes = "",
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a command to its end; fail unless it ends with `code` (None: whichever)."""
    words = [str(word) for word in command]
    given = stdin.encode() if isinstance(stdin, str) else stdin
    if words[0] == str(COMMAND) and env is None:
        result = warm.run(words, cwd, environment(), given)
    else:
        result = subprocess.run(
            words,
            cwd=cwd,
            env=environment(env),
            input=given,
            capture_output=True,
            timeout=600,
            check=False,
        )
    outcome = Outcome(result.returncode, result.stdout.decode(), result.stderr.decode())
    assert code in (None, outcome.code), f"exit code {outcome.code}\n{outcome.out}\n{outcome.err}"
    return outcome


def dlrecipes(
    *arguments: str | Path, baseline: bool = False, report: bool = False, **options: Any
) -> Outcome:
    """Run the real command, as `run_process` does.

    Args:
        arguments: What is typed behind its name.
        baseline: Whether `train` fits a plain baseline: that is a process more, and needless where
            it is not what is tested.
        report: Whether `train` writes a report.
        options: As `run_process` has them.
    """
    flags = {"--no-baseline": baseline, "--no-report": report}
    is_training = arguments[:1] == ("train",) and len(arguments) > 1
    left_out = [flag for flag, wanted in flags.items() if is_training and not wanted]
    return run_process([COMMAND, *arguments, *left_out], **options)


def run_python(program: str, *arguments: str | Path, **options: Any) -> Outcome:
    """Run a program text in a fresh Python, as `run_process` does."""
    return run_process([sys.executable, "-c", program, *arguments], **options)


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new virtual environment in a folder, and return its Python.

    All else in it is that of the environment that runs the tests: TensorFlow is large.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run_process([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], cwd=folder)
    (packages,) = folder.glob("lib/python3*/site-packages")
    places = dict.fromkeys([sysconfig.get_path("purelib"), *site.getsitepackages()])
    lines = "".join(f"site.addsitedir({place!r}); " for place in places)
    (packages / "dependencies.pth").write_text(f"import site; {lines}\n")
    return python


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a project into a folder, without a network, and return it."""
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run_process([*command, "-w", folder, source], cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item]) -> dict[Item, Result]:
    """Return what a function makes of each item, with a process a core at work.

    Most of a command's time is TensorFlow's start, on one core.
    """
    items = list(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(items, pool.map(function, items), strict=True))


def recipe_source(name: str) -> str:
    """Return the text of a built-in recipe."""
    return files("dlrecipes.recipes").joinpath(f"{name.replace('-', '_')}.py").read_text("utf-8")


def changed(text: str, old: str, new: str) -> str:
    """Return the text with one passage changed; fail if it is not there exactly once."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


def files_below(folder: Path) -> dict[str, bytes]:
    """Return every file and folder below a folder, with the content of the files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"(folder)"
        for path in sorted(folder.rglob("*"))
    }


def read_own(task: str, path: Path, **options: Any) -> Any:
    """Return a user's own data as training reads it, a `Source`.

    Args:
        task: Name of the task.
        path: The file or folder.
        options: Flags that say how to read it, and `like`, the data of an earlier run.
    """
    from dlrecipes.datasets.own.files import FileOptions
    from dlrecipes.tasks import find_task
    from dlrecipes.tasks.reading import Reading, own_source

    like = options.pop("like", None)
    reading = Reading(path, FileOptions(**options), like=like)
    return own_source(reading, find_task(task).read(reading))


def sample_file(name: str) -> bytes:
    """Return the bytes of a bundled sample."""
    return files("dlrecipes.data").joinpath(name).read_bytes()


def mnist_test_images() -> tuple[Array, Array]:
    """Return the sample's test images (1000, 28, 28), uint8, and their digits."""
    with np.load(BytesIO(sample_file("mnist.npz"))) as arrays:
        return arrays["x_test"], arrays["y_test"]


def sample_table(name: str, split: str) -> Any:
    """Return a split of a bundled CSV file as a pandas table, without the column `split`."""
    import pandas as pd

    table = pd.read_csv(BytesIO(sample_file(name)), keep_default_na=False)
    return table[table["split"] == split].drop(columns="split").reset_index(drop=True)


def prose_test_text() -> str:
    """Return the last twentieth of the bundled prose, which no recipe is trained on."""
    text = sample_file("prose.txt").decode()
    return text[int(len(text) * 0.95) :]


def write_image(path: Path, pixels: Array) -> None:
    """Write pixels as an image file, with the folders it needs."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_image_folders(folder: Path, images: Array, labels: Iterable[object]) -> None:
    """Write images as PNG files into a folder for each label."""
    for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        write_image(folder / str(label) / f"{number:04}.png", pixels)


def write_sums(folder: Path) -> Path:
    """Write a table of sums, rows.csv, and alone the last rows, which are tested on, test.csv."""
    numbers = np.random.default_rng(0).normal(size=(160, 3))
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{a + 2 * b - c:.4f}" for a, b, c in numbers]
    named = [f"{row},{'test' if n >= 120 else 'train'}" for n, row in enumerate(rows)]
    (folder / "rows.csv").write_text("\n".join(["a,b,c,y,split", *named]) + "\n")
    (folder / "test.csv").write_text("\n".join(["a,b,c,y", *rows[120:]]) + "\n")
    return folder


def mount(folder: Path, options: str) -> bool:
    """Mount a file system in memory on a folder, and tell whether that could be done."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return (
        shutil.which("mount") is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def unmount(folder: Path) -> None:
    """Take away what `mount` has mounted."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def weights_of(document: Mapping[str, Any], cwd: Path = Path()) -> dict[str, Array]:
    """Return every weight of a run's network, by its place in the model's file."""
    import h5py

    weights: dict[str, Array] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            weights[name] = item[()]

    with zipfile.ZipFile(cwd / document["path"] / "model.keras") as archive:
        content = archive.read("model.weights.h5")
    with h5py.File(BytesIO(content)) as file:
        # The optimizer's state is in the file too; a network is its layers.
        file["layers"].visititems(keep)
    assert weights
    return weights


def same_weights(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Tell whether two networks have the same weights, bit for bit."""
    return one.keys() == other.keys() and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


def selected(request: pytest.FixtureRequest, name: str = "recipe") -> list[str]:
    """Return the values of a parameter that the selected tests of a module have, each once."""
    items = [item for item in request.session.items if item.path == request.path]
    found = [getattr(item, "callspec", None) for item in items]
    return list(dict.fromkeys(one.params[name] for one in found if one and name in one.params))
