"""What the layers of a network make of a picture: gradients, Grad-CAM, kernels, feature maps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.tasks.serving import SavedServing, call_serving

MOST_MAPS = 32
"""Kernels or feature maps of a convolution that are shown."""
ACROSS = 8
LARGEST_MAP = 64
"""Pixels a side of a feature map on the page; of a larger one, every second or third is shown."""
NO_LAYERS = (
    "The layers of this model cannot be reached, because it is stored as a program: saliency, "
    "Grad-CAM and feature maps are left out."
)
NO_GRADIENT = "The answer has no gradient with respect to the pixels: saliency is left out."
NO_CONVOLUTION = "The model has no convolution that its answer depends on: Grad-CAM is left out."

Score = Callable[[Any], Any]
"""From the model's outputs for one picture to the number whose gradients are asked for."""


@dataclass(frozen=True)
class Convolution:
    """A convolution, as pictures.

    Args:
        name: The layer's name.
        count: Its kernels, of which the first `MOST_MAPS` are shown.
        kernels: Mean over the input channels, side by side, uint8; None for kernels of one pixel.
        maps: What it makes of the picture, side by side, uint8.
    """

    name: str
    count: int
    kernels: Array | None
    maps: Array


@dataclass(frozen=True)
class Inside:
    """What the layers say of an answer to a picture.

    Args:
        saliency: Size of the gradient of the answer with respect to each pixel, the largest of its
            channels, (height, width) (Simonyan and others 2013, arXiv:1312.6034); None if unknown.
        grad_cam: How much what the last convolution finds there speaks for the answer, at least 0,
            (height, width) (Selvaraju and others 2017, arXiv:1610.02391); None if unknown.
        layer: Name of that convolution; empty if there is none.
        convolutions: Every convolution.
        missing: What is left out, and why; empty for nothing.
    """

    saliency: Array | None = None
    grad_cam: Array | None = None
    layer: str = ""
    convolutions: Sequence[Convolution] = ()
    missing: str = ""


@dataclass
class _Seen:
    """The pixels as numbers, and each layer that was called, with its outputs, in order."""

    pixels: Any = None
    calls: list[tuple[Any, Any]] = field(default_factory=list)


def look_inside(serving: Any, pixels: Array, score: Score) -> Inside:
    """Return what the layers of a model say of its answer to a picture.

    Args:
        serving: The model.
        pixels: uint8 (1, height, width, channels).
        score: The number that is to be explained, of the model's outputs.
    """
    import tensorflow as tf

    if isinstance(serving, SavedServing):
        return Inside(missing=NO_LAYERS)
    with tf.GradientTape() as tape:
        with _watched(tape, pixels.shape[1:3]) as seen:
            outputs = call_serving(serving, {serving.inputs[0].name: tf.constant(pixels)})
        number = score(outputs)
    # The convolution that is the answer itself, as that of a mask is, finds nothing before it.
    calls = seen.calls[:-1] if len(outputs.shape) == 4 else seen.calls
    layer, found = _last_found(calls)
    sources = [source for source in (seen.pixels, found) if source is not None]
    gradients = iter(tape.gradient(number, sources))
    of_pixels = next(gradients) if seen.pixels is not None else None
    of_found = next(gradients) if found is not None else None
    saliency = None if of_pixels is None else np.abs(_numbers(of_pixels)[0]).max(axis=-1)
    cam = None if of_found is None else _grad_cam(found, of_found, pixels.shape[1:3])
    missing = [(saliency, NO_GRADIENT), (cam, NO_CONVOLUTION)]
    return Inside(
        saliency=saliency,
        grad_cam=cam,
        layer="" if cam is None else layer,
        convolutions=[_convolution(one, made) for one, made in calls if _is_convolution(one, made)],
        missing=" ".join(why for one, why in missing if one is None),
    )


@contextmanager
def _watched(tape: Any, size: Sequence[int]) -> Iterator[_Seen]:
    """Note every call of a layer in the block, the first with the pixels as numbers.

    Whole numbers have no gradient, and a model's input turns numbers into them: what is watched is
    what the first layer takes that takes a picture.
    """
    import keras
    import tensorflow as tf

    seen, original = _Seen(), keras.Layer.__call__

    def watching(layer: Any, *args: Any, **options: Any) -> Any:
        if isinstance(layer, keras.Model):  # Its layers are noted.
            return original(layer, *args, **options)
        shape = getattr(args[0], "shape", ()) if args else ()
        if seen.pixels is None and len(shape) == 4 and tuple(shape[1:3]) == tuple(size):
            seen.pixels = tf.cast(args[0], "float32")
            tape.watch(seen.pixels)
            args = (seen.pixels, *args[1:])
        outputs = original(layer, *args, **options)
        seen.calls.append((layer, outputs))
        return outputs

    keras.Layer.__call__ = watching
    try:
        yield seen
    finally:
        keras.Layer.__call__ = original


def _kernel_of(layer: Any) -> Any:
    """Return the kernel of a convolution, (height, width, channels, filters); None of others."""
    for name in ("kernel", "depthwise_kernel"):
        kernel = getattr(layer, name, None)
        if kernel is not None and len(kernel.shape) == 4:
            return kernel
    return None


def _is_convolution(layer: Any, outputs: Any) -> bool:
    """Tell whether a layer is a convolution that makes maps."""
    return _kernel_of(layer) is not None and _is_maps(outputs)


def _is_maps(outputs: Any) -> bool:
    """Tell whether outputs have height, width and channels."""
    shape = getattr(outputs, "shape", ())
    return len(shape) == 4 and min(shape[1:3]) > 1


def _last_found(calls: Sequence[tuple[Any, Any]]) -> tuple[str, Any]:
    """Return the name of the last convolution, and what it found; nothing if there is none.

    That is its output behind its normalization, activation and pooling: what has as many channels.
    """
    name, found = "", None
    for layer, outputs in calls:
        if _is_convolution(layer, outputs):
            name, found = layer.name, outputs
        elif found is not None and _is_maps(outputs) and outputs.shape[-1] == found.shape[-1]:
            found = outputs
    return name, found


def _grad_cam(found: Any, gradient: Any, size: Sequence[int]) -> Array:
    """Return the sum of feature maps, each times the mean of its gradient, where it is above 0."""
    import tensorflow as tf

    weights = _numbers(gradient).mean(axis=(1, 2), keepdims=True)
    cam = np.maximum((weights * _numbers(found)).sum(axis=-1, keepdims=True), 0)
    larger: Array = tf.image.resize(cam, size).numpy()[0, :, :, 0]
    return larger


def _convolution(layer: Any, outputs: Any) -> Convolution:
    """Return a convolution and what it made of a picture."""
    import keras

    kernel = np.asarray(_numbers(_kernel_of(layer).value))
    count = outputs.shape[-1]
    kernels = None
    if max(kernel.shape[:2]) > 1:
        # A transposed convolution, and one in depth, has its filters before the last axis.
        before = isinstance(layer, keras.layers.Conv2DTranspose | keras.layers.DepthwiseConv2D)
        mean = kernel.mean(axis=3 if before else 2)[..., :MOST_MAPS]
        largest = np.abs(mean).max() or 1.0
        kernels = _side_by_side(np.moveaxis(0.5 + mean / (2 * largest), -1, 0))
    maps = np.moveaxis(_numbers(outputs)[0, ..., :MOST_MAPS], -1, 0)
    step = -(-max(maps.shape[1:]) // LARGEST_MAP)
    maps = maps[:, ::step, ::step]
    low, high = (end(axis=(1, 2), keepdims=True) for end in (maps.min, maps.max))
    maps = (maps - low) / np.where(high > low, high - low, 1)
    return Convolution(layer.name, count, kernels, _side_by_side(maps))


def _side_by_side(pictures: Array) -> Array:
    """Return pictures of numbers from 0 to 1, (count, height, width), as one, in grey, uint8."""
    count, height, width = pictures.shape
    down = -(-count // ACROSS)
    whole = np.full((down * (height + 1) - 1, min(count, ACROSS) * (width + 1) - 1), 128, "uint8")
    for place, picture in enumerate(pictures):
        top, left = place // ACROSS * (height + 1), place % ACROSS * (width + 1)
        whole[top : top + height, left : left + width] = (255 * picture).round()
    return whole


def _numbers(tensor: Any) -> Array:
    """Return a tensor as an array of 32 bits."""
    import tensorflow as tf

    found: Array = tf.cast(tensor, "float32").numpy()
    return found
