"""Where a result comes from: versions, machine, commit; and whether it is as it should be."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dlrecipes.runs.record import Run

LIBRARIES = ("dlrecipes", "tensorflow", "keras", "numpy", "tensorflow-datasets")


def library_versions() -> dict[str, str]:
    """Return the version of Python and of each library that bears on the result."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def describe_machine() -> dict[str, Any]:
    """Return the operating system, the processor's name and its cores."""
    processor = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
        "cores": os.cpu_count() or 1,
    }


def git_commit(path: Path) -> str:
    """Return the commit of the checkout that a file is tracked in; empty elsewhere."""
    git = ["git", "-C", str(path.resolve().parent)]
    tracked = [*git, "ls-files", "--error-unmatch", path.name]
    try:
        if subprocess.run(tracked, capture_output=True, timeout=5, check=False).returncode != 0:
            return ""
        result = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
        return result.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def here(device: str) -> dict[str, Any]:
    """Return what bears on the bits of a training here: versions, device, machine."""
    return {"versions": library_versions(), "device": device, "machine": describe_machine()}


def differences(run: Run, other: Run | Mapping[str, Any]) -> list[str]:
    """Return what bears on the bits of a training and is otherwise, a sentence each.

    Args:
        run: The run.
        other: Another run, or what there is `here`.
    """
    facts = [
        {
            **{name: document[name] for name in ("device", "workers") if name in document},
            **{name: text for name, text in document["versions"].items() if name != "dlrecipes"},
            **document["machine"],
        }
        for document in (vars(run), vars(other) if isinstance(other, Run) else other)
    ]
    # What one of them alone has recorded says nothing: older runs name more libraries.
    both = [(name, was, facts[1][name]) for name, was in facts[0].items() if name in facts[1]]
    return [f"{name} was {was} and is {now}" for name, was, now in both if was != now]
