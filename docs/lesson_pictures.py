"""Draw what the lessons in docs/recipes show of a training: curves, mistakes, and the network.

    python benchmarks/single_settings.py --runs-dir RUNS
    python docs/lesson_pictures.py RUNS

It takes the runs with the default settings and seed 0 that the benchmark left, writes the pictures
to docs/pictures and the rest to docs/lessons.json, which `docs/generate.py` puts into the lessons.
A recipe without such a run keeps what it has.
"""

import base64
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from generator.paths import DOCS, ROOT

from dlrecipes.catalog.facts import Facts, read_facts
from dlrecipes.runs.checkpoints import history_rows
from dlrecipes.use.report import charts
from dlrecipes.use.report.charts import Axes

LESSONS = DOCS / "lessons.json"
PICTURES = DOCS / "pictures"
RUN = "default-0"
COLOURS = (
    "svg{--paper:#fff;--ink:#1b1f24;--quiet:#57606a;--rule:#d0d7de;--line-1:#0b62c4;"
    "--line-2:#c2410c;background:var(--paper)!important;font-family:system-ui,sans-serif}"
    "svg .series .line{stroke-width:2.5px}"
    "@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--quiet:#9da7b1;"
    "--rule:#30363d;--line-1:#6cb6ff;--line-2:#ff9e64}}"
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
MISTAKES, TEXT = 6, 160
"""How many are shown; the longest text, in characters."""
PROMPT = "The "
"""What the network that writes goes on with."""
TIMES = "\N{MULTIPLICATION SIGN}"
SIDE, CAPTION, GAP = 96, 26, 12
"""Of a picture, in pixels."""
SMALL = {
    *("Rescaling", "BatchNormalization", "Activation", "ReLU", "LeakyReLU", "Reshape", "Flatten"),
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "MaxPooling1D", "MaxPooling2D"),
}
"""Layers that share the box of the layer before them."""
HIDDEN = {"GetItem", "Cast", "Where", "Multiply", "ZeroPadding1D", "ZeroPadding2D"}
"""Operations that are left out: they cut, pad or mask what passes through them."""
MASKS = {"NotEqual", "Greater"}
"""What tells padding from words."""


def main() -> None:
    """Write the pictures, and what is in words."""
    runs = Path(sys.argv[1])
    PICTURES.mkdir(exist_ok=True)
    lessons = json.loads(LESSONS.read_text("utf-8")) if LESSONS.exists() else {}
    for facts in map(read_facts, sorted((ROOT / "recipes").glob("[!_]*.py"))):
        folder = runs / facts.name / RUN
        if not (folder / "shown.json").exists():
            continue
        shown = json.loads((folder / "shown.json").read_text("utf-8"))
        lessons[facts.name] = {
            "networks": _networks(facts),
            "curves": _curves(folder, facts.name),
            "mistakes": _mistakes(facts.name, shown.get("mistakes", [])),
            "made": _made(folder, facts.name),
        }
    LESSONS.write_text(json.dumps(lessons, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _curves(folder: Path, name: str) -> list[str]:
    """Draw what was measured in every epoch, and return the names of the measures."""
    history = history_rows((folder / "history.csv").read_text("utf-8"))
    own = [key for key in history[0] if not key.startswith("val_")]
    measures = [key for key in own if key != "epoch" and not key.endswith("learning_rate")]
    for measure in measures:
        series = {
            label: [(row["epoch"], row[key]) for row in history if key in row]
            for label, key in (("training", measure), ("validation", f"val_{measure}"))
        }
        epochs = [row["epoch"] for row in history]
        svg = charts.lines(
            f"{measure} by epoch",
            {label: points for label, points in series.items() if points},
            Axes("epoch", measure, labels=epochs[:: -(-len(epochs) // 10)]),
        )
        svg = re.sub(r"(<svg [^>]*>)", rf"\1<style>{COLOURS}</style>", svg, count=1)
        _write(f"{name}-{measure.replace('_', '-')}", svg)
    return measures


def _mistakes(name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Draw the worst mistakes, or return them if they are texts or rows of a table."""
    rows = rows[:MISTAKES]
    if not rows or "image" not in rows[0]["input"]:
        return [_in_words(row) for row in rows]
    columns = [
        [
            one["image"] if isinstance(one, Mapping) else one
            for one in (row["input"], row["truth"], row["prediction"])
        ]
        for row in rows
    ]
    if isinstance(rows[0]["truth"], Mapping):
        _write(f"{name}-mistakes", _grid([(image, "") for column in zip(*columns, strict=True)
                                          for image in column], len(rows)))  # fmt: skip
    else:
        shares = [f"{100 * row['probability']:.0f} %" for row in rows]
        cells = [
            (image, f"{truth} → {found} ({share})")
            for (image, truth, found), share in zip(columns, shares, strict=True)
        ]
        _write(f"{name}-mistakes", _grid(cells, len(cells)))
    return []


def _in_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mistake in words: the input, the truth, the answer, and how sure it was."""
    given = row["input"]
    text = given["text"] if "text" in given else ", ".join(
        f"{name} {value}" for name, value in given["columns"].items()
    )  # fmt: skip
    return {
        "input": text if len(text) <= TEXT else f"{text[:TEXT].rpartition(' ')[0]} …",
        "truth": row["truth"],
        "prediction": row["prediction"],
        "probability": row.get("probability"),
    }


def _made(folder: Path, name: str) -> str:
    """Draw what a generator made by epoch; return what a network wrote after the last one."""
    if name == "text-generation-lstm":
        command = ["dlrecipes", "predict", str(folder), PROMPT, "--length", "300", "--json"]
        printed = subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
        written: str = json.loads(printed.stdout)["predictions"][0]["text"]
        return written
    files = sorted((folder / "samples").glob("epoch-*.png"))
    if files:
        chosen = [files[place] for place in (0, len(files) // 8, len(files) // 3, -1)]
        cells = [
            (
                "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode(),
                file.stem.replace("-", " "),
            )
            for file in chosen
        ]
        _write(f"{name}-epochs", _grid(cells, len(cells), side=2 * SIDE))
    return ""


def _grid(cells: Sequence[tuple[str, str]], columns: int, side: int = SIDE) -> str:
    """Return pictures in rows, each with what is below it."""
    captioned = any(caption for _, caption in cells)
    height = side + (CAPTION if captioned else 0) + GAP
    rows = -(-len(cells) // columns)
    width = columns * (side + GAP) + GAP
    parts = [f'{SVG}viewBox="0 0 {width} {rows * height + GAP}" width="{width}" role="img">',
             f"<style>{COLOURS}image{{image-rendering:pixelated}}text{{fill:var(--ink);"
             "font-size:12px;text-anchor:middle}</style>"]  # fmt: skip
    for number, (image, caption) in enumerate(cells):
        x, y = GAP + number % columns * (side + GAP), GAP + number // columns * height
        parts.append(f'<image x="{x}" y="{y}" width="{side}" height="{side}" href="{image}"/>')
        if caption:
            middle = x + side / 2
            parts.append(f'<text x="{middle}" y="{y + side + 16}">{escape(caption)}</text>')
    return "\n".join([*parts, "</svg>"])


def _write(name: str, svg: str) -> None:
    """Write a picture."""
    (PICTURES / f"{name}.svg").write_text(svg + "\n", "utf-8")


def _networks(facts: Facts) -> list[dict[str, Any]]:
    """Return the boxes and arrows of a recipe's network for its sample, or of its two networks."""
    from dlrecipes.system.clock import Clock
    from dlrecipes.tasks.opening import settle
    from dlrecipes.training.listener import Silence
    from dlrecipes.training.request import Flags, Request
    from dlrecipes.training.trainer import prepare

    request = Request.from_flags(facts, Flags(data="sample", no_baseline=True))
    found = settle(request.recipe_data, request.data, Silence())
    model = prepare(request, found, Clock(), Silence()).model
    pair = [(one, getattr(model, one, None)) for one in ("generator", "discriminator")]
    return [
        {"name": name, **_graph(network), "parameters": network.count_params()}
        for name, network in (pair if pair[0][1] else [("", model)])
    ]


def _graph(model: Any) -> dict[str, Any]:
    """Return a functional model as boxes of lines, and the arrows between them."""
    given = _sources(model)
    uses = Counter(source for sources in given.values() for source in sources)
    boxes: list[list[str]] = []
    shapes: list[str] = []
    box_of: dict[Any, int] = {}
    arrows: list[list[int]] = []

    def place(one: Any) -> int:
        """Return the box of an operation, behind the boxes of what it is given."""
        if one in box_of:
            return box_of[one]
        before = [place(source) for source in given[one]]
        is_small = type(one).__name__ in SMALL and len(before) == 1
        if is_small and uses[given[one][0]] == 1 and before[0] > 0:
            box = before[0]
        else:
            box = len(boxes)
            boxes.append([])
            shapes.append("")
            arrows.extend([source, box] for source in before)
        box_of[one] = box
        if line := _line(one):
            boxes[box].append(line)
        output = one._inbound_nodes[0].output_tensors[0]
        shapes[box] = TIMES.join(str(size or "n") for size in output.shape[1:])
        return box

    for one in given:
        place(one)
    return {"boxes": boxes, "shapes": shapes, "arrows": arrows}


def _sources(model: Any) -> dict[Any, list[Any]]:
    """Return the operations that are drawn, each with those that it is given, past the others."""
    before = {
        one: [
            tensor._keras_history.operation
            for node in one._inbound_nodes
            for tensor in node.input_tensors
        ]
        for one in model.operations
    }

    def hidden(one: Any, inner: Sequence[Any]) -> bool:
        """Tell whether an operation is left out; one that joins others is not."""
        return type(one).__name__ in HIDDEN and len(inner) < 2

    def seen(operation: Any) -> list[Any]:
        """Return what an operation is given, past those that are left out."""
        found = []
        for one in before[operation]:
            kind = type(one).__name__
            if kind in MASKS:
                continue
            inner = seen(one)
            if kind == "InputLayer" or (inner and not hidden(one, inner)):
                found.append(one)
            else:
                found += inner
        return list(dict.fromkeys(found))

    given = {one: seen(one) for one in model.operations if type(one).__name__ not in MASKS}
    return {
        one: some
        for one, some in given.items()
        if type(one).__name__ == "InputLayer" or (some and not hidden(one, some))
    }


def _line(layer: Any) -> str:
    """Return a layer in a few words."""
    kind = type(layer).__name__
    config = layer.get_config() if hasattr(layer, "get_config") else {}
    if kind == "InputLayer":
        return f"input: {layer.name}"
    if config.get("rate") == 0:
        return ""
    words = [kind]
    if kind == "Bidirectional":
        words.append(type(layer.forward_layer).__name__)
    if "kernel_size" in config:
        words.append(TIMES.join(map(str, config["kernel_size"])))
        if set(config["strides"]) != {1}:
            words.append(f"stride {config['strides'][0]}")
    if kind in ("Embedding", "EinsumDense") and not layer.name.startswith("embedding"):
        words.append(f"“{layer.name}”")
    if kind == "Dropout" or kind.startswith("SpatialDropout"):
        words.append(f"{config['rate']:g}")
    if config.get("activation") not in (None, "linear") and kind not in ("LSTM", "Bidirectional"):
        words.append(str(config["activation"]))
    return " ".join(words)


if __name__ == "__main__":
    main()
