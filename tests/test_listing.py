"""`list`, `describe`, `--help`, `runs`, `doctor`: instant, static, and they run nobody's code."""

from pathlib import Path

import pytest
from support import (
    CHECKOUT,
    MNIST,
    RECIPES,
    changed,
    dlrecipes,
    files_below,
    recipe_source,
    run_python,
)

COMMANDS = (
    *("list", "describe", "train", "evaluate", "predict", "export"),
    *("runs", "copy", "check", "doctor", "data"),
)
DATA_COMMANDS = ("data list", "data info", "data fetch", "data clear")
LISTED_KEYS = {"name", "task", "summary", "dataset", "presets", "path"}


def test_list_shows_every_recipe_and_what_to_type_next(tmp_path: Path) -> None:
    shown = dlrecipes("list", cwd=tmp_path)
    assert all(recipe in shown.out for recipe in RECIPES)
    assert "Classify handwritten digits" in shown.out
    assert shown.out.splitlines()[-1].startswith("Next: dlrecipes describe ")
    assert shown.err == ""


def test_list_as_json_holds_every_recipe_with_the_promised_keys(tmp_path: Path) -> None:
    document = dlrecipes("list", "--json", cwd=tmp_path).document
    assert {entry["name"] for entry in document} == set(RECIPES)
    for entry in document:
        assert set(entry) >= LISTED_KEYS
        assert "error" not in entry
        assert Path(entry["path"]).is_file()
    (mnist,) = (entry for entry in document if entry["name"] == MNIST)
    assert mnist["task"] == "image-classification"
    assert mnist["dataset"] == "mnist"
    assert mnist["presets"] == ["fast", "one-conv", "three-conv", "two-conv"]


def test_list_in_the_checkout_names_each_recipe_once(tmp_path: Path) -> None:
    """Its ./recipes holds the same files as the installed package."""
    document = dlrecipes("list", "--json", cwd=CHECKOUT).document
    assert sorted(entry["name"] for entry in document) == sorted(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_describe_shows_what_the_recipe_teaches_its_settings_presets_and_results(
    recipe: str, tmp_path: Path
) -> None:
    shown = dlrecipes("describe", recipe, cwd=tmp_path)
    document = dlrecipes("describe", recipe, "--json", cwd=tmp_path).document
    assert document["documentation"].splitlines()[0] in shown.out
    assert "Try `--" in " ".join(shown.out.split())
    for setting in document["settings"]:
        assert setting["flag"] in shown.out
        assert setting["help"] in shown.out
    for preset in document["presets"]:
        assert preset in shown.out
    assert document["expected"]
    assert "Expected test results" in shown.out
    assert shown.out.splitlines()[-1] == f"Next: dlrecipes train {recipe}"


@pytest.mark.parametrize("recipe", RECIPES)
def test_train_help_shows_every_setting_with_its_default_and_help(
    recipe: str, tmp_path: Path
) -> None:
    # Rich folds the help of an option into its column; without spaces and frames it is one text.
    shown = dlrecipes("train", recipe, "--help", cwd=tmp_path).out
    words = "".join(shown.replace("│", "").split())
    settings = dlrecipes("describe", recipe, "--json", cwd=tmp_path).document["settings"]
    for setting in settings:
        assert setting["flag"] in shown
        assert "".join(setting["help"].split()) in words
    assert "Example: dlrecipes train" in shown


def test_train_help_without_a_recipe_says_where_the_settings_are_shown(tmp_path: Path) -> None:
    shown = dlrecipes("train", "--help", cwd=tmp_path).out
    assert "dlrecipes train RECIPE --help" in shown
    for flag in (
        *("--preset", "--config", "--data", "--data-dir", "--seed", "--device"),
        *("--runs-dir", "--name", "--json", "--quiet"),
    ):
        assert flag in shown


@pytest.mark.parametrize("command", [*COMMANDS, "runs show", "runs compare", *DATA_COMMANDS])
def test_help_of_every_command_has_an_example(command: str, tmp_path: Path) -> None:
    shown = dlrecipes(*command.split(), "--help", cwd=tmp_path).out
    assert f"Example: dlrecipes {command}" in shown


def test_help_names_every_command_and_no_arguments_show_it(tmp_path: Path) -> None:
    shown = dlrecipes("--help", cwd=tmp_path).out
    assert all(f" {command} " in shown for command in COMMANDS)
    bare = dlrecipes(cwd=tmp_path, code=2)
    assert all(command in bare.out + bare.err for command in COMMANDS)
    assert "Traceback" not in bare.err


def test_version_is_printed(tmp_path: Path) -> None:
    assert dlrecipes("--version", cwd=tmp_path).out.startswith("dlrecipes 0.")


SPARED_LATER = """
import sys
from dlrecipes.system.backend import SPARED, load_tensorflow
load_tensorflow()
assert not set(SPARED) & set(sys.modules), "imported beside Keras"
import keras, pandas, sklearn
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
table = pandas.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
print(len(model.fit(table, table["x"], verbose=0).history["loss"]))
"""


def test_what_keras_can_spare_is_imported_no_sooner_than_a_recipe_wants_it(tmp_path: Path) -> None:
    assert run_python(SPARED_LATER, cwd=tmp_path).out.split()[-1] == "1"


IMPORTS_NOTHING_HEAVY = """
import sys
from dlrecipes.cli import main
code = main(sys.argv[1:])
heavy = sorted({"tensorflow", "keras", "pandas", "sklearn"} & set(sys.modules))
sys.exit(f"imported {heavy}" if heavy else code)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--json"],
        ["--help"],
        ["train", "--help"],
        ["train", MNIST, "--help"],
        ["runs"],
        ["runs", "--json"],
        ["describe", MNIST],
        ["check"],
    ],
    ids=" ".join,
)
def test_commands_that_train_nothing_import_neither_tensorflow_nor_keras(
    arguments: list[str], tmp_path: Path
) -> None:
    run_python(IMPORTS_NOTHING_HEAVY, *arguments, cwd=tmp_path)


TREACHEROUS = '''"""A treacherous recipe, whose code leaves a trace when it is run."""

from pathlib import Path

Path("it-was-run").touch()
raise SystemExit("it was run")

TASK = "image-classification"
DATASET = "mnist"
'''


@pytest.mark.parametrize("where", ["recipes", "elsewhere"])
@pytest.mark.parametrize(
    "arguments",
    [["list"], ["describe", "treacherous"], ["train", "treacherous", "--help"], ["check"]],
    ids=" ".join,
)
def test_looking_at_recipes_runs_nobodys_code(
    where: str, arguments: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / where
    folder.mkdir()
    (folder / "treacherous.py").write_text(TREACHEROUS)
    before = files_below(tmp_path)
    env = {} if where == "recipes" else {"DLRECIPES_PATH": where}
    shown = dlrecipes(*arguments, cwd=tmp_path, env=env, code=None)
    assert "treacherous" in shown.out + shown.err
    assert "it was run" not in shown.out + shown.err
    assert files_below(tmp_path) == before


def test_a_broken_file_is_listed_with_its_error_and_line_beside_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "broken.py").write_text('"""Broken."""\n\ndef build(config, data:\n    pass\n')
    (folder / "binary.py").write_bytes(b"\0\xff\xfe")
    document = dlrecipes("list", "--json", cwd=tmp_path).document
    errors = {entry["name"]: entry["error"] for entry in document if "error" in entry}
    assert set(errors) == {"broken", "binary"}
    assert errors["broken"].startswith("syntax error, line 3")
    assert {entry["name"] for entry in document} == {*RECIPES, "broken", "binary"}
    assert "syntax error, line 3" in dlrecipes("list", cwd=tmp_path).out


def test_recipes_come_from_every_folder_of_the_path_variable(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"recipe_{name}.py").write_text(recipe_source(MNIST))
    document = dlrecipes("list", "--json", cwd=tmp_path, env={"DLRECIPES_PATH": "one:two"}).document
    assert {entry["name"] for entry in document} == {*RECIPES, "recipe-one", "recipe-two"}


@pytest.mark.parametrize("absolute", [False, True], ids=["relative folder", "absolute folder"])
def test_two_recipes_of_one_name_are_an_error_until_one_is_named_with_its_package(
    absolute: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    own = changed(recipe_source(MNIST), '"""Classify handwritten digits', '"""My own digits')
    (folder / "mnist_cnn.py").write_text(own)
    env = {"DLRECIPES_PATH": str(folder) if absolute else "mine"}

    error = dlrecipes("describe", MNIST, cwd=tmp_path, env=env, code=2).err
    message, hint = error.splitlines()
    assert "Two recipes are named mnist-cnn" in message
    paths = [entry["path"] for entry in dlrecipes("list", "--json", cwd=tmp_path, env=env).document]
    assert [path in message for path in paths if path.endswith("mnist_cnn.py")] == [True, True]

    names = hint.removeprefix("Name one of them as ").removesuffix(".").split(" or ")
    assert "dlrecipes/mnist-cnn" in names
    shown = [dlrecipes("describe", name, cwd=tmp_path, env=env).out for name in names]
    assert sorted("My own digits" in text for text in shown) == [False, True]
    assert "/mnist-cnn" in dlrecipes("list", cwd=tmp_path, env=env).out


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["describe", "mnist-cn"], "mnist-cnn"),
        (["train", "sentimental-lstm"], "sentiment-lstm"),
        (["train", "mnist-cn", "--data", "sample", "--epochs", "2"], "Did you mean mnist-cnn?"),
        (["benchmark", "--seconds", "1", "mnist-cn"], "Did you mean mnist-cnn?"),
        (["copy", "regresion-mlp"], "regression-mlp"),
        (["describe", "text_generation_lsmt"], "text-generation-lstm"),
        (["lst"], "list"),
        (["train", "mnist-cnn", "--preset", "oneconv"], "one-conv"),
        (["train", "mnist-cnn", "--batchsize", "3"], "--batch-size"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_misspelt_name_offers_the_nearest(
    arguments: list[str], meant: str, tmp_path: Path
) -> None:
    assert meant in dlrecipes(*arguments, cwd=tmp_path, code=2).err


def test_the_help_that_a_wrong_flag_points_to_is_that_of_the_file(tmp_path: Path) -> None:
    dlrecipes("copy", MNIST, "my own.py", cwd=tmp_path)
    shown = dlrecipes("train", "my own.py", "--epochz", "1", cwd=tmp_path, code=2).err
    assert "See: dlrecipes train 'my own.py' --help" in shown


def test_a_recipes_file_name_with_underscores_names_it_too(tmp_path: Path) -> None:
    assert "mnist-cnn" in dlrecipes("describe", "mnist_cnn", cwd=tmp_path).out


def test_runs_without_any_says_so_and_what_to_type(tmp_path: Path) -> None:
    shown = dlrecipes("runs", cwd=tmp_path)
    assert "No runs in runs." in shown.out
    assert shown.out.splitlines()[-1].startswith("Next: dlrecipes train")
    assert dlrecipes("runs", "--json", cwd=tmp_path).document == []
    assert files_below(tmp_path) == {}


def test_doctor_shows_versions_devices_data_folder_and_why_no_gpu_is_seen(tmp_path: Path) -> None:
    document = dlrecipes(
        *("doctor", "--json", "--data-dir", tmp_path / "data"),
        cwd=tmp_path,
        env={"CUDA_VISIBLE_DEVICES": "-1"},
    ).document
    assert {"python", "tensorflow", "keras"} <= set(document["versions"])
    assert document["devices"] == ["cpu"]
    assert isinstance(document["tensorflow_built_for_cuda"], bool)
    assert any("CUDA_VISIBLE_DEVICES" in reason for reason in document["why_no_gpu"])
    assert isinstance(document["onednn"], bool)
    assert isinstance(document["processor_features"], list)
    assert document["data_folder"] == str(tmp_path / "data")
    assert document["free_disk_gigabytes"] > 0
    assert files_below(tmp_path) == {}


def test_copy_writes_the_recipes_own_text_and_never_overwrites(tmp_path: Path) -> None:
    shown = dlrecipes("copy", MNIST, "my_recipe.py", cwd=tmp_path).out
    assert (tmp_path / "my_recipe.py").read_text() == recipe_source(MNIST)
    assert shown.splitlines()[-1] == "Next: dlrecipes train ./my_recipe.py"
    (tmp_path / "my_recipe.py").write_text("mine\n")
    assert "already exists" in dlrecipes("copy", MNIST, "my_recipe.py", cwd=tmp_path, code=2).err
    assert (tmp_path / "my_recipe.py").read_text() == "mine\n"
    document = dlrecipes("copy", MNIST, "--json", cwd=tmp_path).document
    assert (tmp_path / document["path"]).read_text() == recipe_source(MNIST)
