"""What some encoders of answers can do besides: encode a whole column of a table."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from dlrecipes.datasets.storage import Array


@runtime_checkable
class ColumnEncoder(Protocol):
    """An encoder that turns a column of answers into an array at once."""

    def encode_column(
        self, cells: Any, splits: Sequence[str], where: Callable[[int], str]
    ) -> Array:
        """Return the answers in a column.

        Args:
            cells: A list, or an Arrow array.
            splits: The split of each row.
            where: Returns where a row's answer stands, for messages.
        """
