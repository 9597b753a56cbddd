"""What must be known of a kind of data to read more of it, show it, or build a network for it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


def _plain(value: Any) -> Any:
    """Return a value as JSON types: lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    """Return a value of a JSON document with tuples for its lists."""
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Form:
    """The form of inputs or of answers, such as an image's shape or the names of the classes.

    Each kind of input and of answer has a subclass with fields of its own: numbers, texts, tuples
    and mappings of these. A form without fields says that there is nothing to know.
    """

    def document(self) -> dict[str, Any]:
        """Return the form as JSON types: what a run records."""
        return {entry.name: _plain(getattr(self, entry.name)) for entry in fields(self)}

    @property
    def rule(self) -> str:
        """Return what decides an answer, as a sentence; empty where the likeliest is the answer."""
        return ""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the form that `document` was made of.

        Raises:
            TypeError: if the document has other fields.
        """
        return cls(**{name: _frozen(value) for name, value in document.items()})


NOTHING = Form()
"""The form of what nothing need be known of."""
