"""The form of what is expected of a recipe, and the sizes of its layers, added up by hand."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """What the tests expect of a recipe.

    Args:
        parameters: Weights of the network with each preset; "" for the default settings.
        rows: Examples of each split of the sample, with the default settings.
        baseline: The headline metric on the sample of what needs no network, or of noise.
        cheap: Flags with which it still learns on the sample, in a few seconds.
        practices: Settings that are switched by themselves, as flags; each must train well.
        shorter: Flags that make those trainings shorter.
    """

    parameters: Mapping[str, int]
    rows: Mapping[str, int]
    baseline: float
    cheap: tuple[str, ...] = ()
    practices: tuple[str, ...] = ()
    shorter: str = ""


def dense(inputs: int, units: int) -> int:
    """Return the weights of a dense layer, with a bias a unit."""
    return inputs * units + units


def lstm(inputs: int, units: int) -> int:
    """Return the weights of an LSTM: four gates, each with a bias a unit."""
    return 4 * dense(inputs + units, units)


def normalized(places: int, inputs: int, filters: int) -> int:
    """Return the weights of a convolution without biases, and of its batch normalisation.

    Args:
        places: Height times width of a filter.
        inputs: Channels that it reads.
        filters: Channels that it gives, each with four numbers of the normalisation.
    """
    return places * inputs * filters + 4 * filters


def waves(numbers: int) -> int:
    """Return the parameters of 16 waves of each number, and of the three sums of them."""
    return numbers * (16 * 2 + 16 * 3 + 3)


def members(count: int, columns: int, width: int, outputs: int) -> int:
    """Return the parameters that members do not share: factors of columns, and last layers."""
    return count * (columns + dense(width, outputs))
