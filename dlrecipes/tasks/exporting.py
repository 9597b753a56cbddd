"""What some kinds of input and of answer can do more, in an export."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from dlrecipes.datasets.examples import Rows
from dlrecipes.datasets.forms import Form
from dlrecipes.datasets.storage import Array


@runtime_checkable
class EncodedFiles(Protocol):
    """A kind of input that comes as files, such as PNG."""

    def files(self, features: Rows) -> Any:
        """Return raw inputs as encoded files, string (batch,)."""

    def from_files(self, contents: Any, form: Form) -> Any:
        """Return raw inputs from encoded files, as tensors; part of the export.

        Args:
            contents: The files, string (batch,).
            form: The form of the inputs.
        """


@runtime_checkable
class Measured(Protocol):
    """A kind of answer that is measured wherever it was given."""

    def measured(self, outputs: Array, labels: Array, form: Form) -> Mapping[str, float]:
        """Return test metrics of answers that another program gave.

        Args:
            outputs: What the model returned there.
            labels: The true answers.
            form: The form of the answers.
        """
