"""Commands on a finished run: evaluate, predict, export."""

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from dlrecipes.cli import options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.errors import InputError
from dlrecipes.runs.record import find_run, finite


def evaluate(
    run: options.RunArgument,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="full|sample|PATH",
            help="Other data to test on.",
            show_default="the run's own test split",
        ),
    ] = None,
    data_dir: options.DataDir = None,
    target: options.Target = "",
    text_column: options.TextColumn = "",
    label_column: options.LabelColumn = "",
    encoding: options.Encoding = "",
    device: options.DeviceName = "auto",
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Test a finished run. Runs the recipe's code that the run was trained with."""
    found = find_run(run, runs_dir)
    from dlrecipes.runs.trust import trusted_recipe

    recipe_file = trusted_recipe(found, trust=trust_recipe)
    from dlrecipes.training import trainer

    with output.only_json(json):
        own = trainer.data_of(found, data_dir)
        given = options.given_files(target, text_column, label_column, encoding)
        other = replace(own, data=data, files=replace(own.files, **given)) if data else None
        tested = trainer.evaluate(found, recipe_file, device, own, other, FetchDisplay(quiet=False))
    details = getattr(tested.metrics, "details", {})
    if json:
        output.print_json(
            {
                "run": found.run,
                "path": str(found.path),
                "data": tested.data,
                "metrics": finite(tested.metrics),
                "details": finite(details),
            }
        )
        return
    rows = f"{tested.data['rows']['test']:,} test rows"
    output.console().print(
        f"{found.recipe} {found.run}  ({found.path})\n"
        f"on {tested.data['name']} ({tested.data['rung']}: {rows}, {tested.data['fingerprint']})\n",
        markup=False,
    )
    output.print_table(
        ["metric", "test", "when trained"],
        [
            [name, output.number(value), output.number(found.metrics.get(name))]
            for name, value in tested.metrics.items()
        ],
    )
    output.print_details(details)
    output.print_next(f"dlrecipes export {options.typed_run(found, run)} --format saved-model")


def predict(
    run: options.RunArgument,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT…",
            help="Image files or folders; texts, text files; CSV files; prompts. -: standard "
            "input.",
        ),
    ],
    length: Annotated[
        int | None,
        typer.Option("--length", help="Characters to generate.", show_default="200"),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature",
            help="0: always the likeliest character; 1: as the network says.",
            show_default="0.8",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="The same seed generates the same text.", show_default="0"),
    ] = None,
    device: options.DeviceName = "auto",
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Ask a finished run about images, texts, rows or prompts."""
    found = find_run(run, runs_dir)
    given = {"length": length, "temperature": temperature, "seed": seed}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if chosen and found.task != "text-generation":
        raise InputError(
            f"--{next(iter(chosen))} is for text generation; {found.run} is for {found.task}."
        )
    if not 1 <= chosen.get("length", 1) <= 100_000:
        raise InputError(f"--length must be from 1 to 100000. Received: {length}")
    if not 0 <= chosen.get("temperature", 0) <= 100:
        raise InputError(f"--temperature must be from 0 to 100. Received: {temperature}")
    if not 0 <= chosen.get("seed", 0) < 2**31:
        raise InputError(f"--seed must be from 0 to {2**31 - 1}. Received: {seed}")
    from dlrecipes.tasks import find_task
    from dlrecipes.tasks.base import GenerationOptions
    from dlrecipes.use import predict as inference

    predictions = inference.predict(
        found,
        inputs,
        device,
        GenerationOptions(**chosen),
    )
    if json:
        output.print_json({"run": found.run, "path": str(found.path), "predictions": predictions})
        return
    if found.task == "text-generation":
        for prediction in predictions:
            output.console().print(prediction["text"], markup=False, style=None)
    else:
        output.print_table(*find_task(found.task).table(predictions))
    output.print_next(f"dlrecipes export {options.typed_run(found, run)} --format saved-model")


def export(
    run: options.RunArgument,
    format_name: Annotated[
        str, typer.Option("--format", metavar="saved-model|keras", help="What to write.")
    ] = "saved-model",
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="The folder to make.", show_default="in the run"
        ),
    ] = None,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    json: options.Json = False,
) -> None:
    """Write a finished run as raw input in, answer out, proven to predict the same."""
    found = find_run(run, runs_dir)
    from dlrecipes.use.export.writer import export as write_export

    written = write_export(found, format_name, folder)
    if json:
        output.print_json(
            {
                "run": found.run,
                "path": str(written.path),
                "format": written.format,
                "max_abs_difference": written.max_abs_difference,
            }
        )
        return
    target = output.console()
    target.print(f"Exported {found.run} as {written.format}: {written.path}", markup=False)
    target.print(
        "Proven in a fresh process: the largest difference from predict is "
        f"{written.max_abs_difference:.1e}."
    )
    follow_up = (
        f"saved_model_cli show --dir {quote(str(written.path))} --all"
        if written.format == "saved-model"
        else f"python {quote(str(written.path / 'verify.py'))}"
    )
    output.print_next(follow_up)
