"""What an export says of itself: export.json, README.md, classes.txt and texts.json."""

import json
import math
import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from dlrecipes.datasets.storage import Array
from dlrecipes.runs.golden import write_arrays
from dlrecipes.runs.record import Run
from dlrecipes.use.export.exported import Exported, Written
from dlrecipes.use.export.formats import Format
from dlrecipes.use.pages import rendered

TOLERANCES = {"": 1e-4, "float16": 2e-2, "int8": 0.25}
"""Largest difference from `predict`, in units of the largest answer, or of 1 if that is larger."""
DATES = "seconds since 1970, on the clock that the date was written by"
MEANINGS = {
    "image": "pixels, 0 to 255",
    "image_bytes": "a PNG or JPEG file",
    "noise": "random numbers of mean 0 and variance 1",
    "text": "UTF-8",
    "prompt": "UTF-8",
    "probabilities": "0 to 1",
    "label": "name of the class",
    "mask": "number of the class",
    "picture": "0 to 255",
    "length": "characters",
}
TYPED = {
    "float32": "Float32Array",
    "float64": "Float64Array",
    "int32": "Int32Array",
    "int64": "BigInt64Array",
    "uint8": "Uint8Array",
}
"""The arrays of JavaScript that hold a type of numbers."""
MOST_SHOWN = 60
"""Characters of a text in an example."""
CATALOG = "https://www.tensorflow.org/datasets/catalog/"


def describe(
    exported: Exported, written: Written, of: tuple[Format, str], folder: Path
) -> dict[str, Any]:
    """Write everything that explains an export and proves it, beside the model.

    Args:
        exported: The model.
        written: What the format wrote.
        of: The format, and how it is quantized.
        folder: The folder of the export.

    Returns:
        What export.json holds.
    """
    found, quantization = of
    document = _document(exported, written, found.name, quantization)
    write_arrays(folder / "golden.npz", written.golden)
    _write_json(folder / "export.json", document)
    classes = document["answer"].get("classes", [])
    if classes and exported.answer.has_truth:
        lines = [" ".join(name.split()) for name in classes]
        (folder / "classes.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    programs = {"verify.py": "verify.py", "runtime.py": f"runtimes/{found.runtime}.py"}
    if written.vocabularies:
        _write_json(folder / "texts.json", written.vocabularies)
        programs["texts.py"] = "runtimes/texts.py"
    for name, source in programs.items():
        (folder / name).write_text(program(source), encoding="utf-8")
    examples = _examples(document, written.golden)
    page = rendered("dlrecipes.use.export", "README.md.jinja", **document, **examples)
    (folder / "README.md").write_text(page + "\n", encoding="utf-8")
    return document


def program(name: str) -> str:
    """Return a program that travels with exports."""
    return files("dlrecipes.use.export").joinpath(name).read_text("utf-8")


def _write_json(path: Path, document: Any) -> None:
    """Write a JSON document."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _document(
    exported: Exported, written: Written, format_name: str, quantization: str
) -> dict[str, Any]:
    """Return what export.json holds."""
    run, forms = exported.run, exported.forms
    return {
        "recipe": run.recipe,
        "run": run.run,
        "task": run.task,
        "format": format_name,
        "quantization": quantization,
        "calibration": written.calibration,
        "signatures": _with_units(written, forms.input.document()),
        "input": forms.input.document(),
        "answer": forms.answer.document(),
        "data": {"name": run.data["name"], "rung": run.data["rung"], "licence": licence(run)},
        "tolerance": TOLERANCES[quantization],
        "versions": dict(run.versions),
    }


def _with_units(written: Written, form: dict[str, Any]) -> dict[str, Any]:
    """Return the signatures with what the numbers of each input and output mean."""
    target = form.get("target_written", {})
    units = {**MEANINGS, "value": _unit(target) or form.get("target", "")}
    for name, how in form.get("written", {}).items():
        units[name] = DATES if how.get("kind") == "dates" else _unit(how)
    for name in written.vocabularies:
        units[name] = "place in the vocabulary of texts.json"
    return {
        name: {
            side: [{**one, "unit": units.get(one["name"], "")} for one in signature[side]]
            for side in ("inputs", "outputs")
        }
        for name, signature in written.signatures.items()
    }


def _unit(how: dict[str, Any]) -> str:
    """Return the unit of a column of numbers, as far as it was written beside them."""
    return str(how.get("scale") or how.get("unit") or "")


def licence(run: Run) -> str:
    """Return the licence of the data that a run was trained on, in a sentence or two."""
    name = run.data["name"]
    if run.data["rung"] == "sample":
        return _sample_licence(Path(str(run.data["sample"])).name)
    if run.data["rung"] == "full":
        return f"That of {name}: see {CATALOG}{name.partition('/')[0].partition(':')[0]}"
    return "Your own data: you decide."


def _sample_licence(file: str) -> str:
    """Return what the README of the samples says of a sample's licence."""
    text = files("dlrecipes.data").joinpath("README.md").read_text("utf-8")
    _, _, section = text.partition(f"\n## {file}\n")
    _, _, paragraph = section.partition("\n## ")[0].partition("**Licence.**")
    words = " ".join(paragraph.partition("\n- **")[0].split()).replace("; text below", "")
    return words or "See the package of the recipe."


def _examples(document: dict[str, Any], golden: Mapping[str, Array]) -> dict[str, Any]:
    """Return what the examples of README.md need.

    Returns:
        `is_image`; of others, `body`, a request as JSON, and `quoted`, the same for a shell;
        `arrays`, a typed array of JavaScript for each input.
    """
    signatures = document["signatures"]
    inputs = signatures["serving_default"]["inputs"]
    body: dict[str, Any] = {"instances": [_first(inputs, golden)]}
    if "generate" in signatures:
        options = {"length": 200, "temperature": 0.8, "seed": 0}
        body = {"signature_name": "generate", "inputs": {"prompt": ["She was"], **options}}
    text = json.dumps(body, ensure_ascii=False)
    arrays = {
        one["name"]: f"{TYPED[one['dtype']]}({math.prod(size or 1 for size in one['shape'])})"
        for one in inputs
        if one["dtype"] in TYPED
    }
    is_image = "serving_bytes" in signatures
    return {"body": text, "quoted": shlex.quote(text), "is_image": is_image, "arrays": arrays}


def _first(inputs: list[dict[str, Any]], golden: Mapping[str, Array]) -> dict[str, Any]:
    """Return the first golden inputs without a missing number, as JSON has them."""
    columns = {one["name"]: golden[f"serving_default/input/{one['name']}"] for one in inputs}
    is_missing = [
        np.isnan(column).reshape(len(column), -1).any(axis=1)
        for column in columns.values()
        if column.dtype.kind == "f"
    ]
    place = int(np.argmin(np.any(is_missing, axis=0))) if is_missing else 0
    return {name: _json_value(column[place].tolist()) for name, column in columns.items()}


def _json_value(value: Any) -> Any:
    """Return a value in the few digits and characters that an example needs."""
    if isinstance(value, list):
        return [_json_value(one) for one in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")[:MOST_SHOWN]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else 0.0
    return value[:MOST_SHOWN] if isinstance(value, str) else value
