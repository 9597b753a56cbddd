"""The text that follows, a character at a time."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlrecipes.datasets.examples import Rows, Source
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.own.labelled import Item
from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.datasets.storage import Array
from dlrecipes.errors import InputError
from dlrecipes.kit.metrics import character_metrics
from dlrecipes.kit.vocabulary import character_counts
from dlrecipes.system.atomic import write_atomically
from dlrecipes.tasks import base
from dlrecipes.tasks.answers.text_generator import sampling, text_generator
from dlrecipes.tasks.choosing import Named
from dlrecipes.tasks.reading import Reading
from dlrecipes.tasks.results import Baseline, Making
from dlrecipes.tasks.trying.displays import TextDisplay

GENERATED_CHARACTERS = 20
"""Written to prove an export."""
PROMPT_CHARACTERS, SAMPLE_CHARACTERS = 20, 80
"""Of the sample that is written after every epoch: what it begins with, and what is added."""
SAMPLE_CONTEXT = 40
"""Characters that a model without a state reads for each: all would take twice as long."""


@dataclass(frozen=True)
class ContinuationForm(Form):
    """The form of what follows a text.

    Args:
        classes: The vocabulary: each number's character.
    """

    classes: tuple[str, ...] = ()


class Continuation(base.Answer):
    """Text that continues a prompt. Examples have no labels: the text is its own answer."""

    name = "continuation"
    display = TextDisplay()
    form: ClassVar[type[Form]] = ContinuationForm
    predict_flags = ("length", "temperature", "seed")
    has_snapshots = True

    def items(self, reading: Reading, inputs: base.Input) -> Iterator[Item]:
        """Raise InputError: a running text has no items."""
        raise InputError(f"{reading.path} must be a text file, or a folder of them.")

    def encoder(self, reading: Reading, form: Form, names: Sequence[str] = ()) -> base.Encoder:
        """Raise InputError: a running text has no answers apart from it."""
        raise InputError(f"{reading.path} must be a text file, or a folder of them.")

    def baseline(self, source: Source) -> Baseline:
        """Return the cross-entropy, in nats, of each character's frequency in training."""
        counts, tested = character_counts(source.train), character_counts(source.test)
        # One more for each, and one for all characters that training does not have.
        total = counts.total() + len(counts) + 1
        loss = -sum(n * math.log((counts[c] + 1) / total) for c, n in tested.items())
        loss /= tested.total()
        return Baseline(
            "every character by how frequent it is",
            {"loss": loss, "perplexity": math.exp(loss), "bits_per_character": loss / math.log(2)},
        )

    def choose(self, published: Description, named: Named) -> tuple[Feature, ...]:
        """Return no features: the text is its own answer."""
        return ()

    def published_form(self, chosen: Sequence[Feature], peek: base.Peek) -> Form:
        """Return the form without a vocabulary, which the recipe makes."""
        return ContinuationForm()

    def convert(
        self, chunk: base.Chunk, chosen: Sequence[Feature], forms: tuple[Form, Form]
    ) -> None:
        """Return None: there are no labels."""

    def snapshots(self, making: Making) -> Callable[[Path, int], None]:
        """Return what writes how the model continues the test text, with one seed every time."""
        import tensorflow as tf

        form = making.forms[1]
        assert isinstance(form, ContinuationForm)
        generate = text_generator(making.serving(), form.classes, SAMPLE_CONTEXT).generate
        prompt = str(np.asarray(making.inputs())[0])[:PROMPT_CHARACTERS]
        inputs = {
            "prompt": tf.constant([prompt]),
            "length": tf.constant(SAMPLE_CHARACTERS),
            **sampling(base.PredictOptions()),
        }

        def write(folder: Path, epoch: int) -> None:
            made = generate(inputs)["text"]
            folder.mkdir(exist_ok=True)
            write_atomically(folder / f"epoch-{epoch:03}.txt", made.numpy()[0])

        return write

    def tensors(self, outputs: Any, form: Form) -> dict[str, Any]:
        """Return `probabilities` of the next character (batch, vocabulary)."""
        import tensorflow as tf

        return {"probabilities": tf.identity(outputs)}

    def endpoints(self, serving: Any, form: Form) -> dict[str, Any]:
        """Return `generate`, which continues prompts, and what does so part by part."""
        assert isinstance(form, ContinuationForm)
        return text_generator(serving, form.classes).endpoints()

    def golden_calls(
        self, features: Rows, endpoints: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the prompts, flags and state that the endpoints are proven with."""
        import tensorflow as tf

        prompt = {"prompt": tf.constant(features)}
        length = {"length": tf.constant(GENERATED_CHARACTERS)}
        options = sampling(base.PredictOptions(temperature=0.0))
        return {
            "generate": {**prompt, **length, **options},
            "generate_start": prompt,
            "generate_step": {
                **endpoints["generate_start"](prompt),
                "step": tf.constant(0),
                **length,
                **options,
            },
        }

    def measured(self, outputs: Array, labels: Array, form: Form) -> Mapping[str, float]:
        """Return the metrics of the probabilities of the next character."""
        likely = outputs[np.arange(len(labels)), labels].astype("float64")
        return character_metrics(-np.log(np.maximum(likely, 1e-7)))

    def predict(
        self, serving: Any, inputs: base.Inputs, form: Form, options: base.PredictOptions
    ) -> list[dict[str, Any]]:
        """Return each prompt and the text that continues it."""
        import tensorflow as tf

        assert isinstance(form, ContinuationForm)
        asked = {
            "prompt": tf.constant(inputs.features),
            "length": tf.constant(options.length),
            **sampling(options),
        }
        texts = text_generator(serving, form.classes).generate(asked)["text"]
        return [
            {"prompt": str(prompt), "text": text.decode("utf-8", "replace")}
            for prompt, text in zip(inputs.features, texts.numpy(), strict=True)
        ]

    def table(self, predictions: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Return each text that was written."""
        return ["text"], [[prediction["text"]] for prediction in predictions]
