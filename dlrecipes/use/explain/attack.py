"""Attacks on classifiers of images, by ART: small changes of a picture that flip the answer.

A change of the strength s moves no grey value, from 0 to 255, by more than s. FGSM moves each one
by s to the side that raises the loss (Goodfellow and others 2015, arXiv:1412.6572). PGD makes many
small steps that way, from a random start (Madry and others 2018, arXiv:1706.06083): it needs less
strength. Both come from the Adversarial Robustness Toolbox.
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.record import Run
from dlrecipes.tasks import find_task
from dlrecipes.tasks.base import Answer
from dlrecipes.tasks.results import Examined
from dlrecipes.tasks.serving import SavedServing

METHODS = ("FGSM", "PGD")
WHITE = 255
"""The highest grey value, and the greatest strength."""
STEPS, STEP = 20, 2.5
"""Steps of PGD, and the sum of their lengths where the strength is 1."""
BATCH_SIZE = 128
SEED = 0


@contextmanager
def _another_home() -> Iterator[None]:
    """Give the block an empty home: ART writes settings there when it is imported."""
    before = os.environ.get("HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        try:
            yield
        finally:
            del os.environ["HOME"]
            if before is not None:
                os.environ["HOME"] = before


def require_art() -> tuple[Any, Any]:
    """Return ART's attacks, and its class of classifiers of TensorFlow.

    Raises:
        InputError: if it is not installed.
    """
    try:
        with _another_home(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It misses PyTorch, which is not needed.
            from art.attacks import evasion
            from art.estimators.classification import TensorFlowV2Classifier
    except ImportError as error:
        raise InputError(
            "explain --attack needs the Adversarial Robustness Toolbox, which is not installed.",
            "Install it: pip install 'dlrecipes[robust]'",
        ) from error
    return evasion, TensorFlowV2Classifier


def require_images_with_classes(run: Run) -> None:
    """Raise InputError unless a run gives images classes: nothing else can be attacked."""
    task = find_task(run.task)
    if task.input.name != "image" or task.answer.name != "category":
        raise InputError(
            "--attack flips the class of an image by small changes of its grey values: "
            f"{run.run} does {run.task}."
        )


@dataclass(frozen=True, eq=False)
class Flip:
    """The smallest change found that flips an answer.

    Args:
        method: `FGSM` or `PGD`.
        epsilon: The most that a grey value changes, of 255.
        answer: The class that is answered to the changed picture.
        probability: Its probability.
        picture: The changed picture: uint8 (height, width, channels).
    """

    method: str
    epsilon: int
    answer: str
    probability: float
    picture: Array


class Victim:
    """A classifier of images, and the attacks on it.

    Args:
        run: Its run.
        serving: The model as it is used.

    Raises:
        InputError: if it is stored as a program, whose gradients nobody knows.
    """

    def __init__(self, run: Run, serving: Any) -> None:
        from dlrecipes.kit.adversarial import with_float_input

        if isinstance(serving, SavedServing):
            raise InputError(
                f"The model of {run.run} has classes of its recipe's own and is stored as a "
                "program, which cannot be attacked."
            )
        self.evasion, classifier = require_art()
        self.answer: Answer = find_task(run.task).answer
        self.form = form_of(run).answer
        self.classes: list[str] = list(getattr(self.form, "classes", ()))
        network = with_float_input(serving)
        self.outputs, gradient = _compiled(network)
        self.classifier = classifier(
            model=network,
            nb_classes=len(self.classes),
            input_shape=tuple(network.input_shape[1:]),
            loss_object=_surprise,
            clip_values=(0, WHITE),
        )
        # Its own is not compiled, and PGD takes many.
        self.classifier.loss_gradient = gradient

    def examined(self, images: Array, labels: Array) -> Examined:
        """Return the answers to images, beside class numbers."""
        parts = [
            self.outputs(images[start : start + BATCH_SIZE].astype("float32")).numpy()
            for start in range(0, len(images), BATCH_SIZE)
        ]
        return self.answer.examine(np.concatenate(parts), labels, self.form)

    def right(self, images: Array, labels: Array) -> Array:
        """Return whether the answer to each image is the class of this number, bool (images,)."""
        found = self.examined(images, labels)
        pairs = zip(found.prediction, found.truth, strict=True)
        return np.array([answer == truth for answer, truth in pairs], bool)

    def changed(self, method: str, images: Array, labels: Array, strength: int) -> Array:
        """Return images changed so that the classes of these numbers become unlikely, uint8.

        Args:
            method: `FGSM` or `PGD`.
            images: uint8 (images, height, width, channels).
            labels: Class numbers (images,).
            strength: The most that a grey value changes, from 1 to 255.
        """
        options: dict[str, Any] = {"norm": np.inf, "batch_size": BATCH_SIZE, "eps": float(strength)}
        if method == "FGSM":
            attack = self.evasion.FastGradientMethod(self.classifier, **options)
        else:
            np.random.seed(SEED)  # The random start is drawn from NumPy's own generator.
            options |= {"eps_step": STEP * strength / STEPS, "max_iter": STEPS}
            attack = self.evasion.ProjectedGradientDescent(
                self.classifier, num_random_init=1, verbose=False, **options
            )
        one_hot = np.eye(len(self.classes), dtype="float32")[labels]
        # The strength is a whole number: rounded values are changed by no more.
        found: Array = np.rint(attack.generate(images.astype("float32"), one_hot)).astype("uint8")
        return found

    def flipped(self, method: str, image: Array, label: int) -> Flip | None:
        """Return the smallest change found that flips the answer to an image; None for none.

        Args:
            method: `FGSM` or `PGD`.
            image: uint8 (height, width, channels).
            label: The number of the class that is answered.
        """
        search = {"FGSM": _first, "PGD": _halved}[method]
        picture = search(partial(self._flip_at, method, image[np.newaxis], np.array([label])))
        if picture is None:
            return None
        found = self.examined(picture[np.newaxis], np.array([label]))
        apart = np.abs(picture.astype("int16") - image)
        return Flip(method, int(apart.max()), found.prediction[0], found.probability[0], picture)

    def _flip_at(self, method: str, images: Array, labels: Array, strength: int) -> Array | None:
        """Return the picture that an attack of a strength makes; None if the answer stays."""
        picture = self.changed(method, images, labels, strength)
        return None if self.right(picture, labels)[0] else picture[0]


def _surprise(labels: Any, outputs: Any) -> Any:
    """Return the cross-entropy of each example, from logits where Keras knows them.

    Args:
        labels: One-hot (batch, classes).
        outputs: Probabilities (batch, classes), or (batch, 1): that of the second class.
    """
    import keras

    if outputs.shape[-1] == 1:
        return keras.losses.binary_crossentropy(labels[:, 1:], outputs)
    return keras.losses.categorical_crossentropy(labels, outputs)


def _compiled(network: Any) -> tuple[Callable[[Any], Any], Callable[..., Any]]:
    """Return a function from images to outputs, and ART's to the gradient of the loss."""
    import tensorflow as tf

    def slope(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = _surprise(labels, network(images, training=False))
        return tape.gradient(loss, images)

    outputs = tf.function(partial(network, training=False), reduce_retracing=True)
    compiled = tf.function(slope, reduce_retracing=True)

    def gradient(images: Any, labels: Any, **_: Any) -> Any:
        found = compiled(tf.convert_to_tensor(images), tf.convert_to_tensor(labels))
        return found.numpy() if isinstance(images, np.ndarray) else found

    return outputs, gradient


def _first(flip_at: Callable[[int], Array | None]) -> Array | None:
    """Return the first picture that flips the answer, of all strengths in order."""
    found = (flip_at(strength) for strength in range(1, WHITE + 1))
    return next((picture for picture in found if picture is not None), None)


def _halved(flip_at: Callable[[int], Array | None]) -> Array | None:
    """Return a picture that flips the answer where one of less strength does not.

    The strength is doubled until the answer flips; then the interval is halved.
    """
    low, high = 0, 1
    while (picture := flip_at(high)) is None:
        if high == WHITE:
            return None
        low, high = high, min(2 * high, WHITE)
    while high - low > 1:
        middle = (low + high) // 2
        if (other := flip_at(middle)) is None:
            low = middle
        else:
            high, picture = middle, other
    return picture
