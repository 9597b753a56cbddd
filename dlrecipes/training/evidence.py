"""What a diagnosis of a training is made from: its losses, its test, a few rows through the model.

Everything here is measured in a fraction of a second, and is left out where it cannot be measured.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlrecipes.catalog.config_files import resolve_settings
from dlrecipes.datasets.storage import Array
from dlrecipes.kit.metrics import class_probabilities
from dlrecipes.kit.scores import Scores
from dlrecipes.runs import checkpoints, record
from dlrecipes.runs.record import Run
from dlrecipes.training.work import Work

FIRST_ROWS, FIRST_TOKENS = 64, 32
"""Validation rows that the untrained network is given, and tokens of each."""
ROWS = 512
"""Validation rows that the trained network is given."""


@dataclass(frozen=True)
class Answers:
    """What the trained network says of some validation rows, each labelled with one class.

    Args:
        right: Whether each answer is right, bool (rows,).
        sure: Probability of each answer, (rows,).
        losses: Cross-entropy of each row, nats (rows,).
        labels: Class number of each row, (rows,).
    """

    right: Array
    sure: Array
    losses: Array
    labels: Array


@dataclass(frozen=True)
class Evidence:
    """What is known of a finished training. What is not known is NaN, 0 or empty.

    Args:
        config: Value of each setting.
        usual_rate: Learning rate that the recipe, the preset and the optimizer bring.
        history: The row of each epoch in `history.csv`.
        first_loss: Loss before the first step, without penalties on the weights.
        even_loss: Loss of guessing that says the same of every class; for numbers, their spread.
        guess_loss: Loss of guessing by how common the classes are; for numbers, their spread.
        penalty: Penalties on the weights that the losses of the last epochs contain.
        first_penalty: The same before the first step.
        validation_values: Answers to compare with in the validation rows.
        verdict: How good the result is, as a run has it.
        plain: How the network compares with a plain baseline: `better`, `tie`, `worse`.
        classes: Names of the classes.
        confusion: Confusion matrix of the test rows (rows: true class; columns: predicted class).
        dead: Share of the units of each relu layer that are 0 for all rows, by name.
        answers: What the network says of some validation rows; None where it names no classes.
        validation_losses: Loss of some validation rows, (rows,).
        test_losses: The same of the test rows.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    usual_rate: float = math.nan
    history: Sequence[Mapping[str, float]] = ()
    first_loss: float = math.nan
    even_loss: float = math.nan
    guess_loss: float = math.nan
    penalty: float = 0.0
    first_penalty: float = 0.0
    validation_values: int = 0
    verdict: str = "unknown"
    plain: str = ""
    classes: Sequence[str] = ()
    confusion: Sequence[Sequence[int]] = ()
    dead: Mapping[str, float] = field(default_factory=dict)
    answers: Answers | None = None
    validation_losses: Sequence[float] | Array = ()
    test_losses: Sequence[float] | Array = ()


def loss_before_training(work: Work) -> dict[str, float]:
    """Return the loss of the untrained network and of guessing; empty where it has no such loss.

    Returns:
        `network`, `even`, `guess` and `penalty`: see `Evidence`.
    """
    with suppress(Exception):  # Whatever it is, it is no reason not to train.
        return _loss_before_training(work)
    return {}


def _loss_before_training(work: Work) -> dict[str, float]:
    """Return the loss of the untrained network and of guessing."""
    import keras

    model = work.model
    if type(model).train_step is not keras.Model.train_step:
        return {}
    features, labels, *_ = next(iter(work.data.validation))
    if getattr(model, "input_shape", None) == (None, None):  # A few tokens of each will do.
        is_sequence = labels.shape[:2] == features.shape[:2]
        labels = labels[:, :FIRST_TOKENS] if is_sequence else labels
        features = features[:, :FIRST_TOKENS]
    labels = labels[:FIRST_ROWS] if len(labels.shape) > 1 else labels
    some = keras.tree.map_structure(lambda column: column[:FIRST_ROWS], features)
    outputs = _untrained(model, some)
    shape = (len(labels), *outputs[0].shape[1:])
    even, guess = _guesses(np.asarray(labels), shape, len(work.data.classes))
    losses = {
        "network": min(_data_loss(model, labels[:FIRST_ROWS], one) for one in outputs),
        "even": _data_loss(model, labels, even),
        "guess": _data_loss(model, labels, guess),
        "penalty": _penalty(model),
    }
    return losses if all(map(math.isfinite, losses.values())) else {}


def _untrained(model: Any, features: Any) -> list[Any]:
    """Return what an untrained model says as in training and as in a test; it does not change.

    In a test, batch normalization has no averages yet; in training, dropout scales what it leaves.
    """
    state = [[one.value for one in every] for every in _variables(model)]
    return [
        model.stateless_call(*state, features, training=is_training)[0]
        for is_training in (True, False)
    ]


def _variables(model: Any) -> tuple[Any, Any]:
    """Return the variables of a model: those that are trained, and the others."""
    return model.trainable_variables, model.non_trainable_variables


def _data_loss(model: Any, labels: Any, outputs: Any) -> float:
    """Return the loss of outputs without penalties on the weights."""
    return float(model.compute_loss(y=labels, y_pred=outputs)) - _penalty(model)


def _penalty(model: Any) -> float:
    """Return the penalties on the weights."""
    return sum(float(loss) for loss in model.losses)


def _guesses(labels: Array, shape: tuple[int, ...], classes: int) -> tuple[Any, Any]:
    """Return two answers that do not look at the input, in the shape of a model's outputs."""
    import tensorflow as tf

    if not classes:
        even = guess = np.full(shape, labels.mean(dtype="float64"), "float64")
    else:
        numbers = labels.argmax(-1) if labels.shape == (*labels.shape[:-1], classes) else labels
        counts = np.bincount(numbers.ravel().astype("int64"), minlength=classes)[:classes]
        shares = (counts + 1) / (counts + 1).sum()
        width = shape[-1]
        even = np.full(shape, 1 / max(width, 2), "float32")
        shares = shares[1:2] if width == 1 else np.pad(shares, (0, max(width - classes, 0)))
        guess = np.broadcast_to(shares.astype("float32"), shape)
    return tf.constant(even), tf.constant(guess)


def evidence_of(run: Run, work: Work, tested: Mapping[str, Any]) -> Evidence:
    """Return what is known of a training that is over.

    Args:
        run: Its record, with the test metrics and the verdict.
        work: The trained network and its data.
        tested: The test metrics as the recipe's `evaluate` returned them.
    """
    known: dict[str, Any] = {
        "config": run.config,
        "chosen": run.chosen.get("settings", {}),
        "verdict": run.verdict,
        "plain": run.plain_baseline.get("comparison", {}).get("verdict", ""),
        "classes": tuple(work.data.classes),
        "confusion": run.details.get("confusion_matrix", ()),
        "first_loss": run.first_loss.get("network", math.nan),
        "even_loss": run.first_loss.get("even", math.nan),
        "guess_loss": run.first_loss.get("guess", math.nan),
        "first_penalty": run.first_loss.get("penalty", 0.0),
    }
    for measure in (_history, _usual_rate, _penalties, _rows):
        with suppress(Exception):
            known |= measure(run, work)
    with suppress(Exception):
        known |= _test_losses(tested, known)
    return Evidence(**known)


def _history(run: Run, work: Work) -> dict[str, Any]:
    """Return the row of each epoch."""
    text = (run.path / record.HISTORY_FILE).read_text()
    return {"history": checkpoints.history_rows(text)}


def _usual_rate(run: Run, work: Work) -> dict[str, Any]:
    """Return the learning rate that a user would get without giving one."""
    facts = work.request.facts
    names = {setting.name for setting in facts.settings}
    preset = {
        name: value for name, value in facts.presets.get(run.preset, {}).items() if name in names
    }
    optimizer = run.config.get("optimizer")
    flags = {"optimizer": str(optimizer)} if optimizer else {}
    usual = resolve_settings(facts.settings, preset=preset, flags=flags)
    chosen = run.chosen.get("settings", {})
    return {"usual_rate": float(chosen.get("learning_rate", usual["learning_rate"]))}


def _penalties(run: Run, work: Work) -> dict[str, Any]:
    """Return the penalties on the weights."""
    return {"penalty": _penalty(work.model)}


def _rows(run: Run, work: Work) -> dict[str, Any]:
    """Return what validation rows tell of the trained network."""
    import keras

    features, labels, *_ = next(iter(work.data.validation))
    labels = np.asarray(labels)
    rows = ROWS if labels.ndim == 1 else FIRST_ROWS
    some = keras.tree.map_structure(lambda column: column[:rows], features)
    per_row = int(np.prod(labels.shape[1:])) if labels.ndim > 1 else 1
    known: dict[str, Any] = {"validation_values": work.data.rows["validation"] * per_row}
    labels = labels[:rows]
    is_sequence = any(isinstance(layer, keras.layers.RNN) for layer in work.model._flatten_layers())
    if is_sequence and labels.ndim > 1:
        return known  # It would take seconds, and neither has answers of one class a row.
    outputs, of_layers = _called(work.model, some)
    known["dead"] = {
        name: float((values.reshape(-1, values.shape[-1]).max(axis=0) <= 0).mean())
        for name, values in of_layers.items()
    }
    outputs = outputs.mean(axis=1) if outputs.ndim == 3 and labels.ndim == 1 else outputs
    classes = len(work.data.classes)
    if labels.ndim == 1 and outputs.ndim == 2 and classes:
        answers = _answers(class_probabilities(outputs), labels.astype("int64"))
        known |= {"answers": answers, "validation_losses": answers.losses}
    elif labels.ndim == 1 and outputs.size == labels.size:
        known["validation_losses"] = np.abs(outputs.ravel() - labels)
    return known


def _called(model: Any, features: Any) -> tuple[Array, dict[str, Array]]:
    """Return what a model says, and what each of its relu layers does, by name."""
    import keras

    layers = {}
    for layer in getattr(model, "layers", ()):
        activation = getattr(getattr(layer, "activation", None), "__name__", "")
        with suppress(Exception):  # A layer that is called twice has no one output.
            if activation == "relu" or isinstance(layer, keras.layers.ReLU):
                layers[layer.name] = layer.output
    if layers:
        with suppress(Exception):
            both = keras.Model(model.inputs, [model.output, *layers.values()])
            outputs, *of_layers = (np.asarray(one) for one in both(features, training=False))
            return outputs.astype("float64"), dict(zip(layers, of_layers, strict=True))
    return np.asarray(model(features, training=False)).astype("float64"), {}


def _answers(probabilities: Array, labels: Array) -> Answers:
    """Return how right and how sure answers are."""
    of_true = probabilities[np.arange(len(labels)), labels]
    return Answers(
        right=probabilities.argmax(axis=-1) == labels,
        sure=probabilities.max(axis=-1),
        losses=-np.log(np.clip(of_true, 1e-7, 1)),
        labels=labels,
    )


def _test_losses(tested: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the loss of each test row, as that of the validation rows."""
    name = "loss" if known.get("answers") else "mae"
    scores: Scores = getattr(tested, "scores", {})[name]
    return {"test_losses": scores.parts[:, 0]}
