"""Choose the features of a published data set that are a task's inputs and answers."""

from collections.abc import Collection, Mapping, Sequence

from dlrecipes.datasets.published.features import Description, Feature
from dlrecipes.errors import InputError, nearest

Named = Mapping[str, str | tuple[str, ...]]
"""The features that a recipe names, by what they are for: its `FEATURES`."""


def named_feature(published: Description, named: Named, role: str) -> Feature | None:
    """Return the feature that the recipe names for a role in `FEATURES`; None if it names none.

    Raises:
        InputError: if the data set has no such feature.
    """
    if role not in named:
        return None
    wanted = named[role]
    if not isinstance(wanted, str):
        raise InputError(f"FEATURES must name one feature as the {role}. Received: {wanted!r}")
    for feature in published.features:
        if wanted in (feature.path, feature.path.rpartition("/")[2]):
            return feature
    paths = [feature.path for feature in published.features]
    raise InputError(
        f"FEATURES names {wanted!r} as the {role}, and {published.name} has no such feature: it "
        f"has {', '.join(paths)}.",
        nearest(wanted, paths),
    )


def one_feature(
    published: Description,
    named: Named,
    role: str,
    kinds: Collection[str],
    *,
    side: int,
    taken: Sequence[Feature] = (),
) -> Feature:
    """Return the one feature of some kinds that has a role.

    It is the one that the recipe names, else the one that the data set calls its input or its
    answer, else the only one that is left.

    Args:
        published: The data set.
        named: The features that the recipe names, by role.
        role: What it is for, as in `FEATURES`: `image`, `label`.
        kinds: The kinds that it may be of.
        side: 0 for an input, 1 for an answer.
        taken: The features that have another role.

    Raises:
        InputError: if there is none, or several.
    """
    if feature := named_feature(published, named, role):
        if feature.kind not in kinds or (feature.kind == "number" and not feature.is_single):
            raise _unfit(published, f"{feature.path} is {feature.kind}", role, kinds)
        return feature
    # A vector of numbers is several columns, not one number.
    fitting = [
        one
        for one in published.features
        if one.kind in kinds and one not in taken and (one.kind != "number" or one.is_single)
    ]
    supervised = published.supervised[side] if published.supervised else ()
    marked = [one for one in fitting if one.path in supervised]
    if len(marked) == 1:
        return marked[0]
    called = [one for one in fitting if role in one.path.rpartition("/")[2]]
    for candidates in (called, fitting):
        if len(candidates) == 1:
            return candidates[0]
    if not fitting:
        raise _unfit(published, "it has none", role, kinds)
    raise InputError(
        f"{published.name} has several features that can be the {role}: "
        f"{', '.join(one.path for one in fitting)}.",
        f'Name one in the recipe: FEATURES = {{"{role}": "{fitting[0].path}"}}',
    )


def _unfit(published: Description, why: str, role: str, kinds: Collection[str]) -> InputError:
    """Return the error of a data set that a task cannot use."""
    features = ", ".join(f"{one.path} ({one.kind})" for one in published.features)
    return InputError(
        f"{published.name} cannot be used here: the {role} must be {_one(kinds)}, and {why}. Its "
        f"features are {features}.",
        "Use a data set or a recipe of another task: dlrecipes list",
    )


def _one(kinds: Collection[str]) -> str:
    """Return kinds of features, with their article: `an image`, `a category or a text`."""
    words = [f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in sorted(kinds)]
    return " or ".join(words)
