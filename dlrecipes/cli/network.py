"""Show the network of a recipe: `describe --network`."""

from shlex import quote
from typing import TYPE_CHECKING

from dlrecipes.cli import output
from dlrecipes.cli.display import Display
from dlrecipes.datasets.published.download import shown_bytes

if TYPE_CHECKING:
    from dlrecipes.training.request import Request
    from dlrecipes.use.network import Layer, Network

UNITS = ("", " k", " M", " G", " T", " P")


def show(request: "Request", recipe: str, *, as_json: bool) -> None:
    """Print the layers of a recipe's network, its parameters, operations and memory.

    Args:
        request: The recipe, its settings and its data.
        recipe: The recipe as it was typed.
        as_json: Whether to print one JSON document.
    """
    from dlrecipes.use.network import describe_network

    with output.only_json(as_json):
        display = Display(output.console(stderr=True), quiet=True)
        network = describe_network(request, display)
    if as_json:
        output.print_json(network.document())
        return
    _show(network)
    output.print_next(f"dlrecipes train {quote(recipe)}")


def _show(network: "Network") -> None:
    """Print a network for people."""
    target = output.console()
    inputs = ", ".join(
        f"{name} {shape}".strip() for name, shape in list(network.inputs.items())[:6]
    )
    more = f" and {len(network.inputs) - 6} more" if len(network.inputs) > 6 else ""
    preset = f", preset {network.preset}" if network.preset else ""
    target.print(
        f"{network.recipe}{preset} on {network.data['name']} ({network.data['rung']}): "
        f"{inputs}{more}\n",
        markup=False,
    )
    output.print_table(
        ["layer", "kind", "output", "parameters", "FLOPs"],
        [_row(layer) for layer in network.layers],
        optional=["kind"],
    )
    fixed = network.parameters - network.trainable
    sizes = {name: shown_bytes(count) for name, count in network.bytes.items()}
    target.print(
        f"\nParameters: {network.parameters:,} ({network.trainable:,} trainable, {fixed:,} not)\n"
        f"FLOPs: {shown_count(network.flops)} for one example, forward (a training step takes "
        "about three times as many)\n"
        f"Memory: weights {sizes['weights']}, optimizer {sizes['optimizer']}, activations about "
        f"{sizes['activations']} for a batch of {network.batch_size}",
        markup=False,
    )


def _row(layer: "Layer") -> list[str]:
    """Return the cells of a layer."""
    times = f" x{layer.calls}" if layer.calls > 1 else ""
    outputs = " ".join(
        f"({', '.join('?' if size is None else str(size) for size in shape)})"
        for shape in layer.outputs
    )
    fixed = layer.parameters - layer.trainable
    parameters = f"{layer.parameters:,}" + (f" ({fixed:,} fixed)" if fixed else "")
    return [
        f"{'  ' * layer.depth}{layer.name}{times}",
        layer.kind,
        outputs,
        parameters,
        shown_count(layer.flops),
    ]


def shown_count(count: int) -> str:
    """Return a large count for people, such as 2.7 M."""
    scaled, unit = float(count), 0
    while scaled >= 999.95 and unit < len(UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{scaled:.3g}{UNITS[unit]}" if unit else str(count)
