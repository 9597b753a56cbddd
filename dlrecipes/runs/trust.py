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
from dlrecipes.runs import record
from dlrecipes.runs.record import Run
from dlrecipes.system.home import expanded

KEY_BYTES = 32


def _key_file() -> Path:
    """Return where the secret is."""
    folder = expanded(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    if folder.parts[:1] == ("~",):  # Without a home, there is no place that is this user's alone.
        folder = Path(os.devnull)
    return folder / "dlrecipes" / "key"


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
    path = run.path / record.RECIPE_FILE
    if not (allow_changed and path.is_file()):
        run.checked_file(record.RECIPE_FILE)
    recipe = path.read_bytes()
    own = _seal_with(_key_file(), recipe)
    if trust or is_installed(recipe) or (own and own == run.seal):
        return path
    raise InputError(
        f"The run {run.run} was not trained here, and this would run its code: {path}.",
        "Read that file, then add --trust-recipe if you trust it.",
    )


def trusted_program(run: Run, *, trust: bool) -> Path:
    """Return the path of a run's serving model, a SavedModel, which may be run.

    TensorFlow executes what is in it, which may read and write files.

    Args:
        run: The run.
        trust: Whether the user has said to trust it.

    Raises:
        InputError: if the file is not what was recorded, or the run comes from elsewhere.
    """
    path = run.checked_file(record.PROGRAM_FILE)
    own = _seal_with(_key_file(), run.files[record.PROGRAM_FILE].encode())
    if trust or (own and own == run.program_seal):
        return path
    raise InputError(
        f"The run {run.run} was not trained here, and its model contains code: {path}.",
        "Add --trust-recipe if you trust whoever made it.",
    )
