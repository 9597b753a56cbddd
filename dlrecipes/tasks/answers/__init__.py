"""The kinds of answer."""

from dlrecipes.tasks.answers.category import Category
from dlrecipes.tasks.answers.continuation import Continuation
from dlrecipes.tasks.answers.mask import Mask
from dlrecipes.tasks.answers.number import Number
from dlrecipes.tasks.answers.picture import Picture

__all__ = ["Category", "Continuation", "Mask", "Number", "Picture"]
