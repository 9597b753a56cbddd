"""How good generated pictures are, as a classifier of real ones sees them."""

from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Data
from dlrecipes.datasets.pipelines import rows_of
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import Array, Metrics

LEAST_SHARE = 0.2
"""Share of the pictures that a class must have to count as drawn, of what it would have if all had
the same."""
MOST_PICTURES = 5000
"""That are drawn and compared."""
MOST_BYTES = 256 * 2**20
"""Of images that are held in memory at once."""
JUDGED_IMAGES = 32_000
"""Training images that the judge sees, in up to eight epochs."""
GRID = 8
"""Pixels a side of the small pictures that are compared where there are no classes."""


def generated_image_metrics(model: Any, data: Data) -> Metrics:
    """Return metrics of generated pictures beside test images that no network was trained on.

    A classifier is trained on the training images and judges both. It is always the same network
    from the same seed. Where the images have no classes, small pictures of 8x8 pixels are compared
    instead of its features.

    Args:
        model: From noise (batch, units) to pictures (batch, height, width, channels), pixels from 0
            to 255.
        data: Images, uint8, with class numbers if there are any; its `extra` holds `judged`:
            batches of training images in their own order, from which the classifier learns.

    Returns:
        `frechet_distance`, at least 0, lower is better: |m1 - m2|^2 + trace(C1 + C2 - 2 (C1
        C2)^(1/2)) of the means and covariances of the features (Heusel et al. 2017,
        arXiv:1706.08500); compare only what one judge has judged. With classes: `class_coverage`,
        the share of the classes that are drawn at least a fifth as often as if all were drawn
        alike, and `confidence`, the mean probability of the likeliest class: unclear pictures
        lower it.
    """
    real = _images(data.test, MOST_PICTURES)[0]
    if len(real) < 2:
        raise InputError("To judge generated pictures takes at least 2 test images.")
    size: int = getattr(data.input, "size", 0)
    noise = np.random.default_rng(0).standard_normal((len(real), size))
    drawn = np.clip(_run(model, noise.astype("float32")), 0, 255)
    if not data.classes:
        return Metrics({"frechet_distance": frechet_distance(_small(drawn), _small(real))})
    judge, features = _judge(*_images(data.extra["judged"], JUDGED_IMAGES), len(data.classes))
    probabilities = _run(judge, drawn)
    shares = np.bincount(probabilities.argmax(axis=1), minlength=len(data.classes)) / len(drawn)
    distance = frechet_distance(_run(features, drawn), _run(features, real))
    values = {
        "frechet_distance": distance,
        "class_coverage": float((shares >= LEAST_SHARE / len(shares)).mean()),
        "confidence": float(probabilities.max(axis=1).mean()),
    }
    return Metrics(values, {"shares": dict(zip(data.classes, shares.tolist(), strict=True))})


def frechet_distance(first: Array, second: Array) -> float:
    """Return the Fréchet distance of two samples of features, each taken for a Gaussian.

    The eigenvalues of C1 C2 are those of the symmetric C1^(1/2) C2 C1^(1/2), so this takes no
    square root of a matrix that is not symmetric (Dowson and Landau 1982).

    Args:
        first: Features, (examples, features).
        second: Features of other examples, (examples, features).
    """
    first, second = first.astype("float64"), second.astype("float64")
    shift = first.mean(axis=0) - second.mean(axis=0)
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.maximum(np.linalg.eigvalsh(root @ two @ root), 0)
    distance = shift @ shift + np.trace(one) + np.trace(two) - 2 * np.sqrt(inner).sum()
    return float(max(distance, 0.0))


def _images(batches: Any, most: int) -> tuple[Array, Array]:
    """Return some images of all batches, evenly spaced, and their class numbers."""
    images, labels, seen = [], [], 0
    spec = batches.element_spec
    height, width, channels = (spec[0] if isinstance(spec, tuple) else spec).shape[1:]
    most = min(most, max(MOST_BYTES // (height * width * channels), 2))
    every = max(-(-rows_of(batches) // most), 1)
    for batch in batches:
        pixels, *rest = batch if isinstance(batch, tuple) else (batch,)
        chosen = slice(-seen % every, None, every)
        seen += len(pixels)
        images.append(pixels.numpy()[chosen])
        labels.append(rest[0].numpy()[chosen] if rest else np.zeros(len(images[-1]), "int32"))
    return np.concatenate(images), np.concatenate(labels)


def _run(model: Any, inputs: Array) -> Array:
    """Return what a model makes of inputs, one row an input."""
    import tensorflow as tf

    run = tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)
    parts = [run(tf.constant(inputs[start : start + 500])) for start in range(0, len(inputs), 500)]
    return np.concatenate([part.numpy() for part in parts])


def _small(pictures: Array) -> Array:
    """Return pictures as flat small ones, (pictures, numbers)."""
    rows, columns = (
        np.linspace(0, side, GRID + 1).astype(int)[:-1] for side in pictures.shape[1:3]
    )
    sums = np.add.reduceat(
        np.add.reduceat(pictures.astype("float64"), rows, axis=1), columns, axis=2
    )
    area = pictures.shape[1] * pictures.shape[2] / GRID**2
    small: Array = (sums / area / 255).reshape(len(pictures), -1)
    return small


def _judge(images: Array, labels: Array, classes: int) -> tuple[Any, Any]:
    """Return a classifier of real images, and the model of its features.

    It touches no global seed. Features are the 64 numbers before the softmax, after a ReLU.

    Args:
        images: Real training images, uint8 (images, height, width, channels).
        labels: Class number of each, (images,).
        classes: Number of classes.
    """
    import keras
    from keras import layers

    # Whatever the policy is that the recipe has set: the judge is always the same.
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    starts = (keras.initializers.GlorotUniform(seed=number) for number in range(5))
    inputs = keras.Input(images.shape[1:])
    x = layers.Rescaling(1 / 255)(inputs)
    for filters in (16, 32, 64):
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, kernel_initializer=next(starts)
        )(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.MaxPooling2D(padding="same")(layers.ReLU()(x))
    x = layers.Dense(64, "relu", kernel_initializer=next(starts))(layers.Flatten()(x))
    outputs = layers.Dense(classes, "softmax", kernel_initializer=next(starts))(x)
    judge = keras.Model(inputs, outputs)
    keras.config.set_dtype_policy(policy)
    epochs = max(1, min(8, JUDGED_IMAGES // len(images)))
    rate = keras.optimizers.schedules.CosineDecay(4e-3, epochs * -(-len(images) // 64))
    judge.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    random = np.random.default_rng(0)
    for _ in range(epochs):
        order = random.permutation(len(images))
        judge.fit(images[order], labels[order], batch_size=64, shuffle=False, verbose=0)
    return judge, keras.Model(inputs, x)
