"""`evaluate`, `predict`, `export` and `runs`: what a finished run is good for."""

import itertools
import json
import re
import shutil
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import (
    EACH,
    MNIST,
    REGRESSION,
    SCRIPTS,
    SENTIMENT,
    TEXT,
    Outcome,
    dlrecipes,
    files_below,
    mnist_test_images,
    prose_test_text,
    run_process,
    run_python,
    sample_file,
    sample_table,
    selected,
    side_by_side,
    write_image,
    write_image_folders,
)

RunOf = Callable[[str], dict[str, Any]]
TrainApart = Callable[..., dict[str, Any]]
Evaluate = Callable[[str, bool], Outcome]
Export = Callable[[str, str], dict[str, Any]]
FORMATS = ("saved-model", "keras")
TABLES = {
    REGRESSION: "diamonds.csv",
    SENTIMENT: "movie_reviews.csv",
    "text-ngrams": "movie_reviews.csv",
    "loans-mlp": "lending_club.csv",
}


def write_own_test_data(recipe: str, folder: Path) -> Path:
    """Write the test split of a recipe's sample as a user's own files, and return their path."""
    if recipe in (MNIST, "digits-gan"):
        write_image_folders(folder / recipe, *mnist_test_images())
        return folder / recipe
    if recipe == "land-unet":
        with np.load(BytesIO(sample_file("land.npz"))) as tiles:
            for number, (image, mask) in enumerate(
                zip(tiles["x_test"], tiles["y_test"], strict=True)
            ):
                write_image(folder / recipe / "images" / f"{number:04}.png", image)
                write_image(folder / recipe / "masks" / f"{number:04}.png", mask)
        return folder / recipe
    if recipe == TEXT:
        (folder / "prose.txt").write_text(prose_test_text(), encoding="utf-8")
        return folder / "prose.txt"
    name = TABLES[recipe]
    sample_table(name, "test").to_csv(folder / name, index=False)
    return folder / name


@pytest.fixture(scope="module")
def evaluate(
    request: pytest.FixtureRequest, run_of: RunOf, tmp_path_factory: pytest.TempPathFactory
) -> Evaluate:
    """Return a function to how `evaluate --json` of a recipe's shared run ended.

    Its second argument tells whether the test examples are a user's own files.
    """
    folder = tmp_path_factory.mktemp("evaluate")
    paths = {recipe: run_of(recipe)["path"] for recipe in selected(request)}

    def test(wanted: tuple[str, bool]) -> Outcome:
        recipe, own = wanted
        data = ("--data", write_own_test_data(recipe, folder)) if own else ()
        return dlrecipes("evaluate", paths[recipe], *data, "--json", cwd=folder, code=None)

    outcomes = side_by_side(test, itertools.product(paths, (False, True)))
    return lambda recipe, own: outcomes[recipe, own]


@pytest.mark.parametrize("recipe", EACH)
def test_evaluate_gives_exactly_the_metrics_that_train_printed(
    recipe: str, evaluate: Evaluate, run_of: RunOf
) -> None:
    outcome = evaluate(recipe, False)
    assert outcome.code == 0, outcome
    assert outcome.document["run"] == run_of(recipe)["run"]
    assert outcome.document["metrics"] == run_of(recipe)["metrics"]


@pytest.mark.parametrize("recipe", EACH)
def test_evaluate_on_the_same_test_examples_in_a_users_files_gives_the_same_metrics(
    recipe: str, evaluate: Evaluate, run_of: RunOf
) -> None:
    outcome = evaluate(recipe, True)
    assert outcome.code == 0, outcome
    # The examples stand in another order, so the last digits of a mean may differ.
    assert outcome.document["metrics"] == pytest.approx(run_of(recipe)["metrics"], rel=1e-5)


def test_evaluate_shows_a_table_and_what_to_type_next(run_of: RunOf, tmp_path: Path) -> None:
    path = run_of(REGRESSION)["path"]
    shown = dlrecipes("evaluate", path, cwd=tmp_path).out
    assert re.search(r"^mae +[\d.,]+ +[\d.,]+", shown, re.MULTILINE)
    assert shown.splitlines()[-1].startswith("Next: dlrecipes export")


def predictions(run: dict[str, Any], *arguments: str | Path, **options: Any) -> list[Any]:
    """Return what `predict --json` says, once its form is as promised."""
    document = dlrecipes("predict", run["path"], *arguments, "--json", **options).document
    assert document["run"] == run["run"]
    found: list[Any] = document["predictions"]
    return found


def test_predict_takes_image_files_folders_and_images_of_any_size_and_colour(
    run_of: RunOf, tmp_path: Path
) -> None:
    images, digits = mnist_test_images()
    write_image(tmp_path / "one.png", images[0])
    write_image_folders(tmp_path / "folder", images[1:21], digits[1:21])
    large = np.kron(images[0], np.ones((10, 10), dtype="uint8"))
    write_image(tmp_path / "large.jpg", np.stack([large] * 3, axis=-1))
    see_through = np.stack([np.full_like(large, 255)] * 3 + [large], axis=-1)
    write_image(tmp_path / "transparent.png", see_through)
    found = predictions(
        run_of(MNIST), "one.png", "large.jpg", "transparent.png", "folder", cwd=tmp_path
    )
    assert len(found) == 23
    assert [entry["input"] for entry in found[:3]] == ["one.png", "large.jpg", "transparent.png"]
    for entry in found:
        assert list(entry["probabilities"]) == list("0123456789")
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert entry["label"] == max(entry["probabilities"], key=entry["probabilities"].get)
    assert [entry["label"] for entry in found[:3]] == [str(digits[0])] * 3
    right = sum(Path(entry["input"]).parent.name == entry["label"] for entry in found[3:])
    assert right >= 18


def test_predict_shows_a_table_with_probabilities(run_of: RunOf, tmp_path: Path) -> None:
    images, digits = mnist_test_images()
    write_image(tmp_path / "digit.png", images[0])
    shown = dlrecipes("predict", run_of(MNIST)["path"], "digit.png", cwd=tmp_path).out
    assert re.search(rf"^digit\.png +{digits[0]} +\d+\.\d%", shown, re.MULTILINE)
    assert shown.splitlines()[-1].startswith("Next: dlrecipes export")


def test_predict_takes_texts_as_arguments_on_standard_input_and_in_a_file(
    run_of: RunOf, tmp_path: Path
) -> None:
    (tmp_path / "lines.txt").write_text("A dull film.\n\nA moving film.\n", encoding="utf-8-sig")
    found = predictions(
        *(run_of(SENTIMENT), "A film to remember.", "lines.txt", "-"),
        cwd=tmp_path,
        stdin="Bad, bad, bad: das Übelste.\n",
    )
    assert [entry["input"] for entry in found] == [
        "A film to remember.",
        "A dull film.",
        "",  # An answer for each line, so that they can be put beside the lines.
        "A moving film.",
        "Bad, bad, bad: das Übelste.",
    ]
    for entry in found:
        assert set(entry["probabilities"]) == {"negative", "positive"}
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    bad, good = found[4]["probabilities"]["positive"], found[3]["probabilities"]["positive"]
    assert bad < good


def test_predict_takes_rows_in_a_file_and_on_standard_input_in_any_order_of_columns(
    run_of: RunOf, tmp_path: Path
) -> None:
    rows = sample_table("diamonds.csv", "test").head(40)
    prices = rows.pop("price")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    reordered = rows[rows.columns[::-1]].to_csv(index=False)
    found = predictions(run_of(REGRESSION), "rows.csv", "-", cwd=tmp_path, stdin=reordered)
    values = [entry["value"] for entry in found]
    assert len(values) == 80
    assert values[:40] == pytest.approx(values[40:], rel=1e-5)
    assert [entry["input"] for entry in found[:2]] == ["rows.csv:2", "rows.csv:3"]
    errors = np.abs(np.array(values[:40]) - prices.to_numpy())
    assert errors.mean() < 1000


@pytest.mark.long
def test_generated_text_continues_the_prompt_repeats_with_its_seed_and_has_the_length(
    run_of: RunOf, tmp_path: Path
) -> None:
    run, prompts = run_of(TEXT), ("The meaning of life is", "Emma")
    options = ("--length", "60", "--temperature", "0.9")
    first = predictions(run, *prompts, *options, "--seed", "1", cwd=tmp_path)
    assert [entry["prompt"] for entry in first] == list(prompts)
    for entry in first:
        assert entry["text"].startswith(entry["prompt"])
        assert len(entry["text"]) == len(entry["prompt"]) + 60
    assert predictions(run, *prompts, *options, "--seed", "1", cwd=tmp_path) == first
    assert predictions(run, *prompts, *options, "--seed", "2", cwd=tmp_path) != first


def test_temperature_0_writes_the_same_text_whatever_the_seed(
    run_of: RunOf, tmp_path: Path
) -> None:
    run, options = run_of(TEXT), ("She was", "--temperature", "0", "--length", "25")
    (one,) = predictions(run, *options, "--seed", "1", cwd=tmp_path)
    shown = dlrecipes("predict", run["path"], *options, "--seed", "2", cwd=tmp_path).out
    assert one["text"] in shown


def test_a_run_is_named_by_its_name_its_path_its_recipe_or_both(
    run_of: RunOf, runs_dir: Path, tmp_path: Path
) -> None:
    run = run_of(REGRESSION)
    for name in (run["run"], run["path"], REGRESSION, f"{REGRESSION}/{run['run']}"):
        found = dlrecipes("runs", "show", name, "--runs-dir", runs_dir, "--json", cwd=tmp_path)
        assert found.document["run"] == run["run"]
    by_variable = dlrecipes(
        *("runs", "show", REGRESSION, "--json"),
        cwd=tmp_path,
        env={"DLRECIPES_RUNS": str(runs_dir)},
    )
    assert by_variable.document["run"] == run["run"]


def test_a_recipes_name_is_its_latest_finished_run(run_of: RunOf, tmp_path: Path) -> None:
    from dlrecipes.runs.lookup import read_run

    folder = tmp_path / "runs" / REGRESSION
    for name, hour, status in (("c", 1, "finished"), ("a", 2, "finished"), ("b", 3, "failed")):
        shutil.copytree(run_of(REGRESSION)["path"], folder / name)
        run = read_run(folder / name)
        run.run, run.started, run.status = name, f"2026-01-01T0{hour}:00:00+00:00", status
        run.save()
    found = dlrecipes("runs", "show", REGRESSION, "--json", cwd=tmp_path).document
    assert found["run"] == "a"


@pytest.fixture(scope="module")
def export(
    request: pytest.FixtureRequest, run_of: RunOf, tmp_path_factory: pytest.TempPathFactory
) -> Export:
    """Return a function to what `export --json` printed for a recipe's shared run and a format."""
    folder = tmp_path_factory.mktemp("exports")

    def write(wanted: tuple[str, str]) -> Outcome:
        recipe, format_name = wanted
        return dlrecipes(
            *("export", run_of(recipe)["path"], "--format", format_name),
            *("--output", folder / f"{recipe}-{format_name}", "--json"),
            cwd=folder,
            code=None,
        )

    recipes = selected(request)
    for recipe in recipes:
        run_of(recipe)
    outcomes = side_by_side(write, itertools.product(recipes, FORMATS))

    def written(recipe: str, format_name: str) -> dict[str, Any]:
        # A test of one recipe may run without those of every recipe.
        wanted = recipe, format_name
        if wanted not in outcomes:
            outcomes[wanted] = write(wanted)
        outcome = outcomes[wanted]
        assert outcome.code == 0, outcome
        return outcome.document

    return written


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("recipe", EACH)
def test_export_is_proven_to_predict_the_same_and_carries_its_proof(
    recipe: str, format_name: str, export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    if format_name == "keras" and recipe in ("digits-gan", "text-ngrams"):
        refused = dlrecipes(
            *("export", run_of(recipe)["path"], "--format", "keras"), cwd=tmp_path, code=2
        )
        assert "classes or functions of its recipe's own" in refused.err
        assert "--format saved-model" in refused.err
        return
    document = export(recipe, format_name)
    assert document["run"] == run_of(recipe)["run"]
    assert document["format"] == format_name
    assert document["max_abs_difference"] <= 1e-6
    folder = Path(document["path"])
    wanted = "saved_model.pb" if format_name == "saved-model" else "model.keras"
    assert {wanted, "golden.npz", "export.json", "README.md", "verify.py"} <= {
        file.name for file in folder.iterdir()
    }
    with np.load(folder / "golden.npz", allow_pickle=False) as golden:
        kinds = {key.split("/")[1] for key in golden}
        assert kinds == {"input", "output"}


# Loads an export as any other program would, and answers for the features of an .npz file.
LOAD_SAVED_MODEL = """
import json, sys
import numpy as np
import tensorflow as tf
folder, features, answers = sys.argv[1:]
loaded = tf.saved_model.load(folder)
with np.load(features) as arrays:
    inputs = {name: tf.constant(arrays[name]) for name in arrays}
assert not [name for name in sys.modules if name.startswith("dlrecipes")]
outputs = loaded.signatures["serving_default"](**inputs)
arrays = {name: tensor.numpy() for name, tensor in outputs.items()}
# Texts come as objects, which cannot be stored without pickle.
plain = {name: array.astype("S") if array.dtype == "O" else array for name, array in arrays.items()}
np.savez(answers, **plain)
"""


def saved_model_answers(folder: str, features: dict[str, Any], where: Path) -> dict[str, Any]:
    """Return what the SavedModel's serving signature says in a fresh process."""
    np.savez(where / "features.npz", **features)
    run_python(LOAD_SAVED_MODEL, folder, "features.npz", "answers.npz", cwd=where)
    with np.load(where / "answers.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_exported_classifier_takes_uint8_pixels_and_answers_as_predict_does(
    export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    images, _ = mnist_test_images()
    for number in range(5):
        write_image(tmp_path / f"{number}.png", images[number])
    found = predictions(run_of(MNIST), *(f"{n}.png" for n in range(5)), cwd=tmp_path)
    answers = saved_model_answers(
        export(MNIST, "saved-model")["path"], {"image": images[:5, :, :, None]}, tmp_path
    )
    assert answers["label"].tolist() == [entry["label"].encode() for entry in found]
    expected = [list(entry["probabilities"].values()) for entry in found]
    assert np.abs(answers["probabilities"] - expected).max() <= 1e-6


@pytest.mark.long
def test_exported_text_classifier_takes_raw_strings_and_answers_as_predict_does(
    export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    texts = ["A film to remember.", "Bad!", "Ein schöner Film, wirklich."]
    found = predictions(run_of(SENTIMENT), *texts, cwd=tmp_path)
    encoded = np.array([text.encode() for text in texts])
    answers = saved_model_answers(
        export(SENTIMENT, "saved-model")["path"], {"text": encoded}, tmp_path
    )
    assert answers["label"].tolist() == [entry["label"].encode() for entry in found]
    expected = [list(entry["probabilities"].values()) for entry in found]
    assert np.abs(answers["probabilities"] - expected).max() <= 1e-6


@pytest.mark.long
def test_exported_regression_takes_named_columns_and_answers_as_predict_does(
    export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    rows = sample_table("diamonds.csv", "test").head(6).drop(columns="price")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    found = predictions(run_of(REGRESSION), "rows.csv", cwd=tmp_path)
    features = {
        name: np.array([[text.encode()] for text in column])
        if column.dtype.kind not in "if"
        else column.to_numpy(dtype="float64")[:, None]
        for name, column in rows.items()
    }
    answers = saved_model_answers(export(REGRESSION, "saved-model")["path"], features, tmp_path)
    # Prices are thousands of dollars in float32, whose last digit is worth 5e-4 there.
    assert answers["value"] == pytest.approx([entry["value"] for entry in found], rel=1e-6)


GENERATE = """
import sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
text = loaded.signatures["generate"](
    prompt=tf.constant(["The meaning of life is"]), length=tf.constant(20),
    temperature=tf.constant(0.8), seed=tf.constant(5),
)["text"]
sys.stdout.buffer.write(text.numpy()[0])
"""

STREAM = """
import sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
start, step = (loaded.signatures[name] for name in ("generate_start", "generate_step"))
options = {"temperature": tf.constant(0.8), "seed": tf.constant(5)}
state = start(prompt=tf.constant(["The meaning of life is"]))
assert set(state) == {"probabilities", "state_0", "state_1"}
for number in range(0, 20, 5):
    state = step(**state, **options, step=tf.constant(number), length=tf.constant(5))
    sys.stdout.buffer.write(state.pop("characters").numpy()[0])
"""


@pytest.mark.long
def test_exported_text_generator_writes_the_text_that_predict_writes(
    export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    (found,) = predictions(
        *(run_of(TEXT), "The meaning of life is"),
        *("--length", "20", "--temperature", "0.8", "--seed", "5"),
        cwd=tmp_path,
    )
    folder = export(TEXT, "saved-model")["path"]
    assert run_python(GENERATE, folder, cwd=tmp_path).out == found["text"]
    assert found["prompt"] + run_python(STREAM, folder, cwd=tmp_path).out == found["text"]


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        (MNIST, ["inputs['image']", "DT_UINT8", "outputs['probabilities']", "outputs['label']"]),
        (SENTIMENT, ["inputs['text']", "DT_STRING", "outputs['probabilities']"]),
        (REGRESSION, ["inputs['carat']", "inputs['cut']", "DT_DOUBLE", "outputs['value']"]),
        (TEXT, ["signature_def['generate']", "inputs['prompt']", "outputs['text']"]),
    ],
)
def test_saved_model_cli_shows_signatures_with_names(
    recipe: str, names: list[str], export: Export, tmp_path: Path
) -> None:
    folder = export(recipe, "saved-model")["path"]
    shown = run_process(
        [SCRIPTS / "saved_model_cli", "show", "--dir", folder, "--all"], cwd=tmp_path
    ).out
    assert "signature_def['serving_default']" in shown
    assert [name for name in names if name not in shown] == []


LOAD_KERAS = """
import sys
import keras
model = keras.saving.load_model(sys.argv[1] + "/model.keras")
assert not [name for name in sys.modules if name.startswith("dlrecipes")]
print([tensor.name for tensor in model.inputs])
"""


def test_exported_keras_file_loads_with_keras_alone(export: Export, tmp_path: Path) -> None:
    folder = export(REGRESSION, "keras")["path"]
    shown = run_python(LOAD_KERAS, folder, cwd=tmp_path).out
    assert "'carat'" in shown
    assert "'clarity'" in shown


def verify(folder: Path, code: int | None = 0) -> Outcome:
    """Run an export's own `verify.py`, as its receiver would."""
    return run_process([sys.executable, "verify.py"], cwd=folder, code=code)


@pytest.mark.long
@pytest.mark.parametrize(("recipe", "format_name"), [(MNIST, "keras"), (TEXT, "saved-model")])
def test_an_exports_own_proof_passes_and_fails_when_the_export_predicts_otherwise(
    recipe: str, format_name: str, export: Export, tmp_path: Path
) -> None:
    folder = tmp_path / "received"
    shutil.copytree(export(recipe, format_name)["path"], folder)
    assert json.loads(verify(folder).out)["max_abs_difference"] <= 1e-6
    with np.load(folder / "golden.npz") as golden:
        arrays = dict(golden)
    (output, *_) = (
        name for name in arrays if "/output/" in name and arrays[name].dtype.kind == "f"
    )
    arrays[output] = arrays[output] + 0.25
    np.savez(folder / "golden.npz", **arrays)
    assert verify(folder, code=None).code == 1


def test_export_shows_the_difference_and_never_writes_into_a_folder_in_use(
    run_of: RunOf, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / REGRESSION / "mine"
    shutil.copytree(run_of(REGRESSION)["path"], run)
    shown = dlrecipes("export", run, cwd=tmp_path).out
    assert "largest difference from predict is 0.0e+00" in shown
    assert shown.splitlines()[-1].startswith("Next: saved_model_cli show --dir ")
    assert (run / "exports" / "saved-model" / "saved_model.pb").is_file()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("years of work\n")
    before = files_below(tmp_path)
    error = dlrecipes("export", run, "--output", "used", cwd=tmp_path, code=2).err
    assert "used is in use: --output must be a new or empty folder." in error
    assert files_below(tmp_path) == before


def test_runs_shows_a_row_for_each_run(run_of: RunOf, runs_dir: Path, tmp_path: Path) -> None:
    trained = [run_of(MNIST), run_of(REGRESSION)]
    shown = dlrecipes("runs", "--runs-dir", runs_dir, cwd=tmp_path).out
    for run in trained:
        (line,) = (line for line in shown.splitlines() if line.startswith(run["run"]))
        data = f"{run['data']['name'].removesuffix('-sample')} (sample)"
        for word in (run["recipe"], data, run["device"], "finished"):
            assert word in line
    assert f"accuracy {trained[0]['metrics']['accuracy']:.4f}" in shown
    assert shown.splitlines()[-1].startswith("Next: dlrecipes runs show ")


def test_runs_as_json_are_what_train_printed(run_of: RunOf, runs_dir: Path, tmp_path: Path) -> None:
    trained = [run_of(MNIST), run_of(REGRESSION)]
    found = dlrecipes("runs", "--json", "--runs-dir", runs_dir, cwd=tmp_path).document
    assert [run in found for run in trained] == [True, True]
    assert [run["started"] for run in found] == sorted(run["started"] for run in found)


def test_runs_show_tells_all_that_is_recorded(
    run_of: RunOf, runs_dir: Path, tmp_path: Path
) -> None:
    run = run_of(MNIST)
    shown = dlrecipes("runs", "show", MNIST, "--runs-dir", runs_dir, cwd=tmp_path).out
    for text in (
        *(run["run"], "finished", run["data"]["fingerprint"], run["versions"]["tensorflow"]),
        *("61,210", "batch_size", "f1_macro", "rows: true class; columns: predicted class"),
        *("3,800 train", run["verdict"], run["machine"]["processor"]),
    ):
        assert text in shown


def test_compare_shows_what_differs_and_warns_of_other_data(
    run_of: RunOf, train_apart: TrainApart, tmp_path: Path
) -> None:
    text = "\n".join(["metres,price", *(f"{n % 17},{10 * (n % 17)}" for n in range(300))])
    (tmp_path / "mine.csv").write_text(text)
    one = run_of(REGRESSION)
    other = dlrecipes(
        *("train", REGRESSION, "--data", "mine.csv", "--epochs", "1", "--seed", "4", "--json"),
        cwd=tmp_path,
    ).document
    arguments = ("runs", "compare", one["path"], other["path"])
    document = dlrecipes(*arguments, "--json", cwd=tmp_path).document
    assert document["runs"] == [one["run"], other["run"]]
    chosen = {"batch_size": [256, 16], "validation_fraction": [0.05, 0.1]}  # for 300 rows
    chosen["wave_frequency"] = [1.0, 0.1]
    epochs = [one["config"]["epochs"], 1]
    assert document["settings"] == {"seed": [0, 4], "epochs": epochs, **chosen}
    assert document["metrics"]["mae"] == [one["metrics"]["mae"], other["metrics"]["mae"]]
    assert next(iter(document)) == "warnings"
    (warning,) = document["warnings"]
    assert warning == (
        "Different data: diamonds (sample) and mine.csv (own). The metrics are not comparable."
    )
    shown = dlrecipes(*arguments, cwd=tmp_path)
    assert shown.out.splitlines()[0] == f"Caution: {warning}", "it is said first"
    assert re.search(r"^epochs +\d+ +1 *$", shown.out, re.MULTILINE)
    assert re.search(r"^mae +[\d.,]+ +[\d.,]+ *$", shown.out, re.MULTILINE)


def test_compare_of_a_run_with_its_repetition_finds_no_difference(
    run_of: RunOf, train_apart: TrainApart, tmp_path: Path
) -> None:
    one = run_of(MNIST)
    again = train_apart("--config", str(Path(one["path"]) / "run.json"))
    path = Path(again["cwd"]) / again["path"]
    document = dlrecipes("runs", "compare", one["path"], path, "--json", cwd=tmp_path).document
    assert document["settings"] == {}
    assert document["warnings"] == []
    assert all(left == right for left, right in document["metrics"].values())
    shown = dlrecipes("runs", "compare", one["path"], path, cwd=tmp_path)
    assert "All settings are the same." in shown.out
    assert shown.err == ""
