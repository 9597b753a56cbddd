"""Time from the start of a process to the end of its first training step, against a plain script.

    python benchmarks/first_step.py --data-dir FOLDER [--repetitions 5]

For each full data set, in turn: the plain script, which calls `tfds.load`, does what the guides of
TensorFlow Datasets and Keras do before `model.fit`, and `dlrecipes train --data full`, once with
its cache of decoded data empty and otherwise as it is after the first training. All train the
network that the recipe builds (of reviews, about that) with its batch size, and are stopped after
their first step.
Prints medians in seconds, and ratios, and writes `first_step.json`. `python docs/generate.py` then
puts the table into the documentation.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULT = HERE / "first_step.json"

STOP = """
import os
import time

import keras


class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        with open(os.environ["FIRST_STEP"], "w") as file:
            file.write(str(time.time()))
        os._exit(0)
"""
PLAIN = {
    "mnist-cnn": """
data = tfds.load("mnist", split="train", as_supervised=True, data_dir=folder, download=False)
data = data.map(lambda image, label: (tf.cast(image, tf.float32) / 255, label), tf.data.AUTOTUNE)
data = data.cache().shuffle(60_000).batch(64).prefetch(tf.data.AUTOTUNE)
model = keras.Sequential([keras.Input((28, 28, 1))])
for number, filters in enumerate((16, 32, 64)):
    model.add(layers.Conv2D(filters, 3, use_bias=False))
    if number < 2:
        model.add(layers.MaxPooling2D())
    model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.ReLU())
model.add(layers.Flatten())
model.add(layers.Dense(64, activation="relu"))
model.add(layers.Dense(10, activation="softmax"))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
""",
    "sentiment-lstm": """
data = tfds.load("imdb_reviews", split="train", as_supervised=True, data_dir=folder, download=False)
words = layers.TextVectorization(20_000, output_sequence_length=600)
words.adapt(data.map(lambda text, label: text).batch(1024))
data = data.shuffle(25_000).batch(64)
data = data.map(lambda text, label: (words(text), label), tf.data.AUTOTUNE)
data = data.prefetch(tf.data.AUTOTUNE)
model = keras.Sequential(
    [
        keras.Input((None,)),
        layers.Embedding(20_000, 64),
        layers.Conv1D(64, 3, padding="same", activation="relu"),
        layers.MaxPooling1D(4),
        layers.Bidirectional(layers.LSTM(32, return_sequences=True)),
        layers.GlobalMaxPooling1D(),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
""",
    "text-generation-lstm": """
data = tfds.load("tiny_shakespeare", split="train", data_dir=folder, download=False)
text = next(iter(data))["text"]
characters = tf.strings.unicode_split(text, "UTF-8")
numbers = layers.StringLookup(vocabulary=sorted(set(characters.numpy())))
data = tf.data.Dataset.from_tensor_slices(numbers(characters)).batch(65, drop_remainder=True)
data = data.map(lambda row: (row[:-1], row[1:])).shuffle(10_000).batch(64)
data = data.prefetch(tf.data.AUTOTUNE)
model = keras.Sequential(
    [
        keras.Input((None,)),
        layers.Embedding(numbers.vocabulary_size(), 64),
        layers.LSTM(192, return_sequences=True),
        layers.Dense(numbers.vocabulary_size(), activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
""",
    "regression-mlp": """
data = tfds.load("diamonds", split="train", data_dir=folder, download=False)
NUMBERS = ("carat", "depth", "table", "x", "y", "z")
CATEGORIES = {"cut": 5, "color": 7, "clarity": 8}

def columns(row):
    features = row["features"]
    one_hot = [tf.one_hot(features[name], size) for name, size in CATEGORIES.items()]
    numbers = tf.stack([features[name] for name in NUMBERS])
    return tf.concat([numbers, *one_hot], 0), row["price"]

data = data.map(columns, tf.data.AUTOTUNE).cache()
normalize = layers.Normalization()
normalize.adapt(data.map(lambda features, price: features).batch(4096))
data = data.shuffle(53_940).batch(256).prefetch(tf.data.AUTOTUNE)
model = keras.Sequential([keras.Input((26,)), normalize])
for units in (128, 64, 32):
    model.add(layers.Dense(units, activation="relu"))
model.add(layers.Dense(1))
model.compile("adam", "mae")
""",
}
SCRIPT = """
import sys

import keras
import tensorflow as tf
import tensorflow_datasets as tfds
from keras import layers

folder = sys.argv[1]
{body}
model.fit(data, epochs=1, verbose=0, callbacks=[Stop()])
"""
DATA_SETS = {
    "mnist-cnn": "mnist",
    "sentiment-lstm": "imdb_reviews",
    "text-generation-lstm": "tiny_shakespeare",
    "regression-mlp": "diamonds",
}


def write_programs(recipe: str, folder: Path) -> tuple[list[str], list[str]]:
    """Write the plain script, and the recipe with one more callback; return how each is run.

    Args:
        recipe: Name of the recipe.
        folder: Where to write them.
    """
    script = folder / "script.py"
    script.write_text(SCRIPT.format(body=PLAIN[recipe]).replace("model.fit", f"{STOP}\nmodel.fit"))
    name = f"{recipe.replace('-', '_')}.py"
    text = (HERE.parent / "recipes" / name).read_text(encoding="utf-8")
    end = "*callbacks]"
    assert text.count(end) == 1
    before, found, after = text.partition("def train(")
    (folder / name).write_text(
        before + STOP + "\n\n" + found + after.replace(end, "*callbacks, Stop()]"),
        encoding="utf-8",
    )
    ours = [sys.executable, "-m", "dlrecipes", "train", f"./{name}", "--data", "full", "--quiet"]
    return [sys.executable, str(script)], ours


def seconds_to_first_step(command: list[str], folder: Path, cache: Path) -> float:
    """Return the seconds from the start of a process to the end of its first step."""
    ended = folder / "first_step"
    ended.unlink(missing_ok=True)
    started = time.time()
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "FIRST_STEP": str(ended)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not ended.exists():
        sys.exit(result.stdout + result.stderr)
    return float(ended.read_text()) - started


def measure(recipe: str, data_dir: str, repetitions: int) -> dict[str, list[float]]:
    """Return the seconds of the script, of the first training, and of later ones."""
    found: dict[str, list[float]] = {"script": [], "first": [], "later": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        script, ours = write_programs(recipe, folder)
        cache = folder / "cache"
        kept = cache / "dlrecipes" / DATA_SETS[recipe]
        for _ in range(repetitions):
            found["script"].append(seconds_to_first_step([*script, data_dir], folder, cache))
            shutil.rmtree(kept, ignore_errors=True)
            for name in ("first", "later"):
                command = [*ours, "--data-dir", data_dir]
                found[name].append(seconds_to_first_step(command, folder, cache))
    return found


def table(results: dict[str, dict[str, list[float]]]) -> str:
    """Return the table in Markdown: medians in seconds, and ratios."""
    lines = [
        "| recipe | plain script | first training | ratio | later trainings | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for recipe in PLAIN:
        if recipe in results:
            found = results[recipe]
            script, first, later = (statistics.median(found[name]) for name in found)
            lines.append(
                f"| `{recipe}` | {script:.1f} s | {first:.1f} s | {first / script:.2f} "
                f"| {later:.1f} s | {later / script:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure what is asked for, and write the result."""
    parser = argparse.ArgumentParser(description="Time the first step.")
    parser.add_argument("--data-dir", required=True, type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=PLAIN, help="recipes")
    arguments = parser.parse_args()
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for recipe in arguments.only or PLAIN:
        results[recipe] = measure(recipe, str(arguments.data_dir.resolve()), arguments.repetitions)
        RESULT.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
