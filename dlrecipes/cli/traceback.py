"""Tracebacks for `--debug`: the user's own lines first, none of the command line's machinery."""

import site
import sys
import sysconfig
import traceback
from pathlib import Path

OWN = Path(__file__).resolve().parent.parent
"""The installed package."""
MACHINERY = ("typer", "click", "rich")
"""Packages whose frames say how a command was parsed, and nothing of what went wrong."""


def of_users_code(error: BaseException) -> str:
    """Return the traceback of an error: its lines in the user's files, then all of it.

    Args:
        error: What was raised, with what it was raised from.
    """
    chain = _chain(error)
    own = [(one, _frames(one, only_users=True)) for one in chain]
    text = ""
    for one, frames in own:
        if frames:
            text = "In your files:\n" + "".join(traceback.format_list(frames))
            text += "".join(traceback.format_exception_only(one)) + "\n"
            break
    for number, one in enumerate(chain):
        text += "\nThis became:\n\n" if number else ""
        text += "Traceback (most recent call last):\n"
        text += "".join(traceback.format_list(_frames(one)))
        text += "".join(traceback.format_exception_only(one))
    return f"{text}\n"


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error after those that it was raised from, the first one first."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.insert(0, cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return chain


def _frames(error: BaseException, *, only_users: bool = False) -> list[traceback.FrameSummary]:
    """Return the frames that an error passed through, without the command line's machinery."""
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if (_is_users(frame.filename) if only_users else not _is_machinery(frame.filename))
    ]


def _is_machinery(file: str) -> bool:
    """Tell whether a file belongs to the parsing of the command line, not to the work."""
    path = Path(file)
    parsing = path.parent == OWN / "cli" and path.name in ("app.py", "flags.py")
    return parsing or any(part in MACHINERY for part in path.parts)


def _is_users(file: str) -> bool:
    """Tell whether a file is the user's: a recipe, or none of Python's, a library's or ours."""
    path = Path(file)
    if not path.is_file():
        return False
    resolved = path.resolve()
    libraries = {sysconfig.get_paths()["stdlib"], *site.getsitepackages(), sys.prefix, str(OWN)}
    return not any(resolved.is_relative_to(folder) for folder in libraries)
