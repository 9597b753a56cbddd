"""Count the floating-point operations of a TensorFlow graph, from the shapes in it.

A multiplication and an addition count as two. What only moves or compares numbers counts nothing;
functions such as exp count one a number. A loop counts as often as it runs, where that is known.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

ELEMENTWISE = (
    *("Abs", "Add", "AddN", "AddV2", "BiasAdd", "Cos", "Div", "Elu", "Erf", "Erfc", "Exp", "Expm1"),
    *("FusedBatchNormV3", "LeakyRelu", "Log", "Log1p", "Maximum", "Minimum", "Mul", "Neg", "Pow"),
    *("RealDiv", "Reciprocal", "Relu", "Relu6", "Rsqrt", "Selu", "Sigmoid", "Sin", "Softplus"),
    *("Softsign", "Sqrt", "Square", "SquaredDifference", "Sub", "Tanh"),
)
"""Operations that make each number of their output from one or two numbers."""
REDUCTIONS = ("Max", "Mean", "Min", "Prod", "Sum")
"""Operations that go once over the numbers of their input."""
SOFTMAX = 5
"""Operations for a number of a softmax: largest, difference, exp, sum, quotient."""

Shape = tuple[int, ...]


def _size(shape: Shape) -> int:
    """Return how many numbers a tensor has."""
    return math.prod(shape)


def _matmul(op: Any) -> int:
    """Return the operations of a product of matrices, or of many."""
    name = "transpose_a" if op.type == "MatMul" else "adj_x"
    left = _shape(op.inputs[0])
    inner = left[-2] if op.get_attr(name) else left[-1]
    return 2 * _size(_shape(op.outputs[0])) * inner


def _convolution(op: Any) -> int:
    """Return the operations of a convolution: each output number is a product with a filter."""
    *window, channels, _ = _shape(op.inputs[1])
    return 2 * _size(_shape(op.outputs[0])) * math.prod(window) * channels


def _transposed(op: Any) -> int:
    """Return the operations of a transposed convolution: each input number spreads a filter."""
    *window, channels, _ = _shape(op.inputs[1])
    return 2 * _size(_shape(op.inputs[2])) * math.prod(window) * channels


def _depthwise(op: Any) -> int:
    """Return the operations of a convolution of each channel by itself."""
    window = _shape(op.inputs[1])[:2]
    return 2 * _size(_shape(op.outputs[0])) * math.prod(window)


def _pooling(op: Any) -> int:
    """Return the operations of pooling."""
    window: list[int] = op.get_attr("ksize")
    return _size(_shape(op.outputs[0])) * math.prod(window)


def _einsum(op: Any) -> int:
    """Return the operations of a product and sum over named axes."""
    equation = op.get_attr("equation").decode().partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for letters, tensor in zip(equation, op.inputs, strict=True):
        sizes |= zip(letters, _shape(tensor), strict=False)
    return 2 * math.prod(sizes.values())


FORMULAS: dict[str, Callable[[Any], int]] = {
    "AvgPool": _pooling,
    "BatchMatMulV2": _matmul,
    "BatchMatMulV3": _matmul,
    "Conv2D": _convolution,
    "Conv2DBackpropInput": _transposed,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Einsum": _einsum,
    "MatMul": _matmul,
    "MaxPool": _pooling,
    "Softmax": lambda op: SOFTMAX * _size(_shape(op.outputs[0])),
    **dict.fromkeys(ELEMENTWISE, lambda op: _size(_shape(op.outputs[0]))),
    **dict.fromkeys(REDUCTIONS, lambda op: _size(_shape(op.inputs[0]))),
}


def _shape(tensor: Any) -> Shape:
    """Return the shape of a tensor; an axis of unknown length counts once."""
    if tensor.shape.rank is None:
        return ()
    return tuple(size or 1 for size in tensor.shape.as_list())


class Operations:
    """The operations of a graph.

    Args:
        graph: A `tf.Graph` of a function; of one with outputs, what those do not need is left out.
        needed: Whether to leave that out.
    """

    def __init__(self, graph: Any, *, needed: bool = True) -> None:
        self.operations = graph.get_operations()
        kept = _needed(graph.outputs) if needed else set(self.operations)
        self.counts = [_count(op) if op in kept else 0 for op in self.operations]

    @property
    def total(self) -> int:
        """Return the operations of all of it."""
        return sum(self.counts)

    def between(self, first: int, last: int) -> int:
        """Return the operations of what was added to the graph from one version to another."""
        return sum(self.counts[first:last])


def _needed(outputs: Any) -> set[Any]:
    """Return the operations that some outputs need."""
    found: set[Any] = set()
    waiting = [tensor.op for tensor in outputs if tensor is not None]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return found


def _count(op: Any) -> int:
    """Return the operations of one node of a graph, and of the functions that it calls."""
    if formula := FORMULAS.get(op.type):
        floats = op.outputs[0].dtype.is_floating
        return formula(op) if floats else 0
    inner = sum(Operations(graph).total for graph in _functions(op))
    return inner * _times(op) if inner else 0


def _functions(op: Any) -> Iterator[Any]:
    """Yield the graphs of the functions that a node calls, without a loop's condition."""
    for name in ("body", "then_branch", "f"):
        if name in op.node_def.attr and op.node_def.attr[name].func.name:
            called = op.node_def.attr[name].func.name
            function = op.graph._get_function(called)
            if function is not None:
                yield function.graph


def _times(op: Any) -> int:
    """Return how often a node runs its functions: a loop, as often as its largest bound says."""
    if op.type not in ("While", "StatelessWhile"):
        return 1
    bounds = (
        _known(tensor) for tensor in op.inputs if tensor.shape.rank == 0 and tensor.dtype.is_integer
    )
    return max(1, *bounds)


def _known(tensor: Any) -> int:
    """Return the largest number that a tensor of whole numbers is known to hold; 0 if none is."""
    import tensorflow as tf

    value = tf.get_static_value(tensor)
    if value is not None:
        return int(value.max(initial=0))
    # Keras bounds the loop of a recurrent layer by the largest of such numbers.
    chosen = tensor.op.type in ("Identity", "Max", "Maximum", "Pack")
    return max(map(_known, tensor.op.inputs), default=0) if chosen else 0
