"""Output never fails for what its encoding lacks; `--debug` shows the user's own lines first."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import (
    COMMAND,
    MNIST,
    REGRESSION,
    changed,
    dlrecipes,
    environment,
    recipe_source,
    write_image,
)
from support import mnist_test_images as images_and_digits

CLASSES = ("Kreis 🍎", "十字")
ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C": {"LC_ALL": "C"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with photos of two classes whose names few encodings have."""
    path = tmp_path_factory.mktemp("encodings")
    images, digits = images_and_digits()
    for digit, name in enumerate(CLASSES):
        for number, pixels in enumerate(images[digits == digit][:15]):
            write_image(path / "photos" / name / f"{number}.png", np.asarray(pixels))
    return path


def printed(folder: Path, *arguments: str, **env: str) -> tuple[int, bytes, bytes]:
    """Return how the command ended, and the bytes that it printed."""
    result = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment(env), capture_output=True, check=False
    )
    return result.returncode, result.stdout, result.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", ENCODINGS)
def test_names_that_cannot_be_shown_are_escaped(name: str, folder: Path) -> None:
    env, encoding = ENCODINGS[name], name if name != "C" else "utf-8"
    words = ("train", MNIST, "--data", "photos", "--epochs", "2", "--name", f"in-{name}")
    for arguments in (
        words,
        ("runs",),
        ("runs", "show", f"in-{name}"),
        ("describe", MNIST),
        ("predict", f"in-{name}", f"photos/{CLASSES[1]}/0.png"),
        ("data", "check", "photos", "--task", MNIST),
    ):
        code, out, err = printed(folder, *arguments, **env)
        assert code == 0, (arguments, err.decode(encoding, "replace"))
        assert b"UnicodeEncodeError" not in out + err
        (out + err).decode(encoding)
    code, out, _ = printed(folder, "runs", "show", f"in-{name}", "--json", **env)
    assert code == 0
    recorded = json.loads(out.decode(encoding))
    assert set(CLASSES) <= set(json.dumps(recorded, ensure_ascii=False).split('"'))


@pytest.mark.long
def test_our_own_signs_become_plain_ones(folder: Path) -> None:
    _, _, err = printed(folder, "train", REGRESSION, "--data", "sample", PYTHONIOENCODING="ascii")
    assert b"Starting TensorFlow ...\n" in err


@pytest.mark.long
def test_debug_shows_the_users_own_lines_first_and_none_of_the_command_lines(
    tmp_path: Path,
) -> None:
    text = changed(
        recipe_source(REGRESSION),
        "    return model.fit(",
        '    raise RuntimeError("the disk is on fire")\n    return model.fit(',
    )
    (tmp_path / "mine.py").write_text(text)
    line = text.splitlines().index('    raise RuntimeError("the disk is on fire")') + 1
    outcome = dlrecipes("train", "./mine.py", "--data", "sample", "--debug", cwd=tmp_path, code=1)
    shown = outcome.err[outcome.err.index("In your files:") :].splitlines()
    assert shown[1] == f'  File "mine.py", line {line}, in train'
    assert shown[3] == "RuntimeError: the disk is on fire"
    assert shown[5] == "Traceback (most recent call last):"
    assert "typer" not in outcome.err
    assert "click" not in outcome.err
    assert "cli/app.py" not in outcome.err
    assert [line for line in shown if line.startswith("Error: ")]
