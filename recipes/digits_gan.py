"""Draw handwritten digits that nobody wrote, with two networks that learn from each other.

    dlrecipes train digits-gan --data sample   78 s  frechet_distance 9.406

The generator G turns noise z, 64 random numbers, into a picture; the discriminator D gives a
picture a number, high if it takes it for real. A step moves both (arXiv:1406.2661), each down its
own loss and with its own optimizer, where softplus(x) = log(1 + exp(x)):

    D    softplus(-D(real)) + softplus(D(G(z)))    tell real from drawn
    G    softplus(-D(G(z)))                        be taken for real

Neither loss says how good the pictures are: one falls as the other rises. A judge does, a
classifier of real digits: by the Fréchet distance between its features of drawn and of real
pictures (arXiv:1706.08500; real training digits have 1.3, noise has 641), and by the share of the
ten digits that are drawn at all. Momentum would carry each network past where the other one just
was, so there is none. A running average of G's weights draws better than they do.

Try `--optimizer adam --momentum 0.9`; `--schedule constant --learning-rate 1e-3`.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf
from keras import layers, ops

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "image-generation"
DATASET = "mnist"
SAMPLE = "mnist.npz"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the networks, and other defaults than those that recipes share.

    Args:
        noise_units: Random numbers that a picture is drawn from.
        filters: Channels of the generator's first picture, and of the discriminator's last.
        average: Share of the running average of the generator that a step keeps.
    """

    epochs: int = 40
    learning_rate: float = 2e-3
    # Not lion or sgd: neither learns to draw at a rate that suits the others.
    optimizer: Literal["adam", "adamw", "nadam", "rmsprop"] = "rmsprop"
    momentum: float = 0.0
    noise_units: int = 64
    filters: int = 64
    average: float = 0.995


def load(config: Config, source: Source) -> Data:
    """Return batches of uint8 pixels (batch, height, width, channels); those of the judge, too."""
    train, validation = source.train_and_validation(config.validation_fraction)
    return source.with_input(size=config.noise_units).data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=validation.batches(1000),
        test=source.test.batches(1000),
        judged=train.batches(1000),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled pair: noise (batch, noise_units) -> pictures, pixels from 0 to 255."""
    height, width, channels = data.image_shape
    small = (-(-height // 4), -(-width // 4), config.filters)
    noise = keras.Input((config.noise_units,), name="noise")
    x = layers.Dense(small[0] * small[1] * config.filters, use_bias=False)(noise)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layers.Reshape(small)(x)))
    x = layers.Conv2DTranspose(config.filters // 2, 4, 2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Conv2DTranspose(channels, 4, 2, padding="same", activation="sigmoid")(x)
    drawn = layers.Rescaling(255, dtype="float32")(x[:, :height, :width])
    picture = keras.Input(data.image_shape, name="picture")
    x = layers.Rescaling(1 / 255)(picture)
    for filters in (config.filters // 2, config.filters):
        x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 4, 2, padding="same")(x))
    told = layers.Dense(1, dtype="float32")(layers.Flatten()(x))
    model = GAN(keras.Model(noise, drawn), keras.Model(picture, told), config.average)
    first, second = (dlrecipes.make_optimizer(config, len(data.train)) for _ in range(2))
    model.compile(first, second, steps_per_execution=config.steps_per_execution)
    return model


class GAN(keras.Model):
    """A generator and a discriminator; called, it draws with the generator's running average."""

    def __init__(self, generator: keras.Model, discriminator: keras.Model, average: float) -> None:
        averaged = keras.models.clone_model(generator)
        averaged.set_weights(generator.get_weights())
        super().__init__(averaged.input, averaged.output)
        self.averaged, self.average = averaged, average
        self.generator, self.discriminator = generator, discriminator
        self.seed = keras.random.SeedGenerator()  # Its state is a variable: saved and resumed.

    def compile(self, optimizer, discriminator_optimizer, **options) -> None:
        """Take an optimizer for the generator and one for the discriminator."""
        super().compile(optimizer, **options)
        self.discriminator_optimizer = discriminator_optimizer
        optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    def losses_of(self, data, *, training: bool) -> dict:
        """Return the loss of each network for a batch of real pixels and as many drawn pictures."""
        pixels, *_ = keras.utils.unpack_x_y_sample_weight(data)
        shape = (ops.shape(pixels)[0], self.generator.input_shape[1])
        drawn = self.generator(keras.random.normal(shape, seed=self.seed), training=training)
        pictures = ops.concatenate([ops.cast(pixels, drawn.dtype), drawn])
        real, fake = ops.split(self.discriminator(pictures, training=training), 2)
        told = ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))
        return {"loss": told, "generator_loss": ops.mean(ops.softplus(-fake))}

    def train_step(self, data) -> dict:
        """Move each network down its own loss, and the average towards the generator."""
        with tf.GradientTape(persistent=True) as tape:
            losses = self.losses_of(data, training=True)
        for network, optimizer, loss in (
            (self.generator, self.optimizer, losses["generator_loss"]),
            (self.discriminator, self.discriminator_optimizer, losses["loss"]),
        ):
            variables = network.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        for mean, weight in zip(self.averaged.weights, self.generator.weights, strict=True):
            mean.assign(self.average * mean + (1 - self.average) * weight)
        return losses

    def test_step(self, data) -> dict:
        """Return the losses for real pictures that no network was trained on."""
        return self.losses_of(data, training=False)


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit both networks and return Keras's history; no loss says when to stop."""
    return model.fit(
        data.train, validation_data=data.validation, epochs=config.epochs, callbacks=[*callbacks]
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return how near the drawn pictures come to the test images, as the judge sees them."""
    return dlrecipes.generated_image_metrics(model, data)


PRESETS = {}
OWN_STEPS = 0  # No validation loss tells when it is enough.
EXPECTED = {"sample": {"frechet_distance": (6.0, 20.0)}}
