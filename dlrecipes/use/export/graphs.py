"""The graph that other runtimes are made of: numbers in, numbers out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlrecipes.datasets.examples import Rows
from dlrecipes.runs.golden import plain_array
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.tasks.serving import call_serving, named_features, run_serving, track
from dlrecipes.use.export.exported import Exported, Written, specs
from dlrecipes.use.export.numbers import encoded, with_numbers

SIGNATURE = "serving_default"
LOOPS = ("While", "StatelessWhile")


@dataclass(frozen=True)
class Graph:
    """A model that takes and returns numbers alone.

    Args:
        serving: The model.
        vocabularies: What the numbers stand for that it takes instead of texts.
        has_loop: Whether it reads its input step by step, if that was looked at.
    """

    serving: Any
    vocabularies: dict[str, dict[str, Any]]
    has_loop: bool = False

    def features(self, rows: Rows) -> dict[str, Any]:
        """Return raw inputs as the arrays by name that the graph takes."""
        named = named_features(encoded(rows, self.vocabularies), self.serving)
        return {name: tensor.numpy() for name, tensor in named.items()}

    def written(self, exported: Exported, calibration: str = "") -> Written:
        """Return what is known of the graph: its signature, and golden inputs with answers."""
        tf = load_tensorflow()
        inputs = self.features(exported.golden)
        outputs = tf.constant(run_serving(exported.serving, exported.golden))
        answers = {
            name: plain_array(tensor.numpy())
            for name, tensor in _numeric(exported.answer.tensors(outputs, exported.forms.answer))
        }
        signature = {
            "inputs": specs({tensor.name: tensor for tensor in self.serving.inputs}),
            "outputs": [{**one, "shape": [None, *one["shape"][1:]]} for one in specs(answers)],
        }
        golden = {f"{SIGNATURE}/input/{name}": array for name, array in inputs.items()}
        golden |= {f"{SIGNATURE}/output/{name}": array for name, array in answers.items()}
        return Written({SIGNATURE: signature}, golden, self.vocabularies, calibration)


def write_graph(exported: Exported, format_name: str, folder: Path) -> Graph:
    """Write the model without texts as a SavedModel.

    Args:
        exported: The model.
        format_name: The format that it is for.
        folder: The folder to write it into.

    Raises:
        InputError: if the model cannot do without texts.
    """
    serving, vocabularies = with_numbers(exported.serving, format_name)
    graph = Graph(serving, vocabularies)
    return replace(graph, has_loop=save_graph(graph, exported, folder, batch=None))


def save_graph(graph: Graph, exported: Exported, folder: Path, batch: int | None) -> bool:
    """Write a graph that takes so many inputs at once, or any number; return if it has loops."""
    import keras

    archive = keras.export.ExportArchive()
    track(archive, graph.serving)
    traced, signature = function_of(graph.serving, exported, batch)
    archive.add_endpoint(SIGNATURE, traced)
    archive.write_out(str(folder), verbose=False)
    definition = traced.get_concrete_function(signature).graph.as_graph_def()
    nodes = [*definition.node, *(n for one in definition.library.function for n in one.node_def)]
    return any(node.op in LOOPS for node in nodes)


def function_of(serving: Any, exported: Exported, batch: int | None = None) -> tuple[Any, Any]:
    """Return a `tf.function` from numbers to the numbers of the answers, and its signature.

    Args:
        serving: The model without texts.
        exported: The model that it was made of.
        batch: Inputs that it takes at once; None for any number.
    """
    tf = load_tensorflow()
    signature = {
        tensor.name: tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype, name=tensor.name)
        for tensor in serving.inputs
    }

    def serve(inputs: dict[str, Any]) -> dict[str, Any]:
        outputs = call_serving(serving, inputs)
        return dict(_numeric(exported.answer.tensors(outputs, exported.forms.answer)))

    return tf.function(serve, input_signature=[signature], autograph=False), signature


def _numeric(tensors: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the tensors by name that are numbers."""
    return ((name, one) for name, one in tensors.items() if one.dtype != "string")
