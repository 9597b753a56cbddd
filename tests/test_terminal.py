"""What a person sees: at 80 columns all is readable, at 120 good, and colour has a meaning."""

import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from support import (
    COMMAND,
    MNIST,
    REGRESSION,
    TEXT,
    dlrecipes,
    environment,
    mnist_test_images,
    write_image,
)
from terminal import STEPS, Shown, in_terminal

from dlrecipes.cli import output
from dlrecipes.cli.display import Display
from dlrecipes.cli.layout import Part, one_line, reflowed, table, wrapped

RunOf = Callable[[str], dict[str, Any]]
WIDTHS = (80, 120)
SPARKLINE = re.compile("[▁▂▃▄▅▆▇]{2,}")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTfhlsu]|\r(?!\n)")
COPIED = ("Next: ", "dlrecipes ")
"""Lines that stay whole however long they are, so that they can be copied."""

INSTANT = {
    "list": ("list",),
    "describe": ("describe", MNIST),
    "describe of a text": ("describe", TEXT),
    "help": ("--help",),
    "help of train": ("train", "--help"),
    "help of a recipe": ("train", MNIST, "--help"),
    "help of predict": ("predict", "--help"),
    "help of runs rm": ("runs", "rm", "--help"),
    "check": ("check",),
    "data list": ("data", "list", "--data-dir", "prepared"),
    "data info": ("data", "info", "mnist", "--data-dir", "prepared"),
    "a misspelled recipe": ("train", "mnist-cmn"),
    "a misspelled run": ("evaluate", "no-such-run-of-mine"),
}
OF_RUNS = {
    "runs": (),
    "runs show": ("show", MNIST),
    "runs compare": ("compare", MNIST, REGRESSION),
}


def require_readable(shown: Shown) -> None:
    """Fail if a line is wider than the terminal, or a line has a single letter of a word."""
    wide = [
        line
        for line in shown.unbroken
        if len(line) > shown.columns and not line.startswith(COPIED) and " " in line.strip()
    ]
    assert wide == []
    torn = [line for line in shown.lines if re.fullmatch(r"\s*[a-z]\s*", line)]
    assert torn == []


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("name", INSTANT)
def test_no_line_is_wider_than_the_terminal(name: str, columns: int, tmp_path: Path) -> None:
    shown = in_terminal(*INSTANT[name], cwd=tmp_path, columns=columns)
    require_readable(shown)
    assert shown.lines


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("name", OF_RUNS)
def test_runs_fit_the_terminal(
    name: str, columns: int, run_of: RunOf, runs_dir: Path, tmp_path: Path
) -> None:
    trained = [run_of(recipe) for recipe in (MNIST, REGRESSION, TEXT)]
    shown = in_terminal(
        "runs", *OF_RUNS[name], *(("--runs-dir", runs_dir)), cwd=tmp_path, columns=columns
    )
    require_readable(shown)
    for run in trained if name == "runs" else trained[:1]:
        assert run["run"] in shown.text
    if name == "runs":
        assert shown.lines[0].startswith("run "), "it is a table"
        assert f"{trained[0]['metrics']['accuracy']:.4f}" in shown.text


def test_results_and_answers_fit_the_terminal(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(MNIST)
    write_image(tmp_path / f"{'a-long-name-' * 9}.png", mnist_test_images()[0][0])
    evaluated = in_terminal("evaluate", run["path"], cwd=tmp_path)
    require_readable(evaluated)
    for value in run["metrics"].values():
        assert f"{value:.4f}" in evaluated.text, "no number is cut"
    require_readable(in_terminal("predict", run["path"], ".", cwd=tmp_path))
    require_readable(in_terminal("doctor", cwd=tmp_path))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Shown]:
    """Return a function to what a training shows on a terminal of a width."""
    folder = tmp_path_factory.mktemp("trained")
    shown: dict[int, Shown] = {}

    def train(columns: int) -> Shown:
        if columns not in shown:
            shown[columns] = in_terminal(
                *("train", MNIST, "--data", "sample", "--filters", "32,64"),
                cwd=folder,
                columns=columns,
            )
        return shown[columns]

    return train


@pytest.mark.parametrize("columns", WIDTHS)
def test_an_epochs_line_fits_and_none_of_its_numbers_is_cut(
    columns: int, trained: Callable[[int], Shown]
) -> None:
    shown = trained(columns)
    assert shown.code == 0, shown.raw
    require_readable(shown)
    epochs = [line for line in shown.lines if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/4", "2/4", "3/4", "4/4"]
    for line in epochs:
        pairs = line.split("  ")[1:]
        values = [pair for pair in pairs if not pair.endswith(("samples/s", " s"))]
        assert all(re.fullmatch(r"\w+ \d+\.\d{4}", pair) for pair in values), line
        names = {pair.split()[0] for pair in values}
        assert {"val_loss", "loss"} <= names
        assert {"val_accuracy", "val_acc"} & names


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_bar_is_one_line_counts_its_epoch_and_is_gone_at_the_end(
    columns: int, trained: Callable[[int], Shown]
) -> None:
    shown = trained(columns)
    bars = [[line for line in lines if STEPS.search(line)] for lines in shown.states()]
    assert max(map(len, bars)) == 1, "it is there, and never twice"
    for (bar,) in filter(None, bars):
        epoch, steps = re.match(r"epoch (\d)/4  step (\d+)/60  [━─]{8,16}  ", bar).groups()
        assert int(epoch) <= 4
        assert int(steps) <= 60
        assert len(bar) < columns
    assert not bars[-1]
    curves = [SPARKLINE.findall(bar) for (bar,) in filter(None, bars)]
    assert max(map(len, curves)) == 1
    assert curves[-1][0][0] == "▇", "the loss was highest at the beginning"
    assert not SPARKLINE.search("".join(shown.lines)), "it goes with the bar"


@pytest.mark.parametrize(
    ("encoding", "no_colour", "curves"),
    [("utf-8", "", ["▇▄▁"]), ("utf-8", "1", []), ("ascii", "", [])],
)
def test_a_sparkline_is_drawn_only_where_its_signs_can_be_shown(
    encoding: str, no_colour: str, curves: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    display = Display(output.Screen(file=file, force_terminal=True), quiet=False)
    for loss in (3.0, 2.0, 1.0):
        display.losses.add(loss)
    assert SPARKLINE.findall(display._draw(200).plain) == curves


def test_after_ctrl_c_the_bar_is_gone_and_the_notice_is_there(tmp_path: Path) -> None:
    shown = in_terminal(
        *("train", MNIST, "--data", "sample", "--epochs", "1000", "--name", "stopped"),
        cwd=tmp_path,
        interrupt_at=r"epoch 2/1000 ",
    )
    assert shown.code == 130, shown.raw
    require_readable(shown)
    assert not [line for line in shown.lines if STEPS.search(line)]
    assert max(sum(bool(STEPS.search(line)) for line in lines) for lines in shown.states()) == 1
    assert "Stopping after this step, and saving." in shown.text
    assert shown.lines[-1] == f"Resume it: dlrecipes resume runs/{MNIST}/stopped"


def test_what_is_done_becomes_a_line_with_its_time(trained: Callable[[int], Shown]) -> None:
    shown = trained(80)
    doing = {
        line.split(" …")[0] for lines in shown.states() for line in lines if line.endswith(" …")
    }
    assert {"Starting TensorFlow", "Tracing the first step"} <= doing
    done = [line for line in shown.lines if re.search(r" in \d+\.\d s$", line)]
    assert [line.split(" in ")[0] for line in done] == [
        *("Started TensorFlow", "Loaded the data", "Built the model", "Traced the first step")
    ]
    assert not [line for line in shown.lines if "…" in line]


def test_train_says_what_it_does_before_tensorflow_is_started(tmp_path: Path) -> None:
    with subprocess.Popen(
        [COMMAND, "train", MNIST, "--data", "sample"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "Starting TensorFlow …\n"
        loaded = Path(f"/proc/{process.pid}/maps").read_text()
        process.kill()
        process.stderr.read()
    assert "/tensorflow/" not in loaded


def test_quiet_shows_neither_what_is_done_nor_a_bar(tmp_path: Path) -> None:
    shown = in_terminal(
        *("train", REGRESSION, "--data", "sample", "--epochs", "3", "--quiet"), cwd=tmp_path
    )
    assert "…" not in shown.raw
    assert not CURSOR.search(COLOUR.sub("", shown.raw))


def test_colour_says_how_good_it_is_and_is_off_where_nobody_wants_it(
    run_of: RunOf, tmp_path: Path
) -> None:
    show = ("runs", "show", run_of(MNIST)["path"])
    assert re.search(r"\x1b\[1;32mas expected\x1b", in_terminal(*show, cwd=tmp_path).raw)
    error = in_terminal("train", "mnist-cmn", cwd=tmp_path).raw
    assert re.search(r"\x1b\[1;31mError:\x1b", error)
    plain = in_terminal(*show, cwd=tmp_path, env={"NO_COLOR": "1"})
    assert not COLOUR.search(plain.raw)
    assert "as expected" in plain.text
    piped = dlrecipes(*show, cwd=tmp_path)
    assert "\x1b" not in piped.out
    forced = dlrecipes(*show, cwd=tmp_path, env={"FORCE_COLOR": "1", "TERM": "dumb"})
    assert COLOUR.search(forced.out)
    assert COLOUR.sub("", forced.out) == piped.out


@pytest.mark.long
def test_forced_colour_in_a_pipe_draws_no_bar(tmp_path: Path) -> None:
    outcome = dlrecipes(
        *("train", REGRESSION, "--data", "sample", "--epochs", "2"),
        cwd=tmp_path,
        env={"FORCE_COLOR": "1"},
    )
    assert COLOUR.search(outcome.out)
    assert not CURSOR.search(COLOUR.sub("", outcome.out + outcome.stderr))


def test_a_question_is_asked_on_the_terminal(run_of: RunOf, tmp_path: Path) -> None:
    import shutil

    for name in ("one", "two"):
        shutil.copytree(run_of(REGRESSION)["path"], tmp_path / "runs" / REGRESSION / name)
    kept = in_terminal("runs", "rm", "one", "two", cwd=tmp_path, answer="n")
    assert kept.code != 0
    assert (tmp_path / "runs" / REGRESSION / "one" / "run.json").is_file()
    removed = in_terminal("runs", "rm", "one", cwd=tmp_path, answer="y")
    assert removed.code == 0, removed.raw
    assert "Removed 1 run" in removed.text
    assert [path.name for path in (tmp_path / "runs" / REGRESSION).iterdir()] == ["two"]


def test_words_stay_whole_where_prose_is_wrapped() -> None:
    path = "/a/path/that/is/longer/than/the/terminal/is/wide.csv"
    text = wrapped(Text(f"The file {path} cannot be read."), 30)
    assert text.plain.split("\n") == ["The file", path, "cannot be read."]


def test_paragraphs_are_wrapped_anew_and_lists_and_formulas_keep_their_lines() -> None:
    text = (
        "A paragraph that\nwas wrapped before.\n\n"
        "    p = exp(z)\n    q = 1 - p\n\n"
        "- an item that\n  was wrapped, too\n- another"
    )
    assert reflowed(text, 60).split("\n") == [
        "A paragraph that was wrapped before.",
        "",
        "    p = exp(z)",
        "    q = 1 - p",
        "",
        "- an item that was wrapped, too",
        "- another",
    ]


def test_a_table_drops_what_is_optional_then_breaks_names_then_stacks() -> None:
    titles = ["run", "metric", "device"]
    rows = [["20261127-064719", "average_precision 0.5", "cpu"]]

    def shown(width: int) -> list[str]:
        return [line.plain for line in table(titles, rows, width, optional=("device",))]

    assert shown(80)[0].split() == titles
    assert shown(40)[0].split() == ["run", "metric"]
    assert shown(28)[1:] == [
        "20261127-064719  average_",
        "                 precision",
        "                 0.5",
    ]
    assert shown(16) == [
        "20261127-064719",
        "  metric  average_precision",
        "          0.5",
        "  device  cpu",
    ]


def test_the_names_of_runs_and_recipes_are_whole_at_80_columns() -> None:
    rows = [
        ["20261128-142530-472891d9", "regression-mlp", "flats.csv (own)", "mae 10.2", "finished"],
        ["tune-trial-3", "text-generation-lstm", "data/claims.csv (own)", "loss 1.2500", "failed"],
    ]
    titles = ["run", "recipe", "data", "result", "status"]
    lines = [line.plain for line in table(titles, rows, 80, ("status",), whole=2)]
    assert max(map(len, lines)) <= 80
    for run, recipe, *_ in rows:
        assert any(line.split()[:2] == [run, recipe] for line in lines)


def test_a_line_drops_its_lightest_parts_and_cuts_none() -> None:
    parts = [Part("epoch 1/4", weight=9), Part("accuracy 0.5", "acc 0.5", 2), Part("9 samples/s")]
    assert one_line(parts, 80).plain == "epoch 1/4  accuracy 0.5  9 samples/s"
    assert one_line(parts, 30).plain == "epoch 1/4  accuracy 0.5"
    assert one_line(parts, 20).plain == "epoch 1/4  acc 0.5"
    assert one_line(parts, 10).plain == "epoch 1/4"
