"""`describe --network`: layers, shapes, parameters, operations and memory, without training."""

from pathlib import Path
from typing import Any

import pytest
from support import MNIST, REGRESSION, SENTIMENT, dlrecipes, files_below
from test_models import HEADER, SUBCLASSED, TWO_OPTIMIZERS


def network_of(folder: Path, recipe: str, *flags: str) -> dict[str, Any]:
    """Return what `describe --network --json` prints."""
    words = ("describe", recipe, "--network", "--json", *flags)
    document: dict[str, Any] = dlrecipes(*words, cwd=folder).document
    return document


def layers_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the layers by name."""
    return {layer["name"]: layer for layer in document["layers"]}


@pytest.mark.long
def test_parameters_and_operations_are_those_of_hand_arithmetic(tmp_path: Path) -> None:
    document = network_of(tmp_path, MNIST)
    layers = layers_of(document)
    assert document["parameters"] == 61_210
    assert document["trainable"] == 61_210 - 2 * (16 + 32 + 64)
    assert layers["conv2d"]["outputs"] == [[26, 26, 16]]
    # Each output number is the product of a 3x3 filter with the pixels under it.
    assert layers["conv2d"]["flops"] == 2 * 26 * 26 * 16 * 3 * 3
    assert layers["conv2d_1"]["flops"] == 2 * 11 * 11 * 32 * 3 * 3 * 16
    # A product with 576 numbers, a bias and a relu for each of 64 units.
    assert layers["dense"]["flops"] == 2 * 576 * 64 + 64 + 64
    assert document["flops"] == sum(layer["flops"] for layer in layers.values())
    assert document["bytes"]["weights"] == 4 * 61_210
    # Adam keeps two numbers for each weight, and its step.
    assert document["bytes"]["optimizer"] == 2 * 4 * document["trainable"] + 8
    assert files_below(tmp_path) == {}


@pytest.mark.long
def test_it_is_shown_for_the_settings_and_data_that_are_asked_for(tmp_path: Path) -> None:
    rows = ["a,b,c,y", *(f"{n % 7},{n % 5},{n % 3},{n % 11}" for n in range(200))]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    flags = ("--hidden-units", "5,4", "--data", "mine.csv", "--preset", "fast")
    document = network_of(tmp_path, REGRESSION, *flags)
    assert document["preset"] == "fast"
    assert document["inputs"] == {"input": "(3,) float32"}
    shapes = [layer["outputs"] for layer in document["layers"] if layer["kind"] == "Dense"]
    assert shapes == [[[5]], [[4]], [[1]]]
    assert document["parameters"] == 3 * 5 + 5 + 5 * 4 + 4 + 4 + 1
    shown = dlrecipes("describe", REGRESSION, "--network", *flags, cwd=tmp_path).out
    assert "Parameters: 49 (49 trainable, 0 not)" in shown
    assert "FLOPs: " in shown
    assert shown.splitlines()[-1] == f"Next: dlrecipes train {REGRESSION}"
    error = dlrecipes("describe", REGRESSION, "--hidden-units", "5", cwd=tmp_path, code=2).err
    assert "add --network" in error


@pytest.mark.long
def test_a_loop_counts_as_often_as_it_runs_and_inner_layers_are_shown(tmp_path: Path) -> None:
    flags = ("--preset", "lstm-64", "--vocabulary-size", "100", "--max-words", "20")
    layers = layers_of(network_of(tmp_path, SENTIMENT, *flags))
    (lstm,) = (layer for layer in layers.values() if layer["kind"] == "LSTM")
    steps, units, inputs = layers["embedding"]["outputs"][0][0], 64, 64
    products = 2 * steps * (units + inputs) * 4 * units
    assert products < lstm["flops"] < 1.1 * products
    layers = layers_of(network_of(tmp_path, SENTIMENT))
    assert layers["bidirectional"]["depth"] == 0
    assert layers["forward_lstm"]["depth"] == 1


@pytest.mark.long
def test_subclassed_models_and_models_with_several_networks_are_shown_as_they_run(
    tmp_path: Path,
) -> None:
    (tmp_path / "subclassed.py").write_text(HEADER + SUBCLASSED)
    (tmp_path / "adversarial.py").write_text(HEADER + TWO_OPTIMIZERS)
    document = network_of(tmp_path, "./subclassed.py", "--units", "8")
    outputs = [layer["outputs"] for layer in document["layers"]]
    assert outputs == [[[784]], [[8]], [[8]], [[8]], [[10]]]
    document = network_of(tmp_path, "./adversarial.py", "--units", "8")
    assert document["parameters"] == 8 * 784 + 784 + 784 * 8 + 8 + 8 * 10 + 10
    generator, classifier = (layer for layer in document["layers"] if layer["depth"] == 0)
    assert (generator["calls"], classifier["calls"]) == (1, 2)
    assert document["bytes"]["optimizer"] > 4 * document["parameters"]
