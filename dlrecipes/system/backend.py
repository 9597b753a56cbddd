"""Start TensorFlow quietly, on the device that was asked for."""

import gc
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from dlrecipes.errors import InputError
from dlrecipes.system.home import home


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to file descriptor 2; show it only if the block raises.

    TensorFlow logs its CPU features and missing CUDA libraries below Python, so neither `warnings`
    nor `TF_CPP_MIN_LOG_LEVEL` silences them.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


_selected: list[str] = []
"""The devices that this process has asked for."""


SPARED = ("pandas", "sklearn")
"""Modules that Keras imports if they are there, though it does what recipes need without them."""


@contextmanager
def _quick_imports() -> Iterator[None]:
    """Import in half the time: without collecting garbage, and without what Keras can spare.

    The collector looks again and again at a million objects that stay; told to forget them, it
    makes all that follows faster, too. Without pandas Keras reads a table as the array that it is;
    without scikit-learn `keras.wrappers` say that it is not there if a recipe uses them.
    """
    hidden = [] if "keras" in sys.modules else [name for name in SPARED if name not in sys.modules]
    collecting = gc.isenabled()
    gc.disable()
    absent: Any = None  # which is how Python marks a module that is not to be found
    sys.modules.update(dict.fromkeys(hidden, absent))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()
        if collecting:
            gc.enable()


KERAS_VARIABLES = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")
"""Environment variables with which Keras ends every training early, whatever it was asked for."""


@contextmanager
def _no_other_settings() -> Iterator[None]:
    """Import Keras without the keras.json of other projects, and leave none behind.

    It may ask for another backend, layout or precision, be damaged, or be unreadable: Keras cannot
    be imported then. What Keras downloads is still kept where the user has it.
    """
    from_user = os.environ.get("KERAS_HOME")
    kept = {name: os.environ.pop(name, None) for name in ("KERAS_HOME", *KERAS_VARIABLES)}
    with tempfile.TemporaryDirectory() as empty:
        os.environ["KERAS_HOME"] = empty
        try:
            yield
        finally:
            del os.environ["KERAS_HOME"]
            os.environ.update({name: text for name, text in kept.items() if text is not None})
    folder = home() if os.access(home(), os.W_OK) else Path(tempfile.gettempdir())
    config: Any = import_module("keras.src.backend.config")
    config._KERAS_DIR = from_user or str(folder / ".keras")


def load_tensorflow() -> Any:
    """Import TensorFlow and Keras on it, without their log lines, and return `tensorflow`."""
    if "tensorflow" in sys.modules and "keras" in sys.modules:
        return _loaded()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr(), _no_other_settings(), _quick_imports():
        import_module("keras")
        import tensorflow as tf

        # The first look for a GPU is what logs missing CUDA libraries.
        tf.config.list_physical_devices("GPU")
    return _loaded()


def _loaded() -> Any:
    """Return `tensorflow`, which is imported, if Keras runs on it."""
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"Keras was started on {keras.backend.backend()}: these recipes need TensorFlow.",
            "Set the environment variable KERAS_BACKEND=tensorflow.",
        )
    if not _settled:
        _settle()
        _settled.append(True)
    return tf


_settled: list[bool] = []
"""Whether Keras has the settings that recipes are written for: one may change them later."""


def _settle() -> None:
    """Set what Keras would read from the user's keras.json, and keep it from printing."""
    import keras
    import tensorflow as tf

    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    tf.get_logger().setLevel("ERROR")
    keras.config.disable_interactive_logging()  # Our own bar is shown instead of Keras's.
    # Keras says so of every `fit` with a pipeline, which shuffles by itself.
    warnings.filterwarnings("ignore", "`shuffle=True` was passed", UserWarning)


def forget() -> None:
    """Let go of the networks of this process, and of all that Keras knows of them."""
    load_tensorflow()
    import keras

    keras.backend.clear_session()
    _settle()  # Those settings go, too.


@dataclass(frozen=True)
class Device:
    """A device that TensorFlow can place a network on.

    Args:
        name: As it is asked for and recorded: `cpu`, `gpu:0`.
        scope: As `tf.device` takes it: `/CPU:0`, `/GPU:0`.
        several: As several devices are asked for, of which this is the first: `cpu:2`, `0,1`; empty
            for this one alone.
        scopes: Those of all of them.
    """

    name: str
    scope: str
    several: str = ""
    scopes: tuple[str, ...] = ()


def check_device_name(name: str) -> None:
    """Raise InputError unless `name` is auto, cpu, gpu or gpu:N. Needs no TensorFlow."""
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "gpu") or (index and (kind != "gpu" or not index.isdecimal())):
        raise InputError(f"--device must be auto, cpu, gpu or gpu:N. Received: {name!r}")


def select_device(name: str) -> Device:
    """Return the device called `name`, after hiding the others from TensorFlow.

    Must run before TensorFlow has used a device. A GPU's memory is taken as it is needed (memory
    growth) rather than all at once.

    Args:
        name: `auto` (a GPU if there is one), `cpu`, `gpu` (the first) or `gpu:N`.

    Raises:
        InputError: if there is no such device; the message lists those that there are.
    """
    check_device_name(name)
    tf = load_tensorflow()
    _selected.append(name)
    gpus = tf.config.list_physical_devices("GPU")
    if name == "cpu" or (name == "auto" and not gpus):
        tf.config.set_visible_devices([], "GPU")
        return Device("cpu", "/CPU:0")
    index = int(name.partition(":")[2] or 0)
    if index >= len(gpus):
        there = ", ".join(["cpu", *(f"gpu:{number}" for number in range(len(gpus)))])
        raise InputError(
            f"There is no device {name}: this machine has {there}.",
            "Take what there is with --device auto; why a GPU is not seen: dlrecipes doctor",
        )
    tf.config.set_visible_devices(gpus[index], "GPU")
    tf.config.experimental.set_memory_growth(gpus[index], True)
    # Once the other GPUs are hidden, TensorFlow calls the one that is left GPU:0.
    return Device(f"gpu:{index}", "/GPU:0")


DEVICES = re.compile(r"all|cpu:[1-9][0-9]?|[1-9][0-9]{0,2}|[0-9]{1,3}(,[0-9]{1,3})+")


def check_device_names(names: str) -> None:
    """Raise InputError unless `names` is what `--devices` takes, or empty."""
    numbers = names.split(",")
    if names and (not DEVICES.fullmatch(names) or len(set(numbers)) < len(numbers)):
        raise InputError(
            "--devices must be a number of GPUs (2), their numbers (0,1), all, or cpu:N. "
            f"Received: {names!r}",
            "One GPU by its number: --device gpu:1",
        )


def select_devices(names: str) -> Device:
    """Return several devices that share every batch, after hiding the others from TensorFlow.

    Args:
        names: A number of GPUs, their numbers with commas between, `all`, or `cpu:N`: the processor
            as if it were N devices, which shows what several GPUs would do.

    Raises:
        InputError: if they are not there; the message says which are.
    """
    check_device_names(names)
    tf = load_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    kind, _, count = names.partition(":")
    if kind == "cpu":
        _selected.append(names)
        tf.config.set_visible_devices([], "GPU")
        processor = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * int(count)
        tf.config.set_logical_device_configuration(processor, logical)
        return _several("cpu", names, [f"/CPU:{number}" for number in range(int(count))])
    if names == "all":
        numbers = list(range(len(gpus)))
    elif "," in names:
        numbers = [int(number) for number in names.split(",")]
    else:
        numbers = list(range(int(names)))
    if not numbers or max(numbers) >= len(gpus):
        there = ", ".join(f"gpu:{number}" for number in range(len(gpus))) or "no GPU"
        raise InputError(
            f"--devices {names} asks for GPUs that TensorFlow does not see: there is {there}.",
            "On the processor, as if it were two devices: --devices cpu:2",
        )
    _selected.append(names)
    tf.config.set_visible_devices([gpus[number] for number in numbers], "GPU")
    for number in numbers:
        tf.config.experimental.set_memory_growth(gpus[number], True)
    shown = ",".join(map(str, numbers))
    return _several(f"gpu:{numbers[0]}", shown, [f"/GPU:{one}" for one in range(len(numbers))])


def select(device: str, devices: str) -> Device:
    """Return several devices, if they were asked for, or the one device that was."""
    return select_devices(devices) if devices else select_device(device)


def _several(name: str, names: str, scopes: Sequence[str]) -> Device:
    """Return devices by their scopes; a single one is a device like any other."""
    if len(scopes) == 1:
        return Device(name, scopes[0])
    return Device(name, scopes[0], names, tuple(scopes))


def hide_gpus() -> None:
    """Hide GPUs from TensorFlow, unless a device was selected: decoding data takes all of one."""
    if not _selected:
        with suppress(RuntimeError):  # TensorFlow was used before, with all devices that there are.
            select_device("cpu")


def placement(model: Any, device: Device) -> str:
    """Return where the variables of a Keras model really are: `cpu`, or the GPU's name.

    Args:
        model: The network.
        device: The device that was selected: TensorFlow's GPU:0 is that one, whatever its number.
    """
    names = {str(variable.value.device).rpartition("device:")[2] for variable in model.variables}
    known = {"CPU:0": "cpu", device.scope.removeprefix("/"): device.name}
    return ", ".join(sorted(known.get(name, name.lower()) for name in names)) or "none"


def set_seed(seed: int) -> None:
    """Make all that follows repeat to the same bits for the same seed on the same machine.

    Args:
        seed: From 0 to 2**32 - 1.
    """
    import keras

    tf = load_tensorflow()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
