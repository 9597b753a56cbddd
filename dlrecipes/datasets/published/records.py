"""Read columns of a prepared data set from its files, with TensorFlow's parser, many rows at once.

TensorFlow Datasets itself parses and decodes one row after another, which takes ten times as long.
"""

import gzip
import os
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from dlrecipes.datasets.published.features import Feature
from dlrecipes.datasets.published.prepared import Prepared
from dlrecipes.datasets.storage import CHUNK, Array
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.system.backend import hide_gpus, load_tensorflow

CHUNK_BYTES = 4 * 2**20
"""Rows are read together up to this size in the file: images may be ten times as large decoded."""
DECODED_BYTES = 8 * 2**20
"""Images are decoded together up to this size: several such chunks are at work side by side."""
READ_AHEAD = 2**20
NOT_FOR_USERS = re.compile(r"\{\{.*?\}\}| ?\[Op:.*", re.DOTALL)
"""What TensorFlow says of its own insides around the message of an error."""
UNPACK: Mapping[str, Callable[[bytes], bytes]] = {
    "bytes": bytes,
    "zlib": zlib.decompress,
    "gzip": gzip.decompress,
}

MOST_PARALLEL = 8
"""Chunks that are decoded side by side at most: each takes memory."""

Chunk = dict[str, Any]
"""From the path of a feature to its values in some rows: an array of numbers or categories, if all
rows have as many, and of pixels that are to be decoded; else a list, of `bytes` for images, `str`
for texts, and arrays for the rest."""


def read_chunks(
    prepared: Prepared,
    split: str,
    columns: Sequence[str],
    pixels: Collection[str] = (),
    most: int | None = None,
) -> Iterator[Chunk]:
    """Yield columns of a split, some rows at a time, in order. Imports TensorFlow.

    Args:
        prepared: The data set.
        split: The data set's own name of the split.
        columns: Paths of the features to read.
        pixels: Those of images of one shape that are to be decoded, on all cores.
        most: Rows to stop after; None to read all.

    Raises:
        InputError: if there is no such column, or it cannot be read.
        DlrecipesError: if the files are damaged.
    """
    features = [_feature(prepared, path) for path in columns]
    hide_gpus()
    tf = load_tensorflow()
    images = [feature for feature in features if feature.path in pixels]
    size = min(CHUNK, CHUNK_BYTES // max(prepared.bytes_per_row(split), 1))
    for image in images:
        size = min(size, DECODED_BYTES // prod(length or 1 for length in image.shape))
    form = {feature.path: _parser(tf, feature) for feature in features}
    files = [str(path) for path in prepared.files(split)]
    records = tf.data.TFRecordDataset(files, buffer_size=READ_AHEAD)
    records = records if most is None else records.take(most)

    def parse(rows: Any) -> dict[str, Any]:
        batch: dict[str, Any] = tf.io.parse_example(rows, form)
        return batch | {image.path: _pixels(tf, batch[image.path], image) for image in images}

    parallel = min(os.cpu_count() or 1, MOST_PARALLEL) if images else None
    batches = records.batch(max(size, 1)).map(parse, num_parallel_calls=parallel).prefetch(1)
    try:
        for batch in batches:
            yield {
                feature.path: batch[feature.path].numpy()
                if feature in images
                else _values(batch[feature.path], feature)
                for feature in features
            }
    except tf.errors.OpError as error:
        reason = NOT_FOR_USERS.sub("", error.message).strip().partition("\n")[0]
        raise DlrecipesError(
            f"The files in {prepared.folder} cannot be read: {reason}.",
            f"Remove them, and fetch the data set again: dlrecipes data clear {prepared.name}",
        ) from error


def _feature(prepared: Prepared, path: str) -> Feature:
    """Return a feature that can be read."""
    feature = prepared.description.feature(path)
    if feature is None:
        names = ", ".join(feature.path for feature in prepared.description.features)
        raise InputError(f"{prepared.name} has no feature {path!r}: it has {names}.")
    if feature.kind == "other" or feature.value_shape.count(None) > 1:
        raise InputError(
            f"The feature {path} of {prepared.name} cannot be read: only one of the lengths of a "
            f"feature may differ from row to row, and its shape is {feature.shape}."
        )
    return feature


def _stored_type(tf: Any, feature: Feature) -> Any:
    """Return the type that a feature's values have in the file, which knows only three."""
    if feature.is_encoded or feature.encoding or feature.dtype == "string":
        return tf.string
    return tf.float32 if np.dtype(feature.dtype).kind == "f" else tf.int64


def _parser(tf: Any, feature: Feature) -> Any:
    """Return how TensorFlow is to parse a feature."""
    if feature.values_per_row is None:
        return tf.io.RaggedFeature(_stored_type(tf, feature))
    return tf.io.FixedLenFeature(feature.value_shape, _stored_type(tf, feature))


def _pixels(tf: Any, contents: Any, image: Feature) -> Any:
    """Return the decoded pixels of images of one shape."""
    channels = image.shape[-1]

    def decode(content: Any) -> Any:
        # TensorFlow's own choice for JPEG is faster than Pillow's, and up to 5 of 255 away from it.
        pixels = tf.cond(
            tf.io.is_jpeg(content),
            lambda: tf.io.decode_jpeg(content, channels, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_png(content, channels),
        )
        return tf.ensure_shape(pixels, image.shape)

    return tf.map_fn(decode, contents, fn_output_signature=tf.TensorSpec(image.shape, tf.uint8))


def _values(found: Any, feature: Feature) -> Any:
    """Return parsed values as `Chunk` has them."""
    if feature.values_per_row is None:
        shape = [-1 if length is None else length for length in feature.value_shape]
        rows = np.split(found.flat_values.numpy(), found.row_splits.numpy()[1:-1])
        return [_plain(row.reshape(shape), feature) for row in rows]
    return _plain(found.numpy(), feature)


def _plain(values: Array, feature: Feature) -> Any:
    """Return values of the feature's own type: texts decoded, packed numbers unpacked."""
    if feature.is_encoded:
        return values.tolist()
    if feature.encoding:
        unpack = UNPACK[feature.encoding]
        shape = [-1 if length is None else length for length in feature.shape]
        return [
            np.frombuffer(unpack(packed), feature.dtype).reshape(shape) for packed in values.flat
        ]
    if feature.dtype == "string":
        return _texts(values.tolist())
    return values.astype(feature.dtype, copy=False)


def _texts(found: Any) -> Any:
    """Return texts, which the file has as UTF-8; they may be in lists."""
    if isinstance(found, list):
        return [_texts(part) for part in found]
    return found.decode("utf-8", errors="replace")
