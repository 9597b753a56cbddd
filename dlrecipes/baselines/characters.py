"""Plain baseline for text generation: how often each character follows the ones before it."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from dlrecipes.baselines.base import SHARES, Fitted, PlainBaseline, Problem, Rows
from dlrecipes.datasets.examples import Examples
from dlrecipes.datasets.storage import Array, chunks
from dlrecipes.kit.metrics import character_metrics

NAME = "character n-grams with backing off"
LONGEST = 10
"""Characters before the next one that are looked at, at most."""


class CharacterNgrams(PlainBaseline):
    """A character n-gram model that backs off to shorter contexts, after Witten and Bell 1991.

    p(c | context) = (times c follows + kinds * p(c | shorter context)) / (times of all + kinds),
    where kinds is how many different characters follow. The longest context is chosen on the
    validation text. A text is cut down to its last characters, or a test to its first ones.
    """

    most = 2e6
    unit = "characters"

    def cost(self, examples: Examples, classes: int) -> Array:
        """Return the length of each piece of the text."""
        return np.array([len(text) for text in _pieces(examples)], "float64")

    def choose(self, examples: Examples, classes: int, split: str) -> Rows:
        """Return one text: the last characters to train on, the first ones to test on."""
        most = int(self.most * SHARES[split])
        pieces: deque[str] = deque()
        total = held = 0
        for piece in _pieces(examples):
            total += len(piece)
            if split == "train" or held < most:
                pieces.append(piece)
                held += len(piece)
            while split == "train" and held - len(pieces[0]) >= most:
                held -= len(pieces.popleft())
        text = "".join(pieces)
        kept = text[-most:] if split == "train" else text[:most]
        codes = np.frombuffer(kept.encode("utf-32-le", "surrogatepass"), "uint32")
        return Rows(codes, None, np.arange(len(codes)), total)

    def fit(self, problem: Problem) -> Iterator[Fitted]:
        """Yield a model for each length of the context, until a longer one is no better."""
        known = np.unique(problem.train.features)
        size = len(known) + 1  # and one for all characters that training does not have
        train, validation, test = (
            _numbers(rows.features, known)
            for rows in (problem.train, problem.validation, problem.test)
        )
        likely = [np.full(len(text), 1 / size) for text in (validation, test)]
        contexts = [np.zeros(len(text), "int64") for text in (train, validation, test)]
        best = np.inf
        for length in range(LONGEST + 1):
            if length:
                contexts = _longer(contexts, (train, validation, test), length)
            counts = _Counts(contexts[0][length:], train[length:], size)
            for place, text in enumerate((validation, test)):
                shorter = likely[place]
                likely[place] = shorter.copy()
                likely[place][length:] = counts.likely(
                    contexts[place + 1][length:], text[length:], shorter[length:]
                )
            found = tuple(character_metrics(-np.log(of_text[1:])) for of_text in likely)
            if found[0]["loss"] >= best:
                return
            best = found[0]["loss"]
            yield Fitted(NAME, found[0], found[1], f"n={length + 1}")


class _Counts:
    """How often each character follows each context of one length.

    Args:
        contexts: Number of the context before each character; -1 for one that training lacks.
        characters: Number of each character.
        size: Number of different characters.
    """

    def __init__(self, contexts: Array, characters: Array, size: int) -> None:
        self.size = size
        self.pairs, self.times = np.unique(contexts * size + characters, return_counts=True)
        self.contexts, first = np.unique(self.pairs // size, return_index=True)
        self.kinds = np.diff(first, append=len(self.pairs))
        self.totals = np.add.reduceat(self.times, first)

    def likely(self, contexts: Array, characters: Array, shorter: Array) -> Array:
        """Return the probability of each character after its context.

        Args:
            contexts: As in training.
            characters: As in training.
            shorter: Its probability after the shorter context.
        """
        times = _looked_up(self.pairs, self.times, contexts * self.size + characters)
        totals = _looked_up(self.contexts, self.totals, contexts)
        kinds = _looked_up(self.contexts, self.kinds, contexts)
        seen = (contexts >= 0) & (totals > 0)
        p: Array = np.where(
            seen, (times + kinds * shorter) / np.maximum(totals + kinds, 1), shorter
        )
        return p


def _looked_up(keys: Array, values: Array, wanted: Array) -> Array:
    """Return the value of each wanted key, 0 for one that is not among the sorted keys."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)


def _longer(contexts: list[Array], texts: tuple[Array, ...], length: int) -> list[Array]:
    """Return the numbers of contexts that are a character longer; -1 for those not in training.

    Args:
        contexts: Those of contexts of a character less, for each text.
        texts: The characters of each text; the first is the training text.
        length: Characters of the longer contexts.
    """
    size = max(int(text.max(initial=0)) for text in texts) + 1
    pairs = []
    for before, text in zip(contexts, texts, strict=True):
        # The shorter context of the place before, and the character there.
        pair = np.full(len(text), -1, "int64")
        known = before[length - 1 : -1]
        pair[length:] = np.where(known >= 0, known * size + text[length - 1 : -1], -1)
        pairs.append(pair)
    kept = np.unique(pairs[0][length:])
    numbered = []
    for pair in pairs:
        places = np.minimum(np.searchsorted(kept, pair), max(len(kept) - 1, 0))
        found = (pair >= 0) & (kept[places] == pair) if len(kept) else np.zeros(len(pair), bool)
        numbered.append(np.where(found, places, -1))
    return numbered


def _numbers(codes: Array, known: Array) -> Array:
    """Return the number of each character, those that training lacks one above all others."""
    places = np.searchsorted(known, codes)
    found = np.minimum(places, len(known) - 1)
    return np.where(known[found] == codes, found, len(known)).astype("int64")


def _pieces(examples: Examples) -> Iterator[str]:
    """Yield the pieces of a text in order."""
    for part in chunks(examples.columns["features"], 1):
        yield from map(str, part)
