"""The user's home folder, which the user of a container may lack."""

import os
import tempfile
from pathlib import Path


def home() -> Path:
    """Return the user's home folder; where there is none, one of this user's in the temporary."""
    try:
        return Path.home()
    except RuntimeError:
        user = os.getuid() if hasattr(os, "getuid") else "user"
        return Path(tempfile.gettempdir(), f"dlrecipes-{user}")


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder that a `~` stands for; as it is where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
