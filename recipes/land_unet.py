"""Mark the land in pictures of the Earth, pixel by pixel, with a small U-Net.

    dlrecipes train land-unet --data sample   58 s  mean_iou 0.928

A segmentation network answers with a picture: for every pixel, a probability of each class. A U-Net
(arXiv:1505.04597) goes down, halving the image so that a convolution sees more of it, and up again,
doubling it. On the way up it reads, beside the coarse answer, the fine features from the way down,
by "skip connections": the bottom knows what is there, the skips know exactly where. The score is

    IoU = pixels of the class in both masks / pixels of the class in either mask,

averaged over the classes: unlike the share of right pixels, a large class cannot carry it alone.
The full data are photos of pets, with the pixels of the pet, its outline and the background.
The best threshold on red reaches 0.82; on green minus blue, 0.91.

Try `--filters 16`, without a way down: it sees 5x5 pixels, and judges by little more than colour;
`--no-batch-normalization`; `--epochs 5`.
"""

from dataclasses import dataclass

import keras
from keras import layers

import dlrecipes
from dlrecipes import Data, Source, TrainingConfig

TASK = "image-segmentation"
DATASET = "oxford_iiit_pet"
SAMPLE = "land.npz"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of the network, and other defaults than those that recipes share.

    Args:
        filters: Channels at each level, from the full image to the bottom, each of half the size.
    """

    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 3e-3
    filters: tuple[int, ...] = (16, 32, 64)


def load(config: Config, source: Source) -> Data:
    """Return batches of uint8 pixels and of masks (batch, height, width) of class numbers."""
    train, validation = source.train_and_validation(config.validation_fraction)
    return source.data(
        train=train.batches(config.batch_size, shuffle=True),
        validation=validation.batches(64),
        test=source.test.batches(64),
    )


def build(config: Config, data: Data) -> keras.Model:
    """Return the compiled network: uint8 pixels -> probabilities of the classes of each pixel."""
    keras.config.set_dtype_policy(config.precision)
    *levels, bottom = config.filters
    inputs = keras.Input(data.image_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x, height, width = whole_levels(x, len(levels))
    skips = []
    for filters in levels:
        x = convolve_twice(config, data, x, filters)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.SpatialDropout2D(config.dropout)(convolve_twice(config, data, x, bottom))
    for filters, skip in zip(reversed(levels), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 2, strides=2)(x)
        x = convolve_twice(config, data, layers.Concatenate()([skip, x]), filters)
    x = x[:, :height, :width]
    outputs = layers.Conv2D(len(data.classes), 1, activation="softmax", dtype="float32")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=dlrecipes.make_optimizer(config, steps_per_epoch=len(data.train)),
        loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=255),  # of no class
        metrics=["accuracy"],
        steps_per_execution=config.steps_per_execution,
    )
    return model


def whole_levels(x: keras.KerasTensor, levels: int) -> tuple[keras.KerasTensor, int, int]:
    """Return images whose sides can be halved at every level, and their height and width before."""
    height, width = x.shape[1:3]
    missing = [-side % 2**levels for side in (height, width)]
    return layers.ZeroPadding2D([(0, missing[0]), (0, missing[1])])(x), height, width


def convolve_twice(config: Config, data: Data, x: keras.KerasTensor, filters: int):
    """Return features of the 5x5 pixels around each pixel, from two 3x3 convolutions."""
    penalty = keras.regularizers.L1L2(config.l1, config.l2)
    normal = config.batch_normalization  # It subtracts the mean: a bias would be lost in it.
    for _ in range(2):
        options = {"use_bias": not normal, "kernel_regularizer": penalty}
        x = layers.Conv2D(filters, 3, padding="same", **options)(x)
        x = dlrecipes.normalization(config, data)(x) if normal else x
        x = layers.Activation(config.activation)(x)
    return x


def train(model: keras.Model, data: Data, config: Config, callbacks=()) -> keras.callbacks.History:
    """Fit the network and return Keras's history."""
    return model.fit(
        data.train,
        validation_data=data.validation,
        epochs=config.epochs,
        callbacks=[*dlrecipes.early_stopping(config), *callbacks],
    )


def evaluate(model: keras.Model, data: Data, config: Config) -> dict[str, float]:
    """Return the mean intersection over union, and that of each class, over all test pixels."""
    return dlrecipes.segmentation_metrics(model, data.test, data.classes)


PRESETS = {}
EXPECTED = {"sample": {"mean_iou": (0.92, 0.94)}}
