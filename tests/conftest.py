"""Fixtures of the whole suite: every recipe is trained once, and the run is shared."""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from support import (
    CHEAP,
    CHECKOUT,
    SHARED,
    Outcome,
    dlrecipes,
    mount,
    run_process,
    unmount,
)

# `python -m pytest` puts the checkout first on sys.path. Its folder dlrecipes/ would hide the
# installed package, and lacks dlrecipes.recipes and dlrecipes.data: those lie in recipes/ and
# data/ until they are installed.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != CHECKOUT]

# A shell that runs tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Seals of runs are made with a key in the user's configuration: tests have one of their own, which
# the processes that pytest-xdist starts inherit.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="dlrecipes-tests-")

Train = Callable[..., Outcome]
EXTRAS = {
    "serve": ("fastapi", "uvicorn", "orjson", "tensorflow_serving"),
    "tune": ("optuna",),
    "formats": ("ai_edge_litert", "tf2onnx", "onnxruntime", "openvino"),
    "ruff": ("ruff",),
}
"""The modules that tests need, by their marker."""
PROGRAMS = {
    "clients": ("bash", "curl", "node"),
    "containers": ("hadolint", "check-jsonschema"),
}
"""The programs that tests need, by their marker."""
collect_ignore = [] if find_spec("orjson") else ["test_serve_parts.py"]
"""It imports the parts of the server, which need the extra `serve`."""


@cache
def _lacking() -> dict[str, str]:
    """Return what this machine lacks, by the marker of the tests that need it."""
    lacking = {}
    if not SHARED.is_dir():
        lacking["shared"] = f"the prepared full data sets are not at {SHARED}"
    with tempfile.TemporaryDirectory() as folder:
        if mount(Path(folder), "size=1m"):
            unmount(Path(folder))
        else:
            lacking["mount"] = "a file system of its own can be mounted by root alone"
    if shutil.which("chromium") is None or find_spec("playwright") is None:
        lacking["browser"] = "there is no chromium, or no playwright"
    if find_spec("shap") is None:
        lacking["explain"] = "shap is not installed"
    if find_spec("art") is None:
        lacking["robust"] = "the Adversarial Robustness Toolbox is not installed"
    for needed, find in ((EXTRAS, find_spec), (PROGRAMS, shutil.which)):
        for marker, names in needed.items():
            if missing := [name for name in names if find(name) is None]:
                lacking[marker] = f"{', '.join(missing)} is not installed"
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        lacking["user"] = "only root can become another user, with setpriv"
    return lacking


def pytest_report_header() -> list[str]:
    """Say which tests are left out."""
    return [f"left out, marked {marker}: {why}" for marker, why in _lacking().items()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need what this machine lacks."""
    left_out = [item for item in items if any(map(item.get_closest_marker, _lacking()))]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decoded data sets apart from those of the user who runs the tests."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the processes of a test run share: each tests some files."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "common"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tfds_folder(common: Path) -> Path:
    """Return a folder with small prepared data sets under the names of real ones."""
    folder, done = common / "tfds", common / "tfds.done"
    with FileLock(common / "tfds.lock"):
        if not done.exists():
            folder.mkdir()
            program = Path(__file__).with_name("prepared.py")
            run_process([sys.executable, program, folder], cwd=folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def runs_dir(common: Path) -> Path:
    """Return the folder of the runs that tests share: read them, copy them, never change them."""
    return common / "runs"


@pytest.fixture(scope="session")
def train_once(runs_dir: Path) -> Train:
    """Return a function that trains a recipe cheaply on its sample, the first time it is asked."""

    @cache
    def train(recipe: str) -> Outcome:
        printed = runs_dir.parent / f"{recipe}.json"
        with FileLock(printed.with_suffix(".lock")):
            if not printed.exists():
                outcome = dlrecipes(
                    *("train", recipe, "--data", "sample", "--runs-dir", runs_dir, "--json"),
                    *CHEAP[recipe],
                    cwd=runs_dir.parent,
                    report=True,
                )
                printed.write_text(json.dumps(asdict(outcome)))
        return Outcome(**json.loads(printed.read_text()))

    return train


@pytest.fixture(scope="session")
def run_of(train_once: Train) -> Callable[[str], dict[str, Any]]:
    """Return a function from a recipe's name to what `train --json` printed of its shared run."""
    return lambda recipe: train_once(recipe).document


@pytest.fixture(scope="session")
def train_apart(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Return a function that trains into a folder apart, once for the same arguments."""
    folder = tmp_path_factory.mktemp("apart")

    @cache
    def train(*arguments: str) -> dict[str, Any]:
        return dlrecipes("train", *arguments, "--json", cwd=folder).document | {"cwd": str(folder)}

    return train
