"""What a model of texts relies on over its test rows: words that push towards each answer."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import check_device_name, load_tensorflow
from dlrecipes.system.words import decimals_for
from dlrecipes.tasks.serving import call_serving, named_features
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes
from dlrecipes.use.explain.attribution import Explained, attributed, require_shap
from dlrecipes.use.explain.parts import MOST_WORDS, bare_word, joined, words_of
from dlrecipes.use.opening import data_and_device
from dlrecipes.use.predict import load_serving

MOST_ROWS = 500
"""Test rows whose words are looked at, if they are short."""
MOST_ANSWERS = 20_000
"""Inputs that the model answers, about: of longer texts, fewer rows are looked at."""
LEAST_ROWS = 20
FEWEST_TEXTS = 3
"""Rows that a word must be in: what a word adds in one text may be that text's."""
MOST_SHOWN = 12
"""Words of each answer."""
MOST_CLASSES = 10
"""Of more classes, the commonest among the rows are shown."""
SEED = 0


@dataclass(frozen=True)
class Word:
    """How far a word pushes an answer.

    Args:
        word: In lower case, without punctuation marks around it.
        mean: What it adds to the answer where it stands, in the mean over the texts that have it.
        texts: Number of texts that have it.
    """

    word: str
    mean: float
    texts: int

    @property
    def whole(self) -> float:
        """Return how far it pushes the answers to all rows together, without a sign."""
        return abs(self.mean) * self.texts


@dataclass(frozen=True)
class Pushed:
    """The words that push an answer one way, the one that does it most over all rows first.

    Args:
        answer: The class whose probability rises; empty for a number.
        direction: `up`, or `down` for what lowers a number.
        words: The words.
    """

    answer: str
    direction: str
    words: list[Word]

    @property
    def decimals(self) -> int:
        """Return how many decimals show what the words add."""
        return 3 if self.answer else decimals_for([word.mean for word in self.words])

    @property
    def towards(self) -> str:
        """Return what they push towards."""
        return self.answer or {"up": "higher answers", "down": "lower answers"}[self.direction]


@dataclass(frozen=True)
class OverallWords:
    """What a model of texts relies on.

    Args:
        rows: Test rows that were looked at.
        of: Test rows that there are.
        answers: The words that push each answer.
    """

    rows: int
    of: int
    answers: list[Pushed]

    def document(self) -> dict[str, Any]:
        """Return what `explain --global --json` shows of it."""
        return asdict(self)


def explain_words(run: Run, changes: Changes, listener: WorkListener) -> OverallWords:
    """Return what a model of texts relies on over its test rows.

    Args:
        run: The run.
        changes: Where the run's data is now, the device, and whether to trust its recipe.
        listener: Hears what is being done.

    Raises:
        InputError: if its data is not what it was, or shap is not installed.
    """
    require_shap()
    check_device_name(changes.device or "auto")
    source, device = data_and_device(run, changes, listener)
    serving = load_serving(run, trust=changes.trust_recipe)
    with load_tensorflow().device(device.scope):
        return _overall(Explained(run, serving), source.test)


def _overall(explained: Explained, test: Examples) -> OverallWords:
    """Return the words that push each answer over test rows."""
    texts, answers = list(_some_texts(test)), _compiled(explained)
    added: dict[str, list[Array]] = defaultdict(list)  # of each word, by text: (answers,)
    outputs = []
    for words in texts:
        names = [bare_word(word) for word in words]
        attributions, nothing = attributed(len(words), partial(answers, words), most=0)
        outputs.append(nothing + attributions.sum(axis=0))
        for name in {*names} - {""}:
            places = [place for place, own in enumerate(names) if own == name]
            added[name].append(attributions[places].sum(axis=0))
    kept = {name: np.array(found) for name, found in added.items() if len(found) >= FEWEST_TEXTS}
    return OverallWords(len(texts), len(test), _answers(explained, kept, np.array(outputs)))


def _compiled(explained: Explained) -> Callable[[Sequence[str], Array], Array]:
    """Return a function from words, and which are shown in each variant, to its answers."""
    import tensorflow as tf

    call = tf.function(
        partial(call_serving, explained.serving), reduce_retracing=True, autograph=False
    )

    def answers(words: Sequence[str], mask: Array) -> Array:
        texts = named_features(joined(words, mask.astype(bool)), explained.serving)
        return explained.numbers(call(texts).numpy())

    return answers


def _some_texts(test: Examples) -> Iterator[list[str]]:
    """Yield the words of test rows drawn at random; of a long text, those at its beginning."""
    order = np.random.default_rng(SEED).permutation(len(test))[:MOST_ROWS]
    left = MOST_ANSWERS
    for count, text in enumerate(test.take(order).columns["features"][:]):
        words = words_of(str(text), most=0)[:MOST_WORDS]
        left -= 2 * len(words) + 1
        if left < 0 and count >= LEAST_ROWS:
            return
        yield words


def _answers(explained: Explained, added: dict[str, Array], outputs: Array) -> list[Pushed]:
    """Return the words that push each answer: each class, or a number up and down."""
    if explained.answer.name == "number":
        return [
            Pushed("", direction, _strongest(added, 0, sign))
            for direction, sign in (("up", 1), ("down", -1))
        ]
    classes: Sequence[str] = getattr(explained.form, "classes", ())
    shares = np.bincount(outputs.argmax(axis=1), minlength=len(classes))
    shown = sorted(np.argsort(-shares, kind="stable")[:MOST_CLASSES].tolist())
    return [Pushed(str(classes[one]), "up", _strongest(added, one, 1)) for one in shown]


def _strongest(added: dict[str, Array], answer: int, sign: int) -> list[Word]:
    """Return the words that push an answer one way the most, over all rows together."""
    sums = {name: sign * float(found[:, answer].sum()) for name, found in added.items()}
    order = sorted((name for name in sums if sums[name] > 0), key=lambda name: -sums[name])
    return [
        Word(name, float(added[name][:, answer].mean()), len(added[name]))
        for name in order[:MOST_SHOWN]
    ]
