"""The `benchmark` command: how fast the recipes are on this machine."""

import json as json_module
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Annotated, Any

import typer

from dlrecipes.catalog.find import all_recipes, find_recipe
from dlrecipes.cli import completion, options, output
from dlrecipes.cli.display import StartDisplay
from dlrecipes.cli.train import NO_SETTINGS
from dlrecipes.errors import DlrecipesError, InputError

MAX_SECONDS = 3600.0


def benchmark(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE|FILE.py]",
            help="Name of a recipe, or a recipe file. Its code is run.",
            show_default="every recipe, each in its own process",
            autocompletion=completion.recipes,
        ),
    ] = None,
    preset: options.Preset = "",
    data: Annotated[
        str,
        typer.Option("--data", metavar="sample|full|PATH", help="Data to measure with."),
    ] = "sample",
    data_dir: options.DataDir = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="Approximate duration of each measurement.")
    ] = 5.0,
    device: options.DeviceName = "auto",
    json: options.Json = False,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> None:
    """Measure the speed of training and of prediction.

    Saves no run. Prediction is measured from raw input to answer, as in an export.

    dlrecipes benchmark RECIPE --help shows the settings of that recipe.
    """
    from dlrecipes.system.backend import check_device_name

    check_device_name(device)
    if not 0 < seconds <= MAX_SECONDS:
        raise InputError(
            f"--seconds must be above 0 and at most {MAX_SECONDS:g}. Received: {seconds:g}"
        )
    if recipe is None:
        if preset:
            raise InputError("--preset needs a recipe.", "List them: dlrecipes list")
        asked = ["--data", data, "--seconds", str(seconds), "--device", device]
        documents = _measure_all([*asked, *(["--data-dir", data_dir] if data_dir else [])])
    else:
        from dlrecipes.training.request import Flags, Request
        from dlrecipes.use.benchmark import measure

        typed = Flags(preset, settings, data, data_dir, device=device)
        request = Request.from_flags(find_recipe(recipe), typed)
        with output.only_json(json):
            documents = [measure(request, seconds, StartDisplay(quiet=False)).document()]
    if json:
        output.print_json(documents[0] if recipe else documents)
        return
    _show(documents)
    output.print_next(f"dlrecipes train {quote(recipe or documents[0]['recipe'])}")


def _measure_all(flags: Sequence[str]) -> list[dict[str, Any]]:
    """Return the documents of all recipes, each measured in a fresh process with these flags.

    Raises:
        DlrecipesError: if one cannot be measured.
    """
    documents = []
    for facts in all_recipes():
        if facts.error:
            output.print_warning(f"{facts.path} is skipped: {facts.error}.")
            continue
        # Without the folder it is started in, whose modules are not ours.
        command = [sys.executable, "-P", "-m", "dlrecipes", "benchmark", str(facts.path.resolve())]
        result = subprocess.run(
            [*command, *flags, "--json"],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            encoding="utf-8",
            check=False,
        )
        document = json_module.loads(result.stdout or "{}")
        if result.returncode:
            error = DlrecipesError(
                f"{facts.name}: {document.get('error', 'its process printed nothing.')}",
                document.get("hint", ""),
            )
            error.exit_code = result.returncode
            raise error
        documents.append(document)
    return documents


def _show(documents: Sequence[Mapping[str, Any]]) -> None:
    """Print what was measured, for people."""
    output.print_table(
        ["recipe", "parameters", "training samples/s", "predictions/s"],
        [
            [
                document["recipe"],
                f"{document['parameters']:,}",
                f"{document['training_samples_per_second']:,.0f}",
                f"{document['inference_samples_per_second']:,.0f}",
            ]
            for document in documents
        ],
    )
    output.console().print()
    percentiles = ("p50", "p90", "p99")
    output.print_table(
        ["recipe", "inputs in a call", *(f"{name} (ms)" for name in percentiles)],
        [
            [document["recipe"], size, *(f"{latency[name]:.2f}" for name in percentiles)]
            for document in documents
            for size, latency in document["latency_ms"].items()
        ],
    )
    first = documents[0]
    machine, versions = first["machine"], first["versions"]
    names = ", ".join(dict.fromkeys(document["data"]["name"] for document in documents))
    output.console().print(
        f"\nMeasured on {names}; {first['device']}, {machine['processor']}, "
        f"{machine['cores']} cores, {machine['system']}, Python {versions['python']}, "
        f"TensorFlow {versions['tensorflow']}, Keras {versions['keras']}.",
        markup=False,
    )
