"""Metrics against values computed by hand, and the practices that recipes share."""

import math
from collections import Counter
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from support import MNIST, recipe_source, run_python

from dlrecipes.catalog.config_files import resolve_settings
from dlrecipes.catalog.facts import read_facts
from dlrecipes.datasets.examples import Examples, Source, class_weights
from dlrecipes.datasets.pipelines import Order
from dlrecipes.errors import DlrecipesError
from dlrecipes.kit import vocabulary
from dlrecipes.kit.config import TrainingConfig
from dlrecipes.kit.metrics import (
    classification_metrics,
    regression_metrics,
    text_generation_metrics,
)
from dlrecipes.kit.practices import OPTIMIZERS, early_stopping, make_optimizer
from dlrecipes.kit.vocabulary import character_vectorization, word_vectorization
from dlrecipes.runs.verdict import expectation, judge
from dlrecipes.system.backend import load_tensorflow, quiet_stderr
from dlrecipes.tasks.answers.category import CategoryForm


def echo(shape: tuple[int | None, ...]) -> Any:
    """Return a Keras model whose outputs are its inputs."""
    load_tensorflow()
    import keras

    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Identity()(inputs))


def batches(outputs: Any, labels: Any, size: int = 2) -> Any:
    """Return batches whose features are what the model shall say."""
    return Examples(np.array(outputs, dtype="float32"), np.array(labels)).batches(size)


def test_classification_metrics_are_those_computed_by_hand() -> None:
    # True classes 0, 0, 1, 1, 2; predicted 0, 1, 1, 1, 2.
    outputs = [[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6]]
    metrics = classification_metrics(echo((3,)), batches(outputs, [0, 0, 1, 1, 2]), "abc")
    assert metrics["accuracy"] == pytest.approx(4 / 5)
    assert metrics["precision_macro"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert metrics["recall_macro"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert metrics["f1_macro"] == pytest.approx((2 / 3 + 4 / 5 + 1) / 3)
    nats = -sum(map(math.log, (0.8, 0.2, 0.8, 0.4, 0.6))) / 5
    assert metrics["loss"] == pytest.approx(nats, rel=1e-6)
    # Of the pairs (of the class, not of it), those in order: 4.5 of 6, 5 of 6, 4 of 4.
    assert metrics["roc_auc"] == pytest.approx((4.5 / 6 + 5 / 6 + 1) / 3)
    assert metrics.details["confusion_matrix"] == [[1, 1, 0], [0, 2, 0], [0, 0, 1]]
    assert metrics.details["per_class"]["b"] == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "f1": 4 / 5, "support": 2}
    )


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_classification_metrics_are_those_of_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(classes)
    # Few different numbers, so that many probabilities are equal; the last class is never chosen.
    outputs = random.integers(1, 5, (200, classes)) / 8
    outputs[:, -1] /= 100
    outputs /= outputs.sum(axis=1, keepdims=True)
    labels = random.integers(0, classes, 200)
    names = [f"class {number}" for number in range(classes)]
    found = classification_metrics(echo((classes,)), batches(outputs, labels, 64), names)

    single = outputs.astype("float32").astype("float64")
    chosen = single.argmax(axis=1)
    report = reference.classification_report(
        labels, chosen, target_names=names, output_dict=True, zero_division=0.0
    )
    for name in names:
        expected = {key.replace("-score", ""): value for key, value in report[name].items()}
        assert found.details["per_class"][name] == pytest.approx(expected)
    matrix = reference.confusion_matrix(labels, chosen)
    assert found.details["confusion_matrix"] == matrix.tolist()
    macro = report["macro avg"]
    areas = [
        reference.roc_auc_score(labels == number, single[:, number]) for number in range(classes)
    ]
    assert dict(found) == pytest.approx(
        {
            "loss": reference.log_loss(labels, single / single.sum(axis=1, keepdims=True)),
            "accuracy": report["accuracy"],
            "precision_macro": macro["precision"],
            "recall_macro": macro["recall"],
            "f1_macro": macro["f1-score"],
            "roc_auc": np.mean(areas),
        },
        rel=1e-6,
    )


def test_regression_metrics_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    true = random.normal(3000, 4000, 500).astype("float32")
    said = (true + random.normal(0, 300, 500)).astype("float32")
    found = regression_metrics(echo((1,)), batches(said[:, np.newaxis], true, 64))
    true, said = true.astype("float64"), said.astype("float64")
    assert dict(found) == pytest.approx(
        {
            "mse": reference.mean_squared_error(true, said),
            "rmse": reference.root_mean_squared_error(true, said),
            "mae": reference.mean_absolute_error(true, said),
            "r2": reference.r2_score(true, said),
        }
    )


def test_an_answer_that_is_not_a_number_is_no_result() -> None:
    answers = batches([[0.1, 0.9], [math.nan, math.nan], [0.2, 0.8]], [0, 1, 1])
    with pytest.raises(DlrecipesError, match="NaN or infinity for some test examples"):
        classification_metrics(echo((2,)), answers, "ab")
    characters = batches([[[math.nan, 1.0]]], [[1]])
    with pytest.raises(DlrecipesError, match="NaN or infinity for some test examples"):
        text_generation_metrics(echo((None, 2)), characters)


@pytest.mark.parametrize("target", [2.0, 0.1])
def test_r2_is_not_a_number_where_all_targets_are_equal(target: float) -> None:
    answers = batches([[target - 1], [target], [target + 1]], [target] * 3)
    metrics = regression_metrics(echo((1,)), answers)
    assert math.isnan(metrics["r2"])
    assert metrics["mae"] == pytest.approx(2 / 3)


def test_a_network_with_more_outputs_than_classes_is_judged_by_what_it_says() -> None:
    outputs = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7], [0.1, 0.7, 0.1, 0.1]]
    metrics = classification_metrics(echo((4,)), batches(outputs, [0, 0, 1]), "ab")
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics.details["confusion_matrix"] == [[1, 0], [0, 1]]
    assert metrics.details["per_class"]["a"] == pytest.approx(
        {"precision": 1.0, "recall": 1 / 2, "f1": 2 / 3, "support": 2}
    )


def test_a_single_sigmoid_and_one_hot_labels_give_the_same_metrics() -> None:
    positive = [0.9, 0.4, 0.3, 0.6]
    labels = np.array([1, 1, 0, 0])
    sigmoid = classification_metrics(echo((1,)), batches([[p] for p in positive], labels), "ab")
    softmax = classification_metrics(
        echo((2,)), batches([[1 - p, p] for p in positive], np.eye(2)[labels]), "ab"
    )
    assert dict(sigmoid) == pytest.approx(dict(softmax))
    assert sigmoid["accuracy"] == 0.5
    # Of the four pairs of a positive and a negative, (0.4, 0.6) alone is in the wrong order.
    assert sigmoid["roc_auc"] == 0.75


def test_roc_auc_is_not_a_number_where_a_class_is_absent() -> None:
    metrics = classification_metrics(echo((2,)), batches([[0.4, 0.6], [0.2, 0.8]], [1, 1]), "ab")
    assert math.isnan(metrics["roc_auc"])
    assert metrics["accuracy"] == 1


def test_regression_metrics_are_those_computed_by_hand() -> None:
    metrics = regression_metrics(echo((1,)), batches([[1.0], [2.0], [6.0]], [1.0, 4.0, 4.0]))
    assert metrics["mse"] == pytest.approx(8 / 3)
    assert metrics["rmse"] == pytest.approx(math.sqrt(8 / 3))
    assert metrics["mae"] == pytest.approx(4 / 3)
    assert metrics["r2"] == pytest.approx(1 - 8 / 6)


def test_text_generation_metrics_leave_out_padding() -> None:
    outputs = [[[0.1, 0.6, 0.3], [0.2, 0.3, 0.5]], [[0.0, 0.5, 0.5], [0.9, 0.05, 0.05]]]
    metrics = text_generation_metrics(echo((None, 3)), batches(outputs, [[1, 1], [2, 0]]))
    nats = -(math.log(0.6) + math.log(0.3) + math.log(0.5)) / 3
    assert metrics["loss"] == pytest.approx(nats, rel=1e-6)
    assert metrics["perplexity"] == pytest.approx(math.exp(nats), rel=1e-6)
    assert metrics["bits_per_character"] == pytest.approx(nats / math.log(2), rel=1e-6)
    assert metrics["accuracy"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("value", "band", "higher_is_better", "verdict"),
    [
        (0.97, [0.96, 0.98], True, "as expected"),
        (0.96, [0.96, 0.98], True, "as expected"),
        (0.95, [0.96, 0.98], True, "worse than expected"),
        (0.99, [0.96, 0.98], True, "better than expected"),
        (290.0, [255.0, 280.0], False, "worse than expected"),
        (200.0, [255.0, 280.0], False, "better than expected"),
        (270.0, [255.0, 280.0], False, "as expected"),
        (0.97, [], True, "better than the baseline"),
        (0.97, [], False, "worse than the baseline"),
        (0.5, [], True, "a tie with the baseline"),
        (0.5, [], False, "a tie with the baseline"),
        (0.4, [], True, "worse than the baseline"),
        (0.4, [], False, "better than the baseline"),
        (None, [0.9, 1.0], True, "unknown"),
    ],
)
def test_verdict_says_how_good_a_result_is_for_a_score_and_for_an_error(
    value: float | None, band: list[float], higher_is_better: bool, verdict: str
) -> None:
    assert judge(value, band, 0.5, higher_is_better=higher_is_better) == verdict


@pytest.mark.parametrize(
    ("preset", "changes", "data", "why_none"),
    [
        ("", {}, {"rung": "full", "name": "mnist"}, ""),
        ("fast", {}, {"rung": "full", "name": "mnist"}, ""),
        ("", {"epochs": 1}, {"rung": "full", "name": "mnist"}, "not the default settings"),
        ("fast", {"epochs": 2}, {"rung": "full", "name": "mnist"}, "settings of the preset fast"),
        ("", {}, {"rung": "own", "name": "mnist"}, "your own data"),
        ("", {}, {"rung": "full", "name": "kmnist"}, "none has been measured for kmnist"),
    ],
)
def test_a_band_is_for_our_data_and_settings_alone(
    preset: str, changes: dict[str, Any], data: dict[str, str], why_none: str
) -> None:
    facts = read_facts(Path(str(files("dlrecipes.recipes").joinpath("mnist_cnn.py"))))
    config = resolve_settings(facts.settings, preset=facts.presets.get(preset, {})) | changes
    found = expectation(facts, preset, config, data, "accuracy")
    assert why_none in found.why_none
    assert bool(found.band) != bool(found.why_none)


def test_a_band_is_for_the_installed_recipe_alone(tmp_path: Path) -> None:
    source = recipe_source(MNIST)
    for name, text, is_ours in (("same", source, True), ("changed", source + "\n# mine\n", False)):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        facts = read_facts(path)
        data = {"rung": "full", "name": "mnist"}
        found = expectation(facts, "", resolve_settings(facts.settings), data, "accuracy")
        assert bool(found.band) == is_ours
        assert ("your own, or changed" in found.why_none) != is_ours


def test_class_weights_make_rare_classes_count_as_much() -> None:
    assert class_weights(np.array([0, 0, 0, 1])) == pytest.approx({0: 2 / 3, 1: 2.0})


def test_early_stopping_takes_the_best_weights_back_and_can_be_off() -> None:
    load_tensorflow()
    assert early_stopping(TrainingConfig(early_stopping=0)) == []
    (callback,) = early_stopping(TrainingConfig(early_stopping=3))
    assert callback.patience == 3
    assert callback.monitor == "val_loss"
    assert callback.restore_best_weights


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_is_the_one_that_was_asked_for(name: str) -> None:
    load_tensorflow()
    config = SimpleNamespace(optimizer=name, learning_rate=0.01, schedule="constant", epochs=2)
    optimizer = make_optimizer(config, steps_per_epoch=10)
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    assert optimizer.global_clipnorm is None


def test_cosine_schedule_climbs_over_a_tenth_and_falls_to_zero() -> None:
    load_tensorflow()
    config = SimpleNamespace(
        optimizer="adam", learning_rate=0.1, schedule="cosine", epochs=10, gradient_clip_norm=1.0
    )
    optimizer = make_optimizer(config, steps_per_epoch=10)
    rates = []
    for step in (0, 10, 55, 100):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == pytest.approx([0.01, 0.1, 0.05, 0.0], abs=1e-6)
    assert optimizer.global_clipnorm == 1.0


def test_word_vocabulary_keeps_the_commonest_words_and_one_number_for_the_rest() -> None:
    load_tensorflow()
    texts = np.array(["The film, the FILM!", "the bad\x85 film", "the end"], dtype=object)
    layer = word_vectorization(Examples(texts), max_tokens=4)
    assert layer.get_vocabulary() == ["", "[UNK]", "the", "film"]
    assert layer(["film the xyz"]).numpy().tolist() == [[3, 2, 1]]


def test_word_counts_are_the_same_however_often_they_are_added_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_tensorflow()
    texts = [f"{'the ' * (number % 5)}w{number % 1500} film" for number in range(3000)]
    counts = Counter(word.encode() for text in texts for word in text.split())
    examples = Examples(np.array(texts, dtype=object))
    for merged_at in (0, 2**18):
        monkeypatch.setattr(vocabulary, "MERGED_AT", merged_at)
        assert vocabulary._word_counts(examples) == counts


def test_character_vocabulary_holds_every_character_but_zero_bytes() -> None:
    load_tensorflow()
    layer = character_vectorization(Examples(np.array(["aab\0\n", "é"], dtype=object)))
    assert layer.get_vocabulary() == ["", "[UNK]", "a", "\n", "b", "é"]
    assert layer(["béaz"]).numpy().tolist() == [[4, 5, 2, 1]]


def test_shuffling_takes_every_example_once_in_an_order_that_the_seed_alone_decides() -> None:
    load_tensorflow()

    def epochs(seed: int) -> list[list[int]]:
        order = Order(seed)
        dataset = Examples(np.arange(100), np.arange(100), order=order).batches(7, shuffle=True)
        rows = []
        for epoch in range(2):
            order.epoch.assign(epoch)
            rows.append([int(row) for _, labels in dataset for row in labels])
        return rows

    first, second = epochs(0)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert epochs(0) == [first, second]
    assert epochs(1)[0] != first


def test_the_orders_of_epochs_have_nothing_to_do_with_each_other() -> None:
    load_tensorflow()
    order, count = Order(5), 20_000
    rows = []
    for epoch in range(4):
        order.epoch.assign(epoch)
        rows.append(order.shuffled(np.arange(count), count).numpy())
    # With the number of rounds that TensorFlow takes by itself this is 0.85.
    correlations = np.corrcoef([np.arange(count), *rows]) - np.eye(5)
    assert abs(correlations).max() < 5 / np.sqrt(count)


def test_batches_by_length_hold_every_example_once_cut_to_the_longest() -> None:
    load_tensorflow()
    lengths = np.random.default_rng(0).integers(1, 30, size=200)
    tokens = (np.arange(30) < lengths[:, None]).astype("int32")
    dataset = Examples(tokens, np.arange(200)).batches(8, shuffle=True, by_length=True)
    seen = []
    for rows, labels in dataset:
        assert rows.shape[1] == max(lengths[labels.numpy()])
        seen += labels.numpy().tolist()
    assert sorted(seen) == list(range(200))
    assert int(dataset.cardinality()) == 25


def test_held_out_rows_are_the_same_whatever_the_seed() -> None:
    one, held_out = Examples(np.arange(50), order=Order(0)).split(0.2)
    _, held_out_again = Examples(np.arange(50), order=Order(9)).split(0.2)
    assert len(held_out) == 10
    assert held_out.features.tolist() == held_out_again.features.tolist()
    assert sorted([*one.features, *held_out.features]) == list(range(50))


def counts_in(examples: Examples) -> list[int]:
    """Return how many examples each of three classes has."""
    return np.bincount(np.asarray(examples.labels), minlength=3).tolist()


@pytest.mark.parametrize(
    ("counts", "held_out", "every_class"),
    [
        ((60, 30, 10), [12, 6, 2], True),
        ((60, 30, 10), [12, 6, 2], False),
        ((94, 4, 2), [18, 1, 1], True),
        ((3, 2, 2), [1, 1, 1], True),  # more than a fifth
        ((5, 1, 1), [1, 0, 0], True),  # a class of one is trained on
        ((1, 1, 1), None, True),
    ],
)
def test_examples_are_held_out_of_each_class(
    counts: tuple[int, ...], held_out: list[int] | None, every_class: bool
) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(3), counts))
    examples = Examples(np.arange(len(labels)), labels)
    train, test = examples.split_by_class(0.2, every_class=every_class)
    assert sorted([*train.features, *test.features]) == list(range(len(labels)))
    assert (np.diff(train.features) > 0).all()
    assert (np.diff(test.features) > 0).all()
    assert np.add(counts_in(train), counts_in(test)).tolist() == list(counts)
    if held_out is None:
        assert len(test) == 1
    else:
        assert counts_in(test) == held_out
    again = examples.split_by_class(0.2, every_class=every_class)[1]
    assert again.features.tolist() == test.features.tolist()


def test_only_own_data_is_held_out_by_class() -> None:
    labels = np.repeat([0, 1], [95, 5])
    train = Examples(np.arange(100), labels)
    for rung in ("sample", "full", "own"):
        source = Source("x", rung, "x", train, train, answer=CategoryForm(("a", "b")))
        of_source = source.train_and_validation(0.05)[1].features.tolist()
        assert (of_source == train.split(0.05)[1].features.tolist()) == (rung != "own")
    assert labels[of_source].tolist() == [0, 0, 0, 0, 1]


def test_fingerprint_tells_data_apart_and_nothing_else() -> None:
    def source(first: str, name: str = "a", seed: int = 0) -> Source:
        texts = np.array([first, "b"], dtype=object)
        rows = Examples(texts, np.array([0, 1]), order=Order(seed))
        return Source(name, "own", name, rows, rows)

    assert source("x").fingerprint == source("x", name="b", seed=3).fingerprint
    assert source("x").fingerprint != source("y").fingerprint


def test_native_log_lines_are_held_back_unless_the_block_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    import os

    with quiet_stderr():
        os.write(2, b"noise\n")
    assert capfd.readouterr().err == ""

    def fail() -> None:
        with quiet_stderr():
            os.write(2, b"the reason\n")
            raise ValueError("it failed")

    with pytest.raises(ValueError, match="it failed"):
        fail()
    assert capfd.readouterr().err == "the reason\n"


# TensorFlow, asked which devices it would use: a test machine has no GPU to hide.
HIDE_GPUS = """
from dlrecipes.system import backend

tf = backend.load_tensorflow()
hidden = []
tf.config.set_visible_devices = lambda devices, kind: hidden.append((devices, kind))
if {selected}:
    tf.config.experimental.set_memory_growth = lambda device, wanted: None
    tf.config.list_physical_devices = lambda kind: ["a GPU"]
    backend.select_device("gpu")
backend.hide_gpus()
assert hidden == [{expected}], hidden
"""


@pytest.mark.parametrize(("selected", "expected"), [(False, ([], "GPU")), (True, ("a GPU", "GPU"))])
def test_gpus_are_hidden_from_what_decodes_data_unless_one_was_selected(
    selected: bool, expected: tuple[object, str], tmp_path: Path
) -> None:
    run_python(HIDE_GPUS.format(selected=selected, expected=expected), cwd=tmp_path)
