"""Write text, and keep between characters what the network remembers.

A network that is a chain of recurrent layers, and of layers that look at one character alone, reads
each character once: the states of its recurrent layers stand for all that it read before. Any other
network (attention, convolutions, a recipe's own layers) reads the last `CONTEXT` characters again
for each that it writes.

Both keep a state: tensors by name, a row a prompt. One of them is always `probabilities` (batch,
vocabulary) of the character that comes next.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Protocol

from dlrecipes.kit.vocabulary import NEXT_CHARACTER
from dlrecipes.tasks import base
from dlrecipes.tasks.inputs.prose import CONTEXT

State = Mapping[str, Any]
Endpoint = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Takes tensors by name and returns tensors by name: a `tf.function`, or a loaded signature."""

MOST_LENGTH, MOST_CHARACTERS = 10_000, 100_000
"""Characters that a call of an export writes at most: for each prompt, and for all together."""
MOST_AT_ONCE, QUICK = 8, 0.05
"""Characters that a call of `step` writes at most while a text is streamed; and the seconds within
which a call must end for the next to write twice as many. A call costs as much as five characters
of a small network; a slow network writes one at a time, so that none waits for others."""
SPECIAL_TOKENS = 2
"""Padding and [UNK], the first entries of a Keras vocabulary: never written."""
PROBABILITIES = "probabilities"
RECURRENT = ("LSTM", "GRU", "SimpleRNN")
POINTWISE = (
    *("Activation", "Dense", "Dropout", "ELU", "Embedding", "GaussianDropout", "GaussianNoise"),
    *("LeakyReLU", "ReLU", "SpatialDropout1D"),
)
"""Keras layers that look at one character alone."""


class Memory(Protocol):
    """What a network remembers of a text."""

    def begin(self, prompt: Any) -> State:
        """Return the state after the last `CONTEXT` characters of prompts (batch,) string."""

    def add(self, state: State, character: Any) -> State:
        """Return the state after one more character (batch,) string."""


@dataclass(frozen=True)
class WindowMemory:
    """The last characters themselves, all of which are read again for each new one.

    Args:
        serving: Keras model from texts (batch,) to probabilities (batch, vocabulary) of the
            character that comes next.
        most: Characters that it reads.
    """

    serving: Any
    most: int

    def begin(self, prompt: Any) -> State:
        """Return the prompts' ends, and what may follow them."""
        text = last_characters(prompt, self.most)
        return {"text": text, PROBABILITIES: self.serving(text, training=False)}

    def add(self, state: State, character: Any) -> State:
        """Return the longer texts' ends, and what may follow them."""
        return self.begin(state["text"] + character)


@dataclass(frozen=True)
class RecurrentMemory:
    """The states of recurrent layers, `state_0`, `state_1` …, in the order of the layers.

    Args:
        preprocessing: Keras model from texts (batch,) to numbers (batch, time), padded with 0.
        layers: The network's layers in order, each of which takes what the one before returns.
        vocabulary_size: Characters that the last of them returns probabilities of.
        most: Characters of a prompt that are read.
    """

    preprocessing: Any
    layers: Sequence[Any]
    vocabulary_size: int
    most: int

    def begin(self, prompt: Any) -> State:
        """Return the state after the prompts, which are read from the left."""
        import tensorflow as tf

        numbers = self.preprocessing(last_characters(prompt, self.most))

        def read(place: Any, state: State) -> Any:
            return place + 1, self._read(state, numbers[:, place])

        length = tf.shape(numbers)[1]
        empty = self._empty(tf.shape(numbers)[0])
        _, state = tf.while_loop(lambda place, _: place < length, read, (0, empty))
        return dict(state)

    def add(self, state: State, character: Any) -> State:
        """Return the state after one more character."""
        return self._read(state, self.preprocessing(character)[:, 0])

    def _empty(self, batch: Any) -> dict[str, Any]:
        """Return the state before any character: every next one is as likely as another."""
        import tensorflow as tf

        widths = [size for layer in self.layers for size in _state_sizes(layer)]
        state = {f"state_{number}": tf.zeros((batch, size)) for number, size in enumerate(widths)}
        return {**state, PROBABILITIES: tf.zeros((batch, self.vocabulary_size))}

    def _read(self, state: State, numbers: Any) -> dict[str, Any]:
        """Return the state after one more character's number (batch,); 0 leaves it as it is."""
        import tensorflow as tf

        x, after = numbers[:, None], dict(state)
        names = (f"state_{number}" for number in count())
        for layer in self.layers:
            if not (mine := list(islice(names, len(_state_sizes(layer))))):
                x = layer(x, training=False)
                continue
            # A cell reads one character, where its layer reads them all.
            x, states = layer.cell(x[:, 0], [state[name] for name in mine], training=False)
            after |= dict(zip(mine, states, strict=True))
            x = x[:, None]
        after[PROBABILITIES] = x[:, 0]
        is_one = numbers[:, None] != 0
        # In mixed precision a layer's state is bfloat16, which NumPy's files do not have.
        return {
            name: tf.where(is_one, tf.cast(value, "float32"), state[name])
            for name, value in after.items()
        }


def _state_sizes(layer: Any) -> list[int]:
    """Return the width of each state of a layer: an LSTM has two."""
    if type(layer).__name__ not in RECURRENT:
        return []
    size = layer.cell.state_size
    return list(size) if isinstance(size, list | tuple) else [size]


def last_characters(text: Any, most: int) -> Any:
    """Return the last characters of texts (batch,) string."""
    import tensorflow as tf

    size = tf.strings.length(text, unit="UTF8_CHAR")
    start = tf.maximum(size - most, 0)
    return tf.strings.substr(text, start, tf.minimum(size, most), unit="UTF8_CHAR")


def memory_of(serving: Any, most: int) -> Memory:
    """Return how a serving model remembers a text: by its states if it can be read a step a time.

    Args:
        serving: From texts to the probabilities of the character that comes next.
        most: Characters of a prompt that are read.
    """
    import keras

    # What `next_character` made is known to be nothing but these two models.
    if getattr(serving, "name", "") == NEXT_CHARACTER:
        preprocessing, network = (one for one in serving.layers if isinstance(one, keras.Model))
        if layers := _steps(network):
            return RecurrentMemory(preprocessing, layers, serving.outputs[0].shape[-1], most)
    return WindowMemory(serving, most)


def _steps(network: Any) -> list[Any]:
    """Return the layers of a network that can be called a character at a time; empty if not all."""
    import keras

    layers = [one for one in network.layers if not isinstance(one, keras.layers.InputLayer)]
    if not all(map(_is_step, layers)) or not type(network).__module__.startswith("keras."):
        return []
    if isinstance(network, keras.Sequential):
        return layers
    outputs = [network.input, *(layer.output for layer in layers)]
    is_chain = all(layer.input is before for layer, before in zip(layers, outputs, strict=False))
    return layers if is_chain and network.output is outputs[-1] else []


def _is_step(layer: Any) -> bool:
    """Tell whether a layer can be called a character at a time: with its state, or without any."""
    import keras

    kind = type(layer).__name__
    if getattr(keras.layers, kind, None) is not type(layer):
        return False
    if kind not in RECURRENT:
        return kind in POINTWISE
    is_other = layer.go_backwards or layer.return_state or layer.stateful
    return bool(layer.return_sequences and not is_other)


@dataclass(frozen=True)
class TextGenerator:
    """A network that writes, as `tf.function`s that can be exported as they are.

    Args:
        generate: Takes `prompt` (batch,) string, `length` int32, `temperature` float32 and `seed`
            int32; returns `text` (batch,) string: each prompt with `length` characters added.
        start: Takes `prompt`; returns the state after it.
        step: Takes a state, `length`, `temperature`, `seed`, and int32 `step`, how many characters
            were written before; returns the next `length` `characters` (batch,) string, and the
            state after them.
    """

    generate: Any
    start: Any
    step: Any

    def endpoints(self) -> dict[str, Any]:
        """Return the functions by the names of their signatures in an export.

        There, what writes has limits: a server cannot stop a call that was begun.
        """
        return {
            "generate": _limited(self.generate, "prompt"),
            "generate_start": self.start,
            "generate_step": _limited(self.step, PROBABILITIES),
        }


def _limited(write: Any, each: str) -> Any:
    """Return `generate` or `step` with limits of what a call writes.

    Args:
        write: The function.
        each: The input that has a row for each text.
    """
    import tensorflow as tf

    def limited(inputs: State) -> State:
        length = tf.cast(inputs["length"], tf.int64)
        together = length * tf.shape(inputs[each], out_type=tf.int64)[0]
        is_short = tf.debugging.Assert(
            (length <= MOST_LENGTH) & (together <= MOST_CHARACTERS),
            [f"length is at most {MOST_LENGTH:,}, and {MOST_CHARACTERS:,} for all prompts."],
        )
        with tf.control_dependencies([is_short]):
            length = tf.identity(inputs["length"])
        return dict(write({**inputs, "length": length}))

    return tf.function(limited, input_signature=write.input_signature)


def text_generator(serving: Any, characters: Sequence[str], most: int = CONTEXT) -> TextGenerator:
    """Return what writes with a serving model.

    Args:
        serving: From texts (batch,) to probabilities (batch, vocabulary) of the next character.
        characters: The vocabulary: each number's character.
        most: Characters of a prompt that are read.
    """
    import tensorflow as tf

    writer = _Writer(memory_of(serving, most), tf.constant(list(characters)))
    prompt = _spec(tf.string, "prompt", shape=(None,))
    options = {
        **_spec(tf.int32, "length"),
        **_spec(tf.float32, "temperature"),
        **_spec(tf.int32, "seed"),
    }
    start = tf.function(writer.start, input_signature=[prompt])
    state = {
        name: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in start.get_concrete_function().structured_outputs.items()
    }
    whole = {**prompt, **options}
    part = {**state, **_spec(tf.int32, "step"), **options}
    return TextGenerator(
        generate=tf.function(writer.generate, input_signature=[whole]),
        start=start,
        step=tf.function(writer.step, input_signature=[part]),
    )


@dataclass(frozen=True)
class _Writer:
    """What the functions of a `TextGenerator` are made of.

    Args:
        memory: What the network remembers of a text.
        vocabulary: Each number's character, string.
    """

    memory: Memory
    vocabulary: Any

    def start(self, inputs: State) -> State:
        """Return the state after `prompt`."""
        return self.memory.begin(inputs["prompt"])

    def step(self, inputs: State) -> State:
        """Return the next `length` characters, and the state after them."""
        import tensorflow as tf

        asked = ("length", "temperature", "seed", "step")
        state = {name: tensor for name, tensor in inputs.items() if name not in asked}
        nothing = tf.fill(tf.shape(state[PROBABILITIES])[:1], "")
        characters, after = self._write(nothing, state, inputs, inputs["step"])
        return {"characters": characters, **after}

    def generate(self, inputs: State) -> State:
        """Return each prompt with `length` characters added."""
        text = inputs["prompt"]
        return {"text": self._write(text, self.memory.begin(text), inputs, 0)[0]}

    def _write(self, text: Any, state: State, inputs: State, first: Any) -> tuple[Any, State]:
        """Return texts with `length` characters added, and the state after them.

        Args:
            text: The texts, (batch,) string.
            state: The state after the characters before.
            inputs: The length, the temperature and the seed.
            first: Characters written before.
        """
        import tensorflow as tf

        def body(number: Any, text: Any, state: State) -> Any:
            chances, step = state[PROBABILITIES], first + number
            drawn = drawn_tokens(chances, inputs["temperature"], inputs["seed"], step)
            character = tf.gather(self.vocabulary, drawn)
            return number + 1, text + character, dict(self.memory.add(state, character))

        begun = (0, text, dict(state))
        _, text, state = tf.while_loop(lambda n, *_: n < inputs["length"], body, begun)
        return text, state


def _spec(dtype: Any, name: str, shape: tuple[int | None, ...] = ()) -> dict[str, Any]:
    """Return the form of an input by its name."""
    import tensorflow as tf

    return {name: tf.TensorSpec(shape, dtype, name=name)}


def drawn_tokens(probabilities: Any, temperature: Any, seed: Any, step: Any) -> Any:
    """Return a token for each row, drawn from p^(1/temperature); at 0 the likeliest.

    The largest of log p + temperature * g is such a draw, with g from Gumbel's distribution. The
    same g serves every row, so that what follows a prompt does not depend on the other prompts.

    Args:
        probabilities: (batch, vocabulary).
        temperature: At least 0.
        seed: The same seed and step draw the same.
        step: Tokens drawn before.
    """
    import tensorflow as tf

    logits = tf.math.log(probabilities[:, SPECIAL_TOKENS:] + 1e-20)
    uniform = tf.random.stateless_uniform(
        tf.shape(logits)[1:], seed=tf.stack([seed, step]), minval=1e-30
    )
    gumbel = -tf.math.log(-tf.math.log(uniform))
    return tf.argmax(logits + temperature * gumbel, axis=-1) + SPECIAL_TOKENS


def sampling(options: base.PredictOptions) -> dict[str, Any]:
    """Return the temperature and the seed that `generate` and `step` take."""
    import tensorflow as tf

    return {
        "temperature": tf.constant(options.temperature, tf.float32),
        "seed": tf.constant(options.seed, tf.int32),
    }


def stream(
    start: Endpoint, step: Endpoint, prompt: str, options: base.PredictOptions
) -> Iterator[str]:
    """Yield the text that continues a prompt, a few characters at a time.

    Together they are what `generate` adds to the prompt for the same options. The first comes
    alone, as soon as it is written.

    Args:
        start: `TextGenerator.start`; of an export, `lambda inputs: signature(**inputs)` with its
            signature `generate_start`.
        step: `TextGenerator.step`, or the same with an export's `generate_step`.
        prompt: The prompt.
        options: Length, temperature and seed.
    """
    import tensorflow as tf

    chosen = sampling(options)
    state = dict(start({"prompt": tf.constant([prompt])}))
    written, length = 0, 1
    while written < options.length:
        length = min(length, options.length - written)
        asked = {"step": tf.constant(written), "length": tf.constant(length)}
        begun = time.perf_counter()
        state = dict(step({**state, **chosen, **asked}))
        yield state.pop("characters").numpy()[0].decode("utf-8", "replace")
        written += length
        is_quick = time.perf_counter() - begun < QUICK
        length = min(2 * length, MOST_AT_ONCE) if is_quick else 1
