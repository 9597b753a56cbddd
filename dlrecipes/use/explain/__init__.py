"""What moved an answer: how much each word, column or part of a picture adds to it."""

from dlrecipes.use.explain.attribution import Explanation, explain
from dlrecipes.use.explain.overall import Overall, explain_overall

__all__ = ["Explanation", "Overall", "explain", "explain_overall"]
