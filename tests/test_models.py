"""Any Keras model: a recipe may build a Sequential, functional or subclassed one, of any inputs.

Each is checked, trained, resumed to the same bits, tested again, asked, exported and proven.
"""

import json
import shutil
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support import (
    MNIST,
    REGRESSION,
    dlrecipes,
    mnist_test_images,
    run_process,
    sample_table,
    write_image,
)
from test_resume import assert_same, resume

from dlrecipes.runs import checkpoints
from dlrecipes.runs.lookup import read_run

HEADER = '''"""Tell digits apart, as a learner would write it."""

import os
from dataclasses import dataclass

import keras
import tensorflow as tf
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "image-classification"
DATASET = "mnist"
SAMPLE = "mnist.npz"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings.

    Args:
        units: Units of the hidden layer.
    """

    epochs: int = 2
    units: int = 16


def load(config, source):
    train, validation = source.train_and_validation(config.validation_fraction)
    return source.data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=validation.batches(500),
        test=source.test.batches(500),
    )


class EndsItself(keras.callbacks.Callback):
    """Ends the process in its second epoch by the signal that END is set to."""

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs += 1

    def on_train_batch_begin(self, batch, logs=None):
        if self.epochs == 2 and batch == 20 and "END" in os.environ:
            os.kill(os.getpid(), int(os.environ["END"]))


def train(model, data, config, callbacks=()):
    return model.fit(
        data.train,
        validation_data=data.validation,
        epochs=config.epochs,
        callbacks=[EndsItself(), *callbacks],
    )


def evaluate(model, data, config):
    return dlrecipes.classification_metrics(model, data.test, data.classes)


def compiled(model):
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

'''
TABLE_HEADER = (
    HEADER.replace("image-classification", "tabular-regression")
    .replace('"mnist"', '"diamonds"')
    .replace('"mnist.npz"', '"diamonds.csv"\nFEATURES = {"target": "price"}')
    .replace("classification_metrics", "regression_metrics")
    .replace(", data.classes)", ")")
    .replace("sparse_categorical_crossentropy", "mae")
    .replace('["accuracy"]', '["mae"]')
)

SEQUENTIAL = """
def build(config, data):
    return compiled(keras.Sequential([
        %slayers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(config.units, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(len(data.classes), activation="softmax"),
    ]))
"""
SUBCLASSED = """
class Net(keras.Model):
    def __init__(self, config, data):
        super().__init__()
        self.flatten = layers.Flatten()
        self.hidden = [layers.Dense(config.units, activation="relu") for _ in range(2)]
        self.dropout = layers.Dropout(0.3)
        self.last = layers.Dense(len(data.classes), activation="softmax")

    def call(self, x, training=None):
        x = self.flatten(tf.cast(x, "float32") / 255)
        for layer in self.hidden:
            x = layer(x)
        return self.last(self.dropout(x, training=training))


def build(config, data):
    return compiled(Net(config, data))
"""
OWN_LAYER = """
@tf.function
def squashed(x):
    return x / (1 + tf.abs(x))


class Scale(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.scale


def build(config, data):
    inputs = keras.Input(data.image_shape)
    x = layers.Flatten()(inputs)
    x = Scale()(layers.Dense(config.units, activation=squashed)(x / 255))
    return compiled(keras.Model(inputs, layers.Dense(len(data.classes), "softmax")(x)))
"""
# Two inputs by name, in a dictionary or a list, from the columns as they are in the file.
COLUMNS = """
def load(config, source):
    train, validation = source.train_and_validation(config.validation_fraction)
    pick = lambda columns, target: ({name: columns[name] for name in ("carat", "cut")}, target)
    return source.data(
        train=train.batches(config.batch_size, shuffle=True).map(pick),
        validation=validation.batches(500).map(pick),
        test=source.test.batches(500).map(pick),
    )


CUTS = ["Fair", "Good", "Very Good", "Premium", "Ideal"]
"""
NESTED = (
    COLUMNS
    + """
def build(config, data):
    carat = keras.Input((1,), name="carat")
    cut = keras.Input((1,), name="cut", dtype="string")
    codes = layers.StringLookup(vocabulary=CUTS, output_mode="one_hot")(cut)
    x = layers.Concatenate()([layers.Dense(config.units, activation="relu")(carat), codes])
    return compiled(keras.Model(%s, layers.Dense(1)(layers.Dropout(0.2)(x) * 1000.0)))
"""
)
SUBCLASSED_COLUMNS = (
    COLUMNS
    + """
class Prices(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.lookup = layers.StringLookup(vocabulary=CUTS, output_mode="one_hot")
        self.hidden = layers.Dense(units, activation="relu")
        self.last = layers.Dense(1)

    def call(self, inputs):
        carat = tf.reshape(inputs["carat"], (-1, 1))
        cut = self.lookup(tf.reshape(inputs["cut"], (-1, 1)))
        x = tf.concat([self.hidden(carat), tf.cast(cut, "float32")], -1)
        return self.last(x * 1000.0)


def build(config, data):
    return compiled(Prices(config.units))
"""
)
MODELS = {
    "sequential": HEADER + SEQUENTIAL % "",
    "sequential_with_input": HEADER + SEQUENTIAL % "keras.Input(data.image_shape), ",
    "subclassed": HEADER + SUBCLASSED,
    "own_layer": HEADER + OWN_LAYER,
    "inputs_by_name": TABLE_HEADER + NESTED % '{"carat": carat, "cut": cut}',
    "inputs_in_a_list": TABLE_HEADER + NESTED % "[carat, cut]",
    "subclassed_inputs": TABLE_HEADER + SUBCLASSED_COLUMNS,
}
SHORT = "sequential"
"""The one that every run of the tests tries, as every learner writes it; the others take long."""
NAMES = [pytest.param(name, marks=() if name == SHORT else pytest.mark.long) for name in MODELS]
WITHOUT_OWN_CLASSES = {"sequential", "sequential_with_input", "inputs_by_name", "inputs_in_a_list"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Return a function that trains a recipe of such a model, once."""
    folder = tmp_path_factory.mktemp("models")

    @cache
    def train(name: str) -> dict[str, Any]:
        (folder / f"{name}.py").write_text(MODELS[name])
        words = ("train", f"{name}.py", "--data", "sample", "--json")
        return dlrecipes(*words, cwd=folder).document | {"folder": str(folder)}

    return train


def run_folder(document: dict[str, Any]) -> Path:
    return Path(document["folder"], document["path"])


@pytest.mark.parametrize("name", NAMES)
def test_it_is_checked_trained_and_tested_again(
    name: str, trained: Callable[[str], dict[str, Any]]
) -> None:
    document = trained(name)
    folder = Path(document["folder"])
    dlrecipes("check", f"{name}.py", cwd=folder)
    assert document["status"] == "finished"
    assert document["parameters"] > 50
    baseline = document["baseline"]["metrics"]
    if "accuracy" in document["metrics"]:
        assert document["metrics"]["accuracy"] > baseline["accuracy"] + 0.3
    again = dlrecipes("evaluate", run_folder(document), "--json", cwd=folder).document
    assert again["metrics"] == document["metrics"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_resumed_to_the_same_bits(
    name: str, trained: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    straight = run_folder(trained(name))
    file = Path(trained(name)["folder"], f"{name}.py")
    words = ("train", file, "--data", "sample", "--name", "interrupted")
    dlrecipes(*words, cwd=tmp_path, env={"END": str(signal.SIGTERM.value)}, code=130)
    (path,) = tmp_path.glob("runs/*/interrupted")
    checkpoint, _ = checkpoints.read_last(path / "checkpoints")
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.step >= 20) == (1, True)
    resume(path)
    assert_same(read_run(straight), read_run(path))


@pytest.mark.parametrize("name", NAMES)
def test_it_predicts_and_is_exported_and_proven(
    name: str, trained: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    path = run_folder(trained(name))
    inputs = "digit.png" if "image" in trained(name)["task"] else "rows.csv"
    write_image(tmp_path / "digit.png", mnist_test_images()[0][0])
    sample_table("diamonds.csv", "test").head(3).to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "empty").mkdir()
    answers = dlrecipes("predict", path, inputs, "--json", cwd=tmp_path).document["predictions"]
    assert len(answers) == (1 if inputs == "digit.png" else 3)
    exported = dlrecipes("export", path, "--output", "saved", "--json", cwd=tmp_path).document
    assert exported["max_abs_difference"] <= 1e-4
    words = ("export", path, "--format", "keras", "--output", "file")
    if name in WITHOUT_OWN_CLASSES:
        assert "Checked in a fresh process" in dlrecipes(*words, cwd=tmp_path).out
    else:
        error = dlrecipes(*words, cwd=tmp_path, code=2).err
        assert "classes or functions of its recipe's own" in error
        assert "--format saved-model" in error


@pytest.mark.long
def test_a_model_that_is_a_program_is_run_from_elsewhere_only_if_it_is_trusted(
    trained: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(run_folder(trained("subclassed")), tmp_path / "run")
    write_image(tmp_path / "digit.png", mnist_test_images()[0][0])
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "other-user")}
    words = ("predict", tmp_path / "run", "digit.png")
    error = dlrecipes(*words, cwd=tmp_path, env=elsewhere, code=2).err
    assert "was not trained here, and its model contains code" in error
    dlrecipes(*words, "--trust-recipe", cwd=tmp_path, env=elsewhere)


TWO_OPTIMIZERS = '''
class Adversarial(keras.Model):
    """A generator makes digits from noise that a classifier is to be sure of."""

    def __init__(self, config, data):
        super().__init__()
        self.noise = keras.random.SeedGenerator(config.units)
        self.generator = keras.Sequential(
            [layers.Dense(784, activation="sigmoid"), layers.Reshape((28, 28, 1))]
        )
        self.classifier = keras.Sequential(
            [
                layers.Flatten(),
                layers.Dense(config.units, activation="relu"),
                layers.Dropout(0.2),
                layers.Dense(len(data.classes), activation="softmax"),
            ]
        )
        self.progress = {"classifier": keras.metrics.Mean(), "generator": keras.metrics.Mean()}

    def compile(self, generator_optimizer, classifier_optimizer):
        super().compile()
        self.generator_optimizer = generator_optimizer
        self.others = [classifier_optimizer]

    @property
    def metrics(self):
        return list(self.progress.values())

    def train_step(self, batch):
        digits, labels = batch
        digits = tf.cast(digits, "float32") / 255
        noise = keras.random.normal((tf.shape(digits)[0], 8), seed=self.noise)
        with tf.GradientTape(persistent=True) as tape:
            made = self.classifier(self.generator(noise, training=True), training=True)
            losses = {
                "classifier": tf.reduce_mean(
                    keras.losses.sparse_categorical_crossentropy(
                        labels, self.classifier(digits, training=True)
                    )
                ),
                "generator": -tf.reduce_mean(tf.reduce_max(made, axis=-1)),
            }
        for name, optimizer in (
            ("classifier", self.others[0]),
            ("generator", self.generator_optimizer),
        ):
            weights = getattr(self, name).trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(losses[name], weights), weights))
            self.progress[name].update_state(losses[name])
        return {f"{name}_loss": metric.result() for name, metric in self.progress.items()}

    def test_step(self, batch):
        digits, labels = batch
        answers = self.classifier(tf.cast(digits, "float32") / 255)
        right = keras.metrics.sparse_categorical_accuracy(labels, answers)
        return {"accuracy": tf.reduce_mean(right)}


def build(config, data):
    model = Adversarial(config, data)
    model.compile(
        keras.optimizers.SGD(config.learning_rate, momentum=0.9), keras.optimizers.Adam(0.002)
    )
    return model


def serving(model, data):
    inputs = keras.Input(data.image_shape, name="image")
    return keras.Model(inputs, model.classifier(inputs / 255))


def evaluate(model, data, config):
    return dlrecipes.classification_metrics(serving(model, data), data.test, data.classes)
'''


@pytest.mark.long
def test_two_optimizers_sub_models_metrics_and_noise_are_resumed_to_the_same_bits(
    tmp_path: Path,
) -> None:
    (tmp_path / "adversarial.py").write_text(HEADER + TWO_OPTIMIZERS)
    words = ("train", "adversarial.py", "--data", "sample", "--checkpoint-every", "5steps")
    straight = dlrecipes(*words, "--json", cwd=tmp_path).document
    history = (tmp_path / straight["path"] / "history.csv").read_text().splitlines()
    assert {"generator_learning_rate", "others.0_learning_rate"} <= set(history[0].split(","))
    assert straight["metrics"]["accuracy"] > 0.5
    words = (*words, "--name", "interrupted")
    dlrecipes(*words, cwd=tmp_path, env={"END": str(signal.SIGKILL.value)}, code=-signal.SIGKILL)
    path = tmp_path / "runs" / "adversarial" / "interrupted"
    checkpoint, _ = checkpoints.read_last(path / "checkpoints")
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.step > 0) == (1, True)
    kept = {name.rpartition("/")[0] for name in checkpoint.arrays}
    assert {"optimizer/generator_optimizer", "optimizer/others.0", "random"} <= kept
    document = resume(path).document
    assert document["metrics"] == straight["metrics"]
    assert_same(read_run(tmp_path / straight["path"]), read_run(path))
    again = dlrecipes("evaluate", path, "--json", cwd=tmp_path).document
    assert again["metrics"] == straight["metrics"]
    proof = dlrecipes("resume", path, "--prove", "--json", cwd=tmp_path).document
    assert proof["same"] is True


@pytest.mark.long
def test_keras_own_settings_file_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "keras"
    home.mkdir()
    settings = {
        "backend": "jax",
        "floatx": "float16",
        "image_data_format": "channels_first",
        "epsilon": 0.1,
    }
    words = ("train", MNIST, "--data", "sample", "--epochs", "1", "--batch-size", "512")
    plain = dlrecipes(*words, "--json", cwd=tmp_path).document
    (home / "keras.json").write_text(json.dumps(settings))
    env = {"KERAS_HOME": str(home), "KERAS_BACKEND": "torch"}
    document = dlrecipes(*words, "--json", cwd=tmp_path, env=env).document
    assert document["metrics"] == plain["metrics"]
    for form in ("keras", "saved-model"):
        words = ("export", tmp_path / document["path"], "--format", form, "--json")
        exported = dlrecipes(*words, cwd=tmp_path, env=env).document
        assert exported["max_abs_difference"] <= 1e-6
        received = Path(exported["path"])
        run_process([sys.executable, "verify.py"], cwd=received, env=env)


TWO_FITS = """
def train(model, data, config, callbacks=()):
    ends_itself = EndsItself()
    model.fit(data.train, epochs=1, callbacks=[ends_itself, *callbacks])
    compiled(model)
    model.optimizer.learning_rate = 1e-4
    return model.fit(
        data.train,
        validation_data=data.validation,
        epochs=config.epochs,
        callbacks=[ends_itself, *callbacks],
    )
"""


@pytest.mark.long
def test_a_training_of_two_fits_is_resumed_within_the_second(tmp_path: Path) -> None:
    (tmp_path / "tuned.py").write_text(MODELS["sequential"] + TWO_FITS)
    words = ("train", "tuned.py", "--data", "sample")
    straight = dlrecipes(*words, "--json", cwd=tmp_path).document
    history = (tmp_path / straight["path"] / "history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in history] == ["epoch", "1", "2", "3"]
    words = (*words, "--name", "interrupted")
    dlrecipes(*words, cwd=tmp_path, env={"END": str(signal.SIGTERM.value)}, code=130)
    path = tmp_path / "runs" / "tuned" / "interrupted"
    checkpoint, _ = checkpoints.read_last(path / "checkpoints")
    assert checkpoint is not None
    assert (checkpoint.fit, checkpoint.epoch, checkpoint.step) == (1, 0, 20)
    resume(path)
    assert_same(read_run(tmp_path / straight["path"]), read_run(path))


@pytest.mark.long
@pytest.mark.parametrize("first", ["", "keras.Input(data.preprocessing.output_shape[1:]), "])
def test_a_sequential_network_in_a_copied_recipe_predicts(first: str, tmp_path: Path) -> None:
    dlrecipes("copy", REGRESSION, "mine.py", cwd=tmp_path)
    text = (tmp_path / "mine.py").read_text()
    begin, end = text.index("    model = keras.Model("), text.index("    model.compile(")
    network = f"[{first}layers.Dense(8), layers.BatchNormalization(), layers.Dense(1), unit]"
    network = network.replace(", unit", ", unit, layers.Reshape((1, 1))")
    text = f"{text[:begin]}    model = keras.Sequential({network})\n{text[end:]}"
    (tmp_path / "mine.py").write_text(text)
    dlrecipes("train", "mine.py", "--data", "sample", "--epochs", "1", cwd=tmp_path)
    sample_table("diamonds.csv", "test").head(3).to_csv(tmp_path / "rows.csv", index=False)
    answers = dlrecipes("predict", "mine", "rows.csv", "--json", cwd=tmp_path).document
    assert len(answers["predictions"]) == 3
