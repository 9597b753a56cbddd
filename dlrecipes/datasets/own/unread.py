"""Images that cannot be read, among many that can: left out and counted, or refused."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dlrecipes.datasets.own.files import FileOptions, Report, printable
from dlrecipes.datasets.own.images import HEIC, HEIC_HINT, ImageError
from dlrecipes.datasets.own.labelled import Item

MANY = 100
"""One damaged image in so many is left out without asking."""
SOME = 20
"""Images among which a single damaged one is, too."""
MOST_FOREIGN = 10
"""One in so many may be of a format that needs another package."""
SKIP_HINT = "Leave them out: --skip-damaged"


class Unread:
    """Gathers the images that cannot be read.

    Args:
        images: How many there are in all.
        report: Is told what is left out, or what is wrong.
        options: Whether damaged images are left out however many there are.
    """

    def __init__(self, images: int, report: Report, options: FileOptions) -> None:
        self.images, self.report, self.options = images, report, options
        self.found: dict[str, list[tuple[Path, str, str]]] = {}

    def add(
        self, paths: Sequence[Path], items: Sequence[Item], errors: Mapping[int, ImageError]
    ) -> None:
        """Add errors by the place of an image among some."""
        for place, error in errors.items():
            path, origin = paths[place], str(items[place].origin)
            named = origin != printable(str(path))
            message = f"{origin}: {error.message}" if named else error.message
            self.found.setdefault(error.kind, []).append((path, message, error.hint))

    def settle(self) -> None:
        """Leave the images out and count them, or report each as a problem."""
        heic = self.found.get(HEIC, [])
        damaged = sum(len(some) for kind, some in self.found.items() if kind and kind != HEIC)
        allowed = max(self.images // MANY, 1 if self.images >= SOME else 0)
        refused = self.options.strict or (damaged > allowed and not self.options.skip_damaged)
        for kind, some in self.found.items():
            skip = SKIP_HINT if kind and not self.options.strict else ""
            if kind == HEIC:
                keep = not self.options.strict and len(heic) * MOST_FOREIGN <= self.images
                what = f"{HEIC}s ({HEIC_HINT[0].lower()}{HEIC_HINT[1:]})"
            else:
                keep, what = bool(kind) and not refused, kind
            for path, message, hint in some:
                if keep:
                    self.report.leave_out(what, path)
                else:
                    self.report.problem(message, hint or skip)
