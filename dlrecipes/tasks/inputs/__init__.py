"""The kinds of input."""

from dlrecipes.tasks.inputs.image import Image
from dlrecipes.tasks.inputs.noise import Noise
from dlrecipes.tasks.inputs.prose import Prose
from dlrecipes.tasks.inputs.table import Table
from dlrecipes.tasks.inputs.text import Text

__all__ = ["Image", "Noise", "Prose", "Table", "Text"]
