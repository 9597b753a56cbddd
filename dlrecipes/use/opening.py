"""The data of a run and the device to use it on: opened in the one order that TensorFlow allows."""

from dlrecipes.datasets.examples import Source
from dlrecipes.runs.record import Run
from dlrecipes.system.backend import Device, select_device
from dlrecipes.system.clock import Clock
from dlrecipes.tasks.opening import open_source, settle
from dlrecipes.training.listener import WorkListener
from dlrecipes.training.request import Changes, Request
from dlrecipes.training.trainer import require_same_data


def data_and_device(run: Run, changes: Changes, listener: WorkListener) -> tuple[Source, Device]:
    """Return the data that a run was trained on, and the device.

    Args:
        run: The run.
        changes: Where its data is now, and the device.
        listener: Hears what is being done.

    Raises:
        InputError: if the data is no longer there, or has changed; or there is no such device.
    """
    request, clock = Request.from_run(run, changes), Clock(listener=listener)
    found, source = settle(request.recipe_data, request.data, listener), None

    def opened() -> Source:
        with clock.part("load"):
            return open_source(request.recipe_data, found, run.seed, listener)

    if found.is_path:  # What is wrong with a user's files is said before TensorFlow starts.
        source = opened()
    with clock.part("start"):  # TensorFlow decodes other data, and its device is chosen before.
        device = select_device(request.device)
    source = source or opened()
    require_same_data(run, source)
    return source, device
