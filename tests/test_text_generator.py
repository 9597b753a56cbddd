"""Text is written with the state of recurrent layers, and no otherwise than without it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlrecipes.kit.vocabulary import next_character
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.tasks.answers import text_generator as of_text
from dlrecipes.tasks.answers.text_generator import (
    PROBABILITIES,
    RecurrentMemory,
    WindowMemory,
    drawn_tokens,
    memory_of,
    sampling,
    stream,
    text_generator,
)
from dlrecipes.tasks.base import PredictOptions

pytestmark = pytest.mark.long

ALPHABET = tuple("abcdefg \né中")
PROMPTS = ["a", "bad é", "中 cab" * 25]
WRITTEN = 40


def serving_of(network: str) -> Any:
    """Return a serving model with random weights around one of several networks."""
    load_tensorflow()
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(3)
    vectorize = layers.TextVectorization(
        split="character", standardize=None, vocabulary=list(ALPHABET)
    )
    text = keras.Input((), dtype="string", name="text")
    size = len(vectorize.get_vocabulary())
    wide = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=2.0)}
    numbers = keras.Input((None,), dtype="int32")
    x = layers.Embedding(size, 8, **wide)(numbers)
    last = layers.Dense(size, "softmax", dtype="float32")

    def recurrent(kind: Any, *units: int, **options: Any) -> list[Any]:
        return [kind(one, return_sequences=True, **options) for one in units]

    if network == "sequential":
        gru, plain = recurrent(layers.GRU, 9), recurrent(layers.SimpleRNN, 7)
        parts = [layers.Embedding(size, 8, **wide), *gru, layers.Dropout(0.5), *plain, last]
        model = keras.Sequential([keras.Input((None,), dtype="int32"), *parts])
        return next_character(model, keras.Model(text, vectorize(text)))
    chains = {
        "lstm": recurrent(layers.LSTM, 9, 7, dropout=0.5),
        "bfloat16": recurrent(layers.LSTM, 9, dtype="mixed_bfloat16"),
        "backwards": recurrent(layers.LSTM, 9, go_backwards=True),
        "convolution": [layers.Conv1D(9, 3, padding="causal")],
    }
    for layer in chains.get(network, []):
        x = layer(x)
    if network == "attention":
        x = layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    if network == "skip":
        x = layers.Add()([x, layers.LSTM(8, return_sequences=True)(x)])
    return next_character(keras.Model(numbers, last(x)), keras.Model(text, vectorize(text)))


def asked(*prompts: str, length: int = WRITTEN, **options: Any) -> dict[str, Any]:
    """Return what `generate` takes."""
    import tensorflow as tf

    chosen = sampling(PredictOptions(**options))
    return {"prompt": tf.constant(prompts), "length": tf.constant(length), **chosen}


@pytest.mark.parametrize("network", ["lstm", "sequential", "bfloat16"])
def test_a_recurrent_network_reads_each_character_once_and_says_the_same(network: str) -> None:
    import tensorflow as tf

    serving = serving_of(network)
    memory, window = memory_of(serving, 100), WindowMemory(serving, 100)
    assert isinstance(memory, RecurrentMemory)
    kept, read = memory.begin(tf.constant(PROMPTS)), window.begin(tf.constant(PROMPTS))
    tolerance = 2e-2 if network == "bfloat16" else 1e-5
    for character in ("c", "é", " "):
        difference = np.abs(kept[PROBABILITIES] - read[PROBABILITIES])
        # A text longer than the window is read from another place once a character is added.
        assert difference[: len(PROMPTS) - (character != "c")].max() < tolerance
        kept, read = (
            m.add(s, tf.constant([character])) for m, s in ((memory, kept), (window, read))
        )


@pytest.mark.parametrize("network", ["attention", "convolution", "skip", "backwards"])
def test_any_other_network_reads_the_last_characters_again(network: str) -> None:
    serving = serving_of(network)
    assert isinstance(memory_of(serving, 100), WindowMemory)
    generator = text_generator(serving, ["", "[UNK]", *ALPHABET])
    whole = generator.generate(asked("bad", length=9, seed=4))["text"].numpy()[0].decode()
    streamed = stream(generator.start, generator.step, "bad", PredictOptions(length=9, seed=4))
    assert whole == "bad" + "".join(streamed)


def test_a_serving_model_of_a_recipes_own_is_not_taken_apart() -> None:
    serving = serving_of("lstm")
    own = type(serving)(serving.input, serving.output, name="own")
    assert isinstance(memory_of(own, 100), WindowMemory)
    assert isinstance(memory_of(SimpleNamespace(inputs=()), 100), WindowMemory)


def test_a_text_depends_on_its_prompt_seed_and_temperature_alone() -> None:
    generator = text_generator(serving_of("lstm"), ["", "[UNK]", *ALPHABET])

    def written(*prompts: str, **options: Any) -> list[str]:
        texts = generator.generate(asked(*prompts, **options))["text"].numpy()
        return [text.decode() for text in texts]

    together = written(*PROMPTS, seed=1)
    assert [written(prompt, seed=1)[0] for prompt in PROMPTS] == together
    assert [len(text) for text in together] == [len(prompt) + WRITTEN for prompt in PROMPTS]
    assert written(*PROMPTS, seed=2) != together
    assert written("a", temperature=0.0, seed=1) == written("a", temperature=0.0, seed=2)
    options = PredictOptions(length=WRITTEN, seed=1)
    assert (
        PROMPTS[1] + "".join(stream(generator.start, generator.step, PROMPTS[1], options))
        == (together[1])
    )
    (nothing,) = written("", seed=1)
    assert len(nothing) == WRITTEN


def test_draws_have_the_probabilities_that_the_temperature_gives() -> None:
    import tensorflow as tf

    row, temperature, count = tf.constant([[0.0, 0.0, 0.6, 0.3, 0.1]]), 0.5, 1000
    draw = tf.function(lambda seed: drawn_tokens(row, temperature, seed, 0))
    drawn = [int(draw(tf.constant(seed))[0]) for seed in range(count)]
    sharper = np.array([0.6, 0.3, 0.1]) ** (1 / temperature)
    found = np.bincount(drawn, minlength=5)[2:] / count
    assert found == pytest.approx(sharper / sharper.sum(), abs=0.06)


@pytest.mark.parametrize(("count", "length"), [(1, 10_001), (11, 10_000), (1, 2**31 - 1)])
def test_an_export_refuses_to_write_without_end(count: int, length: int) -> None:
    import tensorflow as tf

    generator = text_generator(serving_of("lstm"), ["", "[UNK]", *ALPHABET])
    generate = generator.endpoints()["generate"]
    few = generate(asked("a", length=3))["text"]
    assert few == generator.generate(asked("a", length=3))["text"]
    many = asked(*["a"] * count, length=length)
    begun = {**generator.start({"prompt": many.pop("prompt")}), "step": tf.constant(0)}
    for write, inputs in (
        (generate, asked(*["a"] * count, length=length)),
        (generator.endpoints()["generate_step"], {**many, **begun}),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="length is at most 10,000"):
            write(inputs)


def test_a_quick_network_writes_more_at_once_and_a_slow_one_a_character_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = text_generator(serving_of("lstm"), ["", "[UNK]", *ALPHABET])
    options = PredictOptions(length=30, seed=1)
    for quick, sizes in ((1e9, [1, 2, 4, 8, 8, 7]), (0, [1] * 30)):
        monkeypatch.setattr(of_text, "QUICK", quick)
        written = list(stream(generator.start, generator.step, "bad", options))
        assert [len(part) for part in written] == sizes
