"""Text generation: a prompt in, a continuation out, a character at a time."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples, ExamplesWriter, Rows, Source
from dlrecipes.datasets.own.files import FileOptions, Report, files_below, text_pieces
from dlrecipes.kit.vocabulary import character_counts
from dlrecipes.tasks import base
from dlrecipes.tasks.text_classification import text_array, texts_of

CONTEXT = 100
"""Characters that the generator reads before it writes the next one."""
SPECIAL_TOKENS = 2
"""Padding and [UNK], the first entries of a Keras vocabulary: never written."""
MIN_CHARACTERS = 2000


def make_generator(serving: Any, classes: Sequence[str]) -> Any:
    """Return a `tf.function` that continues prompts; it can be exported as it is.

    Args:
        serving: Keras model from texts (batch,) to probabilities (batch, vocabulary) of the
            character that comes next.
        classes: The vocabulary: each class number's character.

    Returns:
        A function of prompt (batch,) string, length int32, temperature float32 and seed int32
        that returns texts (batch,) string: each prompt with `length` characters added.
    """
    import tensorflow as tf

    characters = tf.constant(list(classes))

    def generate(prompt: Any, length: Any, temperature: Any, seed: Any) -> dict[str, Any]:
        def write_one(step: Any, text: Any) -> Any:
            size = tf.strings.length(text, unit="UTF8_CHAR")
            start = tf.maximum(size - CONTEXT, 0)
            context = tf.strings.substr(text, start, tf.minimum(size, CONTEXT), unit="UTF8_CHAR")
            logits = tf.math.log(serving(context, training=False)[:, SPECIAL_TOKENS:] + 1e-20)
            sampled = tf.random.stateless_categorical(
                logits / tf.maximum(temperature, 1e-6), 1, seed=tf.stack([seed, step])
            )[:, 0]
            chosen = tf.where(temperature > 0, sampled, tf.argmax(logits, axis=-1))
            return step + 1, text + tf.gather(characters, chosen + SPECIAL_TOKENS)

        _, text = tf.while_loop(lambda step, _: step < length, write_one, (0, prompt))
        return {"text": text}

    signature = [
        tf.TensorSpec((None,), tf.string, name="prompt"),
        tf.TensorSpec((), tf.int32, name="length"),
        tf.TensorSpec((), tf.float32, name="temperature"),
        tf.TensorSpec((), tf.int32, name="seed"),
    ]
    return tf.function(generate, input_signature=signature)


def _pieces(files: Sequence[Path], options: FileOptions, report: Report) -> Iterator[str]:
    """Yield the texts of files, about a million characters at a time, a line break in between."""
    for number, file in enumerate(files):
        if number:
            yield "\n"
        yield from text_pieces(file, options.encoding, report)


class TextGeneration(base.Task):
    """Continue a text, a character at a time."""

    name = "text-generation"
    headline = "loss"
    higher_is_better = False
    has_single_examples = False

    def read_path(
        self, path: Path, options: FileOptions, like: Source | None, report: Report
    ) -> Source:
        """Return a text file, or the .txt files of a folder, split in order 90/5/5."""
        files = [path]
        if path.is_dir():
            files = [file for file in files_below(path, report) if file.suffix.lower() == ".txt"]
            if not files and not report.count:
                report.problem(f"{path} has no .txt files.")
        length = sum(len(piece) for piece in _pieces(files, options, report))
        if length < MIN_CHARACTERS and not report.count:
            report.problem(
                f"{path} is too short: {length} characters, at least {MIN_CHARACTERS} needed."
            )
        report.require_usable(path)
        ends = {"test": length}
        if like is None:
            ends = {"train": int(length * 0.90), "validation": int(length * 0.95), **ends}
        writers = {split: ExamplesWriter() for split in ends}
        place = 0
        for piece in _pieces(files, options, report):
            for split, end in ends.items():
                part, piece = piece[: max(end - place, 0)], piece[max(end - place, 0) :]
                place += len(part)
                if part:
                    writers[split].append(Examples(text_array([part])))
        splits = {split: writer.finish() for split, writer in writers.items()}
        return base.own_source(path, splits, like)

    def baseline(self, source: Source) -> base.Baseline:
        """Return the cross-entropy, in nats, of each character's frequency in training."""
        counts, tested = character_counts(source.train), character_counts(source.test)
        # One more for each, and one for all characters that training does not have.
        total = counts.total() + len(counts) + 1
        loss = -sum(n * math.log((counts[c] + 1) / total) for c, n in tested.items())
        return base.Baseline("every character by how frequent it is", loss / tested.total())

    def read_inputs(
        self, arguments: Sequence[str], form: Source, options: FileOptions
    ) -> base.Inputs:
        """Return the prompts that the arguments stand for."""
        texts = texts_of(arguments)
        return base.Inputs(texts, text_array(texts))

    def answer(self, outputs: Any, classes: Sequence[str]) -> dict[str, Any]:
        """Return `probabilities` of the next character."""
        import tensorflow as tf

        return {"probabilities": tf.identity(outputs)}

    def predict(
        self,
        serving: Any,
        inputs: base.Inputs,
        classes: Sequence[str],
        options: base.GenerationOptions,
    ) -> list[dict[str, Any]]:
        """Return each prompt and the text that continues it."""
        import tensorflow as tf

        generate = make_generator(serving, classes)
        texts = generate(
            tf.constant(inputs.names), options.length, options.temperature, options.seed
        )["text"]
        return [
            {"prompt": prompt, "text": text.decode("utf-8", "replace")}
            for prompt, text in zip(inputs.names, texts.numpy(), strict=True)
        ]

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return each text that was written."""
        return ["text"], [[prediction["text"]] for prediction in predictions]

    def golden_inputs(self, test: Examples) -> Rows:
        """Return prompts: pieces of the test text, of different lengths."""
        text = str(test.columns["features"][:1][0])
        pieces = [
            text[start : start + 20 + 10 * number]
            for number, start in enumerate(
                np.linspace(0, max(len(text) - 100, 0), base.GOLDEN_EXAMPLES, dtype=int)
            )
        ]
        return text_array(pieces)

    def raw_inputs(self, test: Examples, count: int) -> Rows:
        """Return so many pieces of the test text, each as long as the generator reads."""
        text = str(test.columns["features"][:1][0])
        starts = np.linspace(0, max(len(text) - CONTEXT, 0), count, dtype=int)
        return text_array([text[start : start + CONTEXT] for start in starts])
