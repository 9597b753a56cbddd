"""A diagnosis of a training in words: what is wrong with it, and which flags to try next.

The rules stand in a table in `docs/guides/diagnosis.md`, with their numbers. A rule does not apply
where something else explains what it sees, so that each training has one diagnosis, or few.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from dlrecipes.datasets.holding_out import FEW_VALUES, MOST_HELD_OUT
from dlrecipes.datasets.storage import Array
from dlrecipes.system.words import number
from dlrecipes.training import advice
from dlrecipes.training.evidence import Evidence, evidence_of
from dlrecipes.training.work import Work

EXPLODED = 3.0
"""Times the loss of guessing: a training loss above it, from a start below it, is an explosion."""
CLIMBED = 1.5
"""Times the lowest training loss of an earlier epoch: the loss at the end is above it."""
STUCK = 0.9
"""Share of the loss of guessing, above which nothing has been learned."""
UNFITTED = 0.35
"""Share of the loss of guessing, above which there was more to learn, if a plain baseline did."""
FAR_RATE = 5.0
"""Times the usual learning rate, or its inverse: that may be why nothing has been learned."""
STEADY = 0.5
"""Share of the first fall of the loss, for the same learning rate, that the last fall has while the
network is still on its way."""
UNMOVED = 0.9
"""Share of the loss before training, above which training has hardly begun."""
FAR_START, FAR_NATS = 2.0, 1.5
"""Times the loss of guessing, and of classes nats above it: a network that begins above both has
inputs or weights out of scale. Among two or three classes, good ones begin at twice that loss."""
RISEN = 1.25
"""Times the lowest validation loss: the kept one is above it."""
FORGOTTEN, LEAST_RISEN = 0.5, 1.05
"""Share of the fall from the loss of guessing to the lowest validation loss that is lost again, and
times that lowest loss: the kept one is above both."""
BY_HEART = 0.1
"""Share of the validation loss: a training loss below it is that of rows learned by heart, if a
plain baseline does better."""
GAP = 1.5
"""Times the training loss: the validation loss is above it."""
APART = 4.0
"""Standard errors between the losses of validation and test rows, and above."""
WORSE = 1.5
"""Times the validation loss: the test loss is above it."""
FEWEST_OF_CLASS = 5
"""Test rows of a class that is never predicted."""
DEAD = 0.5
"""Share of the units of a layer."""
FEWEST_MISTAKES, SHARE_OF_MISTAKES = 25, 0.04
"""Among the validation rows that the trained network is given."""
CERTAIN = 0.7
"""Median probability of the wrong answers, and above."""
AS_SURE = 0.65
"""How often a right answer is surer than a wrong one, and a standard error more: 0.5 if the network
cannot tell them apart."""

Finding = dict[str, Any]
GOOD = ("as expected", "better than expected", "better than the baseline")


def diagnose(run: Any, work: Work, tested: Mapping[str, Any]) -> list[Finding]:
    """Return the diagnosis of a training that is over; see `findings`. It never fails.

    Args:
        run: Its record, with the test metrics and the verdict.
        work: The trained network and its data.
        tested: The test metrics as the recipe's `evaluate` returned them.
    """
    with suppress(Exception):
        return findings(evidence_of(run, work, tested))
    return []


def findings(seen: Evidence) -> list[Finding]:
    """Return what is wrong with a training, the likeliest cause first.

    Returns:
        Of each: `what` (a name), a `sentence`, and the flags to `try`, with their values. Empty if
        nothing is seen to be wrong.
    """
    found: list[Finding] = []
    explained: set[str] = set()
    for what, (rule, explains) in RULES.items():
        if what in explained:
            continue
        said = None
        with suppress(ArithmeticError, LookupError, TypeError, ValueError):
            said = rule(seen)
        if said:
            sentence, flags = said
            found.append({"what": what, "sentence": sentence, "try": flags[:2]})
            explained |= set(RULES) if "*" in explains else set(explains)
    return found


Said = tuple[str, list[str]] | None


def _losses(seen: Evidence, name: str) -> list[float]:
    """Return a loss of every epoch, infinite where it is not a number."""
    values = [row.get(name, math.nan) for row in seen.history]
    return [value if math.isfinite(value) else math.inf for value in values]


def _validation(seen: Evidence) -> list[float]:
    """Return the validation loss of every epoch; empty if it was not measured."""
    losses = _losses(seen, "val_loss")
    return losses if any(map(math.isfinite, losses)) else []


def kept_epoch(config: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> int:
    """Return the epoch, from 1, whose weights a training has kept: early stopping takes the best.

    Args:
        config: Value of each setting.
        history: The row of each epoch.
    """
    losses = [row.get("val_loss", math.nan) for row in history]
    if not config.get("early_stopping") or not any(map(math.isfinite, losses)):
        return len(history)
    return losses.index(min(filter(math.isfinite, losses))) + 1


def _level(seen: Evidence) -> float:
    """Return the loss in the end as a share of that of guessing; NaN if either is not known.

    The lower of training and validation loss: dropout raises the one, overfitting the other.
    """
    place = kept_epoch(seen.config, seen.history) - 1
    losses = [losses[place] for losses in (_losses(seen, "loss"), _validation(seen)) if losses]
    return (min(losses) - seen.penalty) / seen.guess_loss if seen.guess_loss > 0 else math.nan


def _rate(seen: Evidence) -> float:
    """Return the learning rate as a multiple of the usual one; NaN if it is not known."""
    rate = seen.config.get("learning_rate")
    return float(rate) / seen.usual_rate if isinstance(rate, int | float) else math.nan


def _rate_too_high(seen: Evidence) -> Said:
    """Say that the learning rate is too high."""
    losses, level, times = _losses(seen, "loss"), _level(seen), _rate(seen)
    if seen.verdict in GOOD and level < STUCK:
        return None
    worst = max(losses) - max(seen.first_penalty, seen.penalty)
    start = max(seen.even_loss, seen.guess_loss)
    if worst > EXPLODED * start and not _starts_far(seen):
        sees = f"the training loss rose to {number(worst)}, and guessing has {number(start)}"
    elif level > UNFITTED and losses[-1] > CLIMBED * min(losses):
        low, last = map(number, (min(losses), losses[-1]))
        sees = f"the training loss fell to {low} and rose again to {last}"
    elif times >= FAR_RATE and (level > STUCK or _is_unfitted(seen)):
        sees = f"in the end, the loss is still {level:.0%} of that of guessing"
    else:
        return None
    rate = seen.config.get("learning_rate")
    if rate is None:
        return f"The learning rate is too high: {sees}.", []
    lower = seen.usual_rate if times > 1 else rate / 10
    sentence = f"The learning rate {rate:g} is too high: {sees}."
    return sentence, [f"--learning-rate {lower:.2g}"]


def _rate_too_low(seen: Evidence) -> Said:
    """Say that the learning rate is too low."""
    level, times, rate = _level(seen), _rate(seen), seen.config.get("learning_rate")
    if rate is None or seen.verdict in GOOD:
        return None
    if times <= 1 / FAR_RATE and (level > STUCK or _is_unfitted(seen) or _is_unmoved(seen)):
        sees = f"the loss is still {level:.0%} of that of guessing"
    elif level > STUCK and _falls_steadily(seen):
        sees = (
            f"the loss fell in every epoch, as fast in the end as in the beginning, and is still "
            f"{level:.0%} of that of guessing"
        )
    else:
        return None
    higher = seen.usual_rate if times < 1 else rate * 10
    sentence = f"The learning rate {rate:g} is too low: {sees}."
    return sentence, [f"--learning-rate {higher:.2g}", *advice.more_epochs(seen.config)]


def _is_unfitted(seen: Evidence) -> bool:
    """Tell whether the network knows less than a plain baseline, on its training rows, too."""
    return _level(seen) > UNFITTED and seen.plain == "worse" and not _has_gap(seen)


def _has_gap(seen: Evidence) -> bool:
    """Tell whether the kept validation loss is far above the training loss, or has risen."""
    validation, training = _validation(seen), _losses(seen, "loss")
    place = kept_epoch(seen.config, seen.history) - 1
    return bool(validation) and (validation[place] > GAP * training[place] or _has_risen(seen))


def _is_unmoved(seen: Evidence) -> bool:
    """Tell whether the kept validation loss is nearly that of the untrained network."""
    validation, place = _validation(seen), kept_epoch(seen.config, seen.history) - 1
    return bool(validation) and validation[place] - seen.penalty > UNMOVED * seen.first_loss


def _falls_steadily(seen: Evidence) -> bool:
    """Tell whether the loss falls in the last epochs as it did in the first, for its rate."""
    losses = _validation(seen) or _losses(seen, "loss")
    rates = np.array([row.get("learning_rate", 1.0) for row in seen.history])
    means = (rates[1:] + rates[:-1]) / 2
    falls = -np.diff(losses)[means > 0.2 * means.max()] if len(losses) > 2 else np.empty(0)
    slopes = falls / means[means > 0.2 * means.max()] if len(falls) else falls
    return bool(len(slopes) >= 2 and (slopes > 0).all() and slopes[-1] > STEADY * slopes[0])


def _starts_far(seen: Evidence) -> bool:
    """Tell whether the first loss is far above that of guessing."""
    guessing = max(seen.even_loss, seen.guess_loss)
    nats = FAR_NATS if seen.classes else 0.0
    return seen.first_loss > max(FAR_START * guessing, guessing + nats)


def _start_is_far(seen: Evidence) -> Said:
    """Say that the loss starts far from that of guessing."""
    if not _starts_far(seen):
        return None
    guessing = max(seen.even_loss, seen.guess_loss)
    is_even = abs(guessing - np.log(len(seen.classes) or 1)) < 0.01
    of = f"ln {len(seen.classes)} = " if is_even else ""
    sentence = (
        f"The loss starts at {number(seen.first_loss)}, and guessing has {of}{number(guessing)}: "
        "the inputs are not scaled, or the first weights are too large."
    )
    normal = ["--batch-normalization"] if seen.config.get("batch_normalization") is False else []
    return sentence, normal


def _underfitting(seen: Evidence) -> Said:
    """Say that the network does not learn its own training rows."""
    level = _level(seen)
    if level > STUCK and seen.verdict not in GOOD:
        so = "it has hardly learned more than guessing knows"
    elif _is_unfitted(seen):
        so = "a plain baseline shows that there is more to learn"
    else:
        return None
    sentence = (
        "The network underfits: even on the rows it was trained on, the loss is "
        f"{level:.0%} of that of guessing, and {so}."
    )
    return sentence, [
        *advice.less_regularization(seen.config),
        *advice.more_units(seen.config),
        *advice.more_epochs(seen.config),
    ]


def _few_validation_rows(seen: Evidence) -> Said:
    """Say that the validation rows are too few to tell anything."""
    rows = seen.validation_values
    if not 0 < rows < FEW_VALUES or not _validation(seen):
        return None
    sentence = (
        f"The {rows} validation rows are too few to tell whether the network overfits: results on "
        "so few rows are mostly noise."
    )
    share = seen.config.get("validation_fraction") or 1.0
    has_more = rows * MOST_HELD_OUT / share >= FEW_VALUES
    return sentence, [f"--validation-fraction {MOST_HELD_OUT:g}"] if has_more else []


def _overfitting(seen: Evidence) -> Said:
    """Say that the network has learned training rows by heart."""
    validation, training = _validation(seen), _losses(seen, "loss")
    if not validation or not training:
        return None
    place, best = kept_epoch(seen.config, seen.history) - 1, validation.index(min(validation))
    if not _has_risen(seen):
        is_low = training[place] < BY_HEART * validation[place] and seen.plain == "worse"
        if not is_low or _label_noise(seen):
            return None
        sentence = (
            f"The network overfits: the loss is {number(training[place])} on training rows and "
            f"{number(validation[place])} on validation rows, and a plain baseline does better."
        )
        return sentence, advice.more_regularization(seen.config)
    sentence = (
        f"The network overfits: from epoch {best + 1} on, the validation loss rose from "
        f"{number(validation[best])} to {number(validation[place])} while the training loss fell "
        f"to {number(training[place])}."
    )
    return sentence, advice.more_regularization(seen.config)


def _has_risen(seen: Evidence) -> bool:
    """Tell whether the validation loss rose while the training loss went on falling."""
    validation, training = _validation(seen), _losses(seen, "loss")
    if not validation or not training:
        return False
    place, best = kept_epoch(seen.config, seen.history) - 1, validation.index(min(validation))
    if training[place] >= training[best]:
        return False
    kept, lowest = (validation[one] - seen.penalty for one in (place, best))
    is_far = kept > RISEN * lowest and validation[place] >= GAP * training[place]
    is_lost = kept - lowest > FORGOTTEN * (seen.guess_loss - lowest) > 0
    return is_far or (is_lost and kept > LEAST_RISEN * lowest)


def _stopped_early(seen: Evidence) -> Said:
    """Say that training stopped early, and which epoch was kept."""
    epochs, done = seen.config.get("epochs", 0), len(seen.history)
    patience = seen.config.get("early_stopping", 0)
    if not patience or not 0 < done < epochs or "early_stopping" in seen.chosen:
        return None
    kept = kept_epoch(seen.config, seen.history)
    losses = _validation(seen)
    sentence = (
        f"Training stopped early, after epoch {done} of {epochs}, and kept epoch {kept}: the "
        f"validation loss was {number(losses[kept - 1])} there and {number(losses[-1])} at the end."
    )
    rate = seen.config.get("learning_rate")
    slower = [f"--learning-rate {rate / 3:.2g}"] if rate else []
    return sentence, [*slower, f"--early-stopping {2 * patience}"]


def _test_below_validation(seen: Evidence) -> Said:
    """Say that the test is far worse than the validation."""
    known, test = np.asarray(seen.validation_losses), np.asarray(seen.test_losses)
    if min(len(known), len(test)) < FEW_VALUES // 2:
        return None
    error = math.sqrt(known.var() / len(known) + test.var() / len(test))
    if test.mean() - known.mean() < APART * error or test.mean() < WORSE * known.mean():
        return None
    kind = "loss" if seen.answers is not None else "mean error"
    sentence = (
        f"The test is far below the validation: the {kind} of the test rows is "
        f"{number(test.mean())}, that of the validation rows {number(known.mean())}. The test rows "
        "are of another kind, or validation rows are among the training rows."
    )
    return sentence, advice.more_regularization(seen.config)[:1]


def _label_noise(seen: Evidence) -> Said:
    """Say that labels may be wrong: the network is as sure of mistakes as of right answers."""
    answers = seen.answers
    if answers is None:
        return None
    # A class that is never the answer is wrong each time, whatever its labels.
    is_other = ~np.isin(answers.labels, _never_predicted(seen))
    is_right, sure = answers.right[is_other], answers.sure[is_other]
    wrong, right = sure[~is_right], sure[is_right]
    if not len(right) or len(wrong) < max(FEWEST_MISTAKES, SHARE_OF_MISTAKES * len(sure)):
        return None
    chance = max(1 / max(len(seen.classes), 2), _commonest(seen))
    has_skill = is_right.mean() - chance > 0.4 * (1 - chance)
    surer = (right[:, np.newaxis] > wrong).mean() + 0.5 * (right[:, np.newaxis] == wrong).mean()
    # After Mann and Whitney, if the network cannot tell them apart.
    surer += math.sqrt((len(sure) + 1) / (12 * len(right) * len(wrong)))
    if not has_skill or np.median(wrong) < CERTAIN or surer > AS_SURE:
        return None
    sentence = (
        f"Labels may be wrong: the network contradicts {len(wrong)} of {len(sure)} "
        f"validation rows, and is as sure there ({np.median(wrong):.0%}) as where it agrees "
        f"({np.median(right):.0%}). Look at the worst mistakes."
    )
    return sentence, advice.more_regularization(seen.config)[:1]


def _commonest(seen: Evidence) -> float:
    """Return the share of the commonest class in the test rows; 0 if that is not known."""
    of_class = np.asarray(seen.confusion, "float64")
    return float(of_class.sum(axis=1).max() / of_class.sum()) if of_class.size else 0.0


def _never_predicted(seen: Evidence) -> Array:
    """Return the numbers of the classes that are never the answer to test rows."""
    matrix = np.asarray(seen.confusion)
    if matrix.ndim != 2 or len(matrix) != len(seen.classes):
        return np.empty(0, "int64")
    support, called = matrix.sum(axis=1), matrix.sum(axis=0)
    never: Array = np.flatnonzero((called == 0) & (support >= FEWEST_OF_CLASS))
    return never


def _class_never_predicted(seen: Evidence) -> Said:
    """Say that a class is never the answer."""
    never = _never_predicted(seen)
    if not len(never):
        return None
    support = np.asarray(seen.confusion).sum(axis=1)
    names = ", ".join(str(seen.classes[number])[:40] for number in never[:3])
    more = f" and {len(never) - 3} more" if len(never) > 3 else ""
    sentence = (
        f"The network never predicts {names}{more}: {support[never].sum():,} of "
        f"{support.sum():,} test rows are of that class."
    )
    flags = []
    if seen.config.get("balance_classes") is False:
        flags.append("--balance-classes")
    if seen.config.get("imbalance") == "none":
        flags.append("--imbalance class_weights")
    return sentence, [*flags, *advice.more_epochs(seen.config)]


def _dead_units(seen: Evidence) -> Said:
    """Say that units of relu layers are 0 for all rows."""
    dead = {name: share for name, share in seen.dead.items() if share >= DEAD}
    if not dead:
        return None
    worst = max(dead, key=lambda name: dead[name])
    sentence = (
        f"Of the units of the layer {worst}, {dead[worst]:.0%} are dead: they are 0 for all "
        "validation rows that were looked at, and learn nothing any more."
    )
    other = ["--activation leaky_relu"] if seen.config.get("activation") == "relu" else []
    rate = seen.config.get("learning_rate")
    return sentence, [*other, *([f"--learning-rate {rate / 3:.2g}"] if rate else [])]


Rule = Callable[[Evidence], Said]
RULES: dict[str, tuple[Rule, tuple[str, ...]]] = {
    "learning rate too high": (_rate_too_high, ("*",)),
    "learning rate too low": (_rate_too_low, ("*",)),
    "loss starts far from guessing": (
        _start_is_far,
        ("underfitting", "dead units", "one class never predicted", "overfitting"),
    ),
    "underfitting": (
        _underfitting,
        ("one class never predicted", "dead units", "label noise", "stopped early"),
    ),
    "too few validation rows": (
        _few_validation_rows,
        ("overfitting", "stopped early", "test far below validation", "label noise"),
    ),
    "test far below validation": (
        _test_below_validation,
        ("overfitting", "label noise", "one class never predicted"),
    ),
    "overfitting": (_overfitting, ("label noise", "dead units")),
    "label noise": (_label_noise, ("one class never predicted", "stopped early")),
    "one class never predicted": (_class_never_predicted, ()),
    "dead units": (_dead_units, ()),
    "stopped early": (_stopped_early, ()),
}
"""By what they say: each rule, and what it explains, which then needs no diagnosis of its own."""
