"""What moved an answer: how much each word, column or part of a picture adds to it."""

from dlrecipes.use.explain.attribution import Explanation, explain

__all__ = ["Explanation", "explain"]
