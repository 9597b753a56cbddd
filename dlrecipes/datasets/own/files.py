"""A user's own files: which there are, their text, and every problem found in them."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote

from dlrecipes.errors import InputError, most_like

ENCODING_HINT = (
    "Save it as UTF-8, or name its encoding to train, evaluate or data check: --encoding latin-1"
)
PROBLEMS_SHOWN = 20
SHOWN_CHARACTERS = 60
"""Of a cell, a text, or the name of a class or column, in messages and tables."""
LOOKED_AT_BYTES = 8192
"""Of a file that cannot be decoded, to tell whether it is text at all."""
PROBLEMS_KEPT = 10_000
PIECE_CHARACTERS = 2**20
"""Of a text file that is read piece by piece."""
HIDDEN = ("__MACOSX",)
"""What an operating system leaves behind, beside names that begin with a dot."""
SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
"""What the folders of a split may be called, and the values of a column `split`."""


@dataclass(frozen=True)
class FileOptions:
    """How a user's own files are to be read.

    Args:
        target: Name of the column that is to be predicted; empty for the last.
        text_column: Name of the column of texts; empty to guess.
        label_column: Name of the column of labels; empty to guess.
        encoding: Of text files, as Python names it.

    Raises:
        InputError: if Python knows no such encoding.
    """

    target: str = ""
    text_column: str = ""
    label_column: str = ""
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Check the encoding."""
        try:
            "".encode(self.encoding)
        except LookupError:
            raise InputError(
                f"--encoding {self.encoding} is none that Python knows.",
                "Try utf-8, latin-1 or utf-16.",
            ) from None

    @property
    def flags(self) -> str:
        """Return the flags that say so, as they are typed behind a command; empty for none."""
        usual = FileOptions()
        return "".join(
            f" --{name.replace('_', '-')} {quote(value)}"
            for name, value in asdict(self).items()
            if value != getattr(usual, name)
        )


@dataclass
class Report:
    """What was found in a user's files.

    Args:
        problems: What stops training, a sentence each, with the file and the line.
        notes: What the user should know: what was guessed, converted or left out.
        count: Problems in all; no more than `PROBLEMS_KEPT` are kept.
        hint: What to do about them.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    count: int = 0
    hint: str = ""

    def problem(self, sentence: str, hint: str = "") -> None:
        """Add what stops training, and what to do about it; the first problem's hint is shown."""
        self.count += 1
        self.hint = self.hint or hint
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(printable(sentence))

    def add(self, other: "Report") -> None:
        """Add what was found elsewhere."""
        for sentence in other.problems:
            self.problem(sentence, other.hint)
        for sentence in other.notes:
            self.note(sentence)

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

    Symbolic links are followed; what cannot be looked at is a problem.
    """
    folders, files = [], []
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        report.problem(why_unreadable(folder, error))
        return [], []
    for entry in entries:
        if entry.name.startswith(".") or entry.name in HIDDEN:
            continue
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            report.problem(why_unreadable(entry, error))
            continue
        if stat.S_ISDIR(mode):
            folders.append(entry)
        elif stat.S_ISREG(mode):
            files.append(entry)
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


def split_of(value: str) -> str:
    """Return the split that a cell of a column `split` names; empty if it names none."""
    matches = [split for split, names in SPLIT_NAMES.items() if value.strip().lower() in names]
    return matches[0] if matches else ""


def class_folders(path: Path, report: Report) -> list[tuple[str, Path]]:
    """Return split and path of the folder of each class.

    They lie in the folder itself, which is all training examples then; or in its folders `train`,
    `validation` (or `val`) and `test`, however those are written.

    Args:
        path: The folder.
        report: Is told of folders that cannot be read, that hold no folders, or are left out.
    """
    folders, _ = folder_entries(path, report)
    # A class may be called "train", too; then there are examples in it, and no folders.
    of_split = [
        (split, classes)
        for folder in folders
        if (split := split_of(folder.name)) and (classes := folder_entries(folder, report)[0])
    ]
    if not any(split == "train" for split, _ in of_split):
        if not folders and not report.count:
            report.problem(f"{path} has no folder for each class, such as {path / 'cat'}.")
        return [("train", folder) for folder in folders]
    if others := [folder.name for folder in folders if not split_of(folder.name)]:
        report.note(
            f"{', '.join(others)}: left out, since {path} has folders called train and the like."
        )
    return [(split, folder) for split, classes in of_split for folder in classes]


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
        elif b"\0" in begin:
            why = "is not a text file: it holds a zero byte"
        if why:
            report.problem(f"{path} {why}.", ENCODING_HINT if name in why else "")
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
                    ENCODING_HINT,
                )
        if report.count == before:  # It ends in the middle of a character, across lines.
            report.problem(f"{path} is not {name} text.", ENCODING_HINT)


def text_pieces(path: Path, encoding: str, report: Report) -> Iterator[str]:
    """Yield the text of a file, about a million characters at a time.

    What cannot be decoded, and zero bytes, are problems; the file ends there.
    """
    try:
        with path.open(encoding=encoding_of(encoding)) as file:
            while piece := file.read(PIECE_CHARACTERS):
                if "\0" in piece:
                    report.problem(f"{path} is not a text file: it holds a zero byte.")
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
    path = Path(text).expanduser()
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
