"""Widgets of the page to try a model: what they know of the data, and how they read an input."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from support import mnist_test_images, read_own

from dlrecipes.datasets.examples import Examples
from dlrecipes.errors import InputError
from dlrecipes.tasks import find_task
from dlrecipes.tasks.inputs.image import ImageForm
from dlrecipes.tasks.trying.widgets import ink_size

NONE = Examples(np.empty(0))
IMAGES = find_task("image-classification").input
ROWS = find_task("tabular-regression").input


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a table as a program set to German writes it."""
    lines = ["when;size;count;kind;price"]
    for row in range(60):
        size = "" if row == 7 else f"{row / 4:.2f}".replace(".", ",")
        lines.append(f"{row % 28 + 1}.{row % 12 + 1}.2021;{size};{row};{'ab'[row % 2]};{row},5")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_form_has_the_ranges_and_the_choices_of_the_training_rows(table: Path) -> None:
    form = read_own("tabular-regression", table).input
    about = ROWS.widget.describe(form, NONE)
    assert about["target"] == "price"
    fields = {field.pop("name"): field for field in about["fields"]}
    assert fields == {
        "when": {"kind": "dates", "low": "2021-01-01", "high": "2021-12-24", "step": 0.0},
        "size": {"kind": "numbers", "low": 0.0, "high": 14.75, "step": 0.01},
        "count": {"kind": "numbers", "low": 0.0, "high": 59.0, "step": 1.0},
        "kind": {"kind": "texts", "choices": ["a", "b"]},
    }


def test_a_row_of_a_form_is_read_in_one_way_however_the_table_was_written(table: Path) -> None:
    form = read_own("tabular-regression", table).input
    row = {"when": "2021-02-01", "size": "1.25", "count": "3", "kind": "", "more": 'a "b", c\nd'}
    read = ROWS.widget.inputs(ROWS, {"columns": row}, form)
    assert read.errors == {}
    assert isinstance(read.features, dict)
    assert read.features["when"] == np.datetime64("2021-02-01", "s").astype("int64")
    assert read.features["size"] == 1.25
    assert read.features["kind"] == ""
    wrong = ROWS.widget.inputs(ROWS, {"columns": {**row, "size": "many"}}, form)
    assert "'many'" in wrong.errors[0].message
    assert "/tmp" not in wrong.errors[0].message


def test_a_drawing_gets_the_frame_of_training_images_of_one_size_alone() -> None:
    images, _ = mnist_test_images()
    some = images[:8, ..., np.newaxis]
    assert ink_size(some) == pytest.approx(20 / 28)
    about = IMAGES.widget.describe(ImageForm(border=(0.0, 0.0)), Examples(some))
    assert (about["kind"], about["paper"]) == ("canvas", "dark")
    light = IMAGES.widget.describe(ImageForm(border=(250.0, 255.0)), Examples(255 - some))
    assert (light["kind"], light["paper"]) == ("canvas", "light")
    assert light["frame"] == about["frame"]
    shrunk = some.copy()
    shrunk[0] = 0
    shrunk[0, 10:18, 10:18] = some[0, 10:18, 10:18]
    assert ink_size(shrunk) is None
    assert ink_size(np.zeros_like(some)) is None
    photos = IMAGES.widget.describe(ImageForm((28, 28, 3), border=(0.0, 0.0)), Examples(some))
    assert photos["kind"] == "file"


@pytest.mark.parametrize(
    "name", ["../../up.png", "..\\up.png", "/etc/up.png", "up", "", "a\x00.png"]
)
def test_the_name_of_a_file_leads_nowhere(name: str) -> None:
    images, _ = mnist_test_images()
    content = io.BytesIO()
    Picture.fromarray(images[0]).save(content, "png")
    encoded = base64.b64encode(content.getvalue()).decode()
    read = IMAGES.widget.inputs(IMAGES, {"file": {"name": name, "content": encoded}}, ImageForm())
    assert np.array_equal(np.asarray(read.features)[0, ..., 0], images[0])
    with pytest.raises(InputError, match="base64"):
        IMAGES.widget.inputs(IMAGES, {"file": {"name": name, "content": "?"}}, ImageForm())
