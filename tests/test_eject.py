"""`eject`: one Keras script that repeats a run where there is no dlrecipes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import (
    CHEAP,
    MNIST,
    RECIPES,
    REGRESSION,
    SCRIPTS,
    dlrecipes,
    mnist_test_images,
    run_process,
    run_python,
    sample_table,
    write_image,
    write_image_folders,
)

RunOf = Callable[[str], dict[str, Any]]

ALONE = """
import runpy
import sys
sys.modules["dlrecipes"] = None  # Whoever imports it gets an ImportError.
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def ejected(run: str, folder: Path, *flags: str) -> dict[str, Any]:
    """Return what `eject --json` prints of a run."""
    return dlrecipes("eject", run, "again.py", *flags, "--json", cwd=folder).document


def repeated(folder: Path) -> dict[str, float]:
    """Return the metrics that an ejected script prints, in a process without dlrecipes."""
    shown = run_python(ALONE, folder / "again.py", cwd=folder).out
    found = re.findall(r"^(\S.*?) +(\S+)  \(the run: (\S+)\)$", shown, re.MULTILINE)
    return {name: float(value) for name, value, _ in found}


def assert_same(found: dict[str, float], run: dict[str, Any]) -> None:
    """Fail unless the metrics of a script are those of the run, but for their last digits."""
    assert found == pytest.approx(run["metrics"], rel=1e-6, abs=1e-9)


@pytest.mark.ruff
@pytest.mark.long
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_script_of_every_recipe_repeats_its_run(
    recipe: str, run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of(recipe)
    document = ejected(run["path"], tmp_path)
    script = tmp_path / document["path"]
    text = script.read_text()
    assert document["lines"] == len(text.splitlines())
    assert document["bytes"] == (tmp_path / document["arrays"]).stat().st_size
    assert "import dlrecipes" not in text
    assert "from dlrecipes" not in text
    rules = ("--select", "E,F,I,B,UP,SIM", "--line-length", "100")
    run_process([SCRIPTS / "ruff", "check", "--isolated", *rules, script], cwd=tmp_path)
    assert_same(repeated(tmp_path), run)


@pytest.mark.ruff
@pytest.mark.long
def test_a_changed_recipe_on_own_images_is_repeated(tmp_path: Path) -> None:
    images, labels = mnist_test_images()
    write_image_folders(tmp_path / "digits", images[:300], labels[:300])
    dlrecipes("copy", MNIST, "mine.py", cwd=tmp_path)
    source = (tmp_path / "mine.py").read_text()
    changed = source.replace("x = layers.Dropout(config.dropout)(x)", "x = softened(config, x)")
    assert changed != source
    helper = '''
STRENGTH = 0.1


def softened(config, x):
    """Return features of which some are left out."""
    return layers.GaussianNoise(STRENGTH)(layers.Dropout(config.dropout)(x))
'''
    (tmp_path / "mine.py").write_text(changed + helper)
    flags = ("--epochs", "2", "--dropout", "0.2", "--momentum", "0.8", "--gradient-clip-norm", "1")
    run = dlrecipes(
        *("train", "./mine.py", "--data", "digits", *flags, "--balance-classes", "--json"),
        cwd=tmp_path,
    ).document
    ejected(run["path"], tmp_path)
    text = (tmp_path / "again.py").read_text()
    assert "STRENGTH = 0.1" in text
    assert "momentum=0.8" in text
    assert_same(repeated(tmp_path), run)


@pytest.mark.ruff
@pytest.mark.long
def test_own_rows_and_own_pictures_without_classes_are_repeated(tmp_path: Path) -> None:
    rows = sample_table("lending_club.csv", "train").head(600)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    images, _ = mnist_test_images()
    for number, pixels in enumerate(images[:200]):
        write_image(tmp_path / "plain" / f"{number:03}.png", pixels)
    for recipe, data in (("loans-mlp", "rows.csv"), ("digits-gan", "plain")):
        folder = tmp_path / recipe
        folder.mkdir()
        flags = (*CHEAP[recipe], "--epochs", "1", "--no-baseline", "--json")
        path = str(tmp_path / data)
        run = dlrecipes("train", recipe, "--data", path, *flags, cwd=folder).document
        ejected(run["path"], folder)
        assert_same(repeated(folder), run)


def test_a_script_is_never_written_over_a_file_or_of_a_recipe_that_changes_its_batches(
    run_of: RunOf, tmp_path: Path
) -> None:
    path = run_of(REGRESSION)["path"]
    assert "must end in .py" in dlrecipes("eject", path, "again.txt", cwd=tmp_path, code=2).err
    np.savez(tmp_path / "again.npz", x=np.zeros(1))
    assert "already exists" in dlrecipes("eject", path, "again.py", cwd=tmp_path, code=2).err
    nowhere = dlrecipes("eject", path, "nowhere/other.py", cwd=tmp_path, code=2)
    assert "There is no folder nowhere" in nowhere.err
    assert [one.name for one in tmp_path.iterdir()] == ["again.npz"]


@pytest.mark.ruff
@pytest.mark.long
def test_a_recipe_that_changes_its_batches_is_refused(tmp_path: Path) -> None:
    dlrecipes("copy", REGRESSION, "mine.py", cwd=tmp_path)
    source = (tmp_path / "mine.py").read_text()
    line = "train=train.transform(columns).batches(config.batch_size, shuffle=True),"
    assert line in source
    (tmp_path / "mine.py").write_text(source.replace(line, f"{line[:-1]}.take(3),"))
    flags = ("--data", "sample", "--epochs", "1", "--no-baseline", "--name", "one")
    dlrecipes("train", "./mine.py", *flags, cwd=tmp_path)
    refused = dlrecipes("eject", "mine/one", "again.py", cwd=tmp_path, code=2)
    assert "changes the train batches" in refused.err
    assert not (tmp_path / "again.py").exists()
