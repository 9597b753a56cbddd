"""Write the script of a run, and the file of arrays that it reads."""

import ast
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

from dlrecipes.catalog.contract import import_recipe
from dlrecipes.catalog.facts import read_facts
from dlrecipes.errors import InputError
from dlrecipes.runs.golden import write_arrays
from dlrecipes.runs.lookup import require_training
from dlrecipes.runs.record import Run
from dlrecipes.system.atomic import write_atomically
from dlrecipes.training.calls import load_data
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes, Request
from dlrecipes.use.eject.batches import (
    BY_LENGTH,
    PLAIN,
    Written,
    call,
    fields_of,
    in_lines,
    literal,
)
from dlrecipes.use.eject.parts import Parts, parts_of
from dlrecipes.use.opening import data_and_device

HEAD = '''"""{summary}

This script repeats the run {run}
of the recipe {recipe}. It needs no dlrecipes:

    pip install keras=={keras} tensorflow=={tensorflow} numpy=={numpy}
    python {script}

It reads the examples of the run from {arrays}, as the network got them.
"""

{imports}

Config = Data = SimpleNamespace
ARRAYS = Path(__file__).with_suffix(".npz")
RECORDED = {metrics}
"""Test metrics of the run."""
SEED = {seed}
CONFIG = {config}
"""Its settings."""
EPOCH = tf.Variable(0, dtype="int64", trainable=False)
"""Number of the epoch, from 0: with the seed, it decides the order of the examples."""
'''
ORDER = '''
class CountEpochs(keras.callbacks.Callback):
    """Has each epoch go through the examples in an order of its own."""

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Note the epoch."""
        EPOCH.assign(epoch)


def shuffled(places, count: int, stream: int = 0):
    """Return what stands at these places of the epoch's random order of `count` rows."""
    return tf.raw_ops.RandomIndexShuffle(
        index=places,
        seed=tf.stack([tf.constant(SEED, "int64"), EPOCH, stream]),
        max_index=tf.constant(count - 1, "int64"),
        rounds=16,
    )
'''
LOAD = '''
def load_data() -> Data:
    """Return the batches of the run, and what the network must know of its data."""
    with np.load(ARRAYS) as arrays:
        return {data}
'''
KIT = "# The parts of dlrecipes that the recipe uses."
MAIN = '''
def main() -> None:
    """Train and test the network, and print its test metrics beside those of the run."""
    tf.config.experimental.enable_op_determinism()
    data = load_data()
    keras.utils.set_random_seed(SEED)
    model = build(CONFIG, data)
    train(model, data, CONFIG, [CountEpochs()])
    for name, value in evaluate(model, data, CONFIG).items():
        print(f"{name:20} {float(value):.8g}  (the run: {RECORDED[name]:.8g})")


if __name__ == "__main__":
    main()
'''
NEEDED = {
    "keras": ("keras", ""),
    "np": ("numpy", ""),
    "tf": ("tensorflow", ""),
    "Path": ("pathlib", "Path"),
    "SimpleNamespace": ("types", "SimpleNamespace"),
}
"""What every script imports."""


@dataclass(frozen=True)
class Ejected:
    """A script that was written.

    Args:
        path: The script.
        arrays: The file of the examples.
        bytes: The size of that.
        lines: The lines of the script.
    """

    path: Path
    arrays: Path
    bytes: int
    lines: int


def eject(run: Run, script: Path, changes: Changes, listener: WorkListener) -> Ejected:
    """Write a script that repeats a finished run without dlrecipes, and its examples beside it.

    Args:
        run: The run.
        script: The new file, which ends in .py.
        changes: Where its data is now, and whether to trust its recipe.
        listener: Hears what is being done.

    Raises:
        InputError: if a file is there already, its folder is not, the data has changed, or a script
            cannot repeat the run.
    """
    arrays = script.with_suffix(".npz")
    _require_new(script, arrays)
    _require_plain(run)
    request = Request.from_run(run, changes)
    source, _ = data_and_device(run, changes, listener)
    recipe = import_recipe(request.facts.path)
    config = recipe.Config(**request.config)
    parts, written = parts_of(request.facts.path), Written()
    read = _attributes([*parts.of_kit(), *parts.of_recipe()])
    fields = dict(fields_of(load_data(recipe, config, source), read["data"], written))
    settings = {name: value for name, value in vars(config).items() if name in read[""]}
    text = _text(_head(run, script, parts, settings), parts, written, fields)
    write_arrays(arrays, written.arrays)
    write_atomically(script, text.encode())
    return Ejected(script, arrays, arrays.stat().st_size, text.count("\n"))


def _require_new(*paths: Path) -> None:
    """Raise InputError unless files can be made at these paths, which lie in one folder."""
    for path in paths:
        if os.path.lexists(path):
            raise InputError(f"{path} already exists.", "Choose another name.")
    if not paths[0].parent.is_dir():
        raise InputError(f"There is no folder {paths[0].parent}.", "Make it first.")


def _require_plain(run: Run) -> None:
    """Raise InputError unless a script can repeat how a run was trained."""
    require_training(run)
    if any(event["what"] == "restored" for event in run.events):
        raise InputError(
            f"The run {run.run} went back to a checkpoint with a lower learning rate, which a "
            "script does not repeat.",
            "Train it again with that rate.",
        )


def _head(run: Run, script: Path, parts: Parts, settings: Mapping[str, Any]) -> str:
    """Return the beginning of a script: what it is, its imports, and the run's settings."""
    metrics = [f"{literal(name)}: {literal(_number(one))}" for name, one in run.metrics.items()]
    return HEAD.format(
        summary=read_facts(parts.recipe.path).summary,
        run=run.run,
        recipe=run.recipe,
        script=script.name,
        arrays=script.with_suffix(".npz").name,
        imports=_imports({**parts.imports, **NEEDED}),
        seed=run.seed,
        metrics=in_lines("{", metrics, "}"),
        config=_object("Config", {name: literal(value) for name, value in settings.items()}),
        **{name: run.versions[name] for name in ("keras", "tensorflow", "numpy")},
    )


def _text(head: str, parts: Parts, written: Written, fields: Mapping[str, str]) -> str:
    """Return the text of a script.

    Args:
        head: Its beginning.
        parts: What it copies.
        written: The batches that it makes again.
        fields: The expression for each field of its data.
    """
    kinds = {"batches": PLAIN, "batches_by_length": BY_LENGTH}
    made = [kinds[name] for name in sorted(written.kinds)]
    load = LOAD.format(data=indent(_object("Data", fields), " " * 8).lstrip())
    kit = [KIT, *parts.of_kit()] if parts.of_kit() else []
    sections = [head, *parts.of_recipe(), load, ORDER, *made, *kit, MAIN]
    return "\n\n\n".join(section.strip("\n") for section in sections) + "\n"


def _number(value: float | None) -> float:
    """Return a recorded metric, which is None where it was not a number."""
    return math.nan if value is None else value


def _attributes(texts: Iterable[str]) -> dict[str, set[str]]:
    """Return the attributes that some code reads: of `data`, and of anything ("")."""
    found: dict[str, set[str]] = {"data": set(), "": set()}
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Attribute(value=ast.Name(id="data"), attr=name):
                    found["data"].add(name)
                    found[""].add(name)
                case ast.Attribute(attr=name):
                    found[""].add(name)
                case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=name), *_]):
                    found[""].add(str(name))
    return found


def _object(name: str, fields: Mapping[str, str]) -> str:
    """Return the expression for an object with these attributes."""
    return call(name, [f"{field}={value}" for field, value in fields.items()])


def _imports(names: Mapping[str, tuple[str, str]]) -> str:
    """Return the imports of a script: those of Python's own modules first."""
    of_python = [one for one in names.items() if one[1][0].split(".")[0] in sys.stdlib_module_names]
    others = [one for one in names.items() if one not in of_python]
    return "\n\n".join(_block(block) for block in (of_python, others) if block)


def _block(names: Sequence[tuple[str, tuple[str, str]]]) -> str:
    """Return one block of imports, in the order that linters want."""
    modules, members = [], dict[str, list[str]]()
    for name, (source, inner) in names:
        if not inner:
            modules.append(f"import {source}" + ("" if name == source else f" as {name}"))
        else:
            members.setdefault(source, []).append(inner if inner == name else f"{inner} as {name}")
    lines = [
        f"from {source} import {', '.join(sorted(found, key=_rank))}"
        for source, found in sorted(members.items())
    ]
    return "\n".join([*sorted(modules), *lines])


def _rank(name: str) -> tuple[int, str]:
    """Return what names are sorted by: constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name
