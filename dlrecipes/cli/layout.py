"""Lay text out for a given width: wrapped prose, tables that shrink, one line that fits."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len
from rich.text import Text

GAP = 2
"""Spaces between two columns or two parts of a line."""
COMFORT = 24
"""Width in which prose can be read: optional columns go before prose is squeezed below it."""
PROSE_WIDTH = 100
"""Lines longer than this are hard to read, however wide the terminal is."""
NUMBER = re.compile(r"[-+±]?[\d.,]+(e[-+]?\d+)?( ?[%a-zA-Z]{1,3})?|-")
ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that act on a terminal: colour codes begin with one, others turn a text around."""
WORD = re.compile(r"\s*\S+")
PIECE = re.compile(r"\s*(?:[^\s/_-]+[/_-]*|[/_-]+)")
"""A piece of a name: names such as `average_precision` may break behind a separator."""
LIST_ITEM = re.compile(r"([-*•]|\d+[.)])\s")


def visible(text: str) -> str:
    """Return a text whose characters that would act on a terminal are escaped."""
    return ACTING.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def visible_text(text: Text) -> Text:
    """Return a text with styles in which such characters are escaped."""
    if not ACTING.search(text.plain):
        return text
    offsets = [place for sign in ACTING.finditer(text.plain) for place in sign.span()]
    parts = text.divide(offsets)
    return Text().join(
        Text(visible(part.plain), style=part.style) if ACTING.search(part.plain) else part
        for part in parts
    )


def wrapped(text: Text, width: int, words: re.Pattern[str] = WORD) -> Text:
    """Return a text with line breaks between its words; a word that is too long stays whole.

    Args:
        text: The text, with its styles.
        width: Columns of the terminal, at least 1.
        words: What stays whole, with the spaces before it.
    """
    lines = []
    for line in text.split("\n", allow_blank=True):
        offsets, start = [], 0
        indent = len(line.plain) - len(line.plain.lstrip())
        for word in words.finditer(line.plain):
            if cell_len(line.plain[start : word.end()]) + (indent if start else 0) > width:
                begins = word.end() - len(word[0].lstrip())
                if begins > max(start, indent):
                    offsets.append(begins)
                    start = begins
        for number, part in enumerate(line.divide(offsets)):
            part.rstrip()
            lines.append(Text(" " * indent).append_text(part) if number else part)
    return Text("\n").join(lines)


def reflowed(text: str, width: int) -> str:
    """Return prose whose paragraphs are wrapped anew; indented lines and lists keep theirs.

    Args:
        text: Paragraphs apart by empty lines, hard-wrapped at any width.
        width: Columns of the terminal.
    """
    width = min(width, PROSE_WIDTH)
    blocks: list[str] = []
    for paragraph in re.split(r"\n[ \t]*\n", text.strip("\n")):
        for lines in _blocks(paragraph.splitlines()):
            first = lines[0]
            item = LIST_ITEM.match(first)
            verbatim = first.startswith((" ", "\t")) or (len(lines) == 1 and not first.strip())
            blocks.append(
                wrapped(Text("\n".join(lines)), width).plain
                if verbatim
                else textwrap.fill(
                    " ".join(line.strip() for line in lines),
                    width,
                    subsequent_indent=" " * len(item[0]) if item else "",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
        blocks.append("")
    return "\n".join(blocks).rstrip("\n")


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the lines of a paragraph in pieces: prose, an item of a list, or indented lines."""
    block: list[str] = []
    for line in lines:
        indented = line.startswith((" ", "\t"))
        in_item = bool(block) and bool(LIST_ITEM.match(block[0]))
        begins = bool(LIST_ITEM.match(line)) or (
            bool(block) and not in_item and indented != block[0].startswith((" ", "\t"))
        )
        if block and (begins or (in_item and not indented)):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


@dataclass(frozen=True)
class Part:
    """A piece of a line that is shown whole or not at all.

    Args:
        text: The piece.
        short: A shorter form; empty for none.
        weight: How much it matters: of the parts of a line that is too long, the lightest goes.
        style: How it is shown.
    """

    text: str
    short: str = ""
    weight: int = 0
    style: str = ""


def one_line(parts: Iterable[Part], width: int | None) -> Text:
    """Return parts as one line of at most `width` columns: shortened, then without the lightest.

    A line never breaks and no part is cut. The heaviest part is shown even if it is too long.

    Args:
        parts: The parts, in order.
        width: Columns of the terminal; None for no limit.
    """
    shown = [part for part in parts if part.text]
    short = False
    while True:
        texts = [part.short if short and part.short else part.text for part in shown]
        needed = sum(map(cell_len, texts)) + GAP * (len(texts) - 1)
        if width is None or needed <= width or len(shown) <= 1:
            break
        lightest = min(range(len(shown)), key=lambda place: (shown[place].weight, -place))
        if not short and shown[lightest].weight > 0:
            short = True
        else:
            del shown[lightest]
    line = Text(no_wrap=True)
    for place, (part, text) in enumerate(zip(shown, texts, strict=True)):
        line.append(" " * GAP if place else "").append(visible(text), part.style)
    return line


def pair_lines(label: str, pairs: Sequence[str], width: int | None) -> list[str]:
    """Return a label and names with their values as lines that break between the pairs."""
    lines, indent = [label], " " * cell_len(label)
    for pair in pairs:
        if width and lines[-1] != label and cell_len(lines[-1]) + GAP + cell_len(pair) > width:
            lines.append(indent)
        lines[-1] += f"{' ' * GAP}{pair}"
    return lines


def table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    optional: Sequence[str] = (),
    whole: int = 1,
) -> list[Text]:
    """Return the lines of a table that fits a width.

    Columns of prose are wrapped between words; where that is not enough, the `optional` columns
    go, one after another; then names are broken behind their separators, but for the first `whole`
    columns, which are there to be copied; and where no table fits, each row becomes a few lines.

    Args:
        titles: The title of each column.
        rows: The cells of each row.
        width: Columns of the terminal; None for no limit.
        optional: Titles of columns that may be left out, the first one first.
        whole: How many of the first columns hold names that are not broken.
    """
    titles = [_clean(title) for title in titles]
    cells = [[_clean(cell) for cell in row] for row in rows]
    kept = list(range(len(titles)))
    spare = [titles.index(title) for title in optional if title in titles]
    while True:
        columns = [[titles[place], *(row[place] for row in cells)] for place in kept]
        words = [WORD] * len(columns)
        widths = _widths(columns, width, words, COMFORT if spare else 0)
        if widths or not spare:
            break
        kept.remove(spare.pop(0))
    if not widths:
        words = [*whole * [WORD], *(len(columns) - whole) * [PIECE]]
        widths = _widths(columns, width, words, 0)
    if not widths:
        return _stacked(titles, cells, width or PROSE_WIDTH)
    right = [bool(column[1:]) and all(map(NUMBER.fullmatch, column[1:])) for column in columns]
    lines = []
    for number, row in enumerate(zip(*columns, strict=True)):
        wrapped_cells = [
            wrapped(Text(cell), size, word).plain.split("\n")
            for cell, size, word in zip(row, widths, words, strict=True)
        ]
        for pieces in zip_longest(*wrapped_cells, fillvalue=""):
            text = (" " * GAP).join(
                _padded(piece, size, right=aligned)
                for piece, size, aligned in zip(pieces, widths, right, strict=True)
            )
            lines.append(Text(text.rstrip(), style="" if number else "bold"))
    return lines


def fits(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> bool:
    """Tell whether a table fits a width with all of its columns and no cell wrapped."""
    columns = [[title, *(row[place] for row in rows)] for place, title in enumerate(titles)]
    needed = sum(max(map(cell_len, column)) for column in columns) + GAP * (len(columns) - 1)
    return width is None or needed <= width


def _clean(cell: str) -> str:
    """Return a cell on one line, without what would act on a terminal."""
    return visible(" ".join(cell.splitlines()) if "\n" in cell or "\r" in cell else cell)


def _padded(text: str, width: int, *, right: bool) -> str:
    """Return a text with spaces to the width of its column."""
    spaces = " " * (width - cell_len(text))
    return spaces + text if right else text + spaces


def _widths(
    columns: Sequence[Sequence[str]],
    width: int | None,
    words: Sequence[re.Pattern[str]],
    comfort: int,
) -> list[int]:
    """Return the width of each column; empty if the table cannot have this width.

    Args:
        columns: The cells of each column.
        width: Columns of the terminal; None for no limit.
        words: What stays whole in each column.
        comfort: Width below which no column of prose goes.
    """
    widths = [max(map(cell_len, column)) for column in columns]
    if width is None:
        return widths
    lowest = []
    for column, natural, word in zip(columns, widths, words, strict=True):
        pieces = (piece.strip() for cell in column for piece in word.findall(cell))
        longest = max(map(cell_len, pieces), default=0)
        lowest.append(max(longest, min(natural, comfort)))
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    while excess > 0:
        # The widest of those that can be narrower, a column at a time: the prose.
        wide = [place for place, size in enumerate(widths) if size > lowest[place]]
        if not wide:
            return []
        widths[max(wide, key=lambda place: widths[place])] -= 1
        excess -= 1
    return widths


def _stacked(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[Text]:
    """Return each row as lines: its first cell, and below it the others with their titles."""
    label = max(map(cell_len, titles[1:]), default=0) + GAP
    lines = []
    for row in rows:
        lines.append(Text(row[0], style="bold"))
        for title, cell in zip(titles[1:], row[1:], strict=True):
            pieces = wrapped(Text(cell), max(width - label - GAP, 1)).plain.split("\n")
            for place, piece in enumerate(pieces):
                name = _padded("" if place else title, label, right=False)
                lines.append(Text(f"{' ' * GAP}{name}{piece}".rstrip()))
    return lines
