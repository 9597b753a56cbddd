"""A user's own files: which there are, their text, and every problem found in them."""

import csv
import errno
import os
import stat
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote

from dlrecipes.datasets.own.encodings import encoding_hint, is_utf_16
from dlrecipes.errors import InputError, most_like
from dlrecipes.system.home import expanded
from dlrecipes.system.progress import pieces_of

PROBLEMS_SHOWN = 20
SHOWN_CHARACTERS = 60
"""Of a cell, a text, or the name of a class or column, in messages and tables."""
LOOKED_AT_BYTES = 8192
"""Of a file that cannot be decoded, to tell whether it is text at all."""
PROBLEMS_KEPT = 10_000
COLUMN_TYPES = ("number", "category", "date", "day-first", "month-first")
"""What `--types` calls what a column holds."""
PIECE_CHARACTERS = 2**20
"""Of a text file that is read piece by piece."""
SYSTEM_NAMES = (
    *("__macosx", "__pycache__", "@eadir", "#recycle", "@recycle", "$recycle.bin", "lost+found"),
    *("system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
)
"""What systems and tools leave behind, in lower case, beside names that begin with a dot."""
KINDS_SHOWN = 6
"""Kinds of files left out that a note names."""


@dataclass(frozen=True)
class FileOptions:
    """How a user's own files are to be read.

    Args:
        target: Name of the column that is to be predicted; empty for the last.
        text_column: Name of the column of texts; empty to guess.
        label_column: Name of the column of labels; empty to guess.
        encoding: Of text files, as Python names it.
        strict: Whether files that would be left out are refused.
        skip_damaged: Whether damaged images are left out, however many there are.
        ignore: Names of the columns of a table to leave out, parted by commas.
        use: Names of those to use that would be left out.
        types: What columns hold, such as `size=number,zip=category`.
        decimal: What begins the decimals of a table's numbers: `.` or `,`; empty to find it.
        separator: What parts the cells of a delimited text; empty to find it.
        quoting: `none` if quotation marks mean nothing there, `double` if they keep cells together;
            empty to find it.
        header: `none` if the first line of a delimited text is a row, `first` if it names the
            columns; empty to refuse a first line that looks like a row.

    Raises:
        InputError: if Python knows no such encoding, or a value is none of those.
    """

    target: str = ""
    text_column: str = ""
    label_column: str = ""
    encoding: str = "utf-8"
    strict: bool = False
    skip_damaged: bool = False
    ignore: str = ""
    use: str = ""
    types: str = ""
    decimal: str = ""
    separator: str = ""
    quoting: str = ""
    header: str = ""

    def __post_init__(self) -> None:
        """Check the values that can be checked without the files."""
        for name, allowed in (
            ("decimal", (".", ",")),
            ("quoting", ("none", "double")),
            ("header", ("none", "first")),
        ):
            value = getattr(self, name)
            if value and value not in allowed:
                shown = " or ".join(allowed)
                raise InputError(f"--{name} must be {shown}. Received: {value!r}")
        for name, kind in self.column_types.items():
            if not name:
                raise InputError(
                    "--types must be COLUMN=TYPE, such as zip=category; with commas in between for "
                    f"several. Received: {kind}"
                )
            if kind not in COLUMN_TYPES:
                raise InputError(
                    f"--types must say what a column holds: {', '.join(COLUMN_TYPES)}. Received: "
                    f"{name}={kind}"
                )
        try:
            "".encode(self.encoding)
        except LookupError:
            raise InputError(
                f"--encoding {self.encoding} is not an encoding that Python knows.",
                "Try utf-8, latin-1 or utf-16.",
            ) from None

    @property
    def column_types(self) -> dict[str, str]:
        """Return what the user says that columns hold, by their names."""
        pairs = [entry.rpartition("=") for entry in listed(self.types)]
        return {name.strip(): kind.strip() for name, _, kind in pairs}

    @property
    def flags(self) -> str:
        """Return the flags that say so, as they are typed behind a command; empty for none."""
        usual = FileOptions()
        return "".join(
            f" --{name.replace('_', '-')}{'' if value is True else f' {quote(value)}'}"
            for name, value in asdict(self).items()
            if value != getattr(usual, name)
        )


def listed(text: str) -> list[str]:
    """Return the names in a text that are parted by commas; one with a comma is in marks."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), []) if name]


@dataclass
class Report:
    """What was found in a user's files.

    Args:
        problems: What stops training, a sentence each, with the file and the line.
        notes: What the user should know: what was guessed, converted or left out.
        count: Problems in all; no more than `PROBLEMS_KEPT` are kept.
        hint: What to do about them.
        left_out: Files and folders left out, by their kind.
        chosen: The columns that were found in a table, by what they hold: `texts`, `labels`.
        columns: How a table's columns are understood: name, kind, and examples.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    count: int = 0
    hint: str = ""
    left_out: dict[str, set[str]] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)

    def leave_out(self, kind: str, path: object) -> None:
        """Add a file or folder that is not used, once; `say_left_out` makes a note of all."""
        self.left_out.setdefault(kind, set()).add(str(path))

    def say_left_out(self, *, strict: bool = False) -> None:
        """Add a note of what was left out, counted by kind; a problem with `strict`."""
        if not self.left_out:
            return
        kinds = sorted(self.left_out.items(), key=lambda item: -len(item[1]))
        shown = [
            f"{len(paths):,} {kind} ({Path(min(paths)).name}{', …' if len(paths) > 1 else ''})"
            for kind, paths in kinds[:KINDS_SHOWN]
        ]
        more = sum(len(paths) for _, paths in kinds[KINDS_SHOWN:])
        sentence = f"Left out: {', '.join(shown)}{f' and {more:,} more' if more else ''}."
        self.left_out = {}
        if strict:
            self.problem(sentence, "Remove them, or leave out --strict.")
        else:
            self.note(sentence)

    columns: list[tuple[str, str, str]] = field(default_factory=list)

    def problem(self, sentence: str, hint: str = "") -> None:
        """Add what stops training, and what to do about it; the first problem's hint is shown."""
        self.count += 1
        self.hint = self.hint or hint
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(printable(sentence))

    def replace_by(self, sentence: str, hint: str) -> None:
        """Replace all problems by one that explains them."""
        self.problems, self.count, self.hint = [], 0, ""
        self.problem(sentence, hint)

    def add(self, other: "Report") -> None:
        """Add what was found elsewhere."""
        for sentence in other.problems:
            self.problem(sentence, other.hint)
        for sentence in other.notes:
            self.note(sentence)
        for kind, paths in other.left_out.items():
            self.left_out.setdefault(kind, set()).update(paths)

    def renamed(self, path: str, name: str) -> "Report":
        """Return the same report with another name for a path in all of its sentences."""

        def changed(text: str) -> str:
            return text.replace(path, name)

        return Report(
            list(map(changed, self.problems)),
            list(map(changed, self.notes)),
            self.count,
            changed(self.hint),
            {kind: set(map(changed, paths)) for kind, paths in self.left_out.items()},
        )

    def note(self, sentence: str) -> None:
        """Add what the user should know, once."""
        if (shown := printable(sentence)) not in self.notes:
            self.notes.append(shown)

    def require_usable(self, what: object, hint: str = "") -> None:
        """Raise InputError that lists the problems, if there are any.

        Args:
            what: What they were found in.
            hint: What to do about them.
        """
        if not self.count:
            return
        if self.count == 1:
            raise InputError(self.problems[0], hint or self.hint)
        shown = "\n".join(f"  {problem}" for problem in self.problems[:PROBLEMS_SHOWN])
        rest = self.count - PROBLEMS_SHOWN
        more = f"\n  and {rest:,} more" if rest > 0 else ""
        title = printable(f"{what} has {self.count:,} problems.")
        raise InputError(f"{title}\n{shown}{more}", hint or self.hint)


def printable(text: str) -> str:
    """Return a text on one line, as a terminal can show it.

    A file's name may hold line breaks, colour codes, and bytes that are no characters.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def composed(text: str) -> str:
    """Return a text as it is compared with others: letters with their accents (NFC), not apart."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def shortened(text: str) -> str:
    """Return a text as it is shown among others: cut, if it is long, which "…" says."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def why_unreadable(path: Path, error: OSError) -> str:
    """Return why a file or folder cannot be read, as a sentence."""
    # os.path says no where pathlib raises, below a folder that may not be entered.
    if os.path.islink(path) and error.errno in (errno.ELOOP, errno.ENOENT):
        return f"{path} is a symbolic link that leads nowhere, or back to itself."
    if isinstance(error, FileNotFoundError):
        return f"There is no file {path}."
    return f"{path} cannot be read: {error.strerror or error}."


def nearest_path(path: Path) -> str:
    """Return "Did you mean X?" for what is called most like a path in its folder, or nothing."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except (OSError, ValueError):
        return ""
    # The endings of files are alike, so that names must be more so than others.
    match = most_like(path.name, names, likeness=0.8)
    return f"Did you mean {printable(str(path.with_name(match)))}?" if match else ""


def folder_entries(folder: Path, report: Report) -> tuple[list[Path], list[Path]]:
    """Return the folders and the files in a folder, in order, without hidden ones.

    Symbolic links are followed; what cannot be looked at is a problem. What systems and tools leave
    behind is left out.
    """
    folders, files = [], []
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        report.problem(why_unreadable(folder, error))
        return [], []
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM_NAMES:
            report.leave_out("of the system or a tool", path)
            continue
        try:
            # A link that leads nowhere is neither for scandir: stat says why.
            is_folder = stat.S_ISDIR(path.stat().st_mode) if entry.is_symlink() else entry.is_dir()
        except OSError as error:
            report.problem(why_unreadable(path, error))
            continue
        if is_folder:
            folders.append(path)
        elif path.is_file() if entry.is_symlink() else entry.is_file():
            files.append(path)
    return folders, files


def files_below(folder: Path, report: Report) -> list[Path]:
    """Return the files below a folder, in order, without hidden ones.

    Symbolic links are followed. Folders that cannot be read, and links that lead back to a folder
    that they lie in, are problems.
    """
    found: list[Path] = []

    def visit(directory: Path, above: tuple[tuple[int, int], ...]) -> None:
        try:
            status = directory.stat()
        except OSError as error:
            report.problem(why_unreadable(directory, error))
            return
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            report.problem(f"{directory} leads back, by a symbolic link, to a folder above it.")
            return
        folders, files = folder_entries(directory, report)
        found.extend(files)
        for folder in folders:
            visit(folder, (*above, identity))

    visit(folder, ())
    return sorted(found)


def is_unicode(text: str) -> bool:
    """Tell whether a text can be written as UTF-8: a file's name may hold other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encoding_of(encoding: str) -> str:
    """Return the encoding to read with: UTF-8 may begin with a byte order mark."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def undecodable_lines(path: Path, encoding: str, report: Report) -> None:
    """Add every line of a file that is not in the encoding to the problems."""
    name = encoding.upper()
    with path.open("rb") as file:
        begin = file.read(LOOKED_AT_BYTES)
        why = ""
        if "\n".encode(encoding) != b"\n":  # Then its lines cannot be told apart by that byte.
            why = f"is not {name} text"
        elif begin.startswith((b"\xff\xfe", b"\xfe\xff")):
            why = f"is not {name} text but UTF-16 (--encoding utf-16)"
        elif is_utf_16(begin):
            why = f"is not {name} text but UTF-16"
        elif b"\0" in begin:
            why = "is not a text file: it holds a zero byte"
        hint = encoding_hint(path)
        if why:
            report.problem(f"{path} {why}.", hint if name in why else "")
            return
        file.seek(0)
        before = report.count
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                report.problem(
                    f"{path}, line {number}: byte {error.start + 1} is not {name} text "
                    f"(0x{line[error.start]:02x}).",
                    hint,
                )
        if report.count == before:  # It ends in the middle of a character, across lines.
            report.problem(f"{path} is not {name} text.", hint)


def text_pieces(path: Path, encoding: str, report: Report) -> Iterator[str]:
    """Yield the text of a file, about a million characters at a time.

    What cannot be decoded, and zero bytes, are problems; the file ends there.
    """
    try:
        with path.open(encoding=encoding_of(encoding)) as file:
            for piece in pieces_of(file, PIECE_CHARACTERS, path):
                if "\0" in piece:
                    undecodable_lines(path, encoding, report)
                    return
                yield piece
    except OSError as error:
        report.problem(why_unreadable(path, error))
    except UnicodeError:
        undecodable_lines(path, encoding, report)


def read_text(path: Path, encoding: str = "utf-8", report: Report | None = None) -> str:
    """Return the content of a text file.

    Raises:
        InputError: if it cannot be read; with a `report`, that is told instead.
    """
    own = Report()
    text = "".join(text_pieces(path, encoding, report or own))
    own.require_usable(path)
    return text


def read_standard_input() -> str:
    """Return all of standard input, as UTF-8 text."""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"Standard input is not UTF-8 text: byte {error.start} cannot be read."
        ) from None


def existing_path(text: str) -> Path | None:
    """Return the path that a text names, if something is there that can be looked at.

    Raises:
        InputError: if something is there that leads nowhere, may not be looked at, or is a pipe.
    """
    path = expanded(text)
    if not is_unicode(text):
        raise InputError(f"{printable(text)} cannot be recorded: its name is not UTF-8. Rename it.")
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        if not os.path.islink(path):
            return None
        raise InputError(f"{path} is a symbolic link that leads nowhere.") from None
    except OSError as error:  # A loop of links, a folder that may not be entered, an endless name.
        raise InputError(why_unreadable(path, error)) from None
    if not path.is_dir() and not path.is_file():
        raise InputError(f"{path} is neither a file nor a folder: it can be read once at most.")
    return path
