"""Models for runtimes without texts: they take numbers, which a vocabulary beside them explains."""

from typing import Any

from dlrecipes.datasets.examples import Rows
from dlrecipes.errors import InputError
from dlrecipes.kit.columns import reserve_names
from dlrecipes.tasks.serving import SavedServing

ELSEWHERE = "Export it as a SavedModel, which takes texts: --format saved-model"
STANDARD = "lower_and_strip_punctuation"


def with_numbers(serving: Any, format_name: str) -> tuple[Any, dict[str, dict[str, Any]]]:
    """Return a serving model that takes int32 numbers instead of texts, and their vocabularies.

    A category becomes its place in a vocabulary, (batch, 1); a text, the numbers of its words or
    of its characters, (batch, time), 0 behind shorter ones.

    Args:
        serving: The serving model.
        format_name: The format that it is for.

    Raises:
        InputError: if it reads its texts in another way.
    """
    if all(tensor.dtype != "string" for tensor in serving.inputs):
        return serving, {}
    if isinstance(serving, SavedServing):
        raise InputError(
            f"{format_name} has no texts, and this model parts them into words or n-grams in its "
            "own code.",
            ELSEWHERE,
        )
    import keras

    vocabularies: dict[str, dict[str, Any]] = {}
    inputs = keras.tree.map_structure(_placeholder, serving.input)
    names = {id(tensor): tensor.name for tensor in keras.tree.flatten(inputs)}
    return _read_again(serving, inputs, (names, vocabularies), format_name), vocabularies


def _placeholder(tensor: Any) -> Any:
    """Return the input that takes the place of another: of texts, one of numbers."""
    import keras

    shape, dtype = tensor.shape[1:], tensor.dtype
    if dtype == "string":
        shape, dtype = tuple(shape) or (None,), "int32"
    return keras.Input(shape, dtype=dtype, name=tensor.name)


def _read_again(model: Any, inputs: Any, found: tuple[Any, Any], format_name: str) -> Any:
    """Return the model on other inputs, with all its layers but those that read texts."""
    import keras

    names, vocabularies = found
    reserve_names(operation.name for operation in model.operations)

    def call(layer: Any, *arguments: Any, **more: Any) -> Any:
        first = arguments[0] if arguments else None
        if isinstance(layer, keras.layers.TextVectorization | keras.layers.StringLookup):
            vocabularies[names[id(first)]] = _rule(layer, format_name)
            return _numbers(layer, first)
        reads = getattr(layer, "inputs", None) or [getattr(layer, "input", None)]
        if any(getattr(tensor, "dtype", "") == "string" for tensor in reads):
            if not isinstance(layer, keras.Model):
                raise _unknown(layer, format_name)
            inner = keras.tree.map_structure(_placeholder, layer.input)
            pairs = zip(keras.tree.flatten(inner), keras.tree.flatten(first), strict=True)
            names.update({id(one): names.get(id(other), "") for one, other in pairs})
            return _read_again(layer, inner, found, format_name)(first)
        return layer(*arguments, **more)

    return keras.models.clone_model(
        model, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call
    )


def _rule(layer: Any, format_name: str) -> dict[str, Any]:
    """Return how a layer makes numbers of texts: see `runtimes/texts.py`."""
    import keras

    config = layer.get_config()
    if isinstance(layer, keras.layers.StringLookup):
        if config["output_mode"] not in ("int", "one_hot") or config["num_oov_indices"] != 1:
            raise _unknown(layer, format_name)
        kind, standardize = "category", False
    else:
        standardize = config["standardize"] == STANDARD
        is_known = config["standardize"] in (None, STANDARD) and config["ngrams"] is None
        if not is_known or config["split"] not in ("whitespace", "character"):
            raise _unknown(layer, format_name)
        kind = "characters" if config["split"] == "character" else "words"
    vocabulary = [str(value) for value in layer.get_vocabulary()]
    unknown = vocabulary.index(config.get("oov_token", "[UNK]"))
    return {
        "kind": kind,
        "standardize": standardize,
        "unknown": unknown,
        "vocabulary": vocabulary,
    }


def _numbers(layer: Any, numbers: Any) -> Any:
    """Return what a layer that reads texts would return for these numbers."""
    import keras
    from keras import ops

    if getattr(layer, "output_mode", "int") == "one_hot":
        return ops.one_hot(numbers[:, 0], layer.vocabulary_size(), dtype=keras.config.floatx())
    return ops.cast(numbers, "int64")


def _unknown(layer: Any, format_name: str) -> InputError:
    """Return the error of a layer that reads texts as no other program does."""
    return InputError(
        f"{format_name} has no texts, and the layer {layer.name} ({type(layer).__name__}) reads "
        "them in a way that has no plain vocabulary.",
        ELSEWHERE,
    )


def encoded(features: Rows, vocabularies: dict[str, dict[str, Any]]) -> Rows:
    """Return raw inputs with numbers for the texts of those columns that have a vocabulary."""
    from dlrecipes.use.export.runtimes.texts import numbers_of

    if not isinstance(features, dict):
        rule = next(iter(vocabularies.values()), None)
        return numbers_of(rule, list(features)) if rule else features
    return {
        name: numbers_of(vocabularies[name], list(column)) if name in vocabularies else column
        for name, column in features.items()
    }
