"""Encoded images in an export: PNG and JPEG as the pixels that a model takes.

It does in TensorFlow's operations what `read_image` and `as_trained` do with Pillow, to a grey
value or two. It does not turn photos by their EXIF data, and takes the upper eight bits of sixteen.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from dlrecipes.datasets.own.images import BACKGROUNDS
from dlrecipes.datasets.own.ink import DARK, LIGHT

if TYPE_CHECKING:
    from dlrecipes.tasks.inputs.image import ImageForm

RATIOS = (1, 2, 4, 8)
"""How much smaller a JPEG can be decoded: as Pillow does it, to twice the size or more."""
PNG = b"\x89PNG"
PNG_SIZE = (16, 8)
"""Where a PNG has its width and its height, and in how many bytes: before anything is packed."""
MOST_PIXELS, MOST_JPEG_PIXELS = 25_000_000, 100_000_000
"""Of one image: a small file can hold more than memory does. A JPEG is decoded to fewer."""
GREY = (19_595 / 65_536, 38_470 / 65_536, 7_471 / 65_536)
"""Weights of red, green and blue, as Pillow has them."""


def pixels_of(contents: Any, form: "ImageForm") -> Any:
    """Return the pixels of encoded images, uint8 (batch, height, width, channels).

    Args:
        contents: PNG or JPEG files, string (batch,).
        form: The form of the images that the model was trained on.
    """
    import tensorflow as tf

    return tf.map_fn(
        lambda content: _pixels(content, form),
        contents,
        fn_output_signature=tf.TensorSpec(form.shape, tf.uint8),
        parallel_iterations=1,  # Ten large images at once would take ten times the memory.
    )


def _pixels(content: Any, form: "ImageForm") -> Any:
    """Return the pixels of one image."""
    import tensorflow as tf

    height, width, channels = form.shape
    is_png = tf.strings.substr(content, 0, len(PNG)) == PNG
    content = _checked(content, is_png)
    image = tf.cond(
        is_png,
        lambda: _on_background(tf.io.decode_png(content, channels=4), form.background),
        lambda: _photo(content, form),
    )
    image = tf.ensure_shape(tf.cast(image, tf.float32), (None, None, 3))
    if channels == 1:
        image = tf.round(tf.reduce_sum(image * tf.constant(GREY), axis=-1, keepdims=True))
    image = tf.image.resize(image, (height, width), antialias=True)
    image = tf.ensure_shape(tf.clip_by_value(tf.round(image), 0, 255), form.shape)
    return tf.cast(_in_its_ink(image, form), tf.uint8)


def _checked(content: Any, is_png: Any) -> Any:
    """Return an encoded image, once it is one that memory holds: its size is read first."""
    import tensorflow as tf

    is_whole = is_png & (tf.strings.length(content) >= sum(PNG_SIZE))
    is_known = tf.debugging.Assert(
        is_whole | tf.io.is_jpeg(content), ["An image must be a PNG or JPEG file."]
    )
    with tf.control_dependencies([is_known]):
        size = tf.cond(
            is_png,
            lambda: tf.io.decode_raw(
                tf.strings.substr(content, *PNG_SIZE), tf.int32, little_endian=False
            ),
            lambda: tf.io.extract_jpeg_shape(content)[:2],
        )
    most = tf.where(is_png, MOST_PIXELS, MOST_JPEG_PIXELS)
    is_small = tf.debugging.Assert(
        tf.reduce_prod(tf.cast(size, tf.int64)) <= tf.cast(most, tf.int64),
        ["An image has too many pixels:", size, "of at most", most],
    )
    with tf.control_dependencies([is_small]):
        return tf.identity(content)


def _photo(content: Any, form: "ImageForm") -> Any:
    """Return the pixels of a JPEG, near the size wanted."""
    import tensorflow as tf

    def decoded(ratio: int) -> Any:
        channels = form.shape[-1]  # Grey is in the file of a JPEG.
        how = {"ratio": ratio, "dct_method": "INTEGER_ACCURATE"}
        return (
            tf.image.grayscale_to_rgb(tf.io.decode_jpeg(content, channels=1, **how))
            if channels == 1
            else tf.io.decode_jpeg(content, channels=3, **how)
        )

    size = tf.io.extract_jpeg_shape(content)[:2]
    larger = tf.reduce_min(size // (2 * tf.constant(form.shape[:2])))
    place = tf.reduce_sum(tf.cast(larger >= RATIOS[1:], tf.int32))
    return tf.switch_case(place, [partial(decoded, ratio) for ratio in RATIOS])


def _on_background(image: Any, background: str) -> Any:
    """Return an image without transparency, as `on_background`."""
    import tensorflow as tf

    image = tf.cast(image, tf.float32)
    colour, alpha = image[..., :3], image[..., 3:] / 255
    names = [background] if background else list(BACKGROUNDS)
    levels = tf.constant([float(BACKGROUNDS[name]) for name in names])
    best = tf.argmax([_contrast(colour, alpha, levels[place]) for place in range(len(names))])
    level = tf.gather(levels, best)
    shown = tf.round(colour * alpha + level * (1 - alpha))
    # One that is transparent everywhere is shown as if it were not.
    return tf.cast(tf.where(tf.reduce_max(alpha) == 0, colour, shown), tf.uint8)


def _contrast(colour: Any, alpha: Any, level: Any) -> Any:
    """Return how well what is not transparent is seen on a background."""
    import tensorflow as tf

    return tf.reduce_mean(alpha * (colour - level) ** 2)


def _in_its_ink(image: Any, form: "ImageForm") -> Any:
    """Return an image with the ink of the training images, as `as_trained`."""
    import tensorflow as tf

    if form.invert != "auto":
        return 255 - image if form.invert == "yes" else image
    if form.shape[-1] != 1 or not form.border:
        return image
    grey = image[..., 0]
    edges = tf.sort(tf.concat([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]], axis=0))
    count = int(edges.shape[0])
    border = (edges[(count - 1) // 2] + edges[count // 2]) / 2
    low, high = form.border
    if high <= DARK:
        return tf.where(border >= LIGHT, 255 - image, image)
    return tf.where(border <= DARK, 255 - image, image) if low >= LIGHT else image
