"""Data sets that a function of an installed package brings: files that are read as a user's own."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dlrecipes.datasets.published.disk import BROUGHT, Place, Unavailable
from dlrecipes.errors import DlrecipesError
from dlrecipes.system.atomic import write_atomically


def known_path(place: Place) -> Path | None:
    """Return where the files of a data set are, if they were brought before and are still there."""
    with suppress(OSError, ValueError):
        path = Path((place.home / BROUGHT).read_text("utf-8"))
        return path if path.exists() else None
    return None


def bring(place: Place, function: Callable[[Path], Path]) -> Path:
    """Have a function bring the files of a data set, and return where they are.

    Args:
        place: The place of the data set: its home is the folder that the function may write to.
        function: The function, from a folder to the path of the files.

    Raises:
        Unavailable: if it fails, or returns no path.
    """
    name = place.data_set.name
    place.home.mkdir(parents=True, exist_ok=True)
    try:
        path = Path(function(place.home)).absolute()
    except (DlrecipesError, OSError):
        raise
    except Exception as error:  # whatever another's code raises
        raise Unavailable(
            f"The package that brings the data set {name} failed: {type(error).__name__}: {error}",
            "See the traceback with --debug.",
        ) from error
    if not path.exists():
        raise Unavailable(
            f"The package that brings the data set {name} returned {path}, which does not exist."
        )
    write_atomically(place.home / BROUGHT, str(path).encode())
    return path
