"""Hold a recipe against the contract: by its syntax tree first, and only then by importing it."""

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from shlex import quote
from types import ModuleType

from dlrecipes.catalog.find import Facts
from dlrecipes.catalog.settings import FILE_OPTIONS
from dlrecipes.datasets.published.catalog import DATA_SETS
from dlrecipes.errors import InputError
from dlrecipes.tasks import TASKS

FUNCTIONS = {
    "load": ("config", "source"),
    "build": ("config", "data"),
    "train": ("model", "data", "config", "callbacks"),
    "evaluate": ("model", "data", "config"),
}
RESERVED_SETTINGS = (
    *("recipe", "preset", "config", "data", "data_dir", "seed", "device", "plan", "seconds"),
    *("runs_dir", "name", "json", "quiet", "help", "debug"),
    *("checkpoint_every", "keep_checkpoints", "on_nan", "trust_recipe"),
    *FILE_OPTIONS,
)
"""Names of the own flags of `train` and `benchmark`, which a setting cannot have."""

OPTIONAL_FUNCTIONS = {"serving": ("model", "data")}


def missing_parts(facts: Facts) -> list[str]:
    """Return what stops a recipe from being trained, a sentence each."""
    if facts.error:
        return [facts.error]
    problems = list(facts.problems)
    for name, parameters in (FUNCTIONS | OPTIONAL_FUNCTIONS).items():
        signature = f"{name}({', '.join(parameters)})"
        if name not in facts.functions:
            if name in FUNCTIONS:
                problems.append(f"it has no function {signature}")
        elif facts.functions[name] != parameters:
            received = ", ".join(facts.functions[name])
            problems.append(f"its function must be {signature}, not {name}({received})")
    if not facts.settings and not facts.problems:
        problems.append("it has no dataclass Config with settings")
    problems += [
        f"the setting {setting.name!r} has the name of a command's own flag: call it otherwise"
        for setting in facts.settings
        if setting.name in RESERVED_SETTINGS
    ]
    for name, value, known in (("TASK", facts.task, TASKS), ("DATASET", facts.dataset, DATA_SETS)):
        if value not in known:
            problems.append(f"{name} must be one of {', '.join(known)}, not {value!r}")
    return problems + _bad_presets(facts) + _bad_bands(facts)


def _bad_presets(facts: Facts) -> list[str]:
    """Return what is wrong with the presets."""
    problems = []
    settings = {setting.name: setting for setting in facts.settings}
    for preset, values in facts.presets.items():
        if not isinstance(values, dict):
            problems.append(f"the preset {preset!r} must be a dict of settings")
            continue
        for name, value in values.items():
            if name not in settings:
                problems.append(f"the preset {preset!r} sets {name!r}, which Config lacks")
                continue
            try:
                settings[name].check(value, f"the preset {preset!r}")
            except InputError as error:
                problems.append(error.message)
    return problems


def _bad_bands(facts: Facts) -> list[str]:
    """Return what is wrong with `EXPECTED`."""
    problems = []
    for name, bands in facts.expected.items():
        ordered = isinstance(bands, dict) and all(
            isinstance(band, tuple)
            and len(band) == 2
            and all(isinstance(end, int | float) for end in band)
            and band[0] <= band[1]
            for band in bands.values()
        )
        if not ordered:
            problems.append(f"EXPECTED[{name!r}] must be {{metric: (lowest, highest)}}")
    return problems


def missing_documentation(facts: Facts) -> list[str]:
    """Return what a reader would miss in a recipe, a sentence each."""
    problems = []
    if not facts.summary:
        problems.append("it has no docstring whose first line says what it does")
    problems += [
        f"the setting {setting.name} has no line under Args: in the docstring of Config"
        for setting in facts.settings
        if not setting.help
    ]
    if not facts.expected:
        problems.append("it has no EXPECTED band of the test metric")
    return problems


def require_contract(facts: Facts) -> None:
    """Raise InputError unless the recipe can be trained, as far as its text tells."""
    problems = missing_parts(facts)
    if problems:
        raise InputError(
            f"{facts.path} is not a recipe that can be trained: {'; '.join(problems)}.",
            f"Check it as you change it: dlrecipes check {quote(str(facts.path))}",
        )


def import_recipe(path: Path) -> ModuleType:
    """Run a recipe's file and return its module.

    Raises:
        InputError: if running it raises; the message names the line.
    """
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"dlrecipes_recipe_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses look up the module that they are defined in.
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).resolve() == path.resolve()
        ]
        line = f" line {lines[-1]}:" if lines else ""
        raise InputError(f"{path} cannot be run:{line} {type(error).__name__}: {error}") from error
    return module
