"""`pack` and `unpack`: a run in one file, and nothing but a run out of one."""

import json
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support import REGRESSION, dlrecipes, files_below, sample_table

from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.packing import unpack

RunOf = Callable[[str], dict[str, Any]]
Entries = dict[str, bytes]


@pytest.fixture(scope="module")
def packed(run_of: RunOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the packed run of a recipe."""
    folder = tmp_path_factory.mktemp("packed")
    run = run_of(REGRESSION)
    document = dlrecipes("pack", run["path"], "-o", "run.zip", "--json", cwd=folder).document
    assert document["run"] == run["run"]
    assert document["bytes"] == (folder / "run.zip").stat().st_size
    return folder / "run.zip"


def test_a_run_comes_out_as_it_went_in_and_is_used_like_any_other(
    packed: Path, run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of(REGRESSION)
    found = dlrecipes("unpack", packed, "--json", cwd=tmp_path).document
    assert found == {
        "run": run["run"],
        "path": f"runs/{REGRESSION}/{run['run']}",
        "recipe": REGRESSION,
    }
    before, after = files_below(Path(run["path"])), files_below(tmp_path / found["path"])
    exported = {name for name in before if str(name).startswith("exports")}
    assert {name: before[name] for name in set(before) - exported} == after
    again = dlrecipes("unpack", packed, cwd=tmp_path, code=2)
    assert "already exists" in again.err
    assert "--name" in again.err
    dlrecipes("unpack", packed, "--name", "second", cwd=tmp_path)
    listed = dlrecipes("runs", "--json", cwd=tmp_path).document
    assert {one["run"] for one in listed} == {run["run"], "second"}
    assert all(one["metrics"] == run["metrics"] for one in listed)


@pytest.mark.long
def test_an_unpacked_run_predicts_what_it_predicted(
    packed: Path, run_of: RunOf, tmp_path: Path
) -> None:
    dlrecipes("unpack", packed, "--name", "carried", cwd=tmp_path)
    sample_table("diamonds.csv", "test")[:3].to_csv(tmp_path / "rows.csv", index=False)
    asked = ("rows.csv", "--json")
    mine, carried = (
        dlrecipes("predict", run, *asked, cwd=tmp_path).document["predictions"]
        for run in (run_of(REGRESSION)["path"], "carried")
    )
    assert carried == mine
    metrics = dlrecipes("evaluate", "carried", "--json", cwd=tmp_path).document["metrics"]
    assert metrics == pytest.approx(run_of(REGRESSION)["metrics"])


def test_a_run_is_packed_to_the_same_bytes_and_never_over_a_file(
    packed: Path, run_of: RunOf, tmp_path: Path
) -> None:
    path = run_of(REGRESSION)["path"]
    shown = dlrecipes("pack", path, "--output", "again.zip", cwd=tmp_path).out
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()
    assert "SHA-256" in shown
    assert "already exists" in dlrecipes("pack", path, "-o", "again.zip", cwd=tmp_path, code=2).err
    with zipfile.ZipFile(packed) as archive:
        wheels = archive.read("wheels.txt").decode().split()
        document = json.loads(archive.read("manifest.json"))
    assert any(line.startswith("keras==") for line in wheels)
    assert any(line.startswith("h5py==") for line in wheels)  # Keras needs it.
    assert "golden.npz" in document["files"]
    assert "://" not in "".join(wheels)
    assert not any(line.startswith("dlrecipes") for line in wheels)  # No index has it.


def test_a_run_that_was_changed_is_not_packed(run_of: RunOf, tmp_path: Path) -> None:
    path = tmp_path / "runs" / REGRESSION / run_of(REGRESSION)["run"]
    shutil.copytree(run_of(REGRESSION)["path"], path)
    (path / "link").symlink_to("/etc/passwd")
    assert "neither a file" in dlrecipes("pack", path, cwd=tmp_path, code=2).err
    (path / "link").unlink()
    (path / "e\u0301.txt").write_text("in two parts")
    refused = dlrecipes("pack", path, cwd=tmp_path, code=2).err
    assert "cannot be packed" in refused
    assert "Unicode form NFC" in refused
    (path / "e\u0301.txt").unlink()
    (path / "golden.npz").write_bytes(b"other")
    assert "was changed after training" in dlrecipes("pack", path, cwd=tmp_path, code=2).err
    assert not list(tmp_path.glob("*.zip"))


def test_an_unfinished_run_is_resumed_where_it_is_unpacked(
    packed: Path, run_of: RunOf, tmp_path: Path
) -> None:
    dlrecipes("unpack", packed, "--name", "half", cwd=tmp_path)
    folder = tmp_path / "runs" / REGRESSION / "half"
    run = read_run(folder)
    run.status = "interrupted"
    run.save()
    (folder / ".DS_Store").write_text("of a file manager")
    dlrecipes("pack", "half", "-o", "half.zip", cwd=tmp_path)
    shown = dlrecipes("unpack", "half.zip", "--runs-dir", "elsewhere", cwd=tmp_path).out
    assert "dlrecipes resume elsewhere/" in shown


def entries_of(path: Path) -> Entries:
    """Return the files in an archive."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def resealed(entries: Entries, **changes: Any) -> Entries:
    """Return files whose manifest fits them, whatever they are."""
    manifest = json.loads(entries["manifest.json"])
    manifest["files"] = {
        name.removeprefix("run/"): {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        for name, content in entries.items()
        if name.startswith("run/")
    }
    return {**entries, "manifest.json": json.dumps({**manifest, **changes}).encode()}


def with_file(name: str) -> Callable[[Entries], Entries]:
    """Return what adds a file with a name, and seals it."""
    return lambda entries: resealed({**entries, name: b"hostile"})


def without(name: str) -> Callable[[Entries], Entries]:
    """Return what leaves out a file, and seals the rest."""
    return lambda entries: resealed({key: one for key, one in entries.items() if key != name})


def changed(name: str, content: bytes) -> Callable[[Entries], Entries]:
    """Return what changes a file, and seals it."""
    return lambda entries: resealed({**entries, name: content})


HOSTILE: dict[str, Callable[[Entries], Entries]] = {
    "parent": with_file("run/../../escaped"),
    "absolute": with_file("/escaped"),
    "beside": with_file("elsewhere/file"),
    "top": with_file("file"),
    "drive": with_file("run/C:/escaped"),
    "backslash": with_file("run\\..\\escaped"),
    "empty part": with_file("run//file"),
    "dot": with_file("run/./file"),
    "hidden": with_file("run/.lock"),
    "trailing dot": with_file("run/recipe.py."),
    "trailing space": with_file("run/recipe.py "),
    "control": with_file("run/fi\nle"),
    "direction": with_file("run/fi\u202ele"),
    "two forms": with_file("run/e\u0301.txt"),
    "other case": with_file("run/RECIPE.py"),
    "file and folder": with_file("run/recipe.py/inside"),
    "device": with_file("run/aux.txt"),
    "long": with_file("run/" + "x" * 300),
    "bomb": with_file("run/bomb"),
    "no recipe": without("run/recipe.py"),
    "no record": without("run/run.json"),
    "no manifest": lambda entries: {k: v for k, v in entries.items() if k != "manifest.json"},
    "unannounced": lambda entries: {**entries, "run/more": b"more"},
    "announced only": lambda entries: {k: v for k, v in entries.items() if k != "run/history.csv"},
    "other content": lambda entries: {
        **entries,
        "run/history.csv": entries["run/history.csv"][::-1],
    },
    "not JSON": lambda entries: {**entries, "manifest.json": b"[" * 100_000},
    "other format": lambda entries: resealed(entries, format="dlrecipes-run-99"),
    "other recipe": lambda entries: resealed(entries, recipe="../../escaped"),
    "other run": lambda entries: resealed(entries, run="../escaped"),
    "named otherwise": lambda entries: resealed(entries, run="another"),
    "files no object": lambda entries: {
        **entries,
        "manifest.json": b'{"format": "dlrecipes-run-1", "files": [1]}',
    },
    "record not sealed": lambda entries: changed(
        "run/run.json", entries["run/run.json"].replace(b'"seed": ', b'"seed": 1')
    )(entries),
    "recipe not recorded": changed("run/recipe.py", b"import os\n"),
}
"""Archives that nobody packed, each made of one that was: what `unpack` has to refuse."""


@pytest.mark.long
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_is_written(
    kind: str, packed: Path, tmp_path: Path
) -> None:
    entries = HOSTILE[kind](entries_of(packed))
    if kind == "bomb":
        entries = resealed({**entries, "run/bomb": bytes(2**29)})
    with zipfile.ZipFile(tmp_path / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    refuse(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["link", "device", "folder", "twice", "encrypted", "cut", "text"])
def test_an_archive_of_other_things_than_files_is_refused(
    kind: str, packed: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.zip"
    shutil.copy(packed, bad)
    modes = {"link": stat.S_IFLNK, "device": stat.S_IFBLK, "folder": stat.S_IFDIR}
    if kind in modes or kind == "twice":
        entry = zipfile.ZipInfo("run/history.csv" if kind == "twice" else "run/more")
        entry.external_attr = (modes.get(kind, stat.S_IFREG) | 0o777) << 16
        with warnings.catch_warnings(), zipfile.ZipFile(bad, "a") as archive:
            warnings.simplefilter("ignore", UserWarning)  # A name that is there already.
            archive.writestr(entry, "/etc/passwd")
    elif kind == "encrypted":
        content = bytearray(bad.read_bytes())
        place = content.rindex(b"PK\x01\x02")
        content[place + 8] |= 1
        bad.write_bytes(content)
    else:
        content = bad.read_bytes()
        bad.write_bytes(content[: len(content) // 2] if kind == "cut" else b"not a zip file")
    refuse(tmp_path)


def refuse(folder: Path) -> None:
    """Fail unless `bad.zip` is refused, and the folder holds nothing else afterwards."""
    with pytest.raises(InputError, match=r"cannot be unpacked|--name takes|must not") as refused:
        unpack(folder / "bad.zip", folder / "runs")
    assert "\n" not in refused.value.message
    left = {path for path in folder.rglob("*") if path.is_file()}
    assert left == {folder / "bad.zip"}
    assert not Path("/escaped").exists()


def test_the_command_says_why_a_file_is_refused(packed: Path, tmp_path: Path) -> None:
    assert "There is no file" in dlrecipes("unpack", "none.zip", cwd=tmp_path, code=2).err
    (tmp_path / "bad.zip").write_bytes(packed.read_bytes()[:-100])
    refused = dlrecipes("unpack", "bad.zip", "--json", cwd=tmp_path, code=2).document
    assert "cannot be unpacked" in refused["error"]
