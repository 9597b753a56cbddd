"""A user's own files: which there are, their text, and every problem found in them."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlrecipes.errors import InputError

ENCODING_HINT = (
    "Save it as UTF-8, or name its encoding to train, evaluate or data check: --encoding latin-1"
)
PROBLEMS_SHOWN = 20
PROBLEMS_KEPT = 10_000
PIECE_CHARACTERS = 2**20
"""Of a text file that is read piece by piece."""
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

    def problem(self, sentence: str) -> None:
        """Add what stops training."""
        self.count += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(sentence)

    def note(self, sentence: str) -> None:
        """Add what the user should know, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

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
        raise InputError(f"{what} has {self.count:,} problems.\n{shown}{more}", hint or self.hint)


def why_unreadable(path: Path, error: OSError) -> str:
    """Return why a file or folder cannot be read, as a sentence."""
    if isinstance(error, FileNotFoundError):
        return f"There is no file {path}."
    if path.is_symlink() and not path.exists():
        return f"{path} is a symbolic link that leads nowhere, or back to itself."
    return f"{path} cannot be read: {error.strerror}."


def files_below(folder: Path, report: Report) -> list[Path]:
    """Return the files below a folder, in order, without hidden ones.

    Symbolic links are followed. Folders that cannot be read, and links that lead back to a folder
    that they lie in, are problems.
    """
    found: list[Path] = []

    def visit(directory: Path, above: tuple[tuple[int, int], ...]) -> None:
        try:
            status = directory.stat()
            entries = sorted(directory.iterdir())
        except OSError as error:
            report.problem(why_unreadable(directory, error))
            return
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            report.problem(f"{directory} is a symbolic link that leads back to a folder above it.")
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                visit(entry, (*above, identity))
            elif entry.is_file():
                found.append(entry)
            elif entry.is_symlink():
                report.problem(f"{entry} is a symbolic link that leads nowhere, or back to itself.")

    visit(folder, ())
    return found


def split_folders(path: Path) -> dict[str, Path]:
    """Return the folders `train`, `validation` (or `val`) and `test` of a folder, by split.

    A folder without `train` is all training examples.
    """
    found = {
        split: path / name
        for split, names in SPLIT_NAMES.items()
        for name in names
        if (path / name).is_dir()
    }
    return found if "train" in found else {"train": path}


def split_of(value: str) -> str:
    """Return the split that a cell of a column `split` names; empty if it names none."""
    matches = [split for split, names in SPLIT_NAMES.items() if value.strip().lower() in names]
    return matches[0] if matches else ""


def class_folders(path: Path, report: Report) -> list[Path]:
    """Return the folders in a folder, one for each class, without hidden ones."""
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        report.problem(why_unreadable(path, error))
        return []
    return [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]


def labelled_files(
    path: Path, suffixes: Sequence[str], kind: str, report: Report
) -> Iterator[tuple[str, str, Path]]:
    """Yield split, class and path of every file in a folder with a folder for each class.

    Args:
        path: The folder, or one with such folders called `train`, `validation` and `test`.
        suffixes: Endings of the files that count, in lower case.
        kind: What they are, for messages: `images`.
        report: Is told of folders that cannot be read or are empty, and of files left out.
    """
    for split, folder in split_folders(path).items():
        folders = class_folders(folder, report)
        if not folders and not report.count:
            report.problem(f"{folder} has no folder for each class.")
        for class_folder in folders:
            files = files_below(class_folder, report)
            chosen = [file for file in files if file.suffix.lower() in suffixes]
            if not chosen:
                report.problem(f"{class_folder} has no {kind} ({', '.join(suffixes)}).")
            if chosen and len(chosen) < len(files):
                other = next(file for file in files if file.suffix.lower() not in suffixes)
                report.note(
                    f"{len(files) - len(chosen)} files of {class_folder} are no {kind} and are "
                    f"left out, such as {other.name}."
                )
            for file in chosen:
                yield split, class_folder.name, file


def encoding_of(encoding: str) -> str:
    """Return the encoding to read with: UTF-8 may begin with a byte order mark."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def undecodable_lines(path: Path, encoding: str, report: Report) -> None:
    """Add every line of a file that is not in the encoding to the problems."""
    report.hint = ENCODING_HINT
    with path.open("rb") as file:
        if encoding_of(encoding) == "utf-8-sig" and file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            report.problem(f"{path} is not UTF-8 text but UTF-16.")
            return
        file.seek(0)
        before = report.count
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                report.problem(
                    f"{path}, line {number}: byte {error.start + 1} is not {encoding.upper()} text "
                    f"(0x{line[error.start]:02x})."
                )
        if report.count == before:  # It ends in the middle of a character, across lines.
            report.problem(f"{path} is not {encoding.upper()} text.")


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
        InputError: if something is there that leads nowhere or that may not be looked at.
    """
    path = Path(text).expanduser()
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        if not path.is_symlink():
            return None
        raise InputError(f"{path} is a symbolic link that leads nowhere.") from None
    except OSError as error:  # A loop of links, a folder that may not be entered, an endless name.
        raise InputError(why_unreadable(path, error)) from None
    return path
