"""The wheel: what is in it, that it works from another folder, and what the project says of it."""

import hashlib
import os
import re
import shutil
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support import (
    CHECKOUT,
    RECIPES,
    REGRESSION,
    install,
    run_process,
    sample_file,
)

BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "dlrecipes", "recipes")
SAMPLES = tuple(
    path.name
    for path in (CHECKOUT / "data").iterdir()
    if path.suffix in (".csv", ".npz") or path.name == "prose.txt"
)


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source archive, and the wheel that was built from that archive."""
    folder = tmp_path_factory.mktemp("distributions")
    # A build leaves folders beside its sources, so it gets sources of its own.
    source = folder / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in (*BUILT_FROM, "data"):
        path = CHECKOUT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=ignored)
        else:
            shutil.copy(path, source / name)
    run_process([sys.executable, "-m", "build", "--outdir", folder, source], cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the scripts of a new virtual environment with the wheel installed in it."""
    (wheel,) = distributions.glob("*.whl")
    return install(wheel, tmp_path_factory.mktemp("installed") / "environment").parent


def test_the_wheel_holds_every_module_the_recipes_and_the_samples(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {f"dlrecipes/recipes/{recipe.replace('-', '_')}.py" for recipe in RECIPES}
    wanted |= {f"dlrecipes/data/{name}" for name in (*SAMPLES, "README.md")}
    wanted |= {str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("dlrecipes/**/*.py")}
    wanted |= {f"dlrecipes/recipes/{recipe.replace('-', '_')}.zh.md" for recipe in RECIPES}
    wanted |= {"dlrecipes/py.typed", "dlrecipes/kit/config.zh.md"}
    wanted |= {"dlrecipes/datasets/published/checksums/diamonds.txt"}
    assert wanted - names == set()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dlrecipes"}


def test_the_source_archive_holds_all_that_the_wheel_is_made_of(distributions: Path) -> None:
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    wanted = {"pyproject.toml", "LICENSE", "README.md", *(f"data/{name}" for name in SAMPLES)}
    assert wanted - names == set()


def test_the_installed_wheel_lists_and_trains_from_another_folder(
    installed: Path, tmp_path: Path
) -> None:
    listed = run_process([installed / "dlrecipes", "list", "--json"], cwd=tmp_path).document
    assert {entry["name"] for entry in listed} == set(RECIPES)
    for entry in listed:
        assert Path(entry["path"]).is_relative_to(installed.parent), "it is the wheel's own"
    trained = run_process(
        [installed / "dlrecipes", "train", REGRESSION, *("--data", "sample", "--epochs", "1")],
        cwd=tmp_path,
    )
    assert "Verdict:" in trained.out
    (run,) = (tmp_path / "runs" / REGRESSION).iterdir()
    assert (run / "serving.keras").is_file()


def test_the_module_runs_as_the_command_does(installed: Path, tmp_path: Path) -> None:
    shown = run_process([installed / "python", "-m", "dlrecipes", "--version"], cwd=tmp_path).out
    assert shown == f"dlrecipes {project()['version']}\n"


def project() -> dict[str, Any]:
    """Return the project table of pyproject.toml."""
    document: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    table: dict[str, Any] = document["project"]
    return table


def test_a_container_is_built_from_what_the_wheel_is_made_of() -> None:
    lines = (CHECKOUT / "docs/serving/Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {*BUILT_FROM, "data"}


def test_the_project_names_the_versions_of_python_that_tensorflow_and_keras_support() -> None:
    assert project()["requires-python"] == ">=3.11,<3.14"
    versions = {
        text.rpartition(" ")[2]
        for text in project()["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", text)
    }
    assert versions == {"3.11", "3.12", "3.13"}


def test_the_samples_are_those_that_their_readme_describes() -> None:
    text = sample_file("README.md").decode()
    rows = re.findall(r"^\| `(\S+)` \|.*\| ([\d,]+) \| `([0-9a-f]{64})` \|$", text, re.MULTILINE)
    assert {name for name, *_ in rows} == set(SAMPLES)
    for name, size, digest in rows:
        content = sample_file(name)
        assert len(content) == int(size.replace(",", ""))
        assert hashlib.sha256(content).hexdigest() == digest


def test_the_samples_are_under_nine_megabytes_in_all() -> None:
    assert sum(len(sample_file(name)) for name in SAMPLES) < 9_000_000


def test_the_licence_of_every_sample_is_given() -> None:
    text = sample_file("README.md").decode()
    assert text.count("**Licence.**") == len(SAMPLES)
    for words in ("Attribution-ShareAlike 3.0", "MIT", "public domain", "No official test image"):
        assert words in text


def test_the_tests_run_the_installed_package_rather_than_the_checkouts_folder() -> None:
    assert str(CHECKOUT) not in [os.path.realpath(entry or ".") for entry in sys.path]
