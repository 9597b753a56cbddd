"""Whether two models differ on test examples by more than noise."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from dlrecipes.kit.scores import Array, RankedScores, Scores
from dlrecipes.kit.scores import first as mean_of_one

CONFIDENCE = 0.95
RESAMPLES = 2000
MOST_DRAWN = 2e7
"""Numbers that are drawn for all resamples together: with very many examples, there are fewer."""
LEAST_RESAMPLES = 200
LEAST_EXAMPLES = 8
"""With fewer, resampling them tells nothing about others."""
BLOCKS = 20
"""Pieces that a text of few characters is cut into, at least."""
MOST_DRAWN_OF = 20_000
"""Examples, or groups of them where there are more, that are drawn from."""
SEED = 0
MCNEMAR, PAIRED, UNPAIRED = "exact McNemar", "paired bootstrap", "unpaired bootstrap"
NEWCOMBE = "score intervals"


@dataclass(frozen=True)
class Difference:
    """How far apart two models are on a metric.

    Args:
        difference: Value of the first, less that of the second.
        interval: The 95 % interval of that, lowest and highest; infinite where the examples are
            too few to tell.
        test: How it was found: `exact McNemar`, `paired bootstrap` or, where it is not known how
            the first did on each example, `unpaired bootstrap`.
    """

    difference: float
    interval: tuple[float, float]
    test: str

    def verdict(self, *, higher_is_better: bool) -> str:
        """Return whether the first model is `better` or `worse`, or it is a `tie`: maybe noise."""
        lowest, highest = self.interval
        if not (lowest > 0 or highest < 0):
            return "tie"
        return "better" if (lowest > 0) == higher_is_better else "worse"


def difference_of(
    first: Scores | float, second: Scores, *, are_right_or_wrong: bool = False
) -> Difference:
    """Return how far the first of two models is from the second.

    Args:
        first: Its scores of the same examples as the second's; or only its metric.
        second: The scores of the second model.
        are_right_or_wrong: Whether each example is 1 if it is right, else 0.
    """
    if isinstance(first, Scores) and are_right_or_wrong:
        return _mcnemar(first.parts[:, 0], second.parts[:, 0])
    paired = isinstance(first, Scores)
    value = first.value() if isinstance(first, Scores) else first
    difference = value - second.value()
    test = PAIRED if paired else UNPAIRED
    block = min(second.block, max(len(second) // BLOCKS, 1))
    if not isinstance(second, RankedScores):
        block = max(block, len(second) // MOST_DRAWN_OF)
    if len(second) // block < LEAST_EXAMPLES:
        return Difference(difference, (-math.inf, math.inf), test)
    random = np.random.default_rng(SEED)
    drawn = int(min(RESAMPLES, max(MOST_DRAWN / second.parts.size, LEAST_RESAMPLES)))
    of_second = _by_block(second, block)
    of_first = _by_block(first, block) if isinstance(first, Scores) else of_second
    found = np.empty(drawn)
    for place in range(drawn):
        weights = _weights(random, -(-len(second) // block))
        # Of a first model that is not known, as if its examples were others that vary as much.
        other = weights if paired else _weights(random, len(weights))
        found[place] = of_first(other) - of_second(weights)
    if not paired:
        found += difference
    return Difference(difference, _quantiles(found, CONFIDENCE), test)


def paired(first: Scores, second: Scores) -> Difference:
    """Return how far the first of two models is from the second, tested on the same examples."""
    return difference_of(first, second, are_right_or_wrong=is_share(first) and is_share(second))


def interval_of(scores: Scores, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of a metric: lowest and highest; infinite where too few examples tell.

    Of shares (0 or 1 for each example) after Wilson 1927, who needs no example that is wrong; of
    other metrics by the bootstrap.
    """
    if is_share(scores):
        return _wilson(scores.value(), len(scores), confidence)
    return _quantiles(_resampled(scores, np.random.default_rng(SEED)), confidence)


def gap_of(first: Scores, second: Scores, confidence: float = CONFIDENCE) -> Difference:
    """Return how far a model's metric on some examples is from that on others.

    Of shares by the score intervals of both (Newcombe 1998), of other metrics by the bootstrap.

    Args:
        first: Its scores of some examples.
        second: Its scores of others.
        confidence: Of the interval.
    """
    one, two = first.value(), second.value()
    if is_share(first) and is_share(second):
        (low_one, high_one), (low_two, high_two) = (
            _wilson(scores.value(), len(scores), confidence) for scores in (first, second)
        )
        below = math.hypot(one - low_one, high_two - two)
        above = math.hypot(high_one - one, two - low_two)
        return Difference(one - two, (one - two - below, one - two + above), NEWCOMBE)
    random = np.random.default_rng(SEED)
    drawn = _resampled(first, random), _resampled(second, random)
    count = min(map(len, drawn))
    return Difference(
        one - two, _quantiles(drawn[0][:count] - drawn[1][:count], confidence), UNPAIRED
    )


def is_share(scores: Scores) -> bool:
    """Tell whether the metric is the share of examples that are right."""
    is_mean = scores.metric is mean_of_one and scores.parts.shape[1:] == (1,)
    return is_mean and type(scores) is Scores and bool(np.isin(scores.parts, (0, 1)).all())


def _wilson(share: float, count: int, confidence: float) -> tuple[float, float]:
    """Return the score interval of a share of so many."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    half /= 1 + z * z / count
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _resampled(scores: Scores, random: np.random.Generator) -> Array:
    """Return the metric of examples that were drawn again; nothing if they are too few."""
    block = max(min(scores.block, len(scores) // BLOCKS), 1)
    if not isinstance(scores, RankedScores):
        block = max(block, len(scores) // MOST_DRAWN_OF)
    if len(scores) // block < LEAST_EXAMPLES:
        return np.empty(0)
    value, blocks = _by_block(scores, block), -(-len(scores) // block)
    drawn = int(min(RESAMPLES, max(MOST_DRAWN / scores.parts.size, LEAST_RESAMPLES)))
    return np.array([value(_weights(random, blocks)) for _ in range(drawn)])


def _quantiles(found: Array, confidence: float) -> tuple[float, float]:
    """Return the interval that resamples lead to; infinite without any."""
    found = found[np.isfinite(found)]  # A resample may lack a class.
    tail = (1 - confidence) / 2
    lowest, highest = np.quantile(found, (tail, 1 - tail)) if len(found) else (-np.inf, np.inf)
    return float(lowest), float(highest)


def _weights(random: np.random.Generator, count: int) -> Array:
    """Return how often each of so many is drawn, if as many are drawn, with replacement."""
    return np.bincount(random.integers(count, size=count), minlength=count).astype("float64")


def _by_block(scores: Scores, block: int) -> Callable[[Array], float]:
    """Return the function from how often each block of examples counts to the metric."""
    if isinstance(scores, RankedScores):
        return scores.value
    starts = np.arange(0, len(scores), block)
    sums, sizes = np.add.reduceat(scores.parts, starts), np.diff(starts, append=len(scores))

    def value(weights: Array) -> float:
        # Not as a product of matrices, whose threads would wait for each other many times.
        total = (weights[:, np.newaxis] * sums).sum(axis=0)
        return scores.metric(total / (weights * sizes).sum())

    return value


def _mcnemar(first: Array, second: Array) -> Difference:
    """Return the difference of two shares of right answers, after McNemar 1947.

    Only examples that one is right about and the other is not tell them apart. If the two are
    equally good, each is as likely to be right about these: the exact binomial interval of the
    first's share of them (Clopper and Pearson 1934) holds one half. Where there are none, the
    interval is how many there may be of all others: all of them may be in favour of either.
    """
    wins, losses = int((first > second).sum()), int((first < second).sum())
    apart, share = wins + losses, (wins + losses) / len(first)
    tail = (1 - CONFIDENCE) / 2
    if not apart:
        most = 1 - tail ** (1 / len(first))
        return Difference(0.0, (-most, most), MCNEMAR)
    lowest = 0.0 if wins == 0 else _solved(lambda p: _upper_tail(wins, apart, p), tail)
    highest = 1.0 if losses == 0 else 1 - _solved(lambda p: _upper_tail(losses, apart, p), tail)
    ends = ((2 * lowest - 1) * share, (2 * highest - 1) * share)
    return Difference((wins - losses) / len(first), ends, MCNEMAR)


def _upper_tail(least: int, count: int, p: float) -> float:
    """Return how likely a binomial variable of `count` trials is at least `least`."""
    numbers = np.arange(least, count + 1)
    logs = _log_choose(count)[least:] + numbers * math.log(p) + (count - numbers) * math.log1p(-p)
    return float(np.exp(logs).sum())


def _log_choose(count: int) -> Array:
    """Return the logarithm of each binomial coefficient, (count + 1,)."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    chosen: Array = logs[-1] - logs - logs[::-1]
    return chosen


def _solved(rising: Callable[[float], float], wanted: float) -> float:
    """Return where a rising function of a share is a wanted value."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2
