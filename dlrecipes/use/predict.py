"""Use a finished run: raw inputs in, answers out. Runs no recipe's code."""

from collections.abc import Sequence
from typing import Any

from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.errors import InputError
from dlrecipes.runs import record as runs
from dlrecipes.runs.golden import form_of
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import check_device_name, load_tensorflow, select_device
from dlrecipes.tasks import find_task
from dlrecipes.tasks.base import GenerationOptions


def load_serving(run: Run) -> Any:
    """Return the run's serving model, once its file is what was recorded."""
    path = run.checked_file(runs.SERVING_FILE)
    load_tensorflow()
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path} cannot be loaded: {reason}") from error


def predict(
    run: Run, arguments: Sequence[str], device: str, options: GenerationOptions
) -> list[dict[str, Any]]:
    """Return the answer for each input that the arguments stand for.

    Args:
        run: The run.
        arguments: Files, folders, texts, or `-` for standard input, as the run's task takes them.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        options: How text is generated.

    Raises:
        InputError: if an input cannot be used.
    """
    task = find_task(run.task)
    check_device_name(device)
    files = FileOptions(**run.data["files"])
    # Before TensorFlow is imported, so that who has mistyped a name hears of it at once.
    inputs = task.read_inputs(arguments, form_of(run), files)
    chosen = select_device(device)
    serving = load_serving(run)
    with load_tensorflow().device(chosen.scope):
        return task.predict(serving, inputs, run.data["classes"], options)
