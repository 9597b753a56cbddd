"""Errors that a user sees: one sentence that says what is wrong, and what to type instead."""

from collections.abc import Iterable
from difflib import get_close_matches


class DlrecipesError(Exception):
    """The work failed.

    Args:
        message: What is wrong, and what was expected, in a sentence or two.
        hint: What to do or type instead; empty if there is nothing to suggest.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(DlrecipesError):
    """The request or its input is wrong: nothing was written."""

    exit_code = 2


class Interrupted(DlrecipesError):
    """The user or the system stopped the work."""

    exit_code = 130


def most_like(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return the known name most like `name`, or an empty string.

    Args:
        name: What was typed; capital letters do not matter.
        known: The names that there are.
        likeness: How like they must be at least: from 0, whichever, to 1, the same.
    """
    lower = {one.lower(): one for one in known}
    matches = get_close_matches(name.lower(), lower, n=1, cutoff=likeness)
    return lower[matches[0]] if matches else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "Did you mean X?" for the known name most like `name`, or an empty string."""
    match = most_like(name, known)
    return f"Did you mean {match}?" if match else ""
