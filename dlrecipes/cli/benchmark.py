"""The `benchmark` command: how fast the recipes are on this machine."""

import json as json_module
import subprocess
import sys
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Annotated, Any

import typer

from dlrecipes.catalog.find import all_recipes, find_recipe
from dlrecipes.catalog.settings import resolve_settings
from dlrecipes.cli import options, output
from dlrecipes.cli.display import Display
from dlrecipes.cli.train import given_flags, preset_settings
from dlrecipes.errors import DlrecipesError, InputError

MAX_SECONDS = 3600.0


def benchmark(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE|FILE.py]",
            help="A recipe's name, or a file, whose code is run. Without it: all recipes, one "
            "after another, each in a process of its own.",
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", metavar="NAME", help="Begin with these named settings.")
    ] = "",
    data: Annotated[
        str,
        typer.Option("--data", metavar="sample|full|PATH", help="The data to measure with."),
    ] = "sample",
    data_dir: options.DataDir = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long each measurement takes, about.")
    ] = 5.0,
    device: options.DeviceName = "auto",
    json: options.Json = False,
    **flags: Any,
) -> None:
    """Measure training, answers in bulk, and the latency of single calls. Leaves no run.

    The network is asked as an export is: raw input in, answer out. dlrecipes benchmark RECIPE
    --help shows the settings of that recipe.
    """
    from dlrecipes.system.backend import check_device_name

    check_device_name(device)
    if not 0 < seconds <= MAX_SECONDS:
        raise InputError(f"--seconds must be above 0, up to {MAX_SECONDS:g}. Received: {seconds:g}")
    if recipe is None:
        if preset:
            raise InputError(f"Which recipe has the preset {preset}?", "dlrecipes list")
        asked = ["--data", data, "--seconds", str(seconds), "--device", device]
        documents = _measure_all([*asked, *(["--data-dir", data_dir] if data_dir else [])])
    else:
        from dlrecipes.datasets.ladder import DataRequest
        from dlrecipes.training.trainer import Request
        from dlrecipes.use.benchmark import measure

        facts = find_recipe(recipe)
        request = Request(
            facts=facts,
            config=resolve_settings(
                facts.settings, preset=preset_settings(facts, preset), flags=given_flags(flags)
            ),
            preset=preset,
            data=DataRequest(data=data, data_dir=data_dir),
            device=device,
        )
        with output.only_json(json):
            display = Display(output.console(stderr=True), quiet=True)
            documents = [measure(request, seconds, display).document()]
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
            output.print_warning(f"{facts.path}: {facts.error}. It is not measured.")
            continue
        # Without the folder it is started in, whose modules are not ours.
        command = [sys.executable, "-P", "-m", "dlrecipes", "benchmark", str(facts.path.resolve())]
        result = subprocess.run(
            [*command, *flags, "--json"], stdout=subprocess.PIPE, text=True, check=False
        )
        document = json_module.loads(result.stdout or "{}")
        if result.returncode:
            error = DlrecipesError(
                f"{facts.name}: {document.get('error', 'its process said nothing.')}",
                document.get("hint", ""),
            )
            error.exit_code = result.returncode
            raise error
        documents.append(document)
    return documents


def _show(documents: Sequence[Mapping[str, Any]]) -> None:
    """Print what was measured, for people."""
    output.print_table(
        [
            *("recipe", "parameters", "training samples/s", "answers/s in bulk"),
            *(f"{size} at once: p50 / p90 / p99 ms" for size in documents[0]["latency_ms"]),
        ],
        [
            [
                document["recipe"],
                f"{document['parameters']:,}",
                f"{document['training_samples_per_second']:,.0f}",
                f"{document['inference_samples_per_second']:,.0f}",
                *(
                    " / ".join(f"{latency[name]:.2f}" for name in ("p50", "p90", "p99"))
                    for latency in document["latency_ms"].values()
                ),
            ]
            for document in documents
        ],
    )
    first = documents[0]
    machine, versions = first["machine"], first["versions"]
    names = ", ".join(dict.fromkeys(document["data"]["name"] for document in documents))
    output.console().print(
        f"\nOn {names}; {first['device']}, {machine['processor']}, {machine['cores']} cores, "
        f"{machine['system']}, Python {versions['python']}, TensorFlow {versions['tensorflow']}, "
        f"Keras {versions['keras']}.",
        markup=False,
    )
