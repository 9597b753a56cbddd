"""JSON: an object on every line, or an array of objects."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from dlrecipes.datasets.own.files import Report, composed, shortened
from dlrecipes.datasets.own.tables.base import DEEPEST, Chunk
from dlrecipes.datasets.own.tables.delimited import TextTable
from dlrecipes.datasets.storage import CHUNK

HINT = 'Every line is an object of its own, such as {"text": "good", "label": "yes"}'
HALF = "it holds half of a surrogate pair"
NAMED_BY = 1000
"""Objects at the beginning of a file that name its columns: most writers leave out empty ones."""


class JsonTable(TextTable):
    """A file with a JSON object on every line, or one JSON document with the rows of a table."""

    def __init__(self, path: Path, encoding: str, report: Report) -> None:
        super().__init__(path, encoding)
        with self.open() as file:
            self.is_document = _is_document(file)
        self.unit = "item" if self.is_document else "line"
        passed_over = Report()  # Reading the rows tells of it again.
        some = list(itertools.islice(self._objects(passed_over), NAMED_BY))
        held = dict.fromkeys(_in_order([found for _, found in some]))
        for _, found in some:
            held.update((name, one) for name, one in found.items() if held[name] is None)
        self.unusable = {
            name: "lists or objects" for name, one in held.items() if isinstance(one, dict | list)
        }
        line = some[0][0] if some else 0
        self.set_names([name for name in held if name not in self.unusable], line, report)
        if line and not held:
            report.problem(f"{self.where(line)}: it names no columns.")
        elif not held:
            report.add(passed_over)
            if not report.count:
                report.problem(f"{path} is empty.")

    def _objects(self, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the place and the object of every line that is not empty, or of every item."""
        if self.is_document:
            yield from self._items(report)
            return
        with self.open() as file:
            for line, text in enumerate(self.text_lines(file, report), start=1):
                if not text.strip():
                    continue
                try:
                    found = json.loads(text.rstrip())
                except json.JSONDecodeError as error:
                    reason = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
                    report.problem(f"{self.where(line)}: it is not JSON ({reason}).", HINT)
                except (ValueError, RecursionError):
                    report.problem(
                        f"{self.where(line)}: its JSON is too deep, or a number too long."
                    )
                else:
                    if not isinstance(found, dict):
                        report.problem(f"{self.where(line)}: it is not a JSON object.", HINT)
                    elif "\\u" in text and _has_half_a_pair(found):
                        report.problem(f"{self.where(line)}: {HALF}.")
                    else:
                        yield line, _composed(found)

    def _items(self, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number and the object of every row of a document."""
        try:
            with self.open() as file:
                found = json.load(file)
        except json.JSONDecodeError as error:
            report.problem(f"{self.path} is not JSON: {error}.", HINT)
            return
        except UnicodeError:
            raise
        except (ValueError, RecursionError):
            report.problem(f"{self.path}: its JSON is too deep, or a number too long.")
            return
        for number, item in enumerate(_rows_in(found), start=1):
            if not isinstance(item, dict):
                report.problem(f"{self.where(number)}: it is not a JSON object.", HINT)
            elif _has_half_a_pair(item):
                report.problem(f"{self.where(number)}: {HALF}.")
            else:
                yield number, _composed(item)

    def rows(self, report: Report) -> Iterator[Chunk]:
        """Yield some rows at a time; the report is told of unusable ones."""
        objects = self._objects(report)
        known = {*self.names, *self.unusable}
        while some := list(itertools.islice(objects, CHUNK)):
            good = [
                (line, [found.get(name) for name in self.names])
                for line, found in some
                if self._is_row(line, found, known, report)
            ]
            if good:
                yield self.chunk_of([line for line, _ in good], [row for _, row in good])

    def _is_row(self, line: int, found: dict[str, Any], known: set[str], report: Report) -> bool:
        """Tell whether an object has known columns, and texts and numbers in them."""
        unknown = [name for name in found if name not in known]
        nested = [name for name in self.names if isinstance(found.get(name), dict | list)]
        if unknown:
            report.problem(
                f"{self.where(line)}: {shortened(unknown[0])!r} is on none of the first "
                f"{NAMED_BY:,} lines, which must have every column."
            )
        elif nested:
            report.problem(
                f"{self.where(line)}: {shortened(nested[0])!r} is not a text or a number."
            )
        return not unknown and not nested


def _in_order(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names in objects, each behind the one that it follows where it is first seen."""
    names: list[str] = []
    known: set[str] = set()
    for found in objects:
        place = 0
        for name in found:
            if name in known:
                place = names.index(name) + 1
                continue
            names.insert(place, name)
            known.add(name)
            place += 1
    return names


def _composed(found: dict[str, Any], before: str = "", depth: int = DEEPEST) -> dict[str, Any]:
    """Return an object whose names are in one form of Unicode, with the values of those within.

    A value of an object within has the names of both: `{"film": {"year": 1999}}` is `film.year`.
    """
    flat: dict[str, Any] = {}
    for name, value in found.items():
        whole = f"{before}{name if name.isascii() else composed(name)}"
        if isinstance(value, dict) and value and depth:
            flat |= _composed(value, f"{whole}.", depth - 1)
        else:
            flat[whole] = value
    return flat


def _has_half_a_pair(found: dict[str, Any]) -> bool:
    """Tell whether a text has a surrogate without the other: no encoding can write it."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_document(file: TextIO) -> bool:
    """Tell whether a file is one JSON document, and not one of a row on every line."""
    first = next((line for line in file if line.strip()), "").strip()
    if first[:1] == "[":
        inner = first[1:].lstrip() or next((line for line in file if line.strip()), "").lstrip()
        return inner[:1] in ("{", "[")
    if first[:1] != "{":
        return False
    try:
        found = json.loads(first)
    except ValueError:
        return first == "{"
    except RecursionError:
        return False
    nested = any(isinstance(value, dict | list) for value in found.values())
    return nested and not any(map(str.strip, file))


def _rows_in(found: Any) -> list[Any]:
    """Return the rows of a document, as pandas and others write tables: objects, where they can be.

    Such as `[{…}, …]`, `{"data": [{…}, …]}`, `{"size": [1, …], "price": [5, …]}`, the same with
    `{"0": 1, …}` for each list, `{"columns": […], "data": [[…], …]}`, and `[["size", …], [1, …]]`.
    """
    names: Any = None
    if isinstance(found, dict):
        values = list(found.values())
        lists = [value for value in values if isinstance(value, list)]
        if isinstance(names := found.get("columns"), list) and isinstance(found.get("data"), list):
            found = found["data"]
        elif len(lists) == len(found) > 1 and len({len(one) for one in lists}) == 1:
            return [dict(zip(found, row, strict=True)) for row in zip(*lists, strict=True)]
        elif len(found) > 1 and all(isinstance(value, dict) for value in values):
            if all(name.isdecimal() for name in found):
                return values
            places = dict.fromkeys(place for value in values for place in value)
            return [{name: one.get(place) for name, one in found.items()} for place in places]
        else:
            return lists[0] if len(lists) == 1 else [found]
    elif found and isinstance(found[0], list) and all(isinstance(one, str) for one in found[0]):
        names, found = found[0], found[1:]
    if not names:
        return list(found)
    return [
        dict(zip(names, row, strict=True))
        if isinstance(row, list) and len(row) == len(names)
        else row
        for row in found
    ]
