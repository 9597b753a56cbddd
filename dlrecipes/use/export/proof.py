"""Prove an export anywhere, in a fresh process of its own runtime."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.use.export.describe import program
from dlrecipes.use.export.formats import Format, find_format


def verify(folder: Path) -> dict[str, Any]:
    """Return what `verify --json` prints of an export that predicts the same as when it was made.

    None of the programs in the folder is run: it may come from elsewhere.

    Args:
        folder: The export.

    Raises:
        InputError: if the folder is no export, or its runtime is not installed.
        DlrecipesError: if it cannot be loaded, or predicts otherwise.
    """
    document = read_export(folder)
    found = find_format(document["format"])
    found.require(document["quantization"])
    difference = prove(folder, found)
    return {
        "path": str(folder),
        "recipe": document["recipe"],
        "format": document["format"],
        "quantization": document["quantization"],
        "max_abs_difference": difference,
    }


def read_export(folder: Path) -> dict[str, Any]:
    """Return the export.json of an export.

    Raises:
        InputError: if the folder is none.
    """
    hint = "Name a folder that dlrecipes export wrote."
    try:
        document = json.loads((folder / "export.json").read_text("utf-8"))
        said = {"quantization": "", **document}
        if not all(isinstance(said[name], str) for name in ("recipe", "format", "quantization")):
            raise TypeError
        return said
    except OSError:
        raise InputError(f"{folder} is no export: it has no export.json.", hint) from None
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{folder / 'export.json'} is damaged.", hint) from None


def prove(folder: Path, found: Format) -> float:
    """Return the largest difference from `predict` that a fresh process finds in an export.

    Raises:
        DlrecipesError: if the export cannot be loaded, or predicts otherwise.
    """
    return float(run_apart("verify.py", found, [folder])["max_abs_difference"])


def run_apart(name: str, found: Format, arguments: list[Path]) -> dict[str, Any]:
    """Return the JSON that a program prints in a process that has a format's runtime alone.

    Args:
        name: The program.
        found: The format, whose `runtime.py` lies beside it.
        arguments: Of the program; the first is the folder of an export.

    Raises:
        DlrecipesError: if it fails.
    """
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    with tempfile.TemporaryDirectory() as temporary:
        beside = Path(temporary)
        for one in {name, "verify.py"}:
            (beside / one).write_text(program(one), "utf-8")
        (beside / "runtime.py").write_text(program(f"runtimes/{found.runtime}.py"), "utf-8")
        result = subprocess.run(
            [sys.executable, str(beside / name), *(str(one.resolve()) for one in arguments)],
            # Without another project's keras.json.
            env={**environment, "KERAS_HOME": str(beside / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode != 0:
        reason = (result.stderr.strip() or "it said nothing").splitlines()[-1]
        raise DlrecipesError(f"The export does not predict what predict does: {reason}.")
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return document
