"""Whether a run's recipe may be run here without asking: a run from elsewhere brings code along.

A recipe is trusted if it is, byte for byte, one of an installed package, or if this user has
trained it here: then the run carries a seal, a digest keyed with a secret that never leaves the
user's configuration folder, so nobody else can make one.
"""

import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from dlrecipes.catalog.find import is_installed
from dlrecipes.errors import InputError
from dlrecipes.runs import record as runs
from dlrecipes.runs.record import Run

KEY_BYTES = 32


def _key_file() -> Path:
    """Return where the secret is."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "dlrecipes" / "key"


def _make_key(path: Path) -> None:
    """Make the secret, unless another process does so just now."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:  # readable by its owner alone
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)


def seal(recipe: bytes) -> str:
    """Return the seal of a recipe's source that is trained; empty where there can be no secret."""
    path = _key_file()
    with suppress(OSError):
        if not path.exists():
            _make_key(path)
    return _seal_with(path, recipe)


def _seal_with(path: Path, recipe: bytes) -> str:
    """Return the seal that the secret in a file gives; empty without one."""
    with suppress(OSError):
        key = path.read_bytes()
        if len(key) == KEY_BYTES:
            return hmac.digest(key, recipe, hashlib.sha256).hex()
    return ""


def trusted_recipe(run: Run, *, trust: bool, allow_changed: bool = False) -> Path:
    """Return the path of a run's recipe, whose code may be run.

    Args:
        run: The run.
        trust: Whether the user has said to trust it.
        allow_changed: Whether it may be another file than was recorded.

    Raises:
        InputError: if the file is not what was recorded, or the run comes from elsewhere.
    """
    path = run.path / runs.RECIPE_FILE
    if not (allow_changed and path.is_file()):
        run.checked_file(runs.RECIPE_FILE)
    recipe = path.read_bytes()
    own = _seal_with(_key_file(), recipe)
    if trust or is_installed(recipe) or (own and own == run.seal):
        return path
    raise InputError(
        f"The run {run.run} comes from elsewhere, and this would run its code: {path}.",
        "Read that file, and add --trust-recipe if you trust it.",
    )
