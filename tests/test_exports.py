"""Exports in every format: each predicts in its own runtime what predict does."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving import Server, served
from support import (
    CHECKOUT,
    MNIST,
    RECIPES,
    REGRESSION,
    SCRIPTS,
    SENTIMENT,
    TEXT,
    Outcome,
    changed,
    dlrecipes,
    mnist_test_images,
    run_process,
    run_python,
    sample_table,
)

from dlrecipes.errors import InputError
from dlrecipes.use.export.proof import read_export

RunOf = Callable[[str], dict[str, Any]]
Export = Callable[..., Outcome]
RUNTIMES = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "openvino": "openvino"}
"""The module of each runtime that needs no TensorFlow."""


@pytest.fixture(scope="module")
def export(run_of: RunOf, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Return a function that exports a recipe's shared run, once for the same arguments."""
    folder = tmp_path_factory.mktemp("exports")

    @cache
    def write(recipe: str, format_name: str, quantization: str = "") -> Outcome:
        target = folder / f"{recipe}-{format_name}{quantization}"
        outcome = dlrecipes(
            *("export", run_of(recipe)["path"], "--format", format_name, "--output", target),
            *(("--quantize", quantization) if quantization else ()),
            "--json",
            cwd=folder,
            code=None,
        )
        assert outcome.code in (0, 2), outcome
        assert target.exists() == (outcome.code == 0)
        return outcome

    return write


# Loads a copy of an export in its runtime alone, and answers for the inputs of an .npz file.
ANSWER = """
import sys
import numpy as np
from pathlib import Path
folder, runtime = Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, str(folder))
from runtime import load
with np.load(sys.argv[3]) as arrays:
    answers = load(folder)["serving_default"](**dict(arrays))
assert runtime in sys.modules
assert not {"tensorflow", "keras", "dlrecipes"} & set(sys.modules)
np.savez("answers.npz", **answers)
"""


def predictions(run: dict[str, Any], *arguments: str, cwd: Path) -> list[Any]:
    """Return what `predict --json` says."""
    found: list[Any] = dlrecipes("predict", run["path"], *arguments, "--json", cwd=cwd).document[
        "predictions"
    ]
    return found


def answers_of(
    exported: Outcome, runtime: str, inputs: dict[str, Any], where: Path
) -> dict[str, Any]:
    """Return what an export answers in its runtime, without TensorFlow."""
    np.savez(where / "inputs.npz", **inputs)
    folder = exported.document["path"]
    run_python(ANSWER, folder, runtime, "inputs.npz", cwd=where)
    with np.load(where / "answers.npz") as arrays:
        return dict(arrays)


@pytest.mark.formats
@pytest.mark.long
@pytest.mark.parametrize("format_name", RUNTIMES)
def test_pixels_in_another_runtime_get_the_probabilities_of_predict(
    format_name: str, export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    images, _ = mnist_test_images()
    for number in range(3):
        Image.fromarray(images[number]).save(tmp_path / f"{number}.png")
    found = predictions(run_of(MNIST), *(f"{n}.png" for n in range(3)), cwd=tmp_path)
    exported = export(MNIST, format_name)
    inputs = {"image": images[:3, :, :, None]}
    answers = answers_of(exported, RUNTIMES[format_name], inputs, tmp_path)
    expected = [list(entry["probabilities"].values()) for entry in found]
    assert np.abs(answers["probabilities"] - expected).max() <= 1e-5


@pytest.mark.formats
@pytest.mark.long
@pytest.mark.parametrize("format_name", ["litert", "onnx"])
def test_texts_become_numbers_by_the_vocabulary_beside_the_model(
    format_name: str, export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    texts = ["A film to remember!", "Bad; really BAD.", "xyzzy"]
    found = predictions(run_of(SENTIMENT), *texts, cwd=tmp_path)
    exported = export(SENTIMENT, format_name)
    folder = exported.document["path"]
    program = f"import sys; sys.path.insert(0, {folder!r}); from texts import encode; "
    numbers = run_python(f"{program}print(encode('text', {texts!r}).tolist())", cwd=tmp_path)
    inputs = {"text": np.array(json.loads(numbers.out), "int32")}
    answers = answers_of(exported, RUNTIMES[format_name], inputs, tmp_path)
    expected = [list(entry["probabilities"].values()) for entry in found]
    assert np.abs(answers["probabilities"] - expected).max() <= 1e-5


@pytest.mark.formats
@pytest.mark.long
def test_a_table_in_another_runtime_gets_the_value_of_predict(
    export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    rows = sample_table("diamonds.csv", "test").head(4).drop(columns="price")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    found = predictions(run_of(REGRESSION), "rows.csv", cwd=tmp_path)
    exported = export(REGRESSION, "litert")
    texts = json.loads((Path(exported.document["path"]) / "texts.json").read_text("utf-8"))
    inputs = {
        name: np.array([[texts[name]["vocabulary"].index(value)] for value in column], "int32")
        if name in texts
        else column.to_numpy("float32")[:, None]
        for name, column in rows.items()
    }
    answers = answers_of(exported, RUNTIMES["litert"], inputs, tmp_path)
    assert answers["value"].ravel() == pytest.approx([one["value"] for one in found], rel=1e-5)


@pytest.mark.formats
@pytest.mark.long
@pytest.mark.parametrize(
    ("recipe", "format_name", "quantization", "most"),
    [(MNIST, "litert", "int8", 0.1), (MNIST, "onnx", "int8", 0.1), (TEXT, "onnx", "float16", 0.02)],
)
def test_a_quantized_export_is_smaller_and_says_how_far_it_is_from_predict(
    recipe: str, format_name: str, quantization: str, most: float, export: Export
) -> None:
    exported = export(recipe, format_name, quantization).document
    assert exported["quantization"] == quantization
    assert 0 < exported["max_abs_difference"] <= most
    said = json.loads((Path(exported["path"]) / "export.json").read_text("utf-8"))
    assert said["calibration"] == ("200 training rows" if quantization == "int8" else "")
    assert exported["bytes"] < 0.7 * export(recipe, format_name).document["bytes"]


@pytest.mark.formats
@pytest.mark.long
@pytest.mark.parametrize(
    ("recipe", "format_name"),
    [
        ("loans-mlp", "litert"),
        ("digits-gan", "openvino"),
        ("land-unet", "litert"),
        (SENTIMENT, "openvino"),
    ],
)
def test_every_kind_of_network_predicts_the_same_in_another_runtime(
    recipe: str, format_name: str, export: Export
) -> None:
    exported = export(recipe, format_name)
    assert exported.code == 0, exported.out
    assert exported.document["max_abs_difference"] <= 1e-3  # Of a picture: 0 to 255.


def test_what_a_format_cannot_hold_is_refused_before_anything_is_written(
    run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of(MNIST)["path"]
    for arguments, reason in (
        (("--format", "openvino", "--quantize", "int8"), "another package, NNCF"),
        (("--format", "saved-model", "--quantize", "float16"), "its weights are float32"),
        (("--format", "litert", "--quantize", "int4"), "float16 or int8"),
        (("--all", "--quantize", "int8"), "leave out --output and --quantize"),
        (("--format", "tfjs"), "saved-model, keras, litert, onnx, openvino"),
    ):
        refused = dlrecipes("export", run, *arguments, "--output", "new", cwd=tmp_path, code=2)
        assert reason in " ".join(refused.err.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.formats
@pytest.mark.long
def test_n_grams_are_refused_where_there_are_no_texts(export: Export) -> None:
    refused = export("text-ngrams", "onnx")
    assert refused.code == 2
    assert "--format saved-model" in refused.out


def draw(size: tuple[int, int], mode: str, paper: Any, ink: Any) -> Image.Image:
    """Return a drawn 7."""
    picture = Image.new(mode, size, paper)
    width, height = size
    points = [(0.25, 0.2), (0.75, 0.2), (0.45, 0.8)]
    line = [(x * width, y * height) for x, y in points]
    ImageDraw.Draw(picture).line(line, fill=ink, width=max(2, min(size) // 9))
    return picture


ODD = {
    "dark-on-light.png": draw((300, 200), "L", 255, 0),
    "photo.jpg": draw((1200, 900), "RGB", (250, 240, 230), (20, 30, 60)),
    "clear.png": draw((64, 64), "RGBA", (0, 0, 0, 0), (0, 0, 0, 255)),
    "tiny.png": draw((9, 13), "L", 0, 200),
    "palette.png": draw((50, 140), "L", 30, 220).convert("P"),
    "colour.png": draw((101, 77), "RGB", (10, 60, 90), (230, 210, 90)),
}
BYTES = """
import json, sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
contents = [open(name, "rb").read() for name in sys.argv[2:]]
answers = loaded.signatures["serving_bytes"](image_bytes=tf.constant(contents))
print(json.dumps(answers["probabilities"].numpy().tolist()))
"""


@pytest.mark.formats
@pytest.mark.long
def test_encoded_images_of_any_size_get_the_probabilities_of_predict(
    export: Export, run_of: RunOf, tmp_path: Path
) -> None:
    for name, picture in ODD.items():
        picture.save(tmp_path / name)
    found = predictions(run_of(MNIST), *ODD, cwd=tmp_path)
    shown = run_python(BYTES, export(MNIST, "saved-model").document["path"], *ODD, cwd=tmp_path)
    expected = [list(entry["probabilities"].values()) for entry in found]
    # Pillow rounds between rows and columns: a pixel may be one grey value off.
    assert np.abs(np.array(json.loads(shown.out)) - expected).max() <= 0.02


REFUSED = """
import json, sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
for name in sys.argv[2:]:
    try:
        loaded.signatures["serving_bytes"](image_bytes=tf.constant([open(name, "rb").read()]))
    except tf.errors.InvalidArgumentError as error:
        print(name, " ".join(error.message.split()))
"""


@pytest.mark.formats
@pytest.mark.long
def test_an_image_that_memory_does_not_hold_is_refused_before_it_is_decoded(
    export: Export, tmp_path: Path
) -> None:
    picture = draw((64, 64), "L", 255, 0)
    for name in ("good.png", "no.gif", "cut.png", "vast.png", "vast.jpg"):
        picture.save(tmp_path / name)
    content = (tmp_path / "vast.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[:20])
    wide = (23_000).to_bytes(4, "big")
    (tmp_path / "vast.png").write_bytes(content[:16] + wide + wide + content[24:])
    content = (tmp_path / "vast.jpg").read_bytes()
    place = content.index(b"\xff\xc0") + 5  # The height and the width of a frame.
    vast = content[:place] + wide[2:] * 2 + content[place + 4 :]
    (tmp_path / "vast.jpg").write_bytes(vast)
    names = ("good.png", "no.gif", "cut.png", "vast.png", "vast.jpg")
    shown = run_python(REFUSED, export(MNIST, "saved-model").document["path"], *names, cwd=tmp_path)
    said = dict(line.split(" ", 1) for line in shown.out.splitlines())
    assert set(said) == set(names[1:])
    assert all("must be a PNG or JPEG file" in said[name] for name in ("no.gif", "cut.png"))
    assert all("has too many pixels" in said[name] for name in ("vast.png", "vast.jpg"))


TFSM = """
import sys
import numpy as np
import keras
layer = keras.layers.TFSMLayer(sys.argv[1], call_endpoint="serving_default")
answers = layer({"image": np.zeros((2, 28, 28, 1), "uint8")})
print(answers["probabilities"].shape)
"""


@pytest.mark.formats
@pytest.mark.long
def test_keras_and_saved_model_cli_run_a_saved_model(export: Export, tmp_path: Path) -> None:
    folder = export(MNIST, "saved-model").document["path"]
    assert "(2, 10)" in run_python(TFSM, folder, cwd=tmp_path).out
    np.save(tmp_path / "image.npy", np.zeros((3, 28, 28, 1), "uint8"))
    shown = run_process(
        [
            *(SCRIPTS / "saved_model_cli", "run", "--dir", folder, "--tag_set", "serve"),
            *("--signature_def", "serving_default", "--inputs", "image=image.npy"),
        ],
        cwd=tmp_path,
    )
    assert "Result for output key probabilities" in shown.out


@pytest.mark.formats
@pytest.mark.long
def test_verify_proves_a_copy_without_the_run_and_notices_a_change(
    export: Export, tmp_path: Path
) -> None:
    copy = tmp_path / "a [copy]"
    shutil.copytree(export(MNIST, "onnx").document["path"], copy)
    # A program from elsewhere is not run.
    (copy / "verify.py").write_text("raise SystemExit('not to be run')")
    (copy / "runtime.py").write_text("raise SystemExit('not to be run')")
    found = dlrecipes("verify", copy, "--json", cwd=tmp_path).document
    assert found["format"] == "onnx"
    assert found["max_abs_difference"] <= 1e-5
    with np.load(copy / "golden.npz") as golden:
        arrays = dict(golden)
    arrays["serving_default/output/probabilities"] += 0.2
    np.savez(copy / "golden.npz", **arrays)
    differing = dlrecipes("verify", copy, cwd=tmp_path, code=1)
    assert "The answers differ by up to 2.0e-01" in differing.err
    (copy / "export.json").unlink()
    assert "is no export" in dlrecipes("verify", copy, cwd=tmp_path, code=2).err


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        '{"format": "onnx"}',
        '{"recipe": "a", "format": ["onnx"]}',
        '{"recipe": "a", "format": "onnx", "quantization": null}',
    ],
)
def test_what_an_export_from_elsewhere_says_of_itself_is_checked(text: str, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(InputError, match="is damaged"):
        read_export(tmp_path)


@pytest.mark.formats
@pytest.mark.long
def test_the_table_of_all_formats_is_printed_and_recorded(run_of: RunOf, tmp_path: Path) -> None:
    run = tmp_path / "runs" / MNIST / "mine"
    shutil.copytree(run_of(MNIST)["path"], run)
    table = dlrecipes("export", run, "--all", "--json", cwd=tmp_path).document
    assert json.loads((run / "exports" / "exports.json").read_text("utf-8")) == table
    assert table["metric"] == "accuracy"
    assert table["rows"] == 1000
    found = {(one["format"], one["quantization"]): one for one in table["exports"]}
    assert [name for name, one in found.items() if one["refused"]] == []
    expected = run_of(MNIST)["metrics"]["accuracy"]
    for (name, quantization), one in found.items():
        assert one["metric"] == pytest.approx(expected, abs=0.02 if quantization else 0.001), name
        assert set(one["latency_ms"]) == {"1", "32"}
        assert (Path(one["path"]) / "README.md").is_file()


@pytest.mark.formats
@pytest.mark.long
def test_an_export_says_what_goes_in_and_what_comes_out(export: Export) -> None:
    folder = Path(export(MNIST, "saved-model").document["path"])
    said = json.loads((folder / "export.json").read_text("utf-8"))
    (image,) = said["signatures"]["serving_default"]["inputs"]
    assert image == {
        "name": "image",
        "dtype": "uint8",
        "shape": [None, 28, 28, 1],
        "unit": "pixels, 0 to 255",
    }
    assert "serving_bytes" in said["signatures"]
    assert "Creative Commons" in said["data"]["licence"]
    assert (folder / "classes.txt").read_text("utf-8").split() == list("0123456789")


EXAMPLES = {
    MNIST: '"label": "',
    "land-unet": '"mask": [[',
    REGRESSION: '"predictions": [',
    SENTIMENT: '"label": "',
    TEXT: '"outputs": ["She was',
}
"""What the examples of these recipes' exports answer."""


def examples(folder: Path, language: str) -> list[str]:
    """Return the examples in a language of an export's README."""
    page = (folder / "README.md").read_text("utf-8")
    return [part.partition("```")[0] for part in page.split(f"```{language}\n")[1:]]


@pytest.fixture(scope="module")
def server(export: Export) -> Iterator[Server]:
    """Return a server of those exports."""
    folders = {recipe: export(recipe, "saved-model").document["path"] for recipe in EXAMPLES}
    with served(*(f"{recipe}={folder}" for recipe, folder in folders.items())) as started:
        yield started


@pytest.mark.clients
@pytest.mark.serve
@pytest.mark.formats
@pytest.mark.long
@pytest.mark.parametrize("recipe", EXAMPLES)
def test_the_examples_of_a_readme_run(
    recipe: str, export: Export, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(export(recipe, "saved-model").document["path"], folder)
    draw((300, 200), "RGB", (250, 240, 230), (20, 30, 60)).save(folder / "picture.png")
    # Later examples use the names of the first.
    python = "\n".join(examples(folder, "python"))
    printed = run_process([sys.executable, "-c", python], cwd=folder).out
    assert printed.count("probabilities" if recipe != REGRESSION else "value") >= 2
    (curl,), (script,) = examples(folder, "sh"), examples(folder, "js")
    here = f"http://127.0.0.1:{server.port}/"
    asked = changed(curl, "http://127.0.0.1:8501/", here)
    answer = json.dumps(json.loads(run_process(["bash", "-ec", asked], cwd=folder).out))
    assert EXAMPLES[recipe] in answer
    (folder / "example.mjs").write_text(changed(script, "http://127.0.0.1:8501/", here))
    shown = run_process(["node", "example.mjs"], cwd=folder).out
    assert shown.strip() not in ("", "undefined")
    if recipe == TEXT:
        assert json.loads(answer)["outputs"][0] in printed


@pytest.mark.clients
@pytest.mark.formats
@pytest.mark.long
@pytest.mark.parametrize(
    ("recipe", "format_name"),
    [(MNIST, "litert"), (MNIST, "onnx"), (REGRESSION, "litert"), (SENTIMENT, "onnx")],
)
def test_the_examples_of_other_formats_run_in_python_and_are_javascript(
    recipe: str, format_name: str, export: Export, tmp_path: Path
) -> None:
    folder = Path(export(recipe, format_name).document["path"])
    python = "\n".join(examples(folder, "python"))
    printed = run_process([sys.executable, "-c", python], cwd=folder).out
    assert ("value" if recipe == REGRESSION else "probabilities") in printed
    (script,) = examples(folder, "js")
    (tmp_path / "example.mjs").write_text(script)
    run_process(["node", "--check", "example.mjs"], cwd=tmp_path)


def test_the_measured_table_has_every_recipe() -> None:
    measured = json.loads((CHECKOUT / "benchmarks" / "exports.json").read_text("utf-8"))
    assert sorted(measured) == sorted(RECIPES)
