"""Mistakes in an edited recipe keep their place: the line, the sentence that is meant, the shapes.

At most four lines, no traceback, and no advice that does not help.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import Outcome, changed, dlrecipes, side_by_side
from test_models import HEADER, SEQUENTIAL, SUBCLASSED, TWO_OPTIMIZERS

DIGITS = HEADER + SEQUENTIAL % ""
FLAT = "        layers.Flatten(),\n"
SOFTMAX = 'layers.Dense(len(data.classes), activation="softmax")'
TEST_METRICS = "return dlrecipes.classification_metrics(model, data.test, data.classes)"


@dataclass(frozen=True)
class Mistake:
    """A recipe with a mistake.

    Args:
        name: What is wrong.
        recipe: The text of a recipe without it.
        old: The passage that is changed.
        new: The mistake.
        says: What the error must say.
        line: The line that it must show, after its number; empty for none.
        code: The exit code: 2 if nothing was trained.
    """

    name: str
    recipe: str
    old: str
    new: str
    says: tuple[str, ...]
    line: str
    code: int = 2


MISTAKES = [
    Mistake(
        "misspelled name, in a line that is not ASCII",
        DIGITS,
        "    return compiled(keras.Sequential([",
        '    größe = layrs.Dense(3)  # "é"\n    return compiled(keras.Sequential([',
        (
            "The model cannot be built: NameError: name 'layrs' is not defined.",
            "Did you mean layers?",
        ),
        'in build:\n    größe = layrs.Dense(3)  # "é"',
    ),
    Mistake(
        "misspelled setting",
        DIGITS,
        "config.validation_fraction",
        "config.validation_fractoin",
        ("'Config' object has no attribute", "Did you mean validation_fraction?"),
        "in load:\n    train, validation = source.train_and_validation(",
    ),
    Mistake(
        "argument that a layer does not take",
        DIGITS,
        'activation="relu"',
        'activations="relu"',
        ("Unrecognized keyword arguments passed to Dense: {'activations': 'relu'}.",),
        "in build:\n",
    ),
    Mistake(
        "unknown loss",
        DIGITS,
        '"sparse_categorical_crossentropy"',
        '"sparse_categorical_crosentropy"',
        ("Could not interpret loss identifier: sparse_categorical_crosentropy.",),
        "in train:\n    return model.fit(",
        1,
    ),
    Mistake(
        "classes that are missing in the last layer",
        DIGITS,
        SOFTMAX,
        'layers.Dense(9, activation="softmax")',
        ("the model returns 9 numbers for an example, and there are 10 classes",),
        "",
    ),
    Mistake(
        "output that the loss cannot compare with the labels",
        DIGITS,
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        ("returns the shape (None, 10)", "labels of the shape (None,)"),
        "in train:\n    return model.fit(",
        1,
    ),
    Mistake(
        "layer that cannot read what it is given",
        DIGITS,
        FLAT,
        "        layers.Flatten(),\n        layers.LSTM(4),\n",
        ("expected ndim=3, found ndim=2. Full shape received: (None, 784).",),
        "in build:\n",
    ),
    Mistake(
        "shapes that do not fit in a call",
        HEADER + SUBCLASSED,
        "            x = layer(x)\n",
        "            x = tf.matmul(layer(x), tf.ones((7, 3)))\n",
        ("Dimensions must be equal, but are 16 and 7",),
        "in call:\n    x = tf.matmul(layer(x), tf.ones((7, 3)))",
    ),
    Mistake(
        "function of a pipeline",
        DIGITS,
        "        train=train.batches(config.batch_size, shuffle=True),",
        "        train=train.batches(32).map(lambda x, y: (x, y[:, None] @ x)),",
        ("The data cannot be prepared: ",),
        "\n    train=train.batches(32).map(",
    ),
    Mistake(
        "training step",
        HEADER + TWO_OPTIMIZERS,
        'digits = tf.cast(digits, "float32") / 255\n        noise',
        'digits = tf.cast(digits, "float32") / 255\n        if tf.reduce_mean(digit) > 0:\n'
        "            pass\n        noise",
        ("Training failed in epoch 1, step 0: NameError: name 'digit'", "Did you mean digits?"),
        "in train_step:\n    if tf.reduce_mean(digit) > 0:",
        1,
    ),
    Mistake(
        "load that returns no data",
        DIGITS,
        "    return source.data(",
        "    source.data(",
        ("load must return dlrecipes.Data, not None.",),
        "",
    ),
    Mistake(
        "build that returns no model",
        DIGITS,
        "    return compiled(keras.Sequential([",
        "    compiled(keras.Sequential([",
        ("build must return a compiled keras.Model, not None.",),
        "",
    ),
    Mistake(
        "model that is not compiled",
        DIGITS,
        '    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])\n',
        "",
        ("that is not compiled.", "Call model.compile("),
        "",
    ),
    Mistake(
        "test that returns no numbers",
        DIGITS,
        TEST_METRICS,
        "return [1.0]",
        ("evaluate must return a dict of numbers by name, not list.",),
        "",
        1,
    ),
    Mistake(
        "metric that is no number",
        DIGITS,
        TEST_METRICS,
        'return {"accuracy": tf.ones(3)}',
        ("evaluate must return one number as 'accuracy', not EagerTensor.",),
        "",
        1,
    ),
    Mistake(
        "test that raises",
        DIGITS,
        TEST_METRICS,
        'return {"accuracy": data.tset}',
        ("Testing failed: AttributeError: 'Data' object has no attribute 'tset'.", "test?"),
        'in evaluate:\n    return {"accuracy": data.tset}',
        1,
    ),
    Mistake(
        "examples that are changed before the model reads them",
        DIGITS,
        "        test=source.test.batches(500),",
        "        test=source.test.batches(500).map(lambda x, y: (tf.cast(x, 'float32') / 255, y)),",
        ("load changes the examples before the model reads them", "layers.Rescaling"),
        "",
    ),
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Outcome, str]]:
    """Return a function to how a training of a recipe with a mistake ended, and its file."""

    def train(mistake: Mistake) -> tuple[Outcome, str]:
        folder = tmp_path_factory.mktemp("mistake")
        text = changed(mistake.recipe, mistake.old, mistake.new)
        (folder / "bad_typo.py").write_text(text, encoding="utf-8")
        words = ("train", "./bad_typo.py", "--data", "sample", "--epochs", "1", "--quiet")
        return dlrecipes(*words, cwd=folder, code=None), text

    found = side_by_side(train, MISTAKES)
    return {mistake.name: found[mistake] for mistake in MISTAKES}.__getitem__


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_shown_with_its_sentence_and_its_line(
    mistake: Mistake, outcomes: Callable[[str], tuple[Outcome, str]]
) -> None:
    outcome, text = outcomes(mistake.name)
    assert outcome.code == mistake.code, outcome
    lines = outcome.err.splitlines()
    assert lines[0].startswith("Error: "), outcome.err
    assert len(lines) <= 4, outcome.err
    assert "Traceback" not in outcome.err
    assert "Exception encountered" not in outcome.err
    assert "dlrecipes resume" not in outcome.err
    assert "dlrecipes describe bad-typo" not in outcome.err
    assert "bad_typo.py" in outcome.err
    for sentence in mistake.says:
        assert sentence in outcome.err, outcome.err
    if mistake.line:
        assert mistake.line in outcome.err, outcome.err
        source = mistake.line.partition("\n    ")[2] or lines[2].strip()
        numbers = [
            n for n, line in enumerate(text.splitlines(), 1) if line.strip().startswith(source)
        ]
        assert any(f"bad_typo.py, line {number}" in outcome.err for number in numbers)


def test_a_mistake_in_serving_is_found_before_the_first_step(tmp_path: Path) -> None:
    text = DIGITS + "\n\ndef serving(model, data):\n    return model.modle\n"
    (tmp_path / "mine.py").write_text(text)
    words = ("train", "./mine.py", "--data", "sample")
    error = dlrecipes(*words, cwd=tmp_path, code=2).err
    assert "The serving model cannot be made: AttributeError" in error
    assert "in serving:\n    return model.modle" in error
    assert not (tmp_path / "runs").exists()
