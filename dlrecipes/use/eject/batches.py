"""The batches of a run as arrays in a file, and as the lines of a script that make them again."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Data, Examples
from dlrecipes.datasets.storage import Array, column_lengths
from dlrecipes.errors import InputError
from dlrecipes.runs.golden import plain_array

LONGEST = 72
"""Characters of a line that a script has for names of classes."""
PLAIN = '''
def batches(features, labels, batch_size: int, *, shuffle: bool = False):
    """Return a `tf.data.Dataset` of batches, in a random order of each epoch if they shuffle."""
    count = len(tf.nest.flatten(features)[0])
    columns = tf.nest.map_structure(
        lambda column: tf.Variable(column, trainable=False),
        features if labels is None else (features, labels),
    )

    def batch(step):
        places = tf.range(step * batch_size, tf.minimum((step + 1) * batch_size, count))
        rows = shuffled(places, count) if shuffle else places
        return tf.nest.map_structure(lambda column: tf.gather(column, rows), columns)

    return tf.data.Dataset.range(-(-count // batch_size)).map(batch).prefetch(2)
'''
BY_LENGTH = '''
def batches_by_length(tokens, lengths, labels, batch_size: int, *, shuffle: bool = False):
    """Return batches of token numbers of about one length, cut to the longest of each batch.

    Groups of 50 batches are sorted by length and cut into batches, which are shuffled again.
    """
    count, group = len(tokens), batch_size * 50
    steps = -(-count // batch_size)
    tokens, lengths, labels = (
        tf.Variable(column, trainable=False) for column in (tokens, lengths, labels)
    )

    def batch(step):
        number = shuffled(step, steps, stream=1) if shuffle else step
        start = number // 50 * group
        places = tf.range(start, tf.minimum(start + group, count))
        rows = shuffled(places, count) if shuffle else places
        rows = tf.gather(rows, tf.argsort(tf.gather(lengths, rows), stable=True))
        first = number % 50 * batch_size
        rows = rows[first : first + batch_size]
        longest = tf.reduce_max(tf.gather(lengths, rows))
        return tf.gather(tokens, rows)[:, :longest], tf.gather(labels, rows)

    return tf.data.Dataset.range(steps).map(batch).prefetch(2)
'''


class Written:
    """Arrays that go into a file, and the expressions that read them in a script."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self.kinds: set[str] = set()
        """The functions that the script needs for its batches."""

    def keep(self, name: str, column: Any) -> str:
        """Keep a column, and return the expression that reads it; numbers take the fewest bytes."""
        if column is None:
            return "None"
        array = plain_array(np.asarray(column))
        is_whole = array.dtype.kind in "iu" and array.size and array.min() >= 0
        small = np.min_scalar_type(int(array.max())) if is_whole else array.dtype
        self.arrays[name] = array.astype(small)
        read = f"arrays[{literal(name)}]"
        return read if small == array.dtype else f'{read}.astype("{array.dtype}")'

    def batches(self, name: str, dataset: Any) -> str:
        """Keep what a pipeline goes through, and return the expression that makes it.

        Raises:
            InputError: if the recipe has not made it with `Examples.batches`.
        """
        made = getattr(dataset, "made", None)
        if made is None:
            raise InputError(
                f"The recipe changes the {name} batches after batches() has made them, and a "
                "script cannot repeat that.",
                "Have load() return what batches() returns, and change the examples in build().",
            )
        examples, batch_size, shuffle, by_length = made
        function = "batches_by_length" if by_length else "batches"
        self.kinds.add(function)
        arguments = [self._features(name, examples)]
        if by_length:
            arguments.append(self.keep(f"{name}_lengths", column_lengths(examples.features)))
        arguments += [self.keep(f"{name}_labels", examples.labels), str(batch_size)]
        return call(function, arguments + ["shuffle=True"] * shuffle)

    def _features(self, name: str, examples: Examples) -> str:
        """Keep the inputs of examples, and return the expression that reads them."""
        if not isinstance(examples.features, Mapping):
            return self.keep(f"{name}_features", examples.features)
        columns = [
            f"{literal(key)}: {self.keep(f'{name}_{key}', column)}"
            for key, column in examples.columns.items()
        ]
        return in_lines("{", columns, "}")

    def value(self, name: str, value: Any) -> str:
        """Return the expression for something that a recipe's functions share.

        Raises:
            InputError: if there is none.
        """
        if hasattr(value, "element_spec"):
            return self.batches(name, value)
        if isinstance(value, np.ndarray):
            return self.keep(name, value)
        if isinstance(value, np.generic):
            return literal(value.item())
        if value is None or isinstance(value, bool | int | float | str | tuple | list | dict):
            return literal(value)
        raise InputError(
            f"load() of the recipe returns {name}, a {type(value).__name__}, which a script cannot "
            "have.",
            "Pass numbers, texts and arrays.",
        )


def fields_of(data: Data, names: set[str], written: Written) -> Iterator[tuple[str, str]]:
    """Yield what a script must know of the data: a name, and the expression for its value.

    Args:
        data: What the recipe's `load` returned.
        names: What its other functions read of that, besides the batches.
        written: Keeps the arrays.
    """
    for split in ("train", "validation", "test"):
        dataset = getattr(data, split)
        yield split, "None" if dataset is None else written.batches(split, dataset)
    if "classes" in names:
        yield "classes", _classes(data.classes, written)
    for name in ("image_shape", "class_weight", "rows", "steps"):
        if name in names:
            value = getattr(data, name)
            yield name, literal(dict(value) if isinstance(value, Mapping) else value)
    for name in ("input", "answer"):
        if name in names:
            document = getattr(data, name).document()
            fields = [f"{key}={literal(value)}" for key, value in document.items()]
            yield name, call("Data", fields)
    if "preprocessing" in names:
        yield "preprocessing", _preprocessing(data.preprocessing)
    if "extra" in names:
        extra = [f'"{key}": {written.value(key, value)}' for key, value in data.extra.items()]
        yield "extra", in_lines("{", extra, "}")


def _classes(classes: Sequence[str], written: Written) -> str:
    """Return the expression for the names of the classes: many of them are in the file."""
    text = literal(tuple(classes))
    if len(text) <= LONGEST:
        return text
    return f"tuple({written.keep('classes', np.array(classes, dtype='U'))}.tolist())"


def _preprocessing(model: Any) -> str:
    """Return what networks look at of the preprocessing, if any: the form of inputs and output."""
    if model is None:
        return "None"
    kinds = Counter(str(tensor.dtype) for tensor in model.inputs)
    inputs = " + ".join(f'[Data(dtype="{kind}")] * {count}' for kind, count in kinds.items())
    return call("Data", [f"output_shape={literal(model.output_shape)}", f"inputs={inputs}"])


def call(function: str, arguments: Sequence[str]) -> str:
    """Return the expression that calls a function."""
    return in_lines(f"{function}(", arguments, ")")


def in_lines(start: str, items: Sequence[str], end: str) -> str:
    """Return an expression with an item a line; in one line without any."""
    inner = "".join(f"{item},\n" for item in items)
    return f"{start}\n{indent(inner, '    ')}{end}" if items else start + end


def literal(value: Any) -> str:
    """Return the expression for a plain value, with double quotes around texts."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if value.isprintable() else repr(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(literal, value))
        is_single = isinstance(value, tuple) and len(value) == 1
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * is_single})"
    return f'float("{value}")' if value != value or value in (math.inf, -math.inf) else repr(value)
