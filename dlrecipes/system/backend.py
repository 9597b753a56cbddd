"""Start TensorFlow quietly, on the device that was asked for."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dlrecipes.errors import InputError


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


def load_tensorflow() -> Any:
    """Import TensorFlow and Keras on it, without their log lines, and return `tensorflow`."""
    if "tensorflow" in sys.modules and "keras" in sys.modules:
        return _loaded()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr(), _quick_imports():
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
    tf.get_logger().setLevel("ERROR")
    return tf


@dataclass(frozen=True)
class Device:
    """A device that TensorFlow can place a network on.

    Args:
        name: As it is asked for and recorded: `cpu`, `gpu:0`.
        scope: As `tf.device` takes it: `/CPU:0`, `/GPU:0`.
    """

    name: str
    scope: str


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
