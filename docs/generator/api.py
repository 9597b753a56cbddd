"""The reference of the Python API: the public names, with their signatures and docstrings."""

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import dlrecipes
from generator import markdown

ORDER = ("Source", "Examples", "Data", "TrainingConfig", "Interval", "Metrics")
"""The classes first, in the order in which a recipe meets them."""
INTERNAL = (
    *("in_order_of", "stamp", "splits", "rows_per_class", "has_class_labels", "fingerprint"),
    *("in_one_piece", "columns", "steps", "without_test"),
)
"""What the tool uses of these classes, and a recipe does not."""
ARRAY = re.compile(r"(?:numpy\.)?ndarray\[tuple\[Any, \.\.\.\], (?:numpy\.)?dtype\[Any\]\]")


def _names() -> list[str]:
    """Return the public names: the classes first."""
    rest = sorted(set(dlrecipes.__all__) - set(ORDER), key=str.lower)
    return [*(name for name in ORDER if name in dlrecipes.__all__), *rest]


def _signature(name: str, thing: Any) -> str:
    """Return how a function is called."""
    signature = inspect.signature(thing)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    text = str(signature.replace(parameters=parameters))
    text = re.sub(r"\b(?:[a-z_]+\.)+([A-Z]\w*)", r"\1", text)  # a class without its module
    text = re.sub(r"'([A-Z]\w*)'", r"\1", text)  # a class that is named before it is defined
    text = ARRAY.sub("Array", text)
    return f"{name}{text}"


def _docstring(docstring: str) -> Iterator[str]:
    """Yield a docstring's description, and its arguments as a list."""
    parts = markdown.sections(docstring)
    yield markdown.escaped(parts.pop(""))
    for title, text in parts.items():
        if title in ("Args", "Raises", "Class attributes"):
            entries = markdown.arguments(docstring, title)
            lines = [f"- `{name}`: {markdown.escaped(what)}" for name, what in entries.items()]
            yield "\n".join([f"{title}:", "", *lines] if title != "Args" else lines)
        else:
            yield f"{title}: {markdown.escaped(' '.join(text.split()))}"


def _entry(name: str, thing: Any, title: str, depth: int) -> str:
    """Return what the reference says of a class, a function or a method."""
    parts = [f"{'#' * depth} {title}"]
    if not inspect.isclass(thing):
        parts.append(f"```python\n{_signature(name, thing)}\n```")
    return "\n\n".join([*parts, *_docstring(inspect.getdoc(thing) or "")])


def _entries() -> Iterator[str]:
    """Yield the entries of all public names, with the properties and methods of the classes."""
    for name in _names():
        thing = getattr(dlrecipes, name)
        if name == "TrainingConfig":
            summary = inspect.cleandoc(thing.__doc__ or "").partition("Args:")[0].strip()
            yield f"## {name}\n\n{summary}\n\nThe fields are in [Settings](settings.md)."
            continue
        yield _entry(name, thing, name, 2)
        if not inspect.isclass(thing):
            continue
        public = {
            key: value
            for key, value in vars(thing).items()
            if not key.startswith("_") and key not in INTERNAL
        }
        properties = [
            f"- `{name.lower()}.{key}`: {_of_property(value)}"
            for key, value in public.items()
            if isinstance(value, property | cached_property)
        ]
        if properties:
            yield "Properties:\n\n" + "\n".join(properties)
        for key, value in public.items():
            if inspect.isfunction(value):
                yield _entry(f"{name.lower()}.{key}", value, f"{name}.{key}", 3)


def _of_property(value: Any) -> str:
    """Return what a property is, without "Return" at the beginning."""
    text = " ".join((inspect.getdoc(value) or "").split())
    text = re.sub(r"^(Return|Tell) ", "", text)
    return markdown.escaped(text[:1].upper() + text[1:])


def page() -> str:
    """Return the page of the Python API."""
    return "\n\n".join(
        [
            "# Python API",
            "These are the names that a recipe imports: `from dlrecipes import Data, Source`. "
            "Importing `dlrecipes` does not import TensorFlow.",
            *_entries(),
        ]
    )
