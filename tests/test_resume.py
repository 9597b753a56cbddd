"""A run is never lost: interruptions, kills, full disks and damage, and `resume` to the same bits.

The long form of the kills is `python benchmarks/chaos.py --kills 100`.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support import (
    CHECKOUT,
    COMMAND,
    MNIST,
    REGRESSION,
    SENTIMENT,
    TEXT,
    Outcome,
    changed,
    dlrecipes,
    environment,
    files_below,
    mount,
    prose_test_text,
    recipe_source,
    run_process,
    sample_table,
    unmount,
)

from dlrecipes.runs import checkpoints
from dlrecipes.runs.compare import compare, largest_difference
from dlrecipes.runs.lookup import read_run
from dlrecipes.runs.record import Run, digest

SHORT = (
    *("--data", "sample", "--epochs", "40", "--schedule", "constant", "--dropout", "0.1"),
    *("--early-stopping", "30", "--checkpoint-every", "epoch"),
)
"""Settings of regression-mlp with which a training takes about three seconds."""
Straight = Callable[..., Run]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """Return a function that trains without an interruption, once for the same arguments."""
    folder = tmp_path_factory.mktemp("straight")

    @cache
    def train(recipe: str | Path, *arguments: str) -> Run:
        document = dlrecipes("train", recipe, *arguments, "--json", cwd=folder).document
        return read_run(folder / document["path"])

    return train


def begin(folder: Path, *arguments: str | Path, **env: str) -> "subprocess.Popen[str]":
    """Start a command, whose output is to be read."""
    return subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_line(process: "subprocess.Popen[str]", start: str) -> None:
    """Wait until a process prints a line that begins so."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return
    pytest.fail(f"it never said {start}: {process.communicate()}")


def interrupted(
    folder: Path, recipe: str | Path, *arguments: str, number: int = signal.SIGKILL, epoch: int = 3
) -> tuple[Path, Outcome]:
    """Return a run that a signal ended after an epoch, and how its process ended."""
    name = ("--name", "interrupted")
    process = begin(folder, "train", recipe, *arguments, *name)
    wait_for_line(process, f"epoch {epoch}/")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    (path,) = folder.glob("runs/*/interrupted")
    return path, Outcome(process.returncode, out, err)


def resume(path: Path, *arguments: str, **options: Any) -> Outcome:
    """Run `dlrecipes resume`."""
    return dlrecipes("resume", path, "--json", *arguments, cwd=path.parent, **options)


def assert_same(one: Run, other: Run) -> None:
    """Fail unless two runs ended with the same bits."""
    assert compare(one, other).same
    assert one.metrics == other.metrics
    ends = [checkpoints.read_last(run.path / "checkpoints")[0] for run in (one, other)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].trained
    assert ends[1].trained
    assert largest_difference(ends[0].arrays, ends[1].arrays) == 0.0


@pytest.mark.long
def test_eight_kills_at_all_moments_over_all_recipes_end_the_same_to_the_bit() -> None:
    script = CHECKOUT / "benchmarks" / "chaos.py"
    outcome = run_process(
        [sys.executable, script, "--kills", "8", "--check"], cwd=CHECKOUT, code=None
    )
    assert outcome.code == 0, outcome.out + outcome.err
    assert "8 trainings and exports were killed with `kill -9`" in outcome.out
    assert "10 could be resumed, and 10 ended bit-identical" in outcome.out


PRACTICES = ("--data", "sample", "--epochs", "3", "--filters", "8,8", "--augmentation")
MIXED = ("--precision", "mixed_bfloat16")
PLATEAU = "keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=10.0), *callbacks]"
RECUT = "    return replace(data, train=data.train.unbatch().batch(50))\n"


def own_recipe(folder: Path, name: str, recipe: str, *changes: tuple[str, str]) -> Path:
    """Write a copy of a built-in recipe with some passages changed."""
    text = recipe_source(recipe)
    for old, new in changes:
        text = changed(text, old, new)
    (folder / f"{name}.py").write_text(text)
    return folder / f"{name}.py"


def ending_itself(event: str, batch: int) -> tuple[tuple[str, str], ...]:
    """Return changes with which a recipe, where END is set, ends itself in its second epoch.

    Args:
        event: Method of a callback that hears of batches.
        batch: The batch of the epoch at which a SIGTERM is sent.
    """
    return (
        ("*callbacks]", f"keras.callbacks.LambdaCallback({event}=end), *callbacks]"),
        (
            "def evaluate(",
            "def end(batch, logs):\n    import os, signal\n\n"
            f"    end.calls = getattr(end, 'calls', 0) + (batch == {batch})\n"
            "    if end.calls == 2 and 'END' in os.environ:\n"
            "        os.kill(os.getpid(), signal.SIGTERM)\n\n\ndef evaluate(",
        ),
    )


OWN: dict[str, tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]] = {
    "mixed_precision": (
        MNIST,
        (),
        (*PRACTICES, *MIXED, "--dropout", "0.3", "--early-stopping", "2"),
    ),
    "streaming": (
        SENTIMENT,
        (
            (
                "TASK = ",
                "from dlrecipes.datasets import storage\n\nstorage.MEMORY_BYTES = 100_000\nTASK = ",
            ),
        ),
        ("--data", "sample", "--epochs", "2", "--vocabulary-size", "2000"),
    ),
    "callback_with_a_memory": (
        MNIST,
        (("*callbacks]", PLATEAU),),
        (*PRACTICES, "--schedule", "constant", "--optimizer", "sgd"),
    ),
    "adversarial": (MNIST, (), (*PRACTICES, "--adversarial", "16")),
    "two_devices": (MNIST, (), (*PRACTICES, "--dropout", "0.3", "--devices", "cpu:2")),
    "batches_cut_anew": (
        MNIST,
        (
            ("    return source.data(", "    data = source.data("),
            (
                "can_be_mirrored(source.train),\n    )\n",
                f"can_be_mirrored(source.train),\n    )\n{RECUT}",
            ),
            ("from dataclasses import dataclass", "from dataclasses import dataclass, replace"),
            ("len(data.train)", "76"),
        ),
        PRACTICES,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("name", OWN)
def test_a_run_stopped_within_an_epoch_ends_the_same(
    name: str, tmp_path: Path, straight: Straight
) -> None:
    recipe, changes, arguments = OWN[name]
    file = own_recipe(tmp_path, name, recipe, *changes, *ending_itself("on_train_batch_begin", 20))
    words = ("train", file, *arguments, "--name", "interrupted")
    dlrecipes(*words, cwd=tmp_path, env={"END": "1"}, code=130)
    path = tmp_path / "runs" / name.replace("_", "-") / "interrupted"
    checkpoint, _ = checkpoints.read_last(path / "checkpoints")
    assert checkpoint is not None
    assert checkpoint.epoch == 1
    assert checkpoint.step >= 20, "it was to stop within an epoch"
    document = resume(path).document
    assert document["status"] == "finished"
    assert_same(straight(file, *arguments), read_run(path))


@pytest.mark.long
def test_a_run_stopped_while_an_epoch_is_validated_ends_the_same(
    tmp_path: Path, straight: Straight
) -> None:
    file = own_recipe(tmp_path, "validated", MNIST, *ending_itself("on_test_batch_begin", 0))
    arguments = (*PRACTICES, "--dropout", "0.3")
    words = ("train", file, *arguments, "--name", "interrupted")
    outcome = dlrecipes(*words, cwd=tmp_path, env={"END": "1"}, code=130)
    assert "saved at epoch 2, step 60" in outcome.err
    path = tmp_path / "runs" / "validated" / "interrupted"
    checkpoint, _ = checkpoints.read_last(path / "checkpoints")
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.step) == (1, 60), "all steps of the second epoch are done"
    resume(path)
    assert_same(straight(file, *arguments), read_run(path))


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_ctrl_c_and_sigterm_save_and_say_how_to_go_on(
    number: int, tmp_path: Path, straight: Straight
) -> None:
    path, outcome = interrupted(tmp_path, REGRESSION, *SHORT, number=number)
    assert outcome.code == 130
    assert "Stopping after this step, and saving." in outcome.err
    assert re.search(r"Interrupted\. The run \S+ is kept, saved at epoch \d+, step", outcome.err)
    assert f"Resume it: dlrecipes resume runs/{REGRESSION}/interrupted" in outcome.err
    assert "Traceback" not in outcome.err
    run = read_run(path)
    assert (run.status, run.metrics) == ("interrupted", {})
    assert [event["what"] for event in run.events] == ["interrupted"]
    document = dlrecipes("resume", REGRESSION, "--json", cwd=tmp_path).document
    assert document["run"] == "interrupted"
    assert [event["what"] for event in document["events"]] == ["interrupted", "resumed"]
    assert_same(straight(REGRESSION, *SHORT), read_run(path))


@pytest.mark.long
def test_ctrl_c_twice_stops_at_once_and_the_run_goes_on_from_its_last_checkpoint(
    tmp_path: Path, straight: Straight
) -> None:
    # The step after the first Ctrl-C takes long: the second one comes within it.
    slow = own_recipe(
        tmp_path,
        "slow",
        REGRESSION,
        (
            "*callbacks]",
            "*callbacks, keras.callbacks.LambdaCallback(on_train_batch_end=wait)]",
        ),
        (
            "def evaluate(",
            "def wait(batch, logs):\n    import os, time\n\n"
            "    if 'SLOW' in os.environ:\n"
            "        print('a step', flush=True)\n        time.sleep(5)\n"
            "\n\ndef evaluate(",
        ),
    )
    arguments = ("--data", "sample", "--epochs", "2", "--schedule", "constant")
    process = begin(tmp_path, "train", slow, *arguments, "--name", "interrupted", SLOW="1")
    wait_for_line(process, "a step")
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "is kept, with its last checkpoint." in err
    assert "Traceback" not in err
    path = tmp_path / "runs" / "slow" / "interrupted"
    assert read_run(path).status == "interrupted"
    assert resume(path).document["status"] == "finished"
    assert_same(straight(slow, *arguments), read_run(path))


def test_a_killed_run_says_so_and_one_that_is_trained_is_not_resumed_by_another(
    tmp_path: Path, straight: Straight
) -> None:
    process = begin(tmp_path, "train", REGRESSION, *SHORT, "--name", "mine", "--epochs", "1000")
    wait_for_line(process, "epoch 1/")
    try:
        path = tmp_path / "runs" / REGRESSION / "mine"
        assert read_run(path).status == "running"
        error = resume(path, code=2).document["error"]
        assert re.search(rf"mine is being trained by process {process.pid}\.", error)
        again = ("train", REGRESSION, *SHORT, "--name", "mine")
        assert "already exists" in dlrecipes(*again, cwd=tmp_path, code=2).err
        assert "is being trained" in dlrecipes("evaluate", path, cwd=tmp_path, code=2).err
    finally:
        process.kill()
        process.communicate()
    assert json.loads((path / "run.json").read_text())["status"] == "running"
    (entry,) = dlrecipes("runs", "--json", cwd=tmp_path).document
    assert entry["status"] == "interrupted"
    assert "killed" in entry["error"]
    assert "dlrecipes resume" in dlrecipes("runs", "show", path, cwd=tmp_path).out


@pytest.mark.long
def test_two_trainings_at_once_get_two_runs_and_of_two_with_one_name_one_is_refused(
    tmp_path: Path,
) -> None:
    arguments = ("train", REGRESSION, "--data", "sample", "--epochs", "1", "--json")
    named = [begin(tmp_path, *arguments, "--name", "same") for _ in range(2)]
    for process in named:
        process.communicate(timeout=120)
    assert sorted(process.returncode for process in named) == [0, 2]
    unnamed = [begin(tmp_path, *arguments) for _ in range(2)]
    documents = [json.loads(process.communicate(timeout=120)[0]) for process in unnamed]
    assert documents[0]["path"] != documents[1]["path"]
    assert documents[0]["metrics"] == documents[1]["metrics"]
    assert len(dlrecipes("runs", "--json", cwd=tmp_path).document) == 3


def flip(path: Path, place: float) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 0x55
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_found_out_and_the_one_before_it_is_used(
    tmp_path: Path, straight: Straight
) -> None:
    path, _ = interrupted(tmp_path, REGRESSION, *SHORT, epoch=6)
    good = sorted((path / "checkpoints").glob("[0-9]*"))
    flip(good[-1] / "state.npz", 0.7)
    outcome = resume(path)
    assert f"{good[-1].name}/state.npz was changed: its checksum does not match." in outcome.err
    assert "Using the checkpoint before it." in outcome.err
    events = [event["what"] for event in outcome.document["events"]]
    assert events == ["damaged checkpoint", "resumed"]
    assert_same(straight(REGRESSION, *SHORT), read_run(path))


@pytest.mark.long
def test_without_any_good_checkpoint_a_run_begins_again_and_ends_the_same(
    tmp_path: Path, straight: Straight
) -> None:
    path, _ = interrupted(tmp_path, REGRESSION, *SHORT)
    for file in path.glob("checkpoints/*/checkpoint.json"):
        file.write_bytes(file.read_bytes()[:100])
    outcome = resume(path)
    assert "from the beginning" in outcome.err
    assert_same(straight(REGRESSION, *SHORT), read_run(path))


@pytest.mark.long
def test_checkpoints_by_steps_and_time_are_kept_as_many_as_asked_and_the_best(
    tmp_path: Path,
) -> None:
    arguments = ("--data", "sample", "--epochs", "8", "--checkpoint-every", "20steps,1h,epoch")
    document = dlrecipes(
        *("train", REGRESSION, *arguments, "--keep-checkpoints", "3", "--json"), cwd=tmp_path
    ).document
    folder = tmp_path / document["path"] / "checkpoints"
    numbers = sorted(int(path.name) for path in folder.iterdir())
    kept = {number: checkpoints.read(folder / f"{number:06}") for number in numbers}
    assert len(kept) in (3, 4)
    assert numbers[-3:] == [numbers[-1] - 2, numbers[-1] - 1, numbers[-1]]
    assert kept[numbers[-1]].trained
    losses = [row["val_loss"] for row in kept[numbers[-1]].history]
    assert min(one.score for one in kept.values() if one.score is not None) == min(losses)


@pytest.mark.long
def test_a_run_that_is_moved_is_resumed_and_a_finished_one_is_shown(
    tmp_path: Path, straight: Straight
) -> None:
    path, _ = interrupted(tmp_path, REGRESSION, *SHORT)
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    path.rename(moved)
    first = resume(moved).document
    assert_same(straight(REGRESSION, *SHORT), read_run(moved))
    before = files_below(moved)
    again = resume(moved).document
    assert {**again, "path": ""} == {**first, "path": ""}
    assert files_below(moved) == before
    assert (
        dlrecipes("evaluate", moved, "--json", cwd=tmp_path).document["metrics"]
        == (first["metrics"])
    )


@pytest.mark.long
def test_data_that_has_gone_or_changed_is_said_and_may_be_elsewhere(tmp_path: Path) -> None:
    table = sample_table("diamonds.csv", "train").head(800)
    table.to_csv(tmp_path / "mine.csv", index=False)
    arguments = ("--data", "mine.csv", "--epochs", "40", "--batch-size", "32")
    path, _ = interrupted(tmp_path, REGRESSION, *arguments)
    (tmp_path / "mine.csv").rename(tmp_path / "moved.csv")
    gone = resume(path, code=2).document
    assert "mine.csv" in gone["error"]
    table.head(799).to_csv(tmp_path / "other.csv", index=False)
    assert (
        "has changed: its fingerprint"
        in (resume(path, "--data", str(tmp_path / "other.csv"), code=2).document["error"])
    )
    assert read_run(path).status == "interrupted"
    document = resume(path, "--data", str(tmp_path / "moved.csv")).document
    assert document["status"] == "finished"


DIVERGING = (
    (
        "*callbacks]",
        "*callbacks, keras.callbacks.LambdaCallback(on_train_batch_begin=poison(model))]",
    ),
    (
        "def evaluate(",
        "def poison(model):\n"
        "    def spoil(batch, logs):\n"
        "        rate = float(model.optimizer.learning_rate)\n"
        "        if int(model.optimizer.iterations) >= 60 and rate > 0.003:\n"
        "            model.layers[-2].bias.assign(model.layers[-2].bias * float('nan'))\n\n"
        "    return spoil\n\n\n"
        "def evaluate(",
    ),
)
"""A recipe whose weights are spoilt in step 60 unless its learning rate is a third of 0.01."""


@pytest.mark.long
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_loss_that_is_not_a_number_is_said_and_with_restore_gone_on_after(
    schedule: str, tmp_path: Path
) -> None:
    file = own_recipe(tmp_path, "diverging", REGRESSION, *DIVERGING)
    arguments = (
        *("train", file, "--data", "sample", "--epochs", "10", "--learning-rate", "0.01"),
        *("--schedule", schedule, "--batch-size", "128"),
    )
    stopped = dlrecipes(*arguments, "--name", "stopped", cwd=tmp_path, code=1).err
    assert re.search(r"The loss became nan in epoch \d, steps \d+ to \d+\.", stopped)
    assert "Lower --learning-rate (it was 0.01) or set --gradient-clip-norm" in stopped
    assert "Its last good checkpoint is of epoch 3, step 0." in stopped
    assert "--on-nan restore" in stopped
    assert read_run(tmp_path / "runs" / "diverging" / "stopped").status == "failed"
    outcome = dlrecipes(*arguments, "--on-nan", "restore", "--json", cwd=tmp_path)
    document = outcome.document
    restored = [event for event in document["events"] if event["what"] == "restored"]
    assert [event["learning_rate"] for event in restored] == [0.005, 0.0025]
    assert "Continuing from epoch 3, step 0 at a learning rate of 0.005." in outcome.err
    history = checkpoints.history_rows(
        (tmp_path / document["path"] / "history.csv").read_text(encoding="utf-8")
    )
    assert [row["epoch"] for row in history] == list(range(1, 11))
    rates = [row["learning_rate"] for row in history]
    assert max(rates[:2]) > 0.003, "the first two epochs were trained before"
    assert max(rates[2:]) <= 0.0025 * 1.0001
    # And what failed can be gone on with that way too.
    path = tmp_path / "runs" / "diverging" / "stopped"
    later = resume(path, "--on-nan", "restore").document
    assert later["metrics"] == document["metrics"]


@pytest.mark.long
def test_out_of_memory_is_said_as_such_with_where_and_what_to_change(tmp_path: Path) -> None:
    file = own_recipe(
        tmp_path,
        "large",
        REGRESSION,
        ("def evaluate(", "def evaluate("),
        (
            "    return model.fit(",
            "    import tensorflow as tf\n\n    tf.zeros((10**9, 10**9))\n    return model.fit(",
        ),
    )
    outcome = dlrecipes("train", file, "--data", "sample", "--name", "a", cwd=tmp_path, code=1)
    assert "Training failed in epoch 1, step 0: out of memory." in outcome.err
    assert "--batch-size" in outcome.err
    assert "dlrecipes resume runs/large/a" in outcome.err
    assert len(outcome.err.splitlines()) <= 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that makes a small file system, or changes its size or mode."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def change(how: str) -> Path:
        nonlocal mounted
        assert mount(folder, f"remount,{how}" if mounted else how)
        mounted = True
        return folder

    yield change
    if mounted:
        unmount(folder)


@pytest.mark.long
@pytest.mark.mount
def test_a_full_disk_is_said_and_nothing_that_was_saved_is_lost(
    small_disk: Callable[[str], Path], straight: Straight
) -> None:
    disk = small_disk("size=1200k")
    arguments = ("train", REGRESSION, *SHORT, "--name", "full", "--keep-checkpoints", "9")
    outcome = dlrecipes(*arguments, cwd=disk, code=1)
    assert re.search(r"Training failed in epoch \d+, step \d+: the disk is full\.", outcome.err)
    assert "Resume it: dlrecipes resume" in outcome.err
    assert "Traceback" not in outcome.err
    path = disk / "runs" / REGRESSION / "full"
    run = read_run(path)
    assert run.status == "failed"
    assert "the disk is full" in run.error
    saved, problems = checkpoints.read_last(path / "checkpoints")
    assert saved is not None
    assert saved.epoch > 1
    assert problems == []
    small_disk("size=50m")
    assert resume(path).document["status"] == "finished"
    assert_same(straight(REGRESSION, *SHORT), read_run(path))


@pytest.mark.long
@pytest.mark.mount
def test_a_read_only_folder_of_runs_is_said_and_its_runs_can_still_be_read(
    small_disk: Callable[[str], Path], straight: Straight
) -> None:
    disk = small_disk("size=50m")
    run = straight(REGRESSION, *SHORT)
    shutil.copytree(run.path, disk / "runs" / REGRESSION / "kept")
    path, _ = interrupted(disk, REGRESSION, *SHORT)
    small_disk("ro")
    outcome = dlrecipes("train", REGRESSION, *SHORT, cwd=disk, code=2)
    assert re.search(
        r"Error: The run folder \S+ cannot be created: Read-only file system\.", outcome.err
    )
    error = resume(path, code=2).document["error"]
    assert "interrupted cannot be written to: Read-only file system." in error
    assert len(dlrecipes("runs", "--json", cwd=disk).document) == 2
    kept = disk / "runs" / REGRESSION / "kept"
    assert dlrecipes("evaluate", kept, "--json", cwd=disk).document["metrics"] == run.metrics


def own_run(folder: Path) -> Path:
    """Return a finished run of a recipe that is not installed; its code leaves a mark."""
    file = own_recipe(
        folder,
        "mine",
        REGRESSION,
        ("TASK = ", "import pathlib\n\npathlib.Path('mark').touch()\nTASK = "),
    )
    document = dlrecipes(
        *("train", file, "--data", "sample", "--epochs", "2", "--json"), cwd=folder
    ).document
    file.unlink()
    (folder / "mark").unlink()
    return folder / document["path"]


@pytest.mark.long
def test_a_run_from_elsewhere_runs_no_code_unless_its_recipe_is_trusted(tmp_path: Path) -> None:
    path = own_run(tmp_path)
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "other-user")}
    for words in (
        ("evaluate", path),
        ("reproduce", path),
        ("train", "--config", path / "run.json"),
    ):
        outcome = dlrecipes(*words, cwd=tmp_path, env=elsewhere, code=2)
        assert "was not trained here, and this would run its code" in outcome.err
        assert "--trust-recipe" in outcome.err
    for words in (("runs",), ("runs", "show", path), ("list",), ("predict", path, "-")):
        dlrecipes(*words, cwd=tmp_path, env=elsewhere, code=None)
    assert not (tmp_path / "mark").exists()
    trusted = dlrecipes(
        "evaluate", path, "--trust-recipe", "--json", cwd=tmp_path, env=elsewhere
    ).document
    assert trusted["metrics"] == read_run(path).metrics
    assert (tmp_path / "mark").exists()
    (tmp_path / "mark").unlink()
    # Who trained it needs to say nothing, wherever it lies.
    path.rename(tmp_path / "moved")
    dlrecipes("evaluate", tmp_path / "moved", cwd=tmp_path)
    assert (tmp_path / "mark").exists()


def test_a_run_of_an_installed_recipe_is_trusted_from_anywhere(
    tmp_path: Path, straight: Straight
) -> None:
    run = straight(REGRESSION, *SHORT)
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "other-user")}
    tested = dlrecipes("evaluate", run.path, "--json", cwd=tmp_path, env=elsewhere).document
    assert tested["metrics"] == run.metrics


@pytest.mark.long
def test_a_key_is_readable_by_its_owner_alone_and_without_one_runs_are_made_all_the_same(
    tmp_path: Path,
) -> None:
    arguments = ("train", REGRESSION, "--data", "sample", "--epochs", "1", "--json")
    config = tmp_path / "config"
    dlrecipes(*arguments, cwd=tmp_path, env={"XDG_CONFIG_HOME": str(config)})
    assert (config / "dlrecipes" / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "file").touch()
    document = dlrecipes(
        *arguments, cwd=tmp_path, env={"XDG_CONFIG_HOME": str(tmp_path / "file")}
    ).document
    assert document["seal"] == ""


@pytest.mark.long
@pytest.mark.parametrize("name", ["checkpoints", "logs"])
def test_nothing_is_written_through_a_symbolic_link_in_a_run(name: str, tmp_path: Path) -> None:
    path, _ = interrupted(tmp_path, REGRESSION, *SHORT)
    target = tmp_path / "precious"
    target.mkdir()
    (target / "000001").mkdir()
    shutil.rmtree(path / name)
    (path / name).symlink_to(target)
    error = resume(path, code=None).document["error"]
    assert "is a symbolic link" in error
    assert files_below(target) == {"000001": b"(folder)"}


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/b", ".hidden"])
def test_a_name_that_leads_out_of_the_folder_of_runs_is_refused(name: str, tmp_path: Path) -> None:
    dlrecipes("train", REGRESSION, "--name", name, cwd=tmp_path, code=2)
    assert files_below(tmp_path) == {}


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a run's record and seal it again, as its author could."""
    document = json.loads((path / "run.json").read_text())
    change(document)
    document["digest"] = digest(document)
    (path / "run.json").write_text(json.dumps(document))


def test_a_record_whose_names_lead_elsewhere_is_refused(tmp_path: Path, straight: Straight) -> None:
    for number, (field, value) in enumerate(
        (
            ("run", "../../x"),
            ("recipe", "/etc"),
            ("recipe", "..\\x\n"),
            ("config", []),
            ("data", {}),
        )
    ):
        path = tmp_path / str(number)
        shutil.copytree(straight(REGRESSION, *SHORT).path, path)
        rewritten(path, lambda record, field=field, value=value: record.update({field: value}))
        error = dlrecipes("evaluate", path, "--json", cwd=tmp_path, code=2).document["error"]
        assert "is not the record of a run" in error


@pytest.mark.long
def test_a_proof_shows_no_difference_and_changes_nothing(
    tmp_path: Path, straight: Straight
) -> None:
    run = straight(REGRESSION, *SHORT)
    before = files_below(run.path)
    document = dlrecipes("resume", run.path, "--prove", "--json", cwd=tmp_path).document
    assert document["same"] is True
    assert document["steps"] == 2 * document["interrupted_after"] == 34
    assert document["other_batches"] == 0
    assert set(document["largest_difference"].values()) == {0.0}
    assert {"weights", "optimizer", "random"} <= set(document["largest_difference"])
    assert files_below(run.path) == before


@pytest.mark.long
def test_a_proof_finds_out_a_recipe_that_cannot_be_resumed(tmp_path: Path) -> None:
    file = own_recipe(
        tmp_path,
        "forgetful",
        REGRESSION,
        (
            "batches(config.batch_size, shuffle=True),",
            "batches(config.batch_size).shuffle(100, seed=1),",
        ),
    )
    path = (
        tmp_path
        / dlrecipes(
            "train", file, "--data", "sample", "--epochs", "3", "--json", cwd=tmp_path
        ).document["path"]
    )
    document = dlrecipes("resume", path, "--prove", "--json", cwd=tmp_path, code=1).document
    assert document["same"] is False
    assert document["other_batches"] > 0
    assert document["largest_difference"]["weights"] > 0


@pytest.mark.long
def test_a_run_is_reproduced_to_the_bit_into_a_new_run(tmp_path: Path, straight: Straight) -> None:
    run = straight(REGRESSION, *SHORT)
    path = tmp_path / "runs" / REGRESSION / "first"
    shutil.copytree(run.path, path)
    document = dlrecipes("reproduce", path, "--json", cwd=tmp_path).document
    assert document["same"] is True
    assert document["largest_difference"] == {
        "weights": 0.0,
        "optimizer": 0.0,
        "history": 0.0,
        "metrics": 0.0,
    }
    assert document["differs_in"] == []
    again = read_run(tmp_path / document["path"])
    assert again.path.resolve() != path
    assert [event["run"] for event in again.events if event["what"] == "reproduces"] == [run.run]


@pytest.mark.long
def test_a_reproduction_says_what_differs_and_refuses_a_changed_recipe_or_data(
    tmp_path: Path,
) -> None:
    sample_table("diamonds.csv", "train").head(500).to_csv(tmp_path / "mine.csv", index=False)
    arguments = ("train", REGRESSION, "--data", "mine.csv", "--epochs", "2", "--json")
    path = tmp_path / dlrecipes(*arguments, cwd=tmp_path).document["path"]
    rewritten(path, lambda record: record["versions"].update(keras="3.14.0"))
    with (tmp_path / "mine.csv").open("a") as file:
        file.write((tmp_path / "mine.csv").read_text().splitlines()[1] + "\n")
    runs = len(list(path.parent.iterdir()))
    refused = dlrecipes("reproduce", path, "--json", cwd=tmp_path, code=2).document
    assert "The data is not what that run was trained on" in refused["error"]
    assert len(list(path.parent.iterdir())) == runs
    allowed = dlrecipes("reproduce", path, "--allow-changed", "--json", cwd=tmp_path).document
    assert allowed["same"] is False
    assert any("keras was 3.14.0 and is" in reason for reason in allowed["differs_in"])
    with (path / "recipe.py").open("a") as file:
        file.write("# changed\n")
    refused = dlrecipes("reproduce", path, "--json", cwd=tmp_path, code=2).document
    assert "recipe.py was changed after training" in refused["error"]


BAD_REQUESTS = {
    "no unit": (("train", REGRESSION, "--checkpoint-every", "5"), "--checkpoint-every must be"),
    "half an epoch": (
        ("train", REGRESSION, "--checkpoint-every", "0.5epochs"),
        "--checkpoint-every must be",
    ),
    "no checkpoint kept": (
        ("train", REGRESSION, "--keep-checkpoints", "0"),
        "--keep-checkpoints must be from 1 to 1000",
    ),
    "what at NaN": (("train", REGRESSION, "--on-nan", "hope"), "--on-nan must be stop or restore"),
    "no such run": (("resume", "nothing"), "There is no run 'nothing'"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_is_said_in_a_line_and_writes_nothing(name: str, tmp_path: Path) -> None:
    words, sentence = BAD_REQUESTS[name]
    outcome = dlrecipes(*words, cwd=tmp_path, code=2)
    assert sentence in outcome.err
    assert "Traceback" not in outcome.err
    assert files_below(tmp_path) == {}


@pytest.mark.long
def test_a_run_is_read_while_it_is_written(tmp_path: Path) -> None:
    process = begin(tmp_path, "train", REGRESSION, *SHORT, "--name", "busy")
    path = tmp_path / "runs" / REGRESSION / "busy"
    seen = set()
    while process.poll() is None:
        if (path / "run.json").exists():
            seen.add(read_run(path).status)
        time.sleep(0.001)
    process.communicate()
    assert process.returncode == 0
    assert {"running"} <= seen <= {"running", "finished"}


@pytest.mark.long
def test_samples_by_epoch_survive_a_kill_and_are_those_of_a_training_without_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "text.txt").write_text(prose_test_text()[:20_000])
    asked = ("--data", "text.txt", "--epochs", "4", "--lstm-units", "8", "--no-baseline")
    straight = dlrecipes("train", TEXT, *asked, "--json", cwd=tmp_path, report=True).document
    path, _ = interrupted(tmp_path, TEXT, *asked, "--checkpoint-every", "epoch", epoch=2)
    dlrecipes("resume", path, cwd=tmp_path)
    samples = [files_below(one / "samples") for one in (tmp_path / straight["path"], path)]
    assert [*samples[0]] == [f"epoch-00{number}.txt" for number in range(1, 5)]
    assert samples[0] == samples[1]
    html = (path / "report.html").read_text(encoding="utf-8")
    assert html.count("<figcaption>epoch ") == 4
