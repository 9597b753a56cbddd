"""The plain baseline of a training: fitted beside it, and compared with the network at the end."""

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dlrecipes.baselines.base import Fitted, Problem
from dlrecipes.baselines.process import BaselineError, Process
from dlrecipes.datasets.examples import Examples, Source
from dlrecipes.errors import DlrecipesError
from dlrecipes.kit.scores import Scores
from dlrecipes.runs.noise import Difference, difference_of
from dlrecipes.runs.record import finite
from dlrecipes.tasks.base import Task

LEAST_SECONDS = 10.0
"""That a baseline may have after a training, however short that was, or beside a test: the import
of scikit-learn alone takes two."""
SHARE = 0.2
"""Of the training's time that a baseline may take after it."""
VALIDATION_FRACTION = 0.1
"""Share of the training rows that it is chosen on, where the recipe does not say."""
UNTESTED = "none"


class Rival:
    """A plain baseline that is fitted in a process of its own.

    Args:
        task: The task, which may have none.
        source: The raw examples.
        config: The recipe's settings.
    """

    def __init__(self, task: Task, source: Source, config: Any) -> None:
        self.task = task
        self.why_none = ""
        """Why there is no plain baseline; empty as long as there may be one."""
        self.problem: Problem | None = None
        self.process: Process | None = None
        if task.plain is None:
            self.why_none = f"none is known for {task.name}"
            return
        try:
            self.problem = _problem(task, source, config)
            if _free_cores() > 1:
                self._begin()
        except Exception as error:  # Whatever it is, it is no reason not to train.
            self.why_none = f"it could not be started: {_in_words(error)}"

    def _begin(self) -> None:
        """Begin to fit."""
        assert self.task.plain is not None
        assert self.problem is not None
        self.process = Process(self.task.plain, self.problem)

    @property
    def has_failed(self) -> bool:
        """Tell whether there should be a baseline, and is none."""
        return bool(self.why_none) and self.task.plain is not None

    def stop(self) -> None:
        """End its process, if there is one."""
        if self.process:
            self.process.stop()

    def compared(self, metrics: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Return what a run records of the plain baseline; `why_none` says why that is nothing.

        Args:
            metrics: The test metrics of the network, as the recipe's `evaluate` returned them.
            seconds: How long the network was trained, or tested.
        """
        if self.why_none or self.problem is None:
            return {}
        try:
            if self.process is None:  # All cores were taken until now.
                self._begin()
            assert self.process is not None
            found, is_complete = self.process.results(max(LEAST_SECONDS, SHARE * seconds))
            return self._record(found, metrics, is_complete=is_complete)
        except Exception as error:
            self.why_none = f"it failed: {_in_words(error)}"
            return {}

    def _record(
        self, found: list[Fitted], metrics: Mapping[str, Any], *, is_complete: bool
    ) -> dict[str, Any]:
        """Return the record of the best baseline on the validation rows."""
        assert self.problem is not None
        headline, sign = self.task.headline.name, 1 if self.task.headline.higher_is_better else -1

        def by_validation(one: Fitted) -> float:
            value = one.validation.get(headline, math.nan)
            return sign * value if math.isfinite(value) else -math.inf

        best = max(found, key=by_validation)
        if not math.isfinite(best.test.get(headline, math.nan)):
            raise BaselineError(f"its test {headline} is not a number")
        splits = {
            "train": self.problem.train,
            "validation": self.problem.validation,
            "test": self.problem.test,
        }
        return {
            "name": best.name,
            "setting": best.setting,
            "metrics": {name: float(value) for name, value in best.test.items()},
            "seconds": round(found[-1].seconds, 3),
            "rows": {split: len(rows) for split, rows in splits.items()},
            "left_out": {split: rows.total - len(rows) for split, rows in splits.items()},
            "tried": {
                f"{one.name} {one.setting}".strip(): one.validation.get(headline) for one in found
            },
            "complete": is_complete,
            "comparison": self._comparison(best, metrics),
        }

    def _comparison(self, best: Fitted, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Return how the network compares with the baseline on the same test rows."""
        assert self.problem is not None
        headline = self.task.headline
        known: Scores | None = getattr(best.test, "scores", {}).get(headline.name)
        value, baseline = float(metrics[headline.name]), float(best.test[headline.name])
        if known is None:
            apart = value - baseline
            difference = Difference(apart, (apart, apart), UNTESTED)
        else:
            scores = scores_of(metrics, headline.name)
            with suppress(IndexError):
                scores = scores and scores.take(self.problem.test.numbers[: len(known)])
            if scores and scores.fits(known):
                value = scores.value()
                difference = difference_of(
                    scores, known, are_right_or_wrong=headline.name == "accuracy"
                )
            else:
                difference = difference_of(value, known)
        document: dict[str, Any] = finite(
            {
                "metric": headline.name,
                "network": value,
                "baseline": baseline,
                "difference": difference.difference,
                "ahead": difference.difference * (1 if headline.higher_is_better else -1) > 0,
                "interval": [None, None] if known is None else list(difference.interval),
                "test": difference.test,
                "verdict": difference.verdict(higher_is_better=headline.higher_is_better),
            }
        )
        return document


def _in_words(error: Exception) -> str:
    """Return what went wrong, without the full stop of a sentence."""
    text = str(error) if isinstance(error, DlrecipesError) else f"{type(error).__name__}: {error}"
    return text.strip().rstrip(".:")


def scores_of(metrics: Mapping[str, Any], headline: str) -> Scores | None:
    """Return what the network's headline is made of; None if that is not known."""
    scores: Scores | None = getattr(metrics, "scores", {}).get(headline)
    # A recipe may have changed its metrics afterwards.
    same = scores is not None and math.isclose(
        scores.value(), metrics[headline], rel_tol=1e-4, abs_tol=1e-6
    )
    return scores if same else None


def _problem(task: Task, source: Source, config: Any) -> Problem:
    """Return what the plain baseline of a task is fitted on: the rows of the network, or fewer."""
    assert task.plain is not None
    fraction = getattr(config, "validation_fraction", VALIDATION_FRACTION)
    train, validation = source.train_and_validation(fraction)
    classes = len(source.classes)

    def rows(split: str, examples: Examples) -> Any:
        assert task.plain is not None
        return task.plain.choose(examples, classes, split)

    return Problem(
        train=rows("train", train),
        validation=rows("validation", validation),
        test=rows("test", source.test),
        classes=source.classes,
        metric=task.headline.name,
    )


def _free_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
