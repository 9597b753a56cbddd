"""A run as one file, to carry to another machine: `pack` writes it, `unpack` trusts nothing in it.

The file is a zip of `manifest.json`, `wheels.txt` and the files of the run below `run/`. The
manifest has the size and the SHA-256 of each. The same run gives the same bytes.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs.lookup import check_name, new_folder, read_run
from dlrecipes.runs.record import LOCK_FILE, MAX_RECORD_BYTES, RECIPE_FILE, RUN_FILE, Run
from dlrecipes.system.atomic import file_sha256, whole_file
from dlrecipes.system.locks import is_held
from dlrecipes.system.packages import required_versions

FORMAT = "dlrecipes-run-1"
MANIFEST, WHEELS, INSIDE = "manifest.json", "wheels.txt", "run/"
LEFT_OUT = ("exports",)
"""Folders of a run that are not packed: `export` makes them again."""
MOST_FILES, MOST_BYTES = 10_000, 100 * 2**30
MOST_RATIO = 100
"""How often an archive may fit into what it says that it holds, where that is more than `SMALL`."""
SMALL = 2**28
LONGEST_NAME = 250
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])( *\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever follows a full stop."""
CHUNK = 2**20
FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)
"""Time of every file in an archive: that of packing would change its bytes."""


@dataclass(frozen=True)
class Packed:
    """A run in one file.

    Args:
        path: The file.
        files: Number of the run's files in it.
        bytes: Its size.
        sha256: Its SHA-256.
    """

    path: Path
    files: int
    bytes: int
    sha256: str


def pack(run: Run, path: Path) -> Packed:
    """Write a run into a new file.

    Args:
        run: The run, which nobody trains at the moment.
        path: The file.

    Raises:
        InputError: if the file exists, the run is being trained, or one of its files is not its
            own, was changed or could not be unpacked everywhere.
    """
    if os.path.lexists(path):
        raise InputError(f"{path} already exists.", "Choose another file: --output FILE")
    if is_held(run.path / LOCK_FILE):
        raise InputError(f"The run {run.run} is being trained.", "Wait until it is finished.")
    for name in run.files:
        run.checked_file(name)
    files = {name: run.path / name for name in _files_of(run.path)}
    try:
        with whole_file(path) as temporary:
            with zipfile.ZipFile(temporary, "w") as archive:
                _write(archive, MANIFEST, _manifest(run, files))
                _write(archive, WHEELS, _wheels())
                for name, file in files.items():
                    _copy(archive, INSIDE + name, file)
            _require_unpackable(run, temporary)
    except OSError as error:
        raise DlrecipesError(f"{path} cannot be written: {error.strerror or error}.") from error
    return Packed(path, len(files), path.stat().st_size, file_sha256(path))


def _require_unpackable(run: Run, path: Path) -> None:
    """Raise InputError unless `unpack` takes a file that was just written: here, not there."""
    with zipfile.ZipFile(path) as archive:
        if why := _problem(archive.infolist(), path.stat().st_size):
            raise InputError(
                f"The run {run.run} cannot be packed: {why}.",
                f"Remove or rename what is not the run's own: {run.path}",
            )


def _files_of(folder: Path) -> Iterator[str]:
    """Yield the path in a run of each file that is packed, in alphabetical order.

    Hidden files, such as a lock, a file manager's, or what a killed process began, are left out.

    Raises:
        InputError: if there is anything else than files and folders.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] in LEFT_OUT or any(part.startswith(".") for part in name.parts):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InputError(f"{path} is neither a file nor a folder.", "Remove it from the run.")
        if path.is_file():
            yield name.as_posix()


def _manifest(run: Run, files: Mapping[str, Path]) -> bytes:
    """Return what an archive says of a run and its files, as JSON."""
    seals = {
        name: {"bytes": file.stat().st_size, "sha256": file_sha256(file)}
        for name, file in files.items()
    }
    document = {
        "format": FORMAT,
        "run": run.run,
        "recipe": run.recipe,
        "task": run.task,
        "data": {name: run.data[name] for name in ("name", "rung", "fingerprint", "rows")},
        "versions": run.versions,
        "files": seals,
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _wheels() -> bytes:
    """Return the packages that dlrecipes needs here, as `pip download -r` reads them."""
    versions = {name: one for name, one in required_versions().items() if name != "dlrecipes"}
    return "".join(f"{name}=={one}\n" for name, one in sorted(versions.items())).encode()


def _entry(name: str) -> zipfile.ZipInfo:
    """Return the header of a file in an archive."""
    entry = zipfile.ZipInfo(name, FIRST_MOMENT)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a file to an archive."""
    archive.writestr(_entry(name), content)


def _copy(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Add a file of any size to an archive."""
    with path.open("rb") as file, archive.open(_entry(name), "w", force_zip64=True) as entry:
        shutil.copyfileobj(file, entry, CHUNK)


def unpack(path: Path, runs_dir: Path, name: str = "") -> Run:
    """Unpack a file that `pack` wrote into a new run, and return that.

    Everything is checked before the run is there: names, sizes, checksums and the record. The run
    is trusted no more than any other run from elsewhere.

    Args:
        path: The file.
        runs_dir: The folder of all runs.
        name: Name of the new run; empty for the name that it had.

    Raises:
        InputError: if the file is not what `pack` writes, was changed, or the run is there already.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _checked_entries(path, archive)
            manifest = _read_manifest(path, archive, entries)
            return _unpack(path, archive, manifest, runs_dir, name)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise _refusal(path, f"it is damaged or not a zip file ({error})") from None


def _refusal(path: Path, why: str) -> InputError:
    """Return the error for a file that is not unpacked."""
    return InputError(
        f"{path} cannot be unpacked: {why}.", "Nothing was written. Pack the run again."
    )


def _checked_entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the files in an archive by name, once each can be written where it says.

    Raises:
        InputError: if one cannot.
    """
    entries = archive.infolist()
    if why := _problem(entries, path.stat().st_size):
        raise _refusal(path, why)
    return {entry.filename: entry for entry in entries}


def _problem(entries: Sequence[zipfile.ZipInfo], packed: int) -> str:
    """Return why the files in an archive of so many bytes are not unpacked; empty if they are."""
    if len(entries) > MOST_FILES:
        return f"it holds more than {MOST_FILES:,} files"
    for entry in entries:
        if why := _unsafe(entry):
            return f"{entry.filename!r} {why}"
    if clash := _clash([entry.filename for entry in entries]):
        return f"{clash!r} is there twice, or is a file and a folder"
    total = sum(entry.file_size for entry in entries)
    if total > MOST_BYTES or total > max(SMALL, packed * MOST_RATIO):
        return f"it would expand from {packed:,} to {total:,} bytes: that is not a packed run"
    return ""


def _unsafe(entry: zipfile.ZipInfo) -> str:
    """Return why a file of an archive is not written, in a clause; empty if it can be."""
    mode, name = entry.external_attr >> 16, entry.filename
    parts = name.split("/")
    if name not in (MANIFEST, WHEELS) and parts[0] + "/" != INSIDE:
        return "is not a file of a run"
    if any(part in ("", ".", "..") or part != part.strip(" .") for part in parts):
        return "leads elsewhere, or is no name on some systems"
    is_plain = name == entry.orig_filename and name.isprintable() and len(name) <= LONGEST_NAME
    is_reserved = any(RESERVED.fullmatch(part) for part in parts)
    if is_reserved or not is_plain or set(name) & set('\\:*?"<>|'):
        return "is no name on some systems"
    if name != unicodedata.normalize("NFC", name):
        return "is not in Unicode form NFC"
    if (mode and not stat.S_ISREG(mode)) or entry.is_dir():
        return "is not a regular file"
    return "is encrypted" if entry.flag_bits & 1 else ""


def _clash(names: Sequence[str]) -> str:
    """Return a name that would be another's on some system, or another's folder; empty if none."""
    seen: set[str] = set()
    for name in names:
        if (folded := name.casefold()) in seen:
            return name
        seen.add(folded)
    folders = {
        str(parent): name for name in names for parent in PurePosixPath(name.casefold()).parents
    }
    return next((folders[name] for name in seen if name in folders), "")


def _read_manifest(
    path: Path, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]
) -> dict[str, Any]:
    """Return what an archive says of its files, once it holds those and no others.

    Raises:
        InputError: if it does not.
    """
    if MANIFEST not in entries or entries[MANIFEST].file_size > MAX_RECORD_BYTES:
        raise _refusal(path, f"it has no {MANIFEST} of a run")
    try:
        manifest = json.loads(archive.read(MANIFEST))
    except (ValueError, RecursionError):
        raise _refusal(path, f"its {MANIFEST} is not valid JSON") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _refusal(path, f"its {MANIFEST} does not have the format {FORMAT}")
    files = manifest.get("files")
    found = {
        name.removeprefix(INSIDE): one.file_size
        for name, one in entries.items()
        if name.startswith(INSIDE)
    }
    announced = files.items() if isinstance(files, dict) else ()
    if {name: _announced(seal) for name, seal in announced} != found:
        raise _refusal(path, f"its {MANIFEST} does not name the files that it holds")
    if not {RUN_FILE, RECIPE_FILE} <= found.keys() or found[RUN_FILE] > MAX_RECORD_BYTES:
        raise _refusal(path, "it does not hold a run")
    return manifest


def _announced(seal: Any) -> int | None:
    """Return the size that a manifest gives a file; None if what it says has not its form."""
    if isinstance(seal, dict) and isinstance(seal.get("sha256"), str):
        size = seal.get("bytes")
        return size if type(size) is int else None
    return None


def _unpack(
    path: Path, archive: zipfile.ZipFile, manifest: Mapping[str, Any], runs_dir: Path, name: str
) -> Run:
    """Unpack an archive whose names and sizes are checked."""
    recipe, name = str(manifest.get("recipe")), name or str(manifest.get("run"))
    check_name(name, [recipe])
    needed = sum(seal["bytes"] for seal in manifest["files"].values())
    with new_folder(runs_dir, recipe, name) as (folder, target):
        if needed > shutil.disk_usage(folder).free:
            raise _refusal(path, f"it needs {needed:,} bytes, and {runs_dir} has fewer")
        for file, seal in manifest["files"].items():
            if _extract(archive, INSIDE + file, folder / file) != seal["sha256"]:
                raise _refusal(path, f"{file} is not what was packed: its SHA-256 differs")
        run = _require_run(path, folder, manifest)
        if run.run != name:
            run.run = name
            run.save()
        run.path = target
    return run


def _extract(archive: zipfile.ZipFile, name: str, target: Path) -> str:
    """Write a file of an archive, and return its SHA-256. Zip ends it at the announced size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(name) as entry, target.open("xb") as file:
        while chunk := entry.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _require_run(path: Path, folder: Path, manifest: Mapping[str, Any]) -> Run:
    """Return the run in a folder, once its record is whole and is the one that was announced.

    Raises:
        InputError: if it is not.
    """
    try:
        run = read_run(folder)
        for name in run.files:
            run.checked_file(name)
    except InputError as error:
        raise _refusal(path, error.message.replace(str(folder), "the run").rstrip(".")) from None
    if (run.run, run.recipe) != (manifest.get("run"), manifest.get("recipe")):
        raise _refusal(path, f"its {MANIFEST} names another run than its {RUN_FILE}")
    return run
