"""What is exported: a run's model, as `predict` uses it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlrecipes.datasets.examples import Rows, Source
from dlrecipes.runs.record import Run
from dlrecipes.tasks.base import Answer, Input


@dataclass(frozen=True)
class Exported:
    """A run's model.

    Args:
        run: The run.
        serving: Its serving model.
        input: Its kind of input.
        answer: Its kind of answer.
        forms: The forms of its inputs and answers.
        golden: Raw inputs that an export is proven with.
        training_rows: Returns raw inputs that the run was trained on, to measure ranges with.
    """

    run: Run
    serving: Any
    input: Input
    answer: Answer
    forms: Source
    golden: Rows
    training_rows: Callable[[], Rows]

    @property
    def has_columns(self) -> bool:
        """Tell whether its inputs are columns, whose scales no one range of int8 can hold."""
        return isinstance(self.golden, dict)


@dataclass(frozen=True)
class Written:
    """What a format wrote, besides the files.

    Args:
        signatures: The inputs and outputs of each signature: `name`, `dtype` and `shape`, null for
            an axis of any length.
        golden: Arrays `<signature>/input/<name>` and `<signature>/output/<name>`.
        vocabularies: Of inputs whose texts are numbers here, what each number stands for.
        calibration: What the ranges of int8 were measured with; empty for nothing.
    """

    signatures: dict[str, dict[str, list[dict[str, Any]]]]
    golden: dict[str, Any]
    vocabularies: dict[str, dict[str, Any]]
    calibration: str = ""


WEIGHTS_ONLY = "nothing: only its weights are int8"
"""The calibration of a model that has none."""


def specs(tensors: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the name, type and shape of tensors by name."""
    return [
        {"name": name, "dtype": _type_name(tensor), "shape": list(tensor.shape)}
        for name, tensor in tensors.items()
    ]


def _type_name(tensor: Any) -> str:
    """Return the name of a tensor's type, as NumPy has it; `string` for texts."""
    dtype = tensor.dtype
    return dtype if isinstance(dtype, str) else dtype.name
