"""A network that trains on images changed to mislead it. It imports Keras: import it late."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

STEP = 1.25
"""Length of the step that misleads, where the strength is 1: as Wong and others have it."""


class AdversarialModel(keras.Model):
    """A functional network that trains on images changed to mislead it.

    Attributes:
        strength: The most that a grey value, from 0 to 255, is changed by.
        seed: Gives the random starts.
        answer: The network as a function of float32 images.
    """

    def train_step(self, data: Any) -> Any:
        """Train on the images of a batch as they mislead the network now."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        changed = self.misleading(images, labels)
        return super().train_step(keras.utils.pack_x_y_sample_weight(changed, labels, weights))

    def misleading(self, images: Any, labels: Any) -> Any:
        """Return images changed by up to the strength, uint8 as they are."""
        images = ops.cast(images, "float32")
        limit = self.strength
        noise = keras.random.uniform(ops.shape(images), -limit, limit, seed=self.seed)
        start = ops.clip(images + noise, 0, 255)
        with tf.GradientTape() as tape:
            tape.watch(start)
            loss = self.compute_loss(images, labels, self.answer(start), training=False)
        moved = noise + STEP * limit * ops.sign(tape.gradient(loss, start))
        changed = images + ops.clip(moved, -limit, limit)
        return ops.cast(ops.round(ops.clip(changed, 0, 255)), "uint8")
