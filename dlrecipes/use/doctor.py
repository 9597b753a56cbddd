"""Find out what this machine offers to a training."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dlrecipes.datasets.published.disk import data_folder, nearest_existing
from dlrecipes.datasets.published.prepared import all_prepared
from dlrecipes.runs.provenance import describe_machine, library_versions
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.system.clock import Clock, PhaseListener

PROCESSOR_FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")


def diagnose(data_dir: str | None, listener: PhaseListener | None = None) -> dict[str, Any]:
    """Return versions, devices, processor features, and the data folder, as JSON types.

    Args:
        data_dir: The value of `--data-dir`, or None.
        listener: Hears that TensorFlow is started; None for nobody.
    """
    with Clock(listener=listener).part("start"):
        tf = load_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    cuda = bool(tf.sysconfig.get_build_info().get("is_cuda_build"))
    folder = data_folder(data_dir)
    return {
        "versions": library_versions(),
        "machine": describe_machine(),
        "devices": ["cpu", *(f"gpu:{number}" for number in range(len(gpus)))],
        "tensorflow_built_for_cuda": cuda,
        "why_no_gpu": [] if gpus else why_no_gpu(cuda=cuda),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
        "processor_features": processor_features(),
        "data_folder": str(folder),
        "prepared_data_sets": [prepared.name for prepared in all_prepared(folder)],
        "free_disk_gigabytes": round(shutil.disk_usage(nearest_existing(folder)).free / 1e9, 1),
    }


def why_no_gpu(*, cuda: bool) -> list[str]:
    """Return what keeps TensorFlow from seeing a GPU, a sentence each.

    Args:
        cuda: Whether TensorFlow was built for CUDA.
    """
    reasons = []
    if not cuda:
        reasons.append("this TensorFlow was built without CUDA")
    if not Path("/proc/driver/nvidia/version").exists() and not shutil.which("nvidia-smi"):
        reasons.append("no NVIDIA driver is loaded")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible in ("", "-1"):
        reasons.append(f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU")
    if cuda and find_spec("nvidia") is None:
        reasons.append(
            "CUDA's libraries are not installed: python -m pip install 'tensorflow[and-cuda]'"
        )
    return reasons or ["TensorFlow found no GPU that it supports"]


def processor_features() -> list[str]:
    """Return the vector and matrix units of the processor that oneDNN uses; empty if unknown."""
    try:
        flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return []
    return [feature for feature in PROCESSOR_FEATURES if feature in flags]
