"""The reference of the JSON documents that are records of the code: their keys, from docstrings."""

import inspect
from collections.abc import Callable
from typing import Any

from dlrecipes.runs.record import Run
from dlrecipes.tasks.check import Findings
from dlrecipes.training.plan import Plan
from dlrecipes.training.proof import Proof
from dlrecipes.use.benchmark import Benchmark
from dlrecipes.use.export.table import Row, Table
from dlrecipes.use.network import Layer, Network
from generator import markdown


def keys(record: type[Any], *, below: str = "") -> str:
    """Return the table of a record's fields, as its docstring describes them.

    Args:
        record: A dataclass.
        below: The key that holds such records, with a point.
    """
    return markdown.table(
        ["key", "content"],
        [
            [markdown.code(f"{below}{name}"), markdown.escaped(text)]
            for name, text in markdown.arguments(inspect.getdoc(record) or "").items()
        ],
    )


def _rows_of(table: str) -> str:
    """Return a table's rows, to go on with another table."""
    return "\n".join(table.splitlines()[2:])


PLACES: dict[str, Callable[[], str]] = {
    "run keys": lambda: keys(Run),
    "plan keys": lambda: keys(Plan),
    "proof keys": lambda: keys(Proof),
    "network keys": lambda: keys(Network),
    "layer keys": lambda: keys(Layer, below="layers."),
    "findings keys": lambda: keys(Findings),
    "exports keys": lambda: f"{keys(Table)}\n{_rows_of(keys(Row, below='exports.'))}",
    "benchmark keys": lambda: keys(Benchmark),
}
