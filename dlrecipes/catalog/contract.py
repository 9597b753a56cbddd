"""Check that a recipe is valid: by its syntax tree, and only then by importing it."""

import hashlib
import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from shlex import quote
from types import ModuleType
from typing import Any

from dlrecipes.catalog import mistakes
from dlrecipes.catalog.config_class import shared_settings
from dlrecipes.catalog.facts import Facts
from dlrecipes.catalog.metrics import lacks_headline
from dlrecipes.datasets.published.disk import data_folder
from dlrecipes.datasets.published.names import find_data_set
from dlrecipes.errors import InputError
from dlrecipes.kit.practices import OPTIMIZERS
from dlrecipes.tasks import TASKS, task_names

FUNCTIONS = {
    "load": ("config", "source"),
    "build": ("config", "data"),
    "train": ("model", "data", "config", "callbacks"),
    "evaluate": ("model", "data", "config"),
}
OPTIONAL_FUNCTIONS = {"serving": ("model", "data")}
UNREAD_HINT = (
    "Remove a setting that you do not need from Config, PRESETS and OWN_SETTINGS, or use it. "
)
HOW_TO_WRITE = (
    "Start from a recipe: dlrecipes copy mnist-cnn my_recipe.py. "
    "To see what a recipe needs, read docs/guides/write-a-recipe.md."
)


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
        f"the setting {name!r} has no effect: no line of the recipe reads it"
        for name in facts.unread
    ]
    problems += [
        one
        for where, values in _named_values(facts).items()
        for one in _bad_values(facts, where, values)
    ]
    return problems + _bad_constants(facts) + _bad_choices(facts) + _bad_bands(facts)


def unknown_data(facts: Facts) -> list[str]:
    """Return why there is no data by the names of `DATASET` and `SAMPLE`, a sentence each."""
    problems = []
    if facts.sample and Path(facts.sample).name == facts.sample and facts.sample_path is None:
        problems.append(f"SAMPLE: {facts.sample} is not beside the recipe, nor in a folder data")
    if facts.error or not facts.dataset:
        return problems
    try:
        find_data_set(facts.dataset, data_folder())
    except InputError as error:
        problems.append(f"DATASET: {error.message} {error.hint or ''}".strip())
    return problems


def _bad_constants(facts: Facts) -> list[str]:
    """Return what is wrong with `TASK`, `DATASET`, `SAMPLE` and `FEATURES`."""
    problems = []
    tasks = task_names()
    if facts.task not in tasks:
        problems.append(f"TASK must be one of {', '.join(tasks)}, not {facts.task!r}")
    elif facts.task in TASKS and (why := lacks_headline(facts, TASKS[facts.task].headline.name)):
        problems.append(why)
    if not facts.dataset:
        problems.append("DATASET must name the data set that it trains on")
    if facts.sample and Path(facts.sample).name != facts.sample:
        problems.append(
            f"SAMPLE must be the name of a file or folder, without a path, not {facts.sample!r}"
        )
    for name, features in facts.features.items():
        listed = features if isinstance(features, tuple) else (features,)
        if not all(isinstance(one, str) for one in (name, *listed)):
            problems.append("FEATURES must be {what the task needs: name of the feature, or names}")
    return problems


def _bad_choices(facts: Facts) -> list[str]:
    """Return what is wrong with `RATES`, `OWN_STEPS` and `OWN_SETTINGS`."""
    problems = []
    for name, rate in facts.rates.items():
        if name not in OPTIMIZERS or not isinstance(rate, int | float) or not rate > 0:
            problems.append(
                f"RATES must be {{optimizer: learning rate}}, of {', '.join(OPTIMIZERS)}, "
                f"not {name!r}: {rate!r}"
            )
    if facts.own_steps < 0:
        problems.append(f"OWN_STEPS must be at least 0, not {facts.own_steps}")
    if not all(map(_is_limit, facts.own_settings)):
        problems.append(
            "OWN_SETTINGS must be {most rows: {setting: value}}; a key may also be (most rows, "
            "fewest classes), of two classes or more"
        )
    return problems


def _is_limit(key: Any) -> bool:
    """Tell whether a key of `OWN_SETTINGS` is the most rows, or those and the fewest classes."""
    match key:
        case int(rows), int(classes):
            return 2 <= classes < rows
        case _:
            return isinstance(key, int)


def _named_values(facts: Facts) -> dict[str, Any]:
    """Return the values that presets and `OWN_SETTINGS` give to settings, by where they stand."""
    presets = {f"the preset {name!r}": values for name, values in facts.presets.items()}
    own = {f"OWN_SETTINGS[{rows!r}]": values for rows, values in facts.own_settings.items()}
    return presets | own


def _bad_values(facts: Facts, where: str, values: Any) -> list[str]:
    """Return what is wrong with the settings that a preset, or another part, gives values.

    A shared setting that no line reads any more is no problem: who takes a layer out of a recipe
    need not change its presets.
    """
    if not isinstance(values, dict):
        return [f"{where} must be a dict of settings"]
    settings = {setting.name: setting for setting in facts.settings}
    lacking = [name for name in values if name not in {*settings, *shared_settings()}]
    problems = []
    if lacking:
        problems.append(f"{where} sets {', '.join(map(repr, lacking))}, which Config lacks")
    for name, value in values.items():
        if name not in settings:
            continue
        try:
            settings[name].check(value, where)
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


def is_plain_script(facts: Facts) -> bool:
    """Tell whether a file is valid Python, but none that was written as a recipe."""
    return not any((facts.error, facts.task, facts.dataset, facts.settings, facts.problems))


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
    read = {setting.name for setting in facts.settings}
    problems += [
        f"{where} sets {name!r}, which has no effect: no line of the recipe reads it"
        for where, values in _named_values(facts).items()
        for name in values
        if name not in read
    ]
    if not facts.expected:
        problems.append("it has no EXPECTED band of the test metric")
    return problems


def require_contract(facts: Facts) -> None:
    """Raise InputError unless the recipe can be trained, as far as its text tells."""
    problems = missing_parts(facts)
    if problems and is_plain_script(facts):
        raise InputError(
            f"{facts.path} is a Python script, not a recipe: {'; '.join(problems)}.",
            f"{HOW_TO_WRITE} To run the script as it is: python {quote(str(facts.path))}",
        )
    if problems:
        raise InputError(
            f"{facts.path} is not a valid recipe: {'; '.join(problems)}.",
            f"{UNREAD_HINT if facts.unread else ''}"
            f"To check it while you change it: dlrecipes check {quote(str(facts.path))}",
        )


class _Loader(SourceFileLoader):
    """Loads a Python file and leaves no `__pycache__` beside it: the folder is the user's."""

    def set_data(self, *args: Any, **options: Any) -> None:
        """Write no byte code."""


def import_recipe(path: Path) -> ModuleType:
    """Run a recipe's file and return its module.

    Raises:
        InputError: if running it raises; the message names the line.
    """
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"dlrecipes_recipe_{digest}"
    loader = _Loader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses look up the module that they are defined in.
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        doing = "The recipe's file cannot be run"
        raise mistakes.explain(error, path, doing, InputError) from error
    return module
