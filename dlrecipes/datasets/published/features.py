"""What the rows of a data set hold: its features, as TensorFlow Datasets records them in a file."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

Json = Mapping[str, Any]

KINDS = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "boundingBox": "boxes",
    "text": "text",
    "classLabel": "category",
    "tensor": "number",
}
"""The kinds of features, by the name under which a record has what only that kind has."""
DTYPES = {"text": "string", "category": "int64", "boxes": "float32", "image": "uint8"}
"""The types of values that a record does not state."""
TEXT_DTYPES = ("string", "object", "str", "bytes")


@dataclass(frozen=True)
class Feature:
    """A feature of every row.

    Args:
        path: Its name; the names of a nested one are joined by slashes: `features/carat`.
        kind: `image` (a mask, which has classes, is one too), `text`, `category`, `number`,
            `audio`, `video`, `boxes`, `sequence`, or `other`.
        shape: Shape of its value; None for a length that differs from row to row.
        dtype: Type of its values, as NumPy calls it; `string` for texts.
        classes: Names of the classes of a category or a mask, in the order of their numbers.
        of: The kind of what a sequence holds; empty for anything else.
        sample_rate: Values a second of audio; 0 if that is not recorded.
        encoding: How numbers are packed in the file: `bytes`, `zlib` or `gzip`; empty if they are
            not.
    """

    path: str
    kind: str
    shape: tuple[int | None, ...] = ()
    dtype: str = "string"
    classes: tuple[str, ...] = ()
    of: str = ""
    sample_rate: int = 0
    encoding: str = ""

    @property
    def is_single(self) -> bool:
        """Tell whether its value is one number, or one of whatever it holds."""
        return all(length == 1 for length in self.shape)

    @property
    def value_kind(self) -> str:
        """Return the kind of its values: what it holds, if it is a sequence."""
        return self.of or self.kind

    @property
    def is_encoded(self) -> bool:
        """Tell whether a value is the bytes of a file: an image, or a frame of a video."""
        return self.value_kind in ("image", "video")

    @property
    def value_shape(self) -> tuple[int | None, ...]:
        """Return the shape of what is stored: the bytes of a file are one value."""
        if self.kind == "image":
            return ()
        if self.is_encoded or self.encoding:
            return self.shape[:1] if self.kind in ("sequence", "video") else ()
        return self.shape

    @property
    def values_per_row(self) -> int | None:
        """Return how many values a row has; None if that differs."""
        fixed = [length for length in self.value_shape if length is not None]
        return prod(fixed) if len(fixed) == len(self.value_shape) else None


@dataclass(frozen=True)
class Description:
    """What a data set holds.

    Args:
        name: Its full name.
        features: The features of every row, in order of path.
        supervised: Paths of the inputs, and of what is to be predicted of them, as the data set's
            authors mean it to be used; None if they do not say.
        splits: Rows of each split, by the data set's own names; empty if that is not known before
            it is prepared.
    """

    name: str
    features: tuple[Feature, ...]
    supervised: tuple[tuple[str, ...], tuple[str, ...]] | None
    splits: Mapping[str, int]

    def feature(self, path: str) -> Feature | None:
        """Return the feature of that path, if there is one."""
        return next((feature for feature in self.features if feature.path == path), None)


ClassNames = Callable[[str], tuple[str, ...]]
"""From the path of a feature to the names of its classes; empty if they are not known."""


def read_features(record: Json, class_names: ClassNames) -> tuple[Feature, ...]:
    """Return the features that a record of TensorFlow Datasets describes, in order of path.

    Args:
        record: The content of `features.json`.
        class_names: Finds the names of classes.
    """
    return tuple(sorted(_leaves("", record, class_names), key=lambda feature: feature.path))


def _leaves(path: str, record: Json, class_names: ClassNames) -> Iterator[Feature]:
    """Yield the features in a part of a record."""
    below = f"{path}/" if path else ""
    if "featuresDict" in record:
        for name, part in record["featuresDict"].get("features", {}).items():
            yield from _leaves(f"{below}{name}", part, class_names)
    elif "sequence" in record:
        length = int(record["sequence"].get("length", -1))
        for inner in _leaves(path, record["sequence"]["feature"], class_names):
            shape = (None if length < 0 else length, *inner.shape)
            yield replace(inner, kind="sequence", of=inner.value_kind, shape=shape)
    elif "translation" in record:
        if record["translation"].get("variableLanguagesPerExample"):
            for name in ("language", "translation"):
                yield Feature(f"{below}{name}", "sequence", (None,), of="text")
        else:
            for language in record["translation"].get("languages", ()):
                yield Feature(f"{below}{language}", "text")
    else:
        yield _leaf(path, record, class_names)


def _leaf(path: str, record: Json, class_names: ClassNames) -> Feature:
    """Return the feature that a record describes which holds no others."""
    key = next((key for key in KINDS if key in record), "")
    content = record.get(key, {})
    kind = KINDS.get(key, "other")
    dtype = content.get("dtype") or DTYPES.get(kind, "float32")
    if kind == "number" and dtype in TEXT_DTYPES:
        kind = "text"
    encoding = content.get("encoding", "none").lower()
    count = int((content.get("label") or content).get("numClasses", 0))
    numbers = tuple(str(number) for number in range(count))
    return Feature(
        path,
        kind,
        _shape(content),
        "string" if kind == "text" else dtype,
        classes=(class_names(path) or numbers) if count else (),
        sample_rate=int(content.get("sampleRate", 0)),
        encoding="" if encoding == "none" else encoding,
    )


def _shape(content: Json) -> tuple[int | None, ...]:
    """Return the shape in a record, which has -1 for a length that is not known."""
    lengths = (int(length) for length in content.get("shape", {}).get("dimensions", ()))
    return tuple(None if length < 0 else length for length in lengths)
