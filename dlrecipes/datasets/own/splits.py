"""What the names of splits are, as people write them: `Training`, `seg_test`, `valid`."""

import re

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trn", "trainset", "traindata"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "validate", "valset", "validset"), "validation"),
    **dict.fromkeys(("dev", "devset", "devel", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tests", "tst", "testset", "testdata"), "test"),
    **dict.fromkeys(("eval", "evaluation", "holdout"), "test"),
}
"""The words that name a split in the name of a folder, and in a column `split`."""
PLAIN_WORDS = (
    *("set", "data", "dataset", "split", "fold", "part", "partition", "subset", "folder", "files"),
    *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "samples"),
    *("text", "texts", "documents", "docs"),
)
"""Words beside them that say nothing."""


def split_word(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the split that a name says, and its other words: `seg_train` is train, and seg.

    The split is empty if no word of the name is one, or several differ.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = [word for word in re.split(r"[\W\d_]+", spaced.lower()) if word]
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    rest = tuple(word for word in words if word not in (*SPLIT_WORDS, *PLAIN_WORDS))
    return (splits.pop() if len(splits) == 1 else ""), rest


def split_of(value: str) -> str:
    """Return the split that a cell of a column `split` names; empty if it names none."""
    split, rest = split_word(value)
    return "" if rest else split
