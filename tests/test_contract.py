"""Every recipe is valid and has networks of the published sizes; `check` finds faults."""

import ast
import json
import sys
from collections.abc import Callable
from importlib.resources import files
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

from dlrecipes.catalog.config_files import resolve_settings
from dlrecipes.catalog.contract import missing_documentation
from dlrecipes.catalog.facts import read_facts
from dlrecipes.catalog.find import all_recipes, find_recipe
from dlrecipes.tasks import find_task
from recipes import BY_NAME

BUILD_EACH = """
import json, sys
from dlrecipes.system.backend import load_tensorflow
load_tensorflow()
from dlrecipes.catalog.config_files import resolve_settings
from dlrecipes.catalog.contract import import_recipe
from dlrecipes.catalog.find import find_recipe
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.tasks.opening import DataRequest, open_source
from dlrecipes.training.request import Request

built = {}
for name in sys.argv[1:]:
    facts = find_recipe(name)
    recipe = import_recipe(facts.path)
    data_of = Request(facts, {}).recipe_data
    source = open_source(data_of, DataRequest("sample"), 0, FetchDisplay(quiet=True))
    baseline = data_of.task.answer.baseline(source)
    known = baseline and baseline.metrics[data_of.task.headline.name]
    parameters = {}
    for preset in [*facts.presets, ""]:
        settings = resolve_settings(facts.settings, preset=facts.presets.get(preset, {}))
        config = recipe.Config(**settings)
        data = recipe.load(config, source)
        parameters[preset] = recipe.build(config, data).count_params()
    built[name] = {"parameters": parameters, "rows": data.rows, "baseline": known}
print(json.dumps(built))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what each recipe's `load` and `build` make of the sample, with each preset."""
    shown = run_python(BUILD_EACH, *RECIPES, cwd=tmp_path_factory.mktemp("built")).out
    return dict(json.loads(shown))


def test_every_recipe_has_a_file_of_what_is_expected_of_it() -> None:
    assert set(RECIPES) == {facts.name for facts in all_recipes() if facts.package == "dlrecipes"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_networks_have_exactly_the_parameters_that_were_added_up_by_hand(
    recipe: str, built: dict[str, Any]
) -> None:
    assert built[recipe]["parameters"] == BY_NAME[recipe].parameters


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_sample_has_the_expected_rows_and_baseline(recipe: str, built: dict[str, Any]) -> None:
    assert built[recipe]["rows"] == BY_NAME[recipe].rows
    if built[recipe]["baseline"] is not None:  # Pictures have no truth to be compared with.
        assert built[recipe]["baseline"] == pytest.approx(BY_NAME[recipe].baseline, abs=1e-4)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_page_with_a_layer_on_the_first_screen_after_its_settings(
    recipe: str,
) -> None:
    text = recipe_source(recipe)
    lines = text.splitlines()
    assert len(lines) <= (150 if recipe in (SENTIMENT, "digits-gan") else 120)
    (config,) = (
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and node.name == "Config"
    )
    first = next(number for number, line in enumerate(lines, 1) if " layers." in line)
    assert first - config.end_lineno <= 45
    for words in ("verbose", "shuffle=False", "__main__"):
        assert words not in text, "which only the tool would want"


def test_check_finds_every_recipe_valid(tmp_path: Path) -> None:
    shown = dlrecipes("check", cwd=tmp_path).out
    assert shown.count(": valid") == len(RECIPES)
    assert "problem:" not in shown
    assert "advice:" not in shown
    assert f"{MNIST.replace('-', '_')}.py: valid" in dlrecipes("check", MNIST, cwd=tmp_path).out


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
    # Keras has no gradients of its own: a train_step takes them from TensorFlow's tape.
    own_step = {"tensorflow"} if "def train_step" in recipe_source(recipe) else set()
    assert imported <= {"keras", "numpy", "dlrecipes", *own_step, *sys.stdlib_module_names}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipes_presets_and_expected_bands_are_of_its_data_and_metric(recipe: str) -> None:
    facts = find_recipe(recipe)
    task = find_task(facts.task)
    for settings in facts.presets.values():
        resolve_settings(facts.settings, preset=settings)
    # A recipe says what to expect of the sample, at least, with its default settings.
    assert "sample" in facts.expected
    for key, bands in facts.expected.items():
        name, _, preset = key.partition(":")
        assert name in (facts.dataset, "sample")
        assert preset in ("", *facts.presets)
        assert task.headline.name in bands


@pytest.mark.parametrize("recipe", [MNIST, REGRESSION, SENTIMENT, TEXT])
def test_a_recipe_offers_the_practices_that_the_tutorials_name(recipe: str) -> None:
    names = {setting.name for setting in find_recipe(recipe).settings}
    assert names >= {"dropout", "l1", "l2", "early_stopping", "schedule", "optimizer", "precision"}
    if find_recipe(recipe).task in ("image-classification", "text-classification"):
        assert "balance_classes" in names
    if find_recipe(recipe).task == "image-classification":
        assert names >= {"augmentation", "batch_normalization", "activation"}


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


EPOCHS = "    epochs: int = 4\n"
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
    "no DATASET": (replaced('DATASET = "mnist"\n', ""), "DATASET must name the data set"),
    "SAMPLE with a path": (
        replaced('SAMPLE = "mnist.npz"', 'SAMPLE = "../mnist.npz"'),
        "SAMPLE must be the name of a file or folder, without a path",
    ),
    "FEATURES that are no names": (
        replaced('DATASET = "mnist"', 'DATASET = "mnist"\nFEATURES = {"image": 3}'),
        "FEATURES must be {what the task needs: name of the feature, or names}",
    ),
    "preset with an unknown setting": (
        replaced('"filters": (32,),', '"filtres": (32,),'),
        "the preset 'one-conv' sets 'filtres', which Config lacks",
    ),
    "preset with a value of the wrong type": (
        replaced('"filters": (32,),', '"filters": 32,'),
        "the preset 'one-conv': filters must be a comma-separated list",
    ),
    "preset that is no dict": (
        replaced("PRESETS = {", 'PRESETS = {"empty": 3,'),
        "the preset 'empty' must be a dict",
    ),
    "settings for classes whose numbers are swapped": (
        lambda text: f"{text}\nOWN_SETTINGS = {{(3, 2_000): {{'epochs': 2}}}}\n",
        "a key may also be (most rows, fewest classes)",
    ),
    "setting without a type": (replaced(EPOCHS, EPOCHS + "    momentum = 0.9\n"), "momentum"),
    "setting of an unusable type": (
        replaced(EPOCHS, EPOCHS + "    shape: dict[str, int] = None\n"),
        "setting shape: dict[str, int] cannot be the type of a setting",
    ),
    "setting without a default": (
        replaced(EPOCHS, "    momentum: float\n" + EPOCHS),
        "setting momentum: it needs a default",
    ),
    "default of the wrong type": (
        replaced(EPOCHS, '    epochs: int = "three"\n'),
        "setting epochs: its default 'three' is not an integer at least 1",
    ),
    "default out of range": (
        replaced(EPOCHS, "    epochs: int = 0\n"),
        "setting epochs: its default 0 is not an integer at least 1",
    ),
    "setting that no line reads": (
        replaced(EPOCHS, EPOCHS + "    patience: int = 3\n"),
        "the setting 'patience' has no effect: no line of the recipe reads it",
    ),
    "another base of Config": (
        replaced("class Config(TrainingConfig):", "class Config(Shared):"),
        "Config can inherit from dlrecipes.TrainingConfig alone, not from Shared",
    ),
    "preset of an unknown literal": (
        replaced('"one-conv": {**CLASSIC,', '"one-conv": {**OTHERS,'),
        "PRESETS must be a dict, as a literal",
    ),
    "Config that is no dataclass": (replaced("@dataclass(frozen=True)\n", ""), "dataclass"),
    "Config that is not frozen": (replaced("@dataclass(frozen=True)", "@dataclass"), "frozen"),
    "no Config": (
        replaced("class Config(TrainingConfig):", "class Settings(TrainingConfig):"),
        "it has no dataclass Config with settings",
    ),
    "band that is no pair": (
        replaced('"accuracy": (0.967, 0.988)', '"accuracy": 0.965'),
        "EXPECTED['sample'] must be {metric: (lowest, highest)}",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_check_says_plainly_what_is_missing_and_train_refuses(fault: str, tmp_path: Path) -> None:
    change, sentence = FAULTS[fault]
    (tmp_path / "my_recipe.py").write_text(change(recipe_source(MNIST)))
    before = files_below(tmp_path)
    shown = dlrecipes("check", "my_recipe.py", cwd=tmp_path, code=2)
    assert "my_recipe.py: not valid" in shown.out
    assert sentence in shown.out
    refused = dlrecipes("train", "./my_recipe.py", "--data", "sample", cwd=tmp_path, code=2)
    assert sentence in refused.err
    assert "Traceback" not in shown.err + refused.err
    assert files_below(tmp_path) == before


def test_check_notices_a_sample_and_a_data_set_that_do_not_exist(tmp_path: Path) -> None:
    text = changed(recipe_source(MNIST), 'SAMPLE = "mnist.npz"', 'SAMPLE = "minst.npz"')
    (tmp_path / "mine.py").write_text(changed(text, 'DATASET = "mnist"', 'DATASET = "minst"'))
    shown = dlrecipes("check", "mine.py", cwd=tmp_path, code=2).out
    assert "SAMPLE: minst.npz is not beside the recipe, nor in a folder data" in shown
    assert "Did you mean mnist?" in shown


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
    text = changed(text, "config.epochs,", "config.epochs + config.patience,")
    (tmp_path / "my_recipe.py").write_text(text)
    shown = dlrecipes("check", "my_recipe.py", cwd=tmp_path).out
    assert "my_recipe.py: valid" in shown
    assert "advice: the setting patience has no line under Args:" in shown


def test_facts_read_from_the_syntax_tree_are_those_of_the_file() -> None:
    path = Path(str(files("dlrecipes.recipes").joinpath("mnist_cnn.py")))
    facts = read_facts(path)
    settings = {setting.name: setting for setting in facts.settings}
    assert facts.name == MNIST
    assert facts.summary.startswith("Classify handwritten digits")
    assert facts.presets["three-conv"]["filters"] == (32, 64, 64)
    assert facts.presets["three-conv"]["schedule"] == "constant", "from a literal that they share"
    assert settings["filters"].default == (16, 32, 64)
    assert settings["filters"].help.startswith("Output channels of each convolution")
    assert settings["epochs"].flag == "--epochs"
    assert settings["epochs"].default == 4, "as the recipe has it"
    assert settings["epochs"].help == "Passes over the training data.", "as all recipes have it"
    assert settings["l2"].default == 0.0
    assert facts.sample == "mnist.npz"
    assert facts.sample_path is not None
    assert (
        facts.sample_path.read_bytes()
        == files("dlrecipes.data").joinpath(facts.sample).read_bytes()
    )
    assert facts.functions["train"] == ("model", "data", "config", "callbacks")


def test_a_layer_can_be_taken_out_whose_setting_presets_give_a_value(tmp_path: Path) -> None:
    text = recipe_source("mnist-cnn")
    text = changed(text, "    x = layers.Dropout(config.dropout)(x)\n", "")
    bias = "config.batch_normalization or (stride == 2 and not config.averaged)"
    text = changed(text, f"not {bias}", "True")
    (tmp_path / "plain.py").write_text(text)
    (report,) = dlrecipes("check", "plain.py", "--json", cwd=tmp_path).document
    assert report["problems"] == []
    without = "which has no effect: no line of the recipe reads it"
    assert f"OWN_SETTINGS[20000] sets 'dropout', {without}" in report["advice"]
    arguments = ("--data", "sample", "--preset", "one-conv", "--plan", "--json")
    plan = dlrecipes("train", "./plain.py", *arguments, cwd=tmp_path).document
    assert plan["config"]["filters"] == [32]
    assert not {"dropout", "batch_normalization"} & plan["config"].keys()
