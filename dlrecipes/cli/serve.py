"""The `serve` command. It runs no recipe's code."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrecipes.cli import options, output
from dlrecipes.errors import DlrecipesError, InputError
from dlrecipes.runs.lookup import find_run
from dlrecipes.runs.record import RUN_FILE

if TYPE_CHECKING:
    from dlrecipes.use.serve.models import Place

NEEDED = (
    "fastapi",
    "uvicorn",
    "prometheus_client",
    "msgspec",
    "orjson",
    "grpc",
    "tensorflow_serving",
)
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SAVED_MODEL = "saved_model.pb"

ServedModels = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|EXPORT…",
        help="A run, or a recipe for its latest; the folder of an export, or a folder of "
        "versions 1, 2 …. The name in addresses is that of the run, recipe or folder; NAME=RUN or "
        "NAME=EXPORT sets another.",
        show_default=False,
    ),
]


def serve(
    models: ServedModels,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="Port for HTTP; 0 for any free one."),
    ] = 8501,
    grpc_port: Annotated[
        int,
        typer.Option("--grpc-port", min=0, max=65535, help="Port for gRPC; 0 for no gRPC."),
    ] = 8500,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="[NAME/]LABEL=VERSION",
            help="Label for a version, such as stable=3. Can be given again.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Number of worker processes.")
    ] = 1,
    max_batch: Annotated[
        int, typer.Option("--max-batch", min=1, help="Maximum number of rows in a batch.")
    ] = 32,
    max_wait_ms: Annotated[
        float, typer.Option("--max-wait-ms", min=0, help="Milliseconds to wait for a full batch.")
    ] = 2.0,
    max_body_mb: Annotated[
        int, typer.Option("--max-body-mb", min=1, help="Largest request body in megabytes.")
    ] = 32,
    max_queue: Annotated[
        int, typer.Option("--max-queue", min=1, help="Maximum number of waiting requests.")
    ] = 1000,
    rate: Annotated[
        float,
        typer.Option(
            "--rate", min=0, help="Maximum requests per second, per process; 0 for no limit."
        ),
    ] = 0.0,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Time limit of a request in seconds.")
    ] = 30.0,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
) -> None:
    """Serve models over HTTP and gRPC, as TensorFlow Serving does, with a page to try them.

    Exports a run first if need be. On SIGTERM or Ctrl-C, answers the requests in flight and stops.
    Needs FastAPI and uvicorn: pip install 'dlrecipes[serve]'
    """
    require_extra()
    from dlrecipes.use.serve.limits import MEGABYTE, Limits
    from dlrecipes.use.serve.server import Served, listening, run

    limits = Limits(max_batch, max_wait_ms / 1000, max_body_mb * MEGABYTE, max_queue, rate, timeout)
    # Before a run is exported, which takes long.
    with listening(host, port) as opened:
        if grpc_port:  # gRPC would share a port with another server, without a word.
            listening(host, grpc_port, "--grpc-port").close()
        places = found_places(models, runs_dir, trust=trust_recipe)
        names = [place.name for place in places]
        served = Served(
            places,
            dict(_label(text, names) for text in label or ()),
            limits,
            f"{_in_address(host)}:{grpc_port}" if grpc_port else None,
        )
        _print_addresses(places, _in_address(host), opened.getsockname()[1], grpc_port)
        run(served, opened, workers)


def require_extra() -> None:
    """Raise InputError unless the packages of the extra `serve` are installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"Serving needs {', '.join(missing)}.", "Install it: pip install 'dlrecipes[serve]'"
        )


def found_places(models: Sequence[str], runs_dir: Path, *, trust: bool) -> "tuple[Place, ...]":
    """Return where the models that are typed are; a run is exported first.

    Raises:
        InputError: if two have the same name, or one is neither a run nor an export.
    """
    found = dict(_place(text, runs_dir, trust=trust) for text in models)
    if len(found) != len(models):
        raise InputError("Two models have the same name.", "Name them: first=RUN second=RUN")
    from dlrecipes.use.serve.models import Place

    return tuple(Place(name, path, trust) for name, path in found.items())


def _place(text: str, runs_dir: Path, *, trust: bool) -> tuple[str, Path]:
    """Return the name of a model that is typed, and the folder of its export or its versions."""
    name, sign, rest = text.partition("=")
    if not sign or not MODEL_NAME.fullmatch(name) or os.path.lexists(text):
        name, rest = "", text
    path = Path(rest).expanduser()
    if _is_export(path):
        return name or _checked_name(path), path.resolve()
    run = find_run(rest, runs_dir)
    folder = run.folder("exports") / "saved-model"
    if not _is_export(folder):
        _export(run.path, trust=trust)
    called = run.recipe if rest == run.recipe else _checked_name(run.path)
    return name or called, folder.resolve()


def _checked_name(path: Path) -> str:
    """Return what the model in a folder is called."""
    name = path.resolve().name
    if not MODEL_NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot be part of a URL.", f"Name it: NAME={path}")
    return name


def _is_export(path: Path) -> bool:
    """Tell whether a folder is an export, or a folder of versions."""
    if os.path.isfile(path / RUN_FILE) or not os.path.isdir(path):
        return False
    return os.path.isfile(path / SAVED_MODEL) or any(path.glob(f"[0-9]*/{SAVED_MODEL}"))


def _export(path: Path, *, trust: bool) -> None:
    """Export a run in a process of its own, so that this one needs no TensorFlow.

    Raises:
        DlrecipesError: if it cannot be exported.
    """
    output.console(stderr=True).print(f"Exporting {path.name} …", markup=False)
    command = [sys.executable, "-P", "-m", "dlrecipes", "export", str(path.resolve()), "--json"]
    result = subprocess.run(
        [*command, *(["--trust-recipe"] if trust else [])], stdout=subprocess.PIPE, check=False
    )
    if result.returncode:
        raise DlrecipesError("The run cannot be exported.")


def _label(text: str, names: list[str]) -> tuple[tuple[str, str], int]:
    """Return a model and a label, and the version that it stands for."""
    before, _, number = text.rpartition("=")
    name, _, label = before.rpartition("/")
    if not name and len(names) == 1:
        name = names[0]
    if name not in names or not label or not (number.isascii() and number.isdigit()):
        raise InputError(
            f"--label must be NAME/LABEL=VERSION, such as {names[0]}/stable=3. Received: {text!r}"
        )
    return (name, label), int(number)


def _in_address(host: str) -> str:
    """Return a host as it is written before a port."""
    return f"[{host}]" if ":" in host else host


def _of_run(path: Path) -> str:
    """Return which run an export is one of, if it lies there."""
    folder = path.parent.parent
    return f": run {folder.name} of {folder.parent.name}" if (folder / RUN_FILE).is_file() else ""


def _print_addresses(places: "Sequence[Place]", host: str, port: int, grpc_port: int) -> None:
    """Print where the server is."""
    address = f"http://{host}:{port}"
    target = output.console()
    for place in places:
        target.print(f"Serving {place.name}{_of_run(place.path)}", markup=False)
        target.print(f"  POST {address}/v1/models/{place.name}:predict", markup=False)
    target.print(f"Try it in a browser: {address}/", markup=False)
    if grpc_port:
        target.print(f"gRPC: {host}:{grpc_port}", markup=False)
    sys.stdout.flush()
