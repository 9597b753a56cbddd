"""A recipe's own network, trained by a bare script: `tfds.load`, `model.fit`, `evaluate`, `save`.

    python bare.py RECIPE DATA_DIR [EPOCHS]

What the tool adds - seeds, order of the data, checkpoints, records, exports - is what its time
differs from this script's by. The network, the settings, the rows and the epochs are the recipe's;
the pipelines are those that the guides of TensorFlow show.
"""

import importlib
import sys
from dataclasses import replace
from types import SimpleNamespace

import tensorflow as tf
import tensorflow_datasets as tfds
import watch
from keras import layers

RECIPE, DATA_DIR = sys.argv[1:3]
recipe = importlib.import_module(f"dlrecipes.recipes.{RECIPE.replace('-', '_')}")
config = recipe.Config()
if len(sys.argv) > 3:
    config = replace(config, epochs=int(sys.argv[3]))


def load(split, **options):
    return tfds.load(recipe.DATASET, split=split, data_dir=DATA_DIR, download=False, **options)


def ready(dataset, rows, batch_size):
    return dataset.shuffle(rows).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def mnist():
    splits = [load(split, as_supervised=True) for split in ("train[5%:]", "train[:5%]", "test")]
    train, validation, test = (split.cache() for split in splits)
    return SimpleNamespace(
        train=ready(train, 57_000, config.batch_size),
        validation=validation.batch(1000),
        test=test.batch(1000),
        rows=57_000,
        classes=range(10),
        image_shape=(28, 28, 1),
    )


def reviews():
    splits = ("train[5%:]", "train[:5%]", "test")
    train, validation, test = (load(split, as_supervised=True) for split in splits)
    words = layers.TextVectorization(config.vocabulary_size)
    words.adapt(train.map(lambda text, label: text).batch(1024))

    def numbers(texts, batch_size):
        rows = texts.map(
            lambda text, label: (words(text)[: config.max_words], label), tf.data.AUTOTUNE
        )
        return rows.cache().bucket_by_sequence_length(
            lambda numbers, label: tf.shape(numbers)[0],
            bucket_boundaries=[100, 150, 200, 300, 400, 500],
            bucket_batch_sizes=[batch_size] * 7,
        )

    batches = numbers(train.shuffle(25_000, reshuffle_each_iteration=False), config.batch_size)
    steps = -(-23_750 // config.batch_size)  # about: each length's last batch is not full
    return SimpleNamespace(
        train=batches.repeat()
        .take(steps)
        .apply(tf.data.experimental.assert_cardinality(steps))
        .prefetch(tf.data.AUTOTUNE),
        validation=numbers(validation, 256),
        test=numbers(test, 256),
        rows=23_750,
        classes=("negative", "positive"),
    )


def shakespeare():
    texts = {split: next(iter(load(split)))["text"] for split in ("train", "validation", "test")}
    characters = tf.strings.unicode_split(texts["train"], "UTF-8")
    numbers = layers.StringLookup(vocabulary=sorted(set(characters.numpy())))

    def windows(text, length):
        rows = tf.data.Dataset.from_tensor_slices(numbers(tf.strings.unicode_split(text, "UTF-8")))
        rows = rows.batch(length + 1, drop_remainder=True)
        return rows.map(lambda row: (row[:-1], row[1:])).cache()

    train = windows(texts["train"], config.window)
    return SimpleNamespace(
        train=ready(train, len(train), config.batch_size),
        validation=windows(texts["validation"], 500).batch(32),
        test=windows(texts["test"], 500).batch(32),
        rows=len(train),
        classes=range(numbers.vocabulary_size()),
    )


def diamonds():
    values = {"cut": 5, "color": 7, "clarity": 8}
    numbers = ("carat", "depth", "table", "x", "y", "z")

    def columns(row):
        features = row["features"]
        one_hot = [tf.one_hot(features[name], size + 1) for name, size in values.items()]
        return tf.concat([tf.stack([features[name] for name in numbers]), *one_hot], 0), row[
            "price"
        ]

    rows = load("train").map(columns, tf.data.AUTOTUNE).cache()
    test, rows = rows.take(5_394), rows.skip(5_394)
    validation, train = rows.take(2_427), rows.skip(2_427)
    prices = layers.Normalization(axis=None)
    prices.adapt(train.map(lambda row, price: price[None]).batch(4096))
    standard = layers.Normalization()
    standard.adapt(train.map(lambda row, price: row).batch(4096))

    def standardised(rows, batch_size):
        return rows.batch(batch_size).map(lambda row, price: (standard(row), price))

    return SimpleNamespace(
        train=standardised(train.shuffle(46_119), config.batch_size).prefetch(tf.data.AUTOTUNE),
        validation=standardised(validation, 4096),
        test=standardised(test, 4096),
        rows=46_119,
        preprocessing=SimpleNamespace(output_shape=(None, 29)),
        extra={
            "mean": prices.mean.numpy().item(),
            "deviation": prices.variance.numpy().item() ** 0.5,
        },
    )


data = {
    "mnist-cnn": mnist,
    "sentiment-lstm": reviews,
    "text-generation-lstm": shakespeare,
    "regression-mlp": diamonds,
}[RECIPE]()
model = recipe.build(config, data)
with watch.fitting(data.rows * config.epochs):
    model.fit(
        data.train,
        validation_data=data.validation,
        epochs=config.epochs,
        verbose=2,
        callbacks=[watch.keras_callback()],
    )
tested = model.evaluate(data.test, verbose=0)
model.save("model.keras")
watch.result(tested[1] if isinstance(tested, list) else tested)
