"""Turn float64 into float32 in a graph, and write what LiteRT lacks in operations that it has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlrecipes.system.backend import load_tensorflow


def rewrite(source: Path, target: Path) -> None:
    """Write the SavedModel in `source` in single precision, as a SavedModel in `target`.

    float32 keeps seven digits. `IsNan` becomes `x != x`, and a bias that is added along an axis
    but the last one an addition.
    """
    tf = load_tensorflow()
    # The converters of TensorFlow call it, too: it has no public name.
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    loaded = tf.saved_model.load(str(source))
    signature = loaded.signatures["serving_default"]
    frozen = convert_variables_to_constants_v2(signature, lower_control_flow=False)
    definition, specs = _plain(frozen.graph), _single_specs(signature)
    assert sorted(tensor.name.partition(":")[0] for tensor in frozen.inputs) == sorted(specs)
    names = sorted(signature.structured_outputs)
    results = [tensor.name for tensor in frozen.outputs]

    def serve(inputs: dict[str, Any]) -> dict[str, Any]:
        outputs = tf.graph_util.import_graph_def(
            definition, input_map=inputs, return_elements=results, name=""
        )
        return dict(zip(names, outputs, strict=True))

    traced = tf.function(serve, input_signature=[specs], autograph=False)
    tf.saved_model.save(tf.Module(), str(target), signatures={"serving_default": traced})


def _single_specs(signature: Any) -> dict[str, Any]:
    """Return the inputs of a signature by name, in single precision."""
    tf = load_tensorflow()
    _, keywords = signature.structured_input_signature
    return {
        name: tf.TensorSpec(one.shape, _single(one.dtype), name=name)
        for name, one in keywords.items()
    }


def needs_rewriting(definition: Any) -> bool:
    """Tell whether a graph has what LiteRT lacks."""
    return any(
        _has_double(node) or node.op == "IsNan" or _is_across(node) for node in _nodes(definition)
    )


def _nodes(definition: Any) -> Iterator[Any]:
    """Yield the operations of a graph, those of its functions too."""
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def _single(dtype: Any) -> Any:
    """Return float32 for float64, and any other type as it is."""
    tf = load_tensorflow()
    return tf.float32 if dtype == tf.float64 else dtype


def _has_double(node: Any) -> bool:
    """Tell whether an operation has to do with float64."""
    tf = load_tensorflow()
    double = tf.float64.as_datatype_enum
    return any(one.type == double or double in one.list.type for one in node.attr.values())


def _is_across(node: Any) -> bool:
    """Tell whether an operation adds a bias along the second axis."""
    return bool(node.op == "BiasAdd" and node.attr["data_format"].s == b"NCHW")


def _plain(graph: Any) -> Any:
    """Return the definition of a graph in operations and types that LiteRT has."""
    definition = graph.as_graph_def()
    for node in list(definition.node):
        if _is_across(node):
            rank = graph.get_operation_by_name(node.name).outputs[0].shape.rank
            _add(definition, node, rank)
    for node in _nodes(definition):
        if node.op == "IsNan":
            _compare(node)
        for attribute in node.attr.values():
            _in_single(attribute)
    for function in definition.library.function:
        for argument in (*function.signature.input_arg, *function.signature.output_arg):
            argument.type = _single_number(argument.type)
    return definition


def _single_number(number: int) -> int:
    """Return the number of the type float32 for that of float64."""
    tf = load_tensorflow()
    return int(_single(tf.as_dtype(number)).as_datatype_enum) if number else number


def _in_single(attribute: Any) -> None:
    """Change a type or a constant of an operation from float64 to float32."""
    tf = load_tensorflow()
    if attribute.HasField("type"):
        attribute.type = _single_number(attribute.type)
    elif attribute.HasField("tensor") and attribute.tensor.dtype == tf.float64.as_datatype_enum:
        values = tf.make_ndarray(attribute.tensor).astype("float32")
        attribute.tensor.CopyFrom(tf.make_tensor_proto(values))
    elif attribute.list.type:
        attribute.list.type[:] = [_single_number(one) for one in attribute.list.type]


def _compare(node: Any) -> None:
    """Turn `IsNan` into `x != x`."""
    node.op = "NotEqual"
    node.input.append(node.input[0])
    node.attr["incompatible_shape_error"].b = True


def _add(definition: Any, node: Any, rank: int) -> None:
    """Turn a bias along the second axis into an addition of the bias in a shape that fits."""
    tf = load_tensorflow()
    dtype = node.attr["T"].type
    shape = definition.node.add(name=f"{node.name}/shape", op="Const")
    shape.attr["dtype"].type = tf.int32.as_datatype_enum
    sizes = tf.make_tensor_proto([-1] + [1] * (rank - 2), tf.int32)
    shape.attr["value"].tensor.CopyFrom(sizes)
    bias = definition.node.add(name=f"{node.name}/bias", op="Reshape")
    bias.input.extend([node.input[1], shape.name])
    bias.attr["T"].type = dtype
    bias.attr["Tshape"].type = tf.int32.as_datatype_enum
    node.op = "AddV2"
    node.input[1] = bias.name
    del node.attr["data_format"]
