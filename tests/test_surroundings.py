"""What surrounds the command: full disks, closed pipes, odd names, other users, their settings."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pexpect
import pytest
from rich.text import Text
from support import COMMAND, MNIST, REGRESSION, dlrecipes, environment, run_python, write_image
from terminal import in_terminal

from dlrecipes.cli import layout

ACTING = "\x1b]0;owned\x07\x1b[31mred\x1b[0m\u202egnp.exe\x9b2J"
"""Sets the title of a terminal, colours it, turns the text around, and clears the screen."""
ODD = "a [b] *?{c} %20 \"q\" 's' $HOME;`x`\n" + "ü" * 60
CLASSES = ("Kreis 🍎", "十字 \x1b[31m\u202edrow")
HOSTILE = {
    **{"KERAS_BACKEND": "jax", "KERAS_MAX_EPOCHS": "1"},
    **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
}
KERAS_JSON = {
    **{"floatx": "float16", "epsilon": 1e-3, "backend": "torch"},
    **{"image_data_format": "channels_first"},
}


def write_rows(path: Path, rows: int = 90) -> None:
    """Write a table whose last column is a sum of the others."""
    numbers = np.random.default_rng(0).normal(size=(rows, 3))
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{a + 2 * b - c:.4f}" for a, b, c in numbers]
    path.write_text("\n".join(["a,b,c,y", *lines]) + "\n")


def in_shell(line: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which `dlrecipes` is the command."""
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=cwd,
        env=environment({**env, "PATH": path}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", ["list", "list --json", "describe mnist-cnn", "--help", "runs"])
def test_a_full_output_device_is_an_error_of_one_line(words: str, tmp_path: Path) -> None:
    result = in_shell(f"dlrecipes {words} > /dev/full", tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        "Error: Standard output cannot be written to: No space left on device.\n"
    )


@pytest.mark.parametrize("words", ["list", "list --json", "describe mnist-cnn", "train --help"])
def test_a_reader_that_goes_away_is_no_error_to_speak_of(words: str, tmp_path: Path) -> None:
    result = in_shell(f"dlrecipes {words} | head -c 1", tmp_path)
    assert len(result.stdout) == 1
    assert result.stderr == ""


def test_closed_streams_and_a_full_standard_error_do_not_matter(tmp_path: Path) -> None:
    assert in_shell("dlrecipes list >&- 2>&- <&-", tmp_path).returncode == 0
    assert in_shell("dlrecipes describe nothing 2> /dev/full", tmp_path).returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        "> /dev/full",
        pytest.param("--json > /dev/full 2> /dev/full", marks=pytest.mark.long),
        pytest.param("| head -1", marks=pytest.mark.long),
    ],
)
def test_a_training_is_finished_whatever_becomes_of_its_output(words: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv")
    line = f"dlrecipes train {REGRESSION} --data rows.csv --epochs 2 --name it {words}"
    result = in_shell(f"{line}; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    if words == "> /dev/full":
        assert "Error: The run is finished, and standard output cannot be" in result.stderr
        assert f"Show it: dlrecipes runs show runs/{REGRESSION}/it" in result.stderr
    shown = dlrecipes("runs", "show", "it", "--json", cwd=tmp_path).document
    assert shown["status"] == "finished"
    assert shown["metrics"]["mae"] > 0


def test_sighup_saves_the_run_and_says_how_to_resume_it(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv")
    words = ("train", REGRESSION, "--data", "rows.csv", "--epochs", "100000", "--name", "it")
    with subprocess.Popen(
        [COMMAND, *words],
        cwd=tmp_path,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 3/"):
                break
        process.send_signal(signal.SIGHUP)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert f"Resume it: dlrecipes resume runs/{REGRESSION}/it" in errors
    shown = dlrecipes("runs", "show", "it", "--json", cwd=tmp_path).document
    assert shown["status"] == "interrupted"
    assert shown["events"][0]["place"].startswith("epoch ")


@pytest.mark.long
def test_a_terminal_that_is_closed_leaves_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv")
    words = ["train", REGRESSION, "--data", "rows.csv", "--epochs", "100000", "--name", "it"]
    child = pexpect.spawn(
        str(COMMAND), words, cwd=str(tmp_path), env=environment(), timeout=120, encoding="utf-8"
    )
    child.expect("epoch 3/")
    child.close(force=False)  # which sends SIGHUP
    for _ in range(300):
        shown = dlrecipes("runs", "show", "it", "--json", cwd=tmp_path).document
        if shown["status"] != "running":
            break
        time.sleep(0.1)
    assert (shown["status"], shown["error"]) == (
        "interrupted",
        "stopped by the user or the system",
    )


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return a run that was trained in odd folders, by a user with the settings of others."""
    folder = tmp_path_factory.mktemp("odd")
    cwd, home, runs = folder / ODD, folder / "home", folder / ("R [1] * " + "x" * 190)
    random = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        for place in range(15):
            pixels = (random.random((28, 28)) * 60 + 150 * number).astype("uint8")
            write_image(cwd / "ph [o] * \x1b[31m" / name / f"{place}.png", pixels)
    (home / ".keras").mkdir(parents=True)
    (home / ".keras" / "keras.json").write_text(json.dumps(KERAS_JSON))
    env = {**HOSTILE, "HOME": str(home)}
    words = ("train", MNIST, "--data", "ph [o] * \x1b[31m", "--runs-dir", runs, "--epochs", "3")
    outcome = dlrecipes(*words, "--name", "it", cwd=cwd, env=env)
    return {"cwd": cwd, "env": env, "run": runs / MNIST / "it", "out": outcome.out}


def test_a_training_does_not_mind_odd_names_or_settings_of_others(odd: dict[str, Any]) -> None:
    words = ("runs", "show", odd["run"], "--json")
    run = dlrecipes(*words, cwd=odd["cwd"], env=odd["env"]).document
    assert run["data"]["answer"]["classes"] == list(CLASSES)
    assert run["metrics"]["accuracy"] == 1.0
    assert odd["out"].isascii()
    assert "\x1b" not in odd["out"]
    assert "epoch 3/3" in odd["out"]  # KERAS_MAX_EPOCHS is another project's.
    assert (Path(odd["env"]["HOME"]) / ".keras").exists()


def test_predict_finds_odd_names_and_answers_with_them(odd: dict[str, Any]) -> None:
    names = [f"ph [o] * \x1b[31m/{name}" for name in CLASSES]
    words = ("predict", odd["run"], f"{names[0]}/0.png", "ph*/十字*/1.png", "--json")
    first, second = dlrecipes(*words, cwd=odd["cwd"], env=odd["env"]).document["predictions"]
    assert [first["label"], second["label"]] == list(CLASSES)


@pytest.mark.long
@pytest.mark.parametrize("name", ["saved-model", "keras"])
def test_an_export_into_an_odd_folder_is_proven(name: str, odd: dict[str, Any]) -> None:
    words = ("export", odd["run"], "--format", name, "--json")
    written = dlrecipes(*words, cwd=odd["cwd"], env=odd["env"]).document
    assert written["max_abs_difference"] < 1e-5


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        *(
            pytest.param(text, marks=pytest.mark.long)
            for text in ("{", '{"floatx": "float128"}', '{"backend": "theano"}')
        ),
    ],
)
def test_a_keras_json_that_keras_would_not_take_does_not_matter(text: str, tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(text)
    program = """
from dlrecipes.system.backend import load_tensorflow
load_tensorflow()
import keras, os
print(keras.backend.floatx(), keras.config.image_data_format(), keras.config.epsilon())
print(keras.src.backend.config.keras_home() == os.path.expanduser("~/.keras"))
"""
    outcome = run_python(program, cwd=tmp_path, env={"HOME": str(tmp_path)})
    assert outcome.out.split() == ["float32", "channels_last", "1e-07", "True"]


def test_what_acts_on_a_terminal_never_reaches_it(tmp_path: Path) -> None:
    lines = [f"{ACTING} column,label"]
    lines += [f"film {number} {ACTING},{'ab'[number % 2]} {ACTING}" for number in range(30)]
    table = tmp_path / f"{ACTING.replace('/', '')}.csv"
    table.write_text("\n".join(lines) + "\n")
    words = ("data", "check", table.name, "--task", "text-classification")
    shown = in_terminal(*words, cwd=tmp_path, env={"NO_COLOR": "1"})
    for code in ("\x1b]0;owned", "\x1b[31mred", "\u202e", "\x9b"):
        assert code not in shown.raw, shown.raw
    assert "\\x1b[31mred" in " ".join(shown.lines)
    printed = dlrecipes(*words, "--json", cwd=tmp_path).out
    assert not set("\x1b\u202e\x9b\x07") & set(printed)
    assert f"a {ACTING}" in json.loads(printed)["rows_per_class"]["train"]


def test_styles_stay_where_they_are_when_a_text_is_escaped() -> None:
    text = Text().append("go\x1bod", "bold").append(" end\u202e")
    shown = layout.visible_text(text)
    assert shown.plain == "go\\x1bod end\\u202e"
    assert [shown.plain[span.start : span.end] for span in shown.spans if span.style == "bold"]
    assert layout.visible("日本語 é\n\t🍎\u200d") == "日本語 é\n\t🍎\u200d"


@pytest.mark.user
@pytest.mark.long
@pytest.mark.parametrize("home", ["", "/", "/nowhere"])
def test_a_user_without_name_or_home_trains(home: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o777)
    # Python itself may lie where only root may look.
    caps = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    who = ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", *caps, "env", "-u")
    words = ("train", REGRESSION, "--data", "rows.csv", "--epochs", "1", "--json")
    env = environment({"HOME": home, "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""})
    command = [*who, "HOME" if not home else "NOTHING", str(COMMAND), *words]
    result = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["status"] == "finished"
    assert not (tmp_path / "~").exists()
