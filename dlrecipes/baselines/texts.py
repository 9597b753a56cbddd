"""Plain baseline for classes of texts: tf-idf and logistic regression."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from dlrecipes.baselines.base import Fitted, PlainBaseline, Problem, class_answers, fitted
from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array, StoredColumn

PENALTIES = (1.0, 10.0, 100.0)
"""Values of C that are tried: the larger, the less the weights are held back."""
UNSPACED = re.compile(
    # Thai, Lao, Tibetan, Burmese, Khmer; Japanese kana; Chinese characters.
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
"""A character of a script that does not put spaces between words."""
UNSPACED_SHARE = 0.2
"""Share of such characters, of all that are no spaces, from which on texts are read by character.
"""
LOOKED_AT = 1000
"""Texts that are looked at to find their script."""


class TextClassifier(PlainBaseline):
    """Logistic regression on tf-idf of words and pairs of words, or of characters."""

    most = 4e6
    unit = "texts"

    def cost(self, examples: Examples, classes: int) -> Array:
        """Return the length of each text; more, where there are many classes to tell apart."""
        texts = examples.columns["features"]
        if isinstance(texts, StoredColumn):
            starts, ends = texts.places(slice(None))
            lengths = ends - starts
        else:
            lengths = np.array([len(text) for text in texts])
        return lengths * (1 + max(classes - 2, 0) / 10)

    def fit(self, problem: Problem) -> Iterator[Fitted]:
        """Yield a classifier for each penalty."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        texts = [str(text) for text in problem.train.features]
        words, options = units_of(texts)
        vectorizer = TfidfVectorizer(**options)
        features = vectorizer.fit_transform(texts)
        others = {
            id(rows): vectorizer.transform(map(str, rows.features))
            for rows in (problem.validation, problem.test)
        }
        for penalty in PENALTIES:
            model: Any = LogisticRegression(C=penalty, max_iter=200)
            if len(problem.classes) > 2:
                # All classes at once take ten times as long with so many words.
                model = OneVsRestClassifier(LogisticRegression(C=penalty, solver="liblinear"))
            model.fit(features, problem.train.targets)
            yield fitted(
                f"tf-idf of {words}, logistic regression",
                partial(class_answers, model, others, problem),
                problem,
                f"C={penalty:g}",
            )


def units_of(texts: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return what texts are read by, in words, and how scikit-learn's vectorizers are told so."""
    some = "".join("".join(text.split()) for text in texts[:LOOKED_AT])
    if len(UNSPACED.findall(some)) > UNSPACED_SHARE * len(some):
        return "characters and their pairs", {
            "analyzer": "char",
            "ngram_range": (1, 2),
            "sublinear_tf": True,
        }
    return "words and pairs of words", {"ngram_range": (1, 2), "sublinear_tf": True}
