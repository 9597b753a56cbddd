"""Fixtures of the whole suite: every recipe is trained once, and the run is shared."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

# `python -m pytest` puts the checkout first on sys.path. Its folder dlrecipes/ would hide the
# installed package, and lacks dlrecipes.recipes and dlrecipes.data: those lie in recipes/ and
# data/ until they are installed.
_CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _CHECKOUT]

# A shell that runs tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Seals of runs are made with a key in the user's configuration: tests have one of their own.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="dlrecipes-tests-")

from support import CHEAP, Outcome, dlrecipes  # noqa: E402  it needs the path as it is now

Train = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decoded data sets apart from those of the user who runs the tests."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the runs that tests share: read them, copy them, never change them."""
    return tmp_path_factory.mktemp("shared") / "runs"


@pytest.fixture(scope="session")
def train_once(runs_dir: Path) -> Train:
    """Return a function that trains a recipe cheaply on its sample, the first time it is asked."""

    @cache
    def train(recipe: str) -> Outcome:
        return dlrecipes(
            *("train", recipe, "--data", "sample", "--runs-dir", runs_dir, "--json"),
            *CHEAP[recipe],
            cwd=runs_dir.parent,
        )

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
