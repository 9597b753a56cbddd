"""The network of a recipe: its layers, output shapes, parameters, operations and memory.

The model is called once on symbolic tensors in a graph, and every layer that is called on the way
is noted: so nested, shared and subclassed models are shown as they run. Nothing is trained.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dlrecipes.catalog.contract import require_contract
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.system.clock import Clock
from dlrecipes.tasks.opening import settle
from dlrecipes.training.calls import called, count_parameters
from dlrecipes.training.listener import Listener
from dlrecipes.training.request import Request
from dlrecipes.training.trainer import prepare
from dlrecipes.training.work import Work
from dlrecipes.use.operations import Operations

LOOKED_AT = 50
"""Batches among which a long example is looked for."""


@dataclass
class Layer:
    """A layer as it is called.

    Args:
        name: Name of the layer.
        kind: Its class.
        depth: Number of layers that contain it.
        outputs: Shapes of its outputs, without the batch axis.
        parameters: Number of its parameters.
        trainable: Number of its trainable parameters.
        flops: Floating-point operations for one example.
        calls: Number of calls for one example.
        activations: Number of values in its outputs for one example, without those of the layers
            inside it.
    """

    name: str
    kind: str
    depth: int
    outputs: list[list[int | None]]
    parameters: int
    trainable: int
    flops: int = 0
    calls: int = 1
    activations: int = 0


@dataclass(frozen=True)
class Network:
    """What `describe --network` shows.

    Args:
        recipe: Name of the recipe.
        preset: Name of the preset; empty for none.
        data: `name` and `rung` of the data.
        inputs: Shape and type of each input for one example, by name.
        layers: The layers, in the order in which they are called.
        parameters: Number of parameters.
        trainable: Number of trainable parameters.
        flops: Floating-point operations of the forward pass for one example.
        batch_size: Examples in a training step.
        bytes: Memory of the `weights`, of the `optimizer`, and (an estimate) of the `activations`
            of a batch, which are kept for the gradients.
    """

    recipe: str
    preset: str
    data: dict[str, str]
    inputs: dict[str, str]
    layers: list[Layer]
    parameters: int
    trainable: int
    flops: int
    batch_size: int
    bytes: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return what `describe --network --json` prints."""
        return asdict(self)


def describe_network(request: Request, listener: Listener) -> Network:
    """Return what the network of a recipe is, for its data. It leaves no run.

    Args:
        request: The recipe, its settings and its data.
        listener: Hears how data is fetched.

    Raises:
        InputError: if the recipe cannot be trained as asked.
    """
    require_contract(request.facts)
    found = settle(request.recipe_data, request.data, listener)
    work = prepare(request, found, Clock(), listener)
    model, batch = work.model, _one_example(work)
    with (
        called(work.recipe, "The network cannot be shown", "build"),
        load_tensorflow().device(work.device.scope),
    ):
        _make_all(work)
        layers, flops = _layers(model, batch)
    size = int(getattr(work.config, "batch_size", 0)) or 1
    return Network(
        recipe=request.facts.name,
        preset=request.preset,
        data={"name": work.source.name, "rung": work.source.rung},
        inputs=_shown_inputs(batch),
        layers=layers,
        parameters=count_parameters(model),
        trainable=_numbers(model.trainable_weights),
        flops=flops,
        batch_size=size,
        bytes=_memory(model, layers, size),
    )


def _one_example(work: Work) -> Any:
    """Return the form of a batch of one training example: of a long one, if lengths differ."""
    import keras
    import tensorflow as tf

    spec = work.data.train.element_spec
    differ = any(None in one.shape[1:] for one in keras.tree.flatten(spec))
    batches = list(work.data.train.take(LOOKED_AT if differ else 1))

    def longest(*tensors: Any) -> Any:
        shapes = zip(*(tensor.shape[1:] for tensor in tensors), strict=True)
        return tf.TensorSpec([1, *map(max, shapes)], tensors[0].dtype)

    return keras.tree.map_structure(longest, *batches)


def _make_all(work: Work) -> None:
    """Make the weights and the state of the optimizers, as the first step would."""
    from dlrecipes.training import state

    model, spec = work.model, work.data.train.element_spec
    state.build(model, spec)
    missing = [layer for layer in model._flatten_layers() if not layer.built]
    if missing or not any(one.built for one in state.optimizers(model).values()):
        model.make_train_function()
        state.probe(model.train_function, spec)


def _layers(model: Any, batch: Any) -> tuple[list[Layer], int]:
    """Return the layers that a model calls for one example, and the operations of them.

    A model with a `train_step` of its own may call others there, and its inputs be none of the
    data's: the layers are those of a training step, without the gradients.
    """
    import keras
    import tensorflow as tf

    is_own = type(model).train_step is not keras.Model.train_step

    def run(batch: Any) -> Any:
        features, *_ = keras.utils.unpack_x_y_sample_weight(batch)
        return model.train_step(batch) if is_own else model(features, training=False)

    with _noted_calls() as notes:
        graph = tf.function(run, autograph=False).get_concrete_function(batch).graph
    operations = Operations(graph, needed=not is_own)
    layers: dict[int, Layer] = {}
    total = 0
    for note in notes:
        flops = operations.between(note.first, note.last)
        total += flops if note.depth == 0 else 0
        if layer := layers.get(id(note.layer)):
            layer.calls += 1
            layer.flops += flops
        else:
            layers[id(note.layer)] = _layer(note, flops)
    shown = [*layers.values()]
    if len(shown) > 1 and shown[0].name == model.name:  # Its layers say what it is.
        shown = [replace(layer, depth=layer.depth - 1) for layer in shown[1:]]
    return shown, total


def _layer(note: "_Call", flops: int) -> Layer:
    """Return a layer as it was called first."""
    import keras

    outputs = [tuple(tensor.shape[1:]) for tensor in keras.tree.flatten(note.outputs)]
    return Layer(
        name=note.layer.name,
        kind=type(note.layer).__name__,
        depth=note.depth,
        outputs=[list(shape) for shape in outputs],
        parameters=_numbers(note.layer.weights),
        trainable=_numbers(note.layer.trainable_weights),
        flops=flops,
        activations=0
        if note.has_inner
        else sum(math.prod(size or 1 for size in shape) for shape in outputs),
    )


def _numbers(variables: Any) -> int:
    """Return how many numbers are in variables."""
    return sum(math.prod(variable.shape) for variable in variables)


def _memory(model: Any, layers: list[Layer], batch_size: int) -> dict[str, int]:
    """Return the bytes of the weights, the optimizers, and what layers return for a batch."""
    import keras
    import tensorflow as tf

    from dlrecipes.training import state

    def size(variables: Any) -> int:
        return sum(math.prod(one.shape) * tf.as_dtype(one.dtype).size for one in variables)

    kept = sum(layer.activations * layer.calls for layer in layers)
    number = 2 if "16" in keras.config.dtype_policy().compute_dtype else 4
    optimizers = [one for one in state.optimizers(model).values() if one.built]
    return {
        "weights": size(model.weights),
        "optimizer": sum(size(one.variables) for one in optimizers),
        "activations": kept * batch_size * number,
    }


def _shown_inputs(batch: Any) -> dict[str, str]:
    """Return the shape and type of each input of one example, by name."""
    import keras

    features, *_ = keras.utils.unpack_x_y_sample_weight(batch)
    named = features if isinstance(features, Mapping) else {"input": features}
    return {
        name: f"{tuple(spec.shape[1:])} {spec.dtype.name}"
        for name, one in named.items()
        for spec in keras.tree.flatten(one)
    }


@dataclass
class _Call:
    """A call of a layer: which, inside of how many, and what it made of the graph."""

    layer: Any
    depth: int
    first: int
    last: int = 0
    outputs: Any = None
    has_inner: bool = False


@contextmanager
def _noted_calls() -> Iterator[list[_Call]]:
    """Note every call of a layer in the block, in the order in which they begin."""
    import keras
    import tensorflow as tf

    notes: list[_Call] = []
    open_calls: list[_Call] = []
    original = keras.Layer.__call__

    def noting(layer: Any, *args: Any, **options: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        if open_calls and isinstance(open_calls[-1].layer, keras.layers.RNN):
            return original(layer, *args, **options)  # Its cell, in the graph of its loop.
        note = _Call(layer, len(open_calls), graph.version)
        if open_calls:
            open_calls[-1].has_inner = True
        notes.append(note)
        open_calls.append(note)
        try:
            note.outputs = original(layer, *args, **options)
        finally:
            open_calls.pop()
            note.last = graph.version
        return note.outputs

    keras.Layer.__call__ = noting
    try:
        yield notes
    finally:
        keras.Layer.__call__ = original
