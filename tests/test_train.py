"""`train`: what it shows and leaves, that recipes learn, and that a seed repeats to the bit."""

import csv
import json
import math
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest
from conftest import Train
from support import (
    CHEAP,
    CHECKOUT,
    COMMAND,
    EACH,
    MNIST,
    RECIPES,
    REGRESSION,
    SENTIMENT,
    TEXT,
    changed,
    dlrecipes,
    environment,
    files_below,
    mnist_test_images,
    prose_test_text,
    recipe_source,
    same_weights,
    sample_table,
    weights_of,
    write_image_folders,
)

from dlrecipes.runs.lookup import read_run
from dlrecipes.system.atomic import file_sha256

RunOf = Callable[[str], dict[str, Any]]
TrainApart = Callable[..., dict[str, Any]]

CLASSIFICATION = {"loss", "accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc"}
METRICS = {
    MNIST: CLASSIFICATION,
    SENTIMENT: CLASSIFICATION,
    "text-ngrams": CLASSIFICATION,
    "loans-mlp": {
        *("loss", "accuracy", "balanced_accuracy", "precision", "recall", "f1"),
        *("roc_auc", "average_precision", "threshold"),
    },
    "land-unet": {"accuracy", "mean_iou", "iou_water", "iou_land"},
    "digits-gan": {"frechet_distance", "class_coverage"},
    REGRESSION: {"mae", "mse", "rmse", "r2"},
    TEXT: {"loss", "perplexity", "bits_per_character"},
}
SAMPLE_ROWS = {MNIST: 5000, SENTIMENT: 10_566, REGRESSION: 5000}
TRAIN_KEYS = {
    *("run", "path", "recipe", "status", "seed", "device"),
    *("data", "metrics", "verdict", "seconds"),
}


def serving_file(run: Path) -> str:
    """Return the name of the file to predict with: a program where the recipe has a class."""
    own_class = "(keras.Model)" in (run / "recipe.py").read_text("utf-8")
    return "serving.zip" if own_class else "serving.keras"


@pytest.mark.parametrize("recipe", EACH)
def test_json_is_one_document_with_the_promised_keys_and_progress_goes_to_stderr(
    recipe: str, train_once: Train
) -> None:
    outcome = train_once(recipe)
    document = outcome.document  # the whole of standard output is one document, or this fails
    assert document.keys() >= TRAIN_KEYS
    assert document["recipe"] == recipe
    assert document["status"] == "finished"
    assert document["seed"] == 0
    assert document["metrics"].keys() >= METRICS[recipe]
    assert document["data"].keys() >= {"rung", "name", "fingerprint", "rows"}
    assert document["seconds"].keys() >= {"total", "fit"}
    if document["baseline"]:
        assert document["verdict"] in ("as expected", "better than the baseline")
        assert document["baseline"].keys() == {"name", "metrics"}
    else:  # No guess draws a picture.
        assert recipe == "digits-gan"
        assert document["verdict"] == "unknown"
    assert bool(document["expected"]) == (document["verdict"] == "as expected")
    assert "epoch 1/" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("recipe", EACH)
def test_run_folder_holds_the_record_the_recipe_the_history_and_the_networks(
    recipe: str, run_of: RunOf
) -> None:
    document = run_of(recipe)
    path = Path(document["path"])
    assert path.parent.name == recipe
    assert path.name == document["run"]
    assert {file.name for file in path.iterdir()} == {
        *("run.json", "recipe.py", "history.csv", "model.keras"),
        *(serving_file(path), "golden.npz", "logs", "checkpoints", "shown.json", "report.html"),
        *(["scores.npz"] * (recipe != "digits-gan")),
        *(name for name in ("exports", "samples") if (path / name).exists()),
    }
    assert (path / "recipe.py").read_text("utf-8") == recipe_source(recipe)
    assert list(path.glob("logs/**/events.out.tfevents.*"))
    with (path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, document["config"]["epochs"] + 1))
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    assert all(math.isfinite(float(row["val_loss"])) for row in rows)


@pytest.mark.parametrize("recipe", EACH)
def test_record_says_what_was_trained_on_what_with_what_and_how_well(
    recipe: str, run_of: RunOf
) -> None:
    document = run_of(recipe)
    path = Path(document["path"])
    record = json.loads((path / "run.json").read_text())
    del record["digest"]
    assert record == {key: value for key, value in document.items() if key != "path"}
    assert record["versions"].keys() >= {"python", "dlrecipes", "tensorflow", "keras", "numpy"}
    assert record["machine"]["cores"] == os.cpu_count()
    assert record["data"]["rung"] == "sample"
    assert record["data"]["requested"] == "sample"
    assert re.fullmatch(r"[0-9a-f]{16}", record["data"]["fingerprint"])
    assert record["data"]["rows"].keys() == {"train", "validation", "test"}
    if recipe in SAMPLE_ROWS:
        assert sum(record["data"]["rows"].values()) == SAMPLE_ROWS[recipe]
    assert record["parameters"] > 0
    assert record["seconds"]["total"] >= record["seconds"]["fit"] > 0
    assert set(record["files"]) == {
        *("recipe.py", "history.csv", "model.keras", serving_file(path), "golden.npz"),
        *("shown.json", *(["scores.npz"] * (recipe != "digits-gan"))),
    }
    for name, digest in record["files"].items():
        assert file_sha256(path / name) == digest
    assert read_run(path).metrics == document["metrics"]


def test_record_of_a_classification_has_classes_and_a_confusion_matrix(run_of: RunOf) -> None:
    document = run_of(MNIST)
    assert document["data"]["answer"]["classes"] == list("0123456789")
    matrix = document["details"]["confusion_matrix"]
    assert [sum(row) for row in matrix] == [100] * 10
    right = sum(matrix[digit][digit] for digit in range(10))
    assert right / 1000 == document["metrics"]["accuracy"]
    assert document["details"]["per_class"]["3"]["support"] == 100


def test_mnist_cnn_learns_the_sample_to_97_percent(run_of: RunOf) -> None:
    assert run_of(MNIST)["metrics"]["accuracy"] >= 0.97


def test_sentiment_lstm_beats_always_saying_the_commoner_class(run_of: RunOf) -> None:
    labels = Counter(sample_table("movie_reviews.csv", "test")["label"])
    baseline = max(labels.values()) / labels.total()
    assert run_of(SENTIMENT)["metrics"]["accuracy"] > baseline + 0.1


def test_regression_mlp_beats_always_saying_the_mean_price(run_of: RunOf) -> None:
    mean = sample_table("diamonds.csv", "train")["price"].mean()
    baseline = (sample_table("diamonds.csv", "test")["price"] - mean).abs().mean()
    assert run_of(REGRESSION)["metrics"]["mae"] < baseline / 5
    assert run_of(REGRESSION)["metrics"]["r2"] > 0.9


def test_text_generation_lstm_beats_the_entropy_of_single_characters(run_of: RunOf) -> None:
    counts = Counter(prose_test_text())
    # No model that takes each character by itself can do better on this text, in nats.
    entropy = -sum(n / counts.total() * math.log(n / counts.total()) for n in counts.values())
    assert run_of(TEXT)["metrics"]["loss"] < entropy - 0.3


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(name, marks=() if name in (MNIST, REGRESSION) else pytest.mark.long)
        for name in RECIPES
    ],
)
def test_the_same_seed_and_settings_by_a_runs_own_record_give_the_same_weights_to_the_bit(
    recipe: str, run_of: RunOf, train_apart: TrainApart
) -> None:
    first = run_of(recipe)
    again = train_apart("--config", str(Path(first["path"]) / "run.json"))
    assert again["recipe"] == recipe
    assert again["config"] == first["config"]
    assert again["metrics"] == first["metrics"]
    assert same_weights(weights_of(first), weights_of(again, Path(again["cwd"])))


@pytest.mark.long
def test_another_seed_gives_other_weights_on_the_device_that_was_asked_for(
    train_apart: TrainApart, run_of: RunOf
) -> None:
    other = train_apart(MNIST, "--data", "sample", "--seed", "1", "--device", "cpu")
    assert other["seed"] == 1
    assert other["device"] == "cpu"
    assert other["config"] == run_of(MNIST)["config"]
    assert not same_weights(weights_of(run_of(MNIST)), weights_of(other, Path(other["cwd"])))


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Return the folder and the output of a named run whose output is piped."""
    folder = tmp_path_factory.mktemp("piped")
    arguments = ("train", REGRESSION, "--data", "sample", "--epochs", "3", "--name", "my-run")
    outcome = dlrecipes(*arguments, cwd=folder)
    return folder, outcome.out, outcome.stderr


def test_piped_output_has_one_plain_line_an_epoch(piped: tuple[Path, str, str]) -> None:
    _, out, err = piped
    lines = [line for line in out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 3
    for number, line in enumerate(lines, start=1):
        assert re.match(rf"epoch {number}/3  .*\bloss [\d.,]+ .*\bmae [\d.,]+ ", line)
        assert re.search(r"[\d,]+ samples/s", line)
    assert "\x1b" not in out + err
    assert "\r" not in out + err
    assert [line for line in err.splitlines() if line.startswith("Note:")] == []


def test_what_is_done_before_training_is_said_with_its_time(piped: tuple[Path, str, str]) -> None:
    lines = iter(piped[2].splitlines())
    for doing, done in (
        ("Starting TensorFlow …", "Started TensorFlow in"),
        ("Loading the data …", "Loaded the data in"),
        ("Building the model …", "Built the model in"),
        ("Tracing the first step …", "Traced the first step in"),
    ):
        assert next(lines) == doing
        assert re.fullmatch(rf"{done} \d+\.\d s", next(lines))
    assert next(lines, None) is None


def test_output_ends_with_metrics_verdict_the_runs_place_and_what_to_type_next(
    piped: tuple[Path, str, str],
) -> None:
    folder, out, _ = piped
    test, verdict, run, following = out.splitlines()[-4:]
    assert re.match(r"Test  .*mae [\d.,]+", test)
    assert re.fullmatch(
        r"Verdict: better than the baseline: mae [\d.,]+ against [\d.,]+ \(.*\)\. "
        r"There is no expected range: these are not the default settings\.",
        verdict,
    )
    assert run.startswith(f"Run: {Path('runs', REGRESSION, 'my-run')}")
    assert following == f"Next: dlrecipes evaluate {REGRESSION}"
    assert (folder / "runs" / REGRESSION / "my-run" / "run.json").is_file()


def test_a_run_is_never_overwritten(piped: tuple[Path, str, str]) -> None:
    folder, _, _ = piped
    before = files_below(folder)
    error = dlrecipes(
        *("train", REGRESSION, "--data", "sample", "--name", "my-run"), cwd=folder, code=2
    ).err
    assert "already exists" in error
    assert files_below(folder) == before


def test_quiet_shows_the_result_alone(tmp_path: Path) -> None:
    outcome = dlrecipes(
        *("train", REGRESSION, "--data", "sample", "--epochs", "3", "--quiet"), cwd=tmp_path
    )
    assert [line.split()[0] for line in outcome.out.splitlines()] == ["Test", "Verdict:", "Run:"]
    assert outcome.err == ""


ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_a_terminal_shows_a_bar_with_epoch_step_loss_metric_speed_and_time_left(
    tmp_path: Path,
) -> None:
    child = pexpect.spawn(
        str(COMMAND),
        ["train", MNIST, "--data", "sample", "--epochs", "4", "--filters", "32,64"],
        cwd=str(tmp_path),
        env=environment({"TERM": "xterm-256color"}),
        dimensions=(40, 200),
        timeout=300,
        encoding="utf-8",
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "\x1b[" in child.before, "a terminal is drawn on"
    shown = ESCAPES.sub("", child.before)
    bars = [line for line in re.split(r"[\r\n]+", shown) if "step " in line and line.strip()]
    full = re.compile(
        r"epoch [1-4]/4  step \d+/60  \S+  [▁-█]+  accuracy \d\.\d+  loss \d\.\d+  "
        r"[\d,]+ samples/s  \d+:\d\d left"
    )
    assert any(full.search(line) for line in bars), bars[-3:]
    found = [re.search(r"epoch (\d)/4  step (\d+)/", bar) for bar in bars]
    places = [tuple(map(int, place.groups())) for place in found if place]
    assert places == sorted(places)
    assert len(set(places)) > 4, "the bar moves"
    assert [f"epoch {number}/4  " in shown for number in range(1, 5)] == [True] * 4
    assert "Next: dlrecipes evaluate" in shown


@pytest.mark.long
def test_every_practice_can_be_switched_on_in_one_run(train_apart: TrainApart) -> None:
    document = train_apart(
        *(MNIST, "--data", "sample", "--preset", "two-conv", "--epochs", "2"),
        *("--augmentation", "--dropout", "0.2", "--l1", "1e-6", "--l2", "1e-5"),
        *("--optimizer", "sgd", "--learning-rate", "0.02", "--schedule", "cosine"),
        *("--balance-classes", "--batch-normalization", "--activation", "leaky_relu"),
        *("--early-stopping", "1", "--validation-fraction", "0.2", "--filters", "8,8"),
        *("--adversarial", "8"),
    )
    config = document["config"]
    assert document["preset"] == "two-conv"
    assert config["filters"] == [8, 8]
    assert config["optimizer"] == "sgd"
    assert config["dense_units"] == 0, "as the preset has it"
    assert config["batch_size"] == 32, "as the preset has it"
    assert (config["l1"], config["l2"], config["dropout"]) == (1e-6, 1e-5, 0.2)
    assert config["augmentation"] is config["balance_classes"] is True
    assert (config["activation"], config["learning_rate"]) == ("leaky_relu", 0.02)
    assert document["data"]["rows"] == {"train": 3200, "validation": 800, "test": 1000}
    assert document["expected"] == {}, "no band was measured for this preset on the sample"
    assert document["metrics"]["accuracy"] > 0.5


def test_early_stopping_ends_training_before_its_last_epoch(train_apart: TrainApart) -> None:
    document = train_apart(
        *(REGRESSION, "--data", "sample", "--epochs", "400", "--early-stopping", "2"),
        *("--schedule", "constant", "--optimizer", "rmsprop", "--dropout", "0.1", "--l2", "1e-4"),
    )
    history = Path(document["cwd"]) / document["path"] / "history.csv"
    assert 3 <= len(history.read_text().splitlines()) - 1 < 400


def test_settings_of_a_toml_file_are_trained_and_flags_come_before_them(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        f'recipe = "{REGRESSION}"\ndata = "sample"\nseed = 3\nepochs = 2\nhidden_units = [8]\n'
    )
    document = dlrecipes(
        *("train", "--config", "mine.toml", "--epochs", "1", "--json"), cwd=tmp_path
    ).document
    assert document["recipe"] == REGRESSION
    assert document["seed"] == 3
    assert document["config"]["hidden_units"] == [8]
    assert document["config"]["epochs"] == 1


@pytest.fixture(scope="module")
def own_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copied recipe whose network was changed."""
    folder = tmp_path_factory.mktemp("own")
    dlrecipes("copy", MNIST, "my_recipe.py", cwd=folder)
    text = (folder / "my_recipe.py").read_text()
    text = changed(text, "epochs: int = 4", "epochs: int = 1")
    text = changed(text, "tuple[int, ...] = (16, 32, 64)", "tuple[int, ...] = (4,)")
    (folder / "my_recipe.py").write_text(text)
    return folder


def test_a_copied_recipe_trains_from_its_file_and_its_run_needs_the_file_no_more(
    own_recipe: Path,
) -> None:
    document = dlrecipes(
        *("train", "./my_recipe.py", "--data", "sample", "--json"), cwd=own_recipe
    ).document
    assert document["recipe"] == "my-recipe"
    assert document["config"]["filters"] == [4]
    kept = own_recipe / document["path"] / "recipe.py"
    assert kept.read_text() == (own_recipe / "my_recipe.py").read_text()
    (own_recipe / "my_recipe.py").rename(own_recipe / "moved.py")
    try:
        tested = dlrecipes("evaluate", "my-recipe", "--json", cwd=own_recipe).document
    finally:
        (own_recipe / "moved.py").rename(own_recipe / "my_recipe.py")
    assert tested["metrics"] == document["metrics"]


ONE_HOT = "lambda pixels, label: (pixels, keras.ops.one_hot(label, 10))"
ARRAYS = "keras.tree.map_structure(lambda *all: keras.ops.concatenate(all), *data.train)"


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        (
            ('"sparse_categorical_crossentropy"', '"categorical_crossentropy"'),
            ("fit(data.train,", f"fit(data.train.map({ONE_HOT}),"),
            ("data=data.validation", f"data=data.validation.map({ONE_HOT})"),
        ),
        (("fit(data.train,", f"fit(*{ARRAYS},"),),
    ],
    ids=["pipeline", "arrays"],
)
def test_a_recipe_may_fit_something_else_than_the_batches_it_loaded(
    changes: tuple[tuple[str, str], ...], own_recipe: Path
) -> None:
    text = (own_recipe / "my_recipe.py").read_text()
    for old, new in changes:
        text = changed(text, old, new)
    (own_recipe / "other.py").write_text(text)
    document = dlrecipes(
        *("train", "other.py", "--data", "sample", "--json"), cwd=own_recipe
    ).document
    history = (own_recipe / document["path"] / "history.csv").read_text().splitlines()
    means = dict(zip(history[0].split(","), map(float, history[1].split(",")), strict=True))
    assert 0.3 < means["accuracy"] <= 1
    assert abs(means["val_accuracy"] - document["metrics"]["accuracy"]) < 0.15


@pytest.mark.long
def test_a_setting_that_a_flag_of_ours_hides_is_given_by_its_name(own_recipe: Path) -> None:
    text = (own_recipe / "my_recipe.py").read_text()
    (own_recipe / "hiding.py").write_text(text.replace("dense_units", "device"))
    document = dlrecipes(
        *("train", "hiding.py", "--data", "sample", "--device", "cpu", "--json"),
        *("--set", "device=3", "--set", "epochs=2", "--set", "batch-size=128"),
        cwd=own_recipe,
    ).document
    assert document["device"] == "cpu"
    assert [document["config"][name] for name in ("device", "epochs", "batch_size")] == [3, 2, 128]
    shown = dlrecipes("train", "hiding.py", "--help", cwd=own_recipe).out
    assert "The only way for device." in " ".join(shown.split())
    described = dlrecipes("describe", "./hiding.py", "--json", cwd=own_recipe).document
    assert "--set device=" in [setting["flag"] for setting in described["settings"]]
    (own_recipe / "hiding.toml").write_text('data = "sample"\n[settings]\ndevice = 5\n')
    document = dlrecipes(
        *("train", "hiding.py", "--config", "hiding.toml", "--json"), cwd=own_recipe
    ).document
    assert document["config"]["device"] == 5


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ("epochs", "--set must be NAME=VALUE. Received: 'epochs'"),
        ("epoch=3", "--set: this recipe has no setting 'epoch'"),
        ("epochs=none", "--epochs must be an integer at least 1. Received: 'none'"),
    ],
)
def test_what_set_cannot_set_is_refused(pair: str, sentence: str, tmp_path: Path) -> None:
    shown = dlrecipes("train", MNIST, "--set", pair, cwd=tmp_path, code=2).err
    assert sentence in shown
    assert ("Did you mean epochs?" in shown) is (pair == "epoch=3")


PLAIN = """
import keras

model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
"""


def test_a_plain_keras_script_is_told_what_a_recipe_has_and_where_to_read(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(PLAIN)
    shown = dlrecipes("train", "script.py", "--epochs", "3", cwd=tmp_path, code=2).err
    for part in ("a Python script, not a recipe", "load(config, source)", "Config", "TASK"):
        assert part in shown
    assert "docs/guides/write-a-recipe.md" in shown
    assert "No such option" not in shown
    checked = dlrecipes("check", "script.py", cwd=tmp_path, code=2).out
    assert "docs/guides/write-a-recipe.md" in checked
    assert (CHECKOUT / "docs" / "guides" / "write-a-recipe.md").is_file()


def stopped_training(folder: Path, signal_number: int) -> tuple[int, str]:
    """Return the exit code and errors of a training that a signal stopped in its first epochs."""
    with subprocess.Popen(
        [COMMAND, "train", MNIST, "--data", "sample", "--epochs", "1000", "--name", "stopped"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                break
        process.send_signal(signal_number)
        _, errors = process.communicate(timeout=120)
    return process.returncode, errors


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "TERM"])
def test_a_stopped_training_ends_with_130_and_its_run_says_so(
    signal_number: int, tmp_path: Path
) -> None:
    code, errors = stopped_training(tmp_path, signal_number)
    assert code == 130, errors
    assert "Interrupted. The run runs/mnist-cnn/stopped is kept, saved at epoch" in errors
    assert "Resume it: dlrecipes resume runs/mnist-cnn/stopped" in errors
    assert "Traceback" not in errors
    run = read_run(tmp_path / "runs" / MNIST / "stopped")
    assert run.status == "interrupted"
    assert run.metrics == {}
    error = dlrecipes("evaluate", "stopped", cwd=tmp_path, code=2).err
    assert "The run stopped is not finished: it is interrupted" in error


def failing_recipe(folder: Path) -> Path:
    """Write a recipe whose training raises."""
    path = folder / "failing.py"
    text = changed(
        recipe_source(REGRESSION),
        "    return model.fit(",
        '    raise RuntimeError("the disk is on fire")\n    return model.fit(',
    )
    path.write_text(text)
    return path


def test_a_recipe_that_raises_fails_with_its_reason_and_shows_a_traceback_on_request_only(
    tmp_path: Path,
) -> None:
    failing_recipe(tmp_path)
    arguments = ("train", "./failing.py", "--data", "sample")
    outcome = dlrecipes(*arguments, "--name", "burnt", cwd=tmp_path, code=1)
    assert "Training failed in epoch 1, step 0: RuntimeError: the disk is on fire" in outcome.err
    assert "--debug" in outcome.err
    assert "Traceback" not in outcome.err
    run = read_run(tmp_path / "runs" / "failing" / "burnt")
    assert run.status == "failed"
    assert "RuntimeError: the disk is on fire" in run.error
    with_traceback = dlrecipes(*arguments, "--debug", cwd=tmp_path, code=1)
    assert "Traceback" in with_traceback.err
    assert 'raise RuntimeError("the disk is on fire")' in with_traceback.err


def test_a_recipe_that_raises_when_it_is_loaded_is_an_input_error_naming_the_line(
    tmp_path: Path,
) -> None:
    text = recipe_source(REGRESSION)
    (tmp_path / "raising.py").write_text(text + "\nmissing_name\n")
    line = len(text.splitlines()) + 2
    outcome = dlrecipes("train", "./raising.py", "--data", "sample", cwd=tmp_path, code=2)
    assert "The recipe's file cannot be run: NameError: name 'missing_name'" in outcome.err
    assert f"raising.py, line {line}:\n    missing_name\n" in outcome.err
    assert "Traceback" not in outcome.err
    assert set(files_below(tmp_path)) == {"raising.py"}


def test_a_diverging_training_stops_and_says_what_to_lower(tmp_path: Path) -> None:
    outcome = dlrecipes(
        *("train", REGRESSION, "--data", "sample", "--epochs", "5", "--name", "diverged"),
        *("--learning-rate", "1e30", "--schedule", "constant"),
        cwd=tmp_path,
        code=1,
    )
    assert re.search(r"Error: The (loss|weights) became (nan|inf) in epoch \d, step", outcome.err)
    assert "Lower --learning-rate" in outcome.err
    assert "Traceback" not in outcome.err
    assert read_run(tmp_path / "runs" / REGRESSION / "diverged").status == "failed"


def test_a_device_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    outcome = dlrecipes(
        *("train", MNIST, "--data", "sample", "--device", "gpu"),
        cwd=tmp_path,
        code=2,
        env={"CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert "There is no device gpu: this machine has cpu." in outcome.err
    assert "dlrecipes doctor" in outcome.err
    assert files_below(tmp_path) == {}


@pytest.mark.long
def test_own_images_in_class_folders_are_trained_on(tmp_path: Path) -> None:
    images, digits = mnist_test_images()
    chosen = digits < 3
    names = [("zero", "one", "two")[digit] for digit in digits[chosen]]
    write_image_folders(tmp_path / "mine", images[chosen], names)
    document = dlrecipes(
        *("train", MNIST, "--data", "mine", "--epochs", "8", "--batch-size", "16", "--json"),
        cwd=tmp_path,
    ).document
    assert document["data"]["rung"] == "own"
    assert document["data"]["name"] == "mine"
    assert document["data"]["answer"]["classes"] == ["one", "two", "zero"]
    assert document["data"]["rows"]["test"] == 60
    assert document["verdict"] == "better than the baseline"
    assert document["not_expected"] == "this is your own data"
    assert document["metrics"]["accuracy"] > 0.8
    (tmp_path / "elsewhere").mkdir()
    run = tmp_path / document["path"]
    tested = dlrecipes("evaluate", run, "--json", cwd=tmp_path / "elsewhere").document
    assert tested["metrics"] == document["metrics"]
    image = next((tmp_path / "mine" / "two").iterdir())
    predicted = dlrecipes("predict", run, image, "--json", cwd=tmp_path).document
    assert set(predicted["predictions"][0]["probabilities"]) == {"one", "two", "zero"}


@pytest.mark.long
def test_own_texts_of_three_classes_are_trained_on(tmp_path: Path) -> None:
    rows = ["text,label,split"]
    for split, count in (("train", 60), ("test", 20)):
        for number in range(count):
            label, word = (("sport", "goal"), ("food", "soup"), ("law", "court"))[number % 3]
            rows.append(f'"the {word}, a {word} of number {number}",{label},{split}')
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    document = dlrecipes(
        *("train", SENTIMENT, "--data", "mine.csv", "--epochs", "10", "--batch-size", "8"),
        *("--vocabulary-size", "100", "--json"),
        cwd=tmp_path,
    ).document
    assert document["data"]["answer"]["classes"] == ["food", "law", "sport"]
    assert document["data"]["rows"]["test"] == 20
    assert document["metrics"]["accuracy"] > 0.6
    texts = ["a court of law", "soup"]
    run = tmp_path / document["path"]
    predicted = dlrecipes("predict", run, *texts, "--json", cwd=tmp_path).document["predictions"]
    assert [set(prediction["probabilities"]) for prediction in predicted] == [
        {"food", "law", "sport"}
    ] * 2


@pytest.mark.long
def test_own_table_with_columns_of_its_own_is_trained_on(tmp_path: Path) -> None:
    colours = ("red", "green", "blue")
    rows = [f"{n % 17},{colours[n % 3]},{10 * (n % 17) + 100 * (n % 3)}" for n in range(400)]
    (tmp_path / "mine.csv").write_text("\n".join(["metres,colour,price", *rows]) + "\n")
    document = dlrecipes(
        *("train", REGRESSION, "--data", "mine.csv", "--epochs", "40", "--batch-size", "16"),
        "--json",
        cwd=tmp_path,
    ).document
    assert document["data"]["rows"]["test"] == 80
    assert document["metrics"]["r2"] > 0.9
    (tmp_path / "new.csv").write_text("colour,metres\nblue,3\nviolet,3\n")
    run = tmp_path / document["path"]
    predicted = dlrecipes("predict", run, "new.csv", "--json", cwd=tmp_path).document
    assert predicted["predictions"][0]["value"] == pytest.approx(230, abs=60)
    assert math.isfinite(predicted["predictions"][1]["value"])


@pytest.mark.long
def test_own_text_file_is_trained_on(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("abcäöü \n" * 1000, encoding="utf-8")
    document = dlrecipes(
        *("train", TEXT, "--data", "mine.txt", *CHEAP[TEXT], "--batch-size", "4", "--json"),
        cwd=tmp_path,
    ).document
    assert document["data"]["rung"] == "own"
    assert document["metrics"]["perplexity"] < 8
    run = tmp_path / document["path"]
    arguments = ("predict", run, "abcä", "--length", "12", "--temperature", "0", "--json")
    (prediction,) = dlrecipes(*arguments, cwd=tmp_path).document["predictions"]
    assert len(prediction["text"]) == 16
    assert set(prediction["text"]) <= set("abcäöü \n")
