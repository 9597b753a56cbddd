"""Whatever happens to a file of a run, it is read right or refused, and never anything else."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import REGRESSION, dlrecipes

from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs import checkpoints
from dlrecipes.runs.compare import compare, largest_difference
from dlrecipes.runs.golden import read_golden_inputs
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import Run, is_folder_name

FILES = (
    *("run.json", "recipe.py", "history.csv", "model.keras", "serving.keras", "golden.npz"),
    *("checkpoints/state.npz", "checkpoints/checkpoint.json"),
)
Damage = Callable[[bytes], bytes]


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Draw a damage: a truncation, a flip of some bits of a byte, or a hole of zeros."""
    place = draw(st.floats(0, 1, exclude_max=True))
    kind = draw(st.sampled_from(("cut", "flip", "hole")))
    bits = draw(st.integers(1, 255))

    def damage(content: bytes) -> bytes:
        at = int(place * len(content))
        if kind == "cut":
            return content[:at]
        if kind == "flip":
            return content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :]
        return content[:at] + bytes(min(512, len(content) - at)) + content[at + 512 :]

    return damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a small finished run."""
    folder = tmp_path_factory.mktemp("whole")
    arguments = ("--data", "sample", "--epochs", "3", "--hidden-units", "4", "--json")
    document = dlrecipes("train", REGRESSION, *arguments, cwd=folder).document
    return read_run(folder / document["path"])


@pytest.fixture(scope="module")
def copy(whole: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of its folder, to be damaged and mended over and over."""
    path = tmp_path_factory.mktemp("copy") / "run"
    shutil.copytree(whole.path, path)
    return path


def place_of(name: str, run: Path) -> Path:
    """Return a file of a run; of its checkpoints, that of the last one."""
    if name.startswith("checkpoints/"):
        return sorted((run / "checkpoints").iterdir())[-1] / Path(name).name
    return run / name


def readings(path: Path) -> dict[str, Any]:
    """Return what every reader of a run's folder makes of it: what it read, or its refusal."""
    found: dict[str, Any] = {}

    def note(name: str, read: Callable[[], Any]) -> None:
        try:
            found[name] = read()
        except DlrecipesError:  # Anything else fails the test.
            found[name] = None

    note("record", lambda: read_run(path).document() | {"path": ""})
    if found["record"] is None:
        return found
    run = read_run(path)
    for name in run.files:
        note(name, lambda name=name: run.checked_file(name).read_bytes())
    note("golden", lambda: read_golden_inputs(run.checked_file("golden.npz")))
    note("comparison", lambda: compare(run, run))
    note("checkpoint", lambda: checkpoints.read_last(path / "checkpoints")[0])
    return found


@pytest.mark.long
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(FILES), damage=damages())
def test_a_damaged_file_is_refused_or_read_right(
    name: str, damage: Damage, whole: Run, copy: Path
) -> None:
    file, content = place_of(name, copy), place_of(name, whole.path).read_bytes()
    before = sorted((whole.path / "checkpoints").iterdir())[-2]
    file.write_bytes(damage(content))
    try:
        found = readings(copy)
        expected = readings(whole.path)
    finally:
        file.write_bytes(content)
    for reader, value in found.items():
        if value is None or reader == "checkpoint":
            continue
        if reader == "golden":
            assert {key: column.tolist() for key, column in value.items()} == {
                key: column.tolist() for key, column in expected[reader].items()
            }
        else:
            assert value == expected[reader]
    if "checkpoint" in found:  # The last one, or the one before it: never half of one.
        right = [expected["checkpoint"], checkpoints.read(before)]
        read = found["checkpoint"]
        assert any(
            read.history == one.history
            and (read.epoch, read.step, read.trained) == (one.epoch, one.step, one.trained)
            and largest_difference(read.arrays, one.arrays) == 0.0
            for one in right
        )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"loss": st.floats()}, optional={"val_loss": st.floats()}),
        max_size=5,
    )
)
def test_a_history_reads_back_to_the_same_bits(rows: list[dict[str, float]]) -> None:
    rows = [{"epoch": number, **row} for number, row in enumerate(rows, start=1)]
    read = checkpoints.history_rows(checkpoints.history_text(rows))
    assert [repr(sorted(row.items())) for row in read] == [
        repr(sorted(row.items())) for row in rows
    ]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_what_may_be_a_folders_name_leads_nowhere_else(text: str) -> None:
    if is_folder_name(text):
        assert Path("/runs", text).parent == Path("/runs")
        assert not text.startswith(".")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789.epochstmh, ", max_size=20))
def test_any_value_of_checkpoint_every_is_understood_or_refused(text: str) -> None:
    try:
        every = checkpoints.parse_every(text)
    except InputError:
        return
    assert text == "never" or every.epochs or every.steps or every.seconds


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("epoch", checkpoints.Every(epochs=1)),
        ("5epochs", checkpoints.Every(epochs=5)),
        ("500 steps, 1.5m", checkpoints.Every(steps=500, seconds=90.0)),
        ("30s", checkpoints.Every(seconds=30.0)),
        ("1h,2epochs", checkpoints.Every(epochs=2, seconds=3600.0)),
        ("never", checkpoints.Every()),
    ],
)
def test_checkpoint_every_says_epochs_steps_and_time(text: str, every: checkpoints.Every) -> None:
    assert checkpoints.parse_every(text) == every


def test_a_checkpoint_that_could_run_code_or_unpack_to_more_is_refused(
    whole: Run, tmp_path: Path
) -> None:
    import json

    import numpy as np

    from dlrecipes.runs.record import digest
    from dlrecipes.system.atomic import file_sha256

    last = sorted((whole.path / "checkpoints").iterdir())[-1]
    for number, write in enumerate(
        (
            lambda file: np.savez(file, weights=np.array([{"code": 1}], dtype=object)),
            lambda file: np.savez_compressed(file, weights=np.zeros(10**6)),
        ),
        start=1,
    ):
        folder = tmp_path / f"{number:06}"
        shutil.copytree(last, folder)
        write(folder / "state.npz")
        facts = json.loads((folder / "checkpoint.json").read_text())
        facts["state"] = file_sha256(folder / "state.npz")
        facts["digest"] = digest(facts)
        (folder / "checkpoint.json").write_text(json.dumps(facts))
        with pytest.raises(checkpoints.DamagedError):
            checkpoints.read(folder)
