"""What moved an answer: how much each word, column or part of a picture adds to it."""

from dlrecipes.use.explain.attribution import Explanation, explain
from dlrecipes.use.explain.overall import Overall, explain_overall
from dlrecipes.use.explain.words import OverallWords

__all__ = ["Explanation", "Overall", "OverallWords", "explain", "explain_overall"]
