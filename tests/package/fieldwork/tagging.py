"""The task `text-tagging`: a text in, any number of tags out."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dlrecipes.tasks import (
    Answer,
    Baseline,
    Category,
    Form,
    Metric,
    Task,
    Text,
    one_feature,
    run_serving,
)

THRESHOLD = 0.5
NONE = "none"


@dataclass(frozen=True)
class TagsForm(Form):
    """The form of tags.

    Args:
        tags: Their names, in the order of the numbers in an answer.
    """

    tags: tuple[str, ...] = ()


class Tags(Answer):
    """Some of a few tags: 1 for each that fits, 0 for the others."""

    name = "tags"
    form: ClassVar = TagsForm

    def items(self, reading, inputs):
        """Yield the texts with their tags, separated by semicolons, as the label."""
        return Category().items(reading, inputs)

    def encoder(self, reading, form, names=()):
        """Return what turns tags into rows of 0 and 1."""
        return _TagNumbers(reading)

    def baseline(self, source):
        """Return the score of giving every tag to every text."""
        share = float(np.asarray(source.test.labels).mean())
        return Baseline("every tag", {"f1_micro": 2 * share / (share + 1)})

    def choose(self, published, named):
        """Return the feature of tags."""
        return (one_feature(published, named, "tags", ("sequence",), side=1),)

    def published_form(self, chosen, peek):
        """Return the names of the tags."""
        return TagsForm(chosen[0].classes)

    def convert(self, chunk, chosen, forms):
        """Return rows of 0 and 1."""
        rows = np.zeros((len(chunk[chosen[0].path]), len(forms[1].tags)), "float32")
        for row, numbers in zip(rows, chunk[chosen[0].path], strict=True):
            row[numbers] = 1
        return rows

    def tensors(self, outputs, form):
        """Return `probabilities` (batch, tags) and `fits`, which of them are likely."""
        import tensorflow as tf

        return {"probabilities": tf.identity(outputs), "fits": outputs > THRESHOLD}

    def predict(self, serving, inputs, form, options):
        """Return the tags that fit, and the probability of each."""
        return [
            {
                "input": name,
                "tags": [tag for tag, p in zip(form.tags, row, strict=True) if p > THRESHOLD],
                "probabilities": dict(zip(form.tags, map(float, row), strict=True)),
            }
            for name, row in zip(inputs.names, run_serving(serving, inputs.features), strict=True)
        ]

    def table(self, predictions):
        """Return each text with its tags."""
        rows = [[one["input"], ", ".join(one["tags"]) or "no tag"] for one in predictions]
        return ["text", "tags"], rows


class _TagNumbers:
    """Turns tags into rows of 0 and 1: into bits of a number, until all tags are known."""

    def __init__(self, reading):
        self.reading = reading
        self.known = list(reading.like.answer.tags) if reading.like else []
        self.is_closed = bool(self.known)

    def encode(self, items):
        """Return a number for each item, with a bit for each of its tags."""
        return np.array([self._bits(item) for item in items], "int64")

    def _bits(self, item):
        bits = 0
        for tag in item.label.split(";"):
            if tag == NONE:
                continue
            if tag not in self.known and self.is_closed:
                self.reading.report.problem(f"{item.origin}: the tag {tag!r} is unknown.")
                continue
            if tag not in self.known:
                self.known.append(tag)
            bits |= 1 << self.known.index(tag)
        return bits

    def finish(self, splits):
        """Return the tags in order, and the splits with a row for each example."""
        order = sorted(self.known) if not self.is_closed else self.known
        shifts = np.array([self.known.index(tag) for tag in order])
        rows = {
            split: replace(
                examples,
                labels=(np.asarray(examples.labels)[:, None] >> shifts & 1).astype("float32"),
            )
            for split, examples in splits.items()
        }
        return TagsForm(tuple(order)), rows


TEXT_TAGGING = Task("text-tagging", Text(), Tags(), Metric("f1_micro"))
