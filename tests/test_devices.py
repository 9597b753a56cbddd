"""`train --devices`: several devices share every batch, and the result is that of one.

The processor stands for several devices here: TensorFlow splits it as it would name two GPUs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import CHEAP, RECIPES, REGRESSION, dlrecipes, run_python, weights_of

RunOf = Callable[[str], dict[str, Any]]
TrainApart = Callable[..., dict[str, Any]]

ONE_EPOCH = (REGRESSION, "--data", "sample", "--epochs", "1", "--dropout", "0")
TWO = ("--devices", "cpu:2")

WRONG = {
    "no number": (("--devices", "two"), "--devices must be a number of GPUs (2), their numbers"),
    "nothing": (("--devices", "0"), "Received: '0'"),
    "one twice": (("--devices", "1,1"), "Received: '1,1'"),
    "a single one": (("--devices", "gpu:1"), "One GPU by its number: --device gpu:1"),
    "both": (("--device", "cpu", *TWO), "--device cpu asks for one device and --devices cpu:2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_devices_that_mean_nothing_are_refused(name: str, tmp_path: Path) -> None:
    flags, expected = WRONG[name]
    outcome = dlrecipes("train", REGRESSION, *flags, cwd=tmp_path, code=2)
    assert expected in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_gpus_that_are_not_there_are_named(tmp_path: Path) -> None:
    outcome = dlrecipes("train", *ONE_EPOCH, "--devices", "0,7", cwd=tmp_path, code=2)
    assert "--devices 0,7 asks for GPUs that TensorFlow does not see: there is" in outcome.err
    assert "--devices cpu:2" in outcome.err


@pytest.mark.long
def test_two_devices_and_one_train_the_same_network_within_rounding(
    train_apart: TrainApart,
) -> None:
    one, two = train_apart(*ONE_EPOCH), train_apart(*ONE_EPOCH, *TWO)
    assert two["devices"] == "cpu:2"
    assert one["devices"] == ""
    networks = [weights_of(run, Path(run["cwd"])) for run in (one, two)]
    assert networks[0].keys() == networks[1].keys()
    for name, weights in networks[0].items():
        np.testing.assert_allclose(weights, networks[1][name], atol=2e-6, err_msg=name)
    assert two["metrics"]["mae"] == pytest.approx(one["metrics"]["mae"], rel=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != REGRESSION])
def test_every_recipe_learns_on_two_devices(
    recipe: str, run_of: RunOf, train_apart: TrainApart
) -> None:
    one, two = run_of(recipe), train_apart(recipe, "--data", "sample", *CHEAP[recipe], *TWO)
    headline = one["headline"]
    if recipe != "digits-gan":  # Two short trainings of a pair of networks are far apart.
        assert two["metrics"][headline] == pytest.approx(one["metrics"][headline], rel=0.5)
    assert two["verdict"] == one["verdict"]


NORMALIZED = """
import json
from contextlib import nullcontext

import numpy as np
from dlrecipes.system.backend import load_tensorflow, select

device = select("cpu", "cpu:2")
tf = load_tensorflow()
import keras
from dlrecipes.training.distribution import scope_of, strategy_of, synchronize

random = np.random.default_rng(0)
x = (30 + random.standard_normal((15, 6, 3))).astype("float32")
y = random.standard_normal((15, 1)).astype("float32")
shorter = x.copy()
shorter[::4, 3:] = 0.0


def trained(strategy, masked):
    with scope_of(strategy) if strategy else nullcontext():
        inputs = keras.Input((6, 3))
        hidden = keras.layers.Masking(0.0)(inputs) if masked else inputs
        hidden = keras.layers.BatchNormalization()(keras.layers.Dense(4)(hidden))
        hidden = keras.layers.Flatten()(keras.layers.Activation("tanh")(hidden))
        model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
        for number, weight in enumerate(model.trainable_weights):
            shape = weight.shape
            weight.assign(np.random.default_rng(number).normal(size=shape).astype("float32"))
        model.compile(keras.optimizers.SGD(0.02), "mse")
        if strategy:
            synchronize(model, [model.optimizer])
        rows = tf.data.Dataset.from_tensor_slices((shorter if masked else x, y))
        model.fit(rows.batch(5), epochs=2, verbose=0)
    return [np.asarray(weight).tolist() for weight in model.weights]


print(json.dumps([
    [trained(strategy, masked) for strategy in (None, strategy_of(device.scopes))]
    for masked in (False, True)
]))
"""


@pytest.mark.long
def test_batch_normalization_sees_the_whole_batch_in_shares_of_two_sizes(tmp_path: Path) -> None:
    for one, two in run_python(NORMALIZED, cwd=tmp_path).document:
        for weights, same in zip(one, two, strict=True):
            np.testing.assert_allclose(same, weights, rtol=1e-4, atol=2e-4)
