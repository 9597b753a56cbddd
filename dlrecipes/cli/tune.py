"""The `tune` command: search the settings of a recipe, and test what is found."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrecipes.catalog.config_files import read_config_file
from dlrecipes.catalog.settings import Setting
from dlrecipes.catalog.space import read_space
from dlrecipes.cli import options, output
from dlrecipes.cli.display import FetchDisplay
from dlrecipes.cli.train import NO_SETTINGS, chosen_recipe
from dlrecipes.cli.train_seeds import Jobs, check_jobs
from dlrecipes.cli.tune_search import Tuning
from dlrecipes.errors import InputError
from dlrecipes.runs.lookup import check_name

if TYPE_CHECKING:
    from dlrecipes.training.request import Request

Space = Annotated[
    list[str] | None,
    typer.Option(
        "--space",
        metavar="NAME[=VALUES]",
        help="Setting to search, and its values: LOW..HIGH, LOW..HIGH,log or VALUE|VALUE. Can be "
        "given again; then only these are searched.",
        show_default="every setting that has a range of its own",
    ),
]
Trials = Annotated[int, typer.Option("--trials", help="Total number of trials.")]
Hours = Annotated[
    float | None,
    typer.Option(
        "--hours", help="Start no new trial after this many hours.", show_default="no limit"
    ),
]
Sampler = Annotated[
    str,
    typer.Option(
        "--sampler",
        metavar="tpe|random|grid",
        help="How values are chosen: tpe learns from the trials so far, after Bergstra and others "
        "2011; grid tries every combination.",
    ),
]
Pruner = Annotated[
    str,
    typer.Option(
        "--pruner",
        metavar="halving|hyperband|none",
        help="Which trials stop early, as others are better on validation data: successive halving "
        "or Hyperband.",
    ),
]
Storage = Annotated[
    str,
    typer.Option(
        "--storage",
        metavar="FILE|URL",
        help="Where the trials are kept: a file on a disk that all machines share, or a database.",
        show_default="NAME.journal, beside the recipe's runs",
    ),
]
Join = Annotated[
    bool,
    typer.Option(
        "--join", help="Only work on trials of a search that another process leads, and end."
    ),
]
FinalSeeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        help="Seeds with which the best settings and those without a search are trained and "
        "tested in the end; 0 for no test.",
    ),
]


def tune(
    recipe: options.RecipeToTrain = None,
    preset: options.Preset = "",
    config: options.ConfigPath = None,
    space: Space = None,
    trials: Trials = 40,
    hours: Hours = None,
    sampler: Sampler = "tpe",
    pruner: Pruner = "halving",
    seeds: FinalSeeds = 5,
    jobs: Jobs = 1,
    storage: Storage = "",
    join: Join = False,
    data: options.TrainingData = None,
    data_dir: options.DataDir = None,
    target: options.Target = "",
    text_column: options.TextColumn = "",
    label_column: options.LabelColumn = "",
    encoding: options.Encoding = "",
    skip_damaged: options.SkipDamaged = False,
    ignore: options.Ignore = None,
    use: options.Use = None,
    types: options.Types = "",
    decimal: options.Decimal = "",
    separator: options.Separator = "",
    quoting: options.Quoting = "",
    header: options.Header = "",
    seed: options.Seed = None,
    device: options.DeviceName = "auto",
    runs_dir: options.RunsDir = options.RUNS_DIR,
    name: options.RunName = "",
    trust_recipe: options.TrustRecipe = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> None:
    """Search the settings of a recipe, judge them on validation data, and test the best once.

    Every trial is a run. A search that was stopped continues with the same command and --name.
    Settings that you give as flags stay as they are.
    """
    from dlrecipes.training.request import Flags, Request
    from dlrecipes.training.search import settled
    from dlrecipes.training.seeds import check_seeds
    from dlrecipes.training.study import PRUNERS, SAMPLERS, Plan

    _check_numbers(trials, hours)
    check_jobs(jobs, trials)
    _check_one_of("--sampler", sampler, SAMPLERS)
    _check_one_of("--pruner", pruner, PRUNERS)
    file = read_config_file(config) if config else None
    facts = chosen_recipe(recipe, file, trust=trust_recipe)
    typed = Flags(
        preset=preset,
        settings=settings,
        data=data,
        data_dir=data_dir,
        files=options.given_files(
            target=target,
            text_column=text_column,
            label_column=label_column,
            encoding=encoding,
            strict=False,
            skip_damaged=skip_damaged,
            ignore=ignore,
            use=use,
            types=types,
            decimal=decimal,
            separator=separator,
            quoting=quoting,
            header=header,
        ),
        seed=seed,
        device=device,
        runs_dir=runs_dir,
        name=name,
        no_baseline=True,
        no_report=True,
    )
    request = Request.from_flags(facts, typed, file)
    name = name or f"tune-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    check_name(f"{name}-trial{trials}", [])
    if seeds:
        check_seeds(replace(request, name=f"{name}-default"), seeds)
    read_space(_free(request, request.config, space), space or ())  # before data is fetched
    request, suiting = settled(request, FetchDisplay(quiet=quiet))
    plan = Plan(
        name=name,
        request=replace(request, name=""),
        space=read_space(_free(request, suiting, space), space or ()),
        trials=trials,
        hours=math.inf if hours is None else hours,
        sampler=sampler,
        pruner=pruner,
        storage=storage,
    )
    with output.only_json(json):
        found = Tuning(plan, seeds, quiet=quiet, as_json=json).complete(jobs, join=join)
    if json:
        output.print_json(found)


def _free(
    request: "Request", config: Mapping[str, Any], space: Sequence[str] | None
) -> list[Setting]:
    """Return the settings that can be searched, around the values that they have without that.

    Args:
        request: The training without a search.
        config: Its settings.
        space: What `--space` was given: then a setting that was given, too, can be searched.
    """
    return [
        replace(one, default=config[one.name])
        for one in request.facts.settings
        if space or one.name not in request.given
    ]


def _check_numbers(trials: int, hours: float | None) -> None:
    """Raise InputError unless these numbers can be used."""
    if trials < 1:
        raise InputError(f"--trials must be at least 1. Received: {trials}")
    if hours is not None and not 0 < hours < math.inf:
        raise InputError(f"--hours must be above 0. Received: {hours:g}")


def _check_one_of(flag: str, value: str, known: Sequence[str]) -> None:
    """Raise InputError unless a flag has one of the values that it takes."""
    if value not in known:
        raise InputError(f"{flag} must be one of {', '.join(known)}. Received: {value!r}")
