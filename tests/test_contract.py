"""Every recipe keeps the contract and has networks of the published sizes; `check` sees faults."""

import ast
import json
import sys
from collections.abc import Callable
from importlib.resources import files
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from support import (
    MNIST,
    RECIPES,
    REGRESSION,
    SENTIMENT,
    TEXT,
    changed,
    dlrecipes,
    files_below,
    recipe_source,
    run_python,
)

from dlrecipes.catalog.contract import RESERVED_SETTINGS, missing_documentation
from dlrecipes.catalog.find import find_recipe, read_facts
from dlrecipes.catalog.settings import resolve_settings
from dlrecipes.cli.benchmark import benchmark
from dlrecipes.cli.train import train
from dlrecipes.datasets.published.catalog import find_data_set
from dlrecipes.tasks import find_task

# Weights of each network by preset ("" for the default settings), added up by hand. A convolution
# has height * width * inputs * filters weights and a bias a filter; a dense layer inputs * units
# and a bias a unit; an LSTM four gates of (inputs + units) * units and a bias a unit.
DIAMOND_COLUMNS = 6 + (1 + 5) + (1 + 7) + (1 + 8)
"""Numbers, and one-hot columns of cut, color and clarity: each with one for unseen words."""
PROSE_CHARACTERS = 2 + 71
"""Padding, unknown, and the characters of the first 90 % of the bundled prose."""


def dense(inputs: int, units: int) -> int:
    return inputs * units + units


def lstm(inputs: int, units: int) -> int:
    return 4 * dense(inputs + units, units)


PARAMETERS = {
    (MNIST, "one-conv"): 693_962,
    (MNIST, "three-conv"): 93_322,
    (MNIST, "two-conv"): 34_826,
    # Convolutions without biases, four numbers a channel for batch normalisation, 3 x 3 x 64 out.
    (MNIST, ""): (9 * 16 + 4 * 16)
    + (9 * 16 * 32 + 4 * 32)
    + (9 * 32 * 64 + 4 * 64)
    + dense(3 * 3 * 64, 64)
    + dense(64, 10),
    (MNIST, "fast"): dense(25, 16)
    + (9 * 16 * 64 + 4 * 64)
    + (9 * 64 * 128 + 4 * 128)
    + dense(3 * 3 * 128, 10),
    (SENTIMENT, "lstm-128"): 20_000 * 128 + lstm(128, 128) + dense(128, 1),
    (SENTIMENT, "lstm-64"): 20_000 * 64 + lstm(64, 64) + dense(64, 1),
    # Phrases of 3 words, an LSTM in each direction; the last layer reads both LSTMs' largest and
    # mean states and the mean word.
    (SENTIMENT, ""): 20_000 * 64
    + dense(3 * 64, 64)
    + 2 * lstm(64, 32)
    + dense(2 * 32 + 2 * 32 + 64, 1),
    (SENTIMENT, "fast"): 20_000 * 32
    + dense(3 * 32, 32)
    + 2 * lstm(32, 32)
    + dense(2 * 32 + 2 * 32 + 32, 1),
    (TEXT, "lstm-128"): PROSE_CHARACTERS * 128 + lstm(128, 128) + dense(128, PROSE_CHARACTERS),
    (TEXT, ""): PROSE_CHARACTERS * 64 + lstm(64, 192) + dense(192, PROSE_CHARACTERS),
    (TEXT, "fast"): PROSE_CHARACTERS * 32 + lstm(32, 96) + dense(96, PROSE_CHARACTERS),
    (REGRESSION, "dense-32"): dense(DIAMOND_COLUMNS, 32) + dense(32, 1),
    (REGRESSION, ""): dense(DIAMOND_COLUMNS, 128) + dense(128, 64) + dense(64, 32) + dense(32, 1),
    (REGRESSION, "fast"): dense(DIAMOND_COLUMNS, 128)
    + dense(128, 64)
    + dense(64, 32)
    + dense(32, 1),
}

COUNT_PARAMETERS = """
import json, sys
from dlrecipes.system.backend import load_tensorflow
load_tensorflow()
from dlrecipes.catalog.find import find_recipe
from dlrecipes.catalog.settings import resolve_settings
from dlrecipes.catalog.contract import import_recipe
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.datasets.ladder import open_data_set

counts = []
for name in sys.argv[1:]:
    facts = find_recipe(name)
    recipe = import_recipe(facts.path)
    source = open_data_set(facts.dataset, "sample", None, FetchDisplay(quiet=True))
    for preset in ["", *facts.presets]:
        settings = resolve_settings(facts.settings, preset=facts.presets.get(preset, {}))
        config = recipe.Config(**settings)
        model = recipe.build(config, recipe.load(config, source))
        counts.append([name, preset, model.count_params()])
print(json.dumps(counts))
"""


@pytest.fixture(scope="module")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], int]:
    """Return the weights that each recipe's `build` makes with each preset, on the sample data."""
    counted = run_python(COUNT_PARAMETERS, *RECIPES, cwd=tmp_path_factory.mktemp("parameters"))
    return {(name, preset): count for name, preset, count in json.loads(counted.out)}


@pytest.mark.parametrize(("recipe", "preset"), PARAMETERS, ids=lambda value: value or "default")
def test_network_has_exactly_the_parameters_of_its_publication(
    recipe: str, preset: str, parameters: dict[tuple[str, str], int]
) -> None:
    assert parameters[recipe, preset] == PARAMETERS[recipe, preset]


@pytest.mark.parametrize("command", [train, benchmark])
def test_no_setting_can_have_the_name_of_a_commands_own_flag(command: Callable[..., None]) -> None:
    own = {name for name in signature(command).parameters if name != "flags"}
    assert own <= set(RESERVED_SETTINGS)


def test_every_preset_of_every_recipe_has_its_parameters_pinned(
    parameters: dict[tuple[str, str], int],
) -> None:
    assert parameters.keys() == PARAMETERS.keys()


def test_check_finds_that_every_recipe_keeps_the_contract(tmp_path: Path) -> None:
    shown = dlrecipes("check", cwd=tmp_path).out
    assert shown.count("keeps the contract") == len(RECIPES)
    assert "wrong:" not in shown
    assert "advice:" not in shown


@pytest.mark.parametrize("recipe", RECIPES)
def test_everything_public_in_a_recipe_has_a_docstring(recipe: str) -> None:
    tree = ast.parse(recipe_source(recipe))
    assert len(ast.get_docstring(tree).splitlines()) > 5
    nodes = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert len(nodes) >= 5
    assert [node.name for node in nodes if not ast.get_docstring(node)] == []
    assert missing_documentation(find_recipe(recipe)) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_imports_only_keras_numpy_dlrecipes_and_the_standard_library(recipe: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse(recipe_source(recipe))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
            if node.module and node.module.startswith("dlrecipes"):
                assert node.module == "dlrecipes", "only what dlrecipes makes public"
    assert imported <= {"keras", "numpy", "dlrecipes", *sys.stdlib_module_names}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipes_presets_and_expected_bands_are_of_its_data_and_metric(recipe: str) -> None:
    facts = find_recipe(recipe)
    data_set, task = find_data_set(facts.dataset), find_task(facts.task)
    for settings in facts.presets.values():
        resolve_settings(facts.settings, preset=settings)
    # A recipe says what to expect of its full data and of the sample, with its default settings.
    assert set(facts.expected) >= {data_set.name, data_set.sample}
    for key, bands in facts.expected.items():
        name, _, preset = key.partition(":")
        assert name in (data_set.name, data_set.sample)
        assert preset in ("", *facts.presets)
        assert task.headline in bands


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_offers_the_practices_that_the_tutorials_name(recipe: str) -> None:
    names = {setting.name for setting in find_recipe(recipe).settings}
    assert names >= {"dropout", "l1", "l2", "early_stopping", "schedule", "optimizer"}
    if find_recipe(recipe).task.endswith("classification"):
        assert "balance_classes" in names
    if find_recipe(recipe).task.startswith("image"):
        assert "augmentation" in names


def without_function(name: str) -> Callable[[str], str]:
    """Return what takes a top-level function out of a recipe's text."""

    def remove(text: str) -> str:
        tree = ast.parse(text)
        (node,) = (
            node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
        )
        lines = text.splitlines(keepends=True)
        return "".join(lines[: node.lineno - 1] + lines[node.end_lineno :])

    return remove


def replaced(old: str, new: str) -> Callable[[str], str]:
    """Return what changes one passage of a recipe's text."""
    return lambda text: changed(text, old, new)


EPOCHS = "    epochs: PositiveInt = 4\n"
FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "syntax error": (replaced("def load(config", "def load((config"), "syntax error, line"),
    "no build": (without_function("build"), "it has no function build(config, data)"),
    "no load": (without_function("load"), "it has no function load(config, source)"),
    "no train": (without_function("train"), "it has no function train("),
    "no evaluate": (without_function("evaluate"), "it has no function evaluate("),
    "wrong signature": (
        replaced("def build(config: Config, data: Data)", "def build(data: Data)"),
        "its function must be build(config, data), not build(data)",
    ),
    "wrong signature of the optional serving": (
        lambda text: text + "\n\ndef serving(model):\n    return model\n",
        "its function must be serving(model, data), not serving(model)",
    ),
    "no TASK": (replaced('TASK = "image-classification"\n', ""), "TASK must be one of"),
    "unknown TASK": (
        replaced('TASK = "image-classification"', 'TASK = "image-painting"'),
        "TASK must be one of image-classification",
    ),
    "TASK computed": (
        replaced('TASK = "image-classification"', 'TASK = "image-" + "classification"'),
        "TASK must be text, as a literal",
    ),
    "unknown DATASET": (
        replaced('DATASET = "mnist"', 'DATASET = "emnist"'),
        "DATASET must be one of mnist",
    ),
    "preset with an unknown setting": (
        replaced('        "filters": (32,),', '        "filtres": (32,),'),
        "the preset 'one-conv' sets 'filtres', which Config lacks",
    ),
    "preset with a value of the wrong type": (
        replaced('        "filters": (32,),', '        "filters": 32,'),
        "the preset 'one-conv': filters must be a comma-separated list",
    ),
    "preset that is no dict": (
        replaced("PRESETS = {", 'PRESETS = {"empty": 3,'),
        "the preset 'empty' must be a dict",
    ),
    "setting without a type": (replaced(EPOCHS, EPOCHS + "    momentum = 0.9\n"), "momentum"),
    "setting of an unusable type": (
        replaced(EPOCHS, EPOCHS + "    shape: dict[str, int] = None\n"),
        "setting shape: dict[str, int] is not a type that a setting can have",
    ),
    "setting without a default": (
        replaced(EPOCHS, "    momentum: float\n" + EPOCHS),
        "setting momentum: it needs a default",
    ),
    "default of the wrong type": (
        replaced(EPOCHS, '    epochs: PositiveInt = "three"\n'),
        "setting epochs: its default 'three' is not an integer at least 1",
    ),
    "default out of range": (
        replaced(EPOCHS, "    epochs: PositiveInt = 0\n"),
        "setting epochs: its default 0 is not an integer at least 1",
    ),
    "setting with the name of a flag of train": (
        replaced(EPOCHS, EPOCHS + "    device: str = ''\n"),
        "the setting 'device' has the name of a command's own flag",
    ),
    "Config that is no dataclass": (replaced("@dataclass(frozen=True)\n", ""), "dataclass"),
    "Config that is not frozen": (replaced("@dataclass(frozen=True)", "@dataclass"), "frozen"),
    "no Config": (
        replaced("class Config:", "class Settings:"),
        "it has no dataclass Config with settings",
    ),
    "band that is no pair": (
        replaced('"accuracy": (0.967, 0.988)', '"accuracy": 0.965'),
        "EXPECTED['mnist-sample'] must be {metric: (lowest, highest)}",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_check_says_plainly_what_is_missing_and_train_refuses(fault: str, tmp_path: Path) -> None:
    change, sentence = FAULTS[fault]
    (tmp_path / "my_recipe.py").write_text(change(recipe_source(MNIST)))
    before = files_below(tmp_path)
    shown = dlrecipes("check", "my_recipe.py", cwd=tmp_path, code=2)
    assert "my_recipe.py: not a recipe" in shown.out
    assert sentence in shown.out
    refused = dlrecipes("train", "./my_recipe.py", "--data", "sample", cwd=tmp_path, code=2)
    assert sentence in refused.err
    assert "Traceback" not in shown.err + refused.err
    assert files_below(tmp_path) == before


def test_check_as_json_lists_the_problems_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(recipe_source(MNIST))
    (tmp_path / "bad.py").write_text(without_function("build")(recipe_source(MNIST)))
    report: list[dict[str, Any]] = dlrecipes(
        "check", "good.py", "bad.py", "missing.py", "--json", cwd=tmp_path, code=2
    ).document
    assert [entry["name"] for entry in report] == ["good", "bad", "missing"]
    assert report[0]["problems"] == []
    assert report[1]["problems"] == ["it has no function build(config, data)"]
    assert len(report[2]["problems"]) == 1


def test_check_advises_what_a_reader_would_miss_without_refusing_the_recipe(
    tmp_path: Path,
) -> None:
    text = changed(recipe_source(MNIST), EPOCHS, EPOCHS + "    patience: int = 3\n")
    (tmp_path / "my_recipe.py").write_text(text)
    shown = dlrecipes("check", "my_recipe.py", cwd=tmp_path).out
    assert "keeps the contract" in shown
    assert "advice: the setting patience has no line under Args:" in shown


def test_facts_read_from_the_syntax_tree_are_those_of_the_file() -> None:
    path = Path(str(files("dlrecipes.recipes").joinpath("mnist_cnn.py")))
    facts = read_facts(path)
    settings = {setting.name: setting for setting in facts.settings}
    assert facts.name == MNIST
    assert facts.summary.startswith("Classify handwritten digits")
    assert facts.presets["three-conv"]["filters"] == (32, 64, 64)
    assert settings["filters"].default == (16, 32, 64)
    assert settings["filters"].help == "Output channels of each convolution."
    assert settings["epochs"].flag == "--epochs"
    assert facts.functions["train"] == ("model", "data", "config", "callbacks")
