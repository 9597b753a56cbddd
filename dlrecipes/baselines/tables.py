"""Plain baselines for tables: a linear model, and histogram gradient boosting."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlrecipes.baselines.base import (
    SEED,
    Fitted,
    PlainBaseline,
    Problem,
    Rows,
    fitted,
    probabilities_of,
)
from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array
from dlrecipes.kit.metrics import number_metrics
from dlrecipes.kit.rare_classes import rare_metrics

LINEAR_CATEGORIES = 100
"""Categories of a column that have a coefficient of their own in a linear model: the commonest."""
TREE_CATEGORIES = 254
"""Categories of a column that gradient boosting tells apart, besides all others."""
BOOSTING = "histogram gradient boosting"


class _Table(PlainBaseline):
    """What the baselines for tables have in common. A row costs its cells, times its classes."""

    most = 3e6
    least = 2000

    def cost(self, examples: Examples, classes: int) -> Array:
        """Return the cells of each row, once for each class that trees are grown for."""
        trees = classes if classes > 2 else 1
        return np.full(len(examples), float(len(examples.columns) * trees))


class TableClassifier(_Table):
    """Logistic regression, and histogram gradient boosting."""

    def fit(self, problem: Problem) -> Iterator[Fitted]:
        """Yield each of the two."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression

        linear = _linear(LogisticRegression(max_iter=500))
        yield self._fitted("logistic regression", linear, problem)
        trees = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=SEED)
        yield self._fitted(BOOSTING, _Boosting(trees), problem)

    def _fitted(self, name: str, model: Any, problem: Problem) -> Fitted:
        """Return a classifier, fitted and tested."""
        model.fit(_frame(problem.train), problem.train.targets)

        def answers(rows: Rows) -> tuple[Array, Array]:
            return probabilities_of(model, _frame(rows), problem), rows.targets.astype("int64")

        known = answers(problem.validation)
        return fitted(
            name, lambda rows: rare_metrics(known, answers(rows), problem.classes), problem
        )


class TableRegressor(_Table):
    """Ridge regression, and histogram gradient boosting."""

    def fit(self, problem: Problem) -> Iterator[Fitted]:
        """Yield each of the two; the trees lower the error that they are judged by."""
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import RidgeCV

        yield self._fitted("ridge regression", _linear(RidgeCV((0.1, 1.0, 10.0, 100.0))), problem)
        trees = HistGradientBoostingRegressor(
            loss="absolute_error" if problem.metric == "mae" else "squared_error",
            categorical_features="from_dtype",
            random_state=SEED,
        )
        yield self._fitted(BOOSTING, _Boosting(trees), problem)

    def _fitted(self, name: str, model: Any, problem: Problem) -> Fitted:
        """Return a regression, fitted and tested."""
        model.fit(_frame(problem.train), problem.train.targets.astype("float64"))
        return fitted(
            name,
            lambda rows: number_metrics(
                model.predict(_frame(rows)), rows.targets.astype("float64")
            ),
            problem,
        )


def _frame(rows: Rows) -> Any:
    """Return named columns as a pandas table: numbers, NaN where missing, and texts."""
    import pandas as pd

    columns = {
        name: column.astype(str) if column.dtype.kind in "OSU" else column.astype("float64")
        for name, column in rows.features.items()
    }
    return pd.DataFrame({name: pd.Series(column) for name, column in columns.items()})


def _linear(model: Any) -> Any:
    """Return a linear model behind standardised numbers and one-hot categories."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=LINEAR_CATEGORIES
    )
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (categories, make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, model)


class _Boosting:
    """Gradient boosting of columns of texts, too: of each, the commonest are categories.

    Args:
        model: scikit-learn's, which takes pandas' categories as they are.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.categories: dict[str, Any] = {}

    def fit(self, table: Any, targets: Array) -> None:
        """Fit the trees."""
        self.categories = {
            name: column.value_counts().index[:TREE_CATEGORIES].sort_values()
            for name, column in table.items()
            if column.dtype.kind != "f"
        }
        self.model.fit(self._coded(table), targets)

    def _coded(self, table: Any) -> Any:
        """Return a table with categories in place of texts; others are missing."""
        import pandas as pd

        coded = {
            name: pd.Categorical(table[name], categories=known)
            for name, known in self.categories.items()
        }
        return table.assign(**coded)

    @property
    def classes_(self) -> Array:
        """Return the numbers of the classes that training rows have."""
        classes: Array = self.model.classes_
        return classes

    def predict(self, table: Any) -> Array:
        """Return the predicted numbers."""
        predicted: Array = self.model.predict(self._coded(table))
        return predicted

    def predict_proba(self, table: Any) -> Array:
        """Return the probabilities of the classes that training rows have."""
        predicted: Array = self.model.predict_proba(self._coded(table))
        return predicted
