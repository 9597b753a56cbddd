"""Who this process is among several that train one network: read from what started them.

TensorFlow is not needed here. What starts the processes may be Kubeflow or Vertex (`TF_CONFIG`),
Slurm (`SLURM_*`), or somebody who says it with flags.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlrecipes.errors import InputError

HINT = "Expected: --rank R --world-size N --coordinator HOST:PORT, TF_CONFIG, or srun."
FIRST_SLURM_PORT, SLURM_PORTS = 20_000, 10_000
"""Below those that systems give to outgoing connections; a job takes one by its number."""
MOST_WORKERS = 1000


@dataclass(frozen=True)
class World:
    """Where a process stands among the workers.

    Args:
        rank: From 0; 0 is the chief, which writes the run.
        size: How many workers there are.
        coordinator: `HOST:PORT` at which the chief meets the others.
        source: What said so: `TF_CONFIG`, `Slurm`, `flags`.
    """

    rank: int
    size: int
    coordinator: str
    source: str

    @property
    def is_chief(self) -> bool:
        """Tell whether this worker writes the run."""
        return self.rank == 0

    @property
    def host(self) -> str:
        """Return the chief's host."""
        return self.coordinator.rpartition(":")[0]

    @property
    def port(self) -> int:
        """Return the port at which the chief meets the others."""
        return int(self.coordinator.rpartition(":")[2])


def find_world(
    rank: int | None,
    size: int | None,
    coordinator: str,
    environment: Mapping[str, str] = os.environ,
) -> World | None:
    """Return the place of this process; None if it trains alone.

    Args:
        rank: `--rank`; None if it was not given.
        size: `--world-size`; None if it was not given.
        coordinator: `--coordinator`; empty if it was not given.
        environment: The variables of the process.

    Raises:
        InputError: if what is there makes no sense.
    """
    if rank is not None or size is not None or coordinator:
        return _from_flags(rank, size, coordinator)
    if environment.get("TF_CONFIG"):
        return _from_tf_config(environment["TF_CONFIG"])
    if environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        return _from_slurm(environment)
    return None


def _from_flags(rank: int | None, size: int | None, coordinator: str) -> World | None:
    """Return the place that flags name."""
    given = {"--rank": rank, "--world-size": size, "--coordinator": coordinator or None}
    if missing := [flag for flag, value in given.items() if value is None]:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(f"{' and '.join(missing)} {verb} also required.", HINT)
    assert rank is not None
    assert size is not None
    if not 1 <= size <= MOST_WORKERS:
        raise InputError(f"--world-size must be from 1 to {MOST_WORKERS}. Received: {size}", HINT)
    if not 0 <= rank < size:
        raise InputError(f"--rank must be from 0 to {size - 1}. Received: {rank}", HINT)
    return _world(rank, size, coordinator, "flags")


def _from_tf_config(text: str) -> World | None:
    """Return the place that `TF_CONFIG` names."""
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        kind, index = task["type"], int(task["index"])
        hosts = {name: _texts(cluster.get(name, [])) for name in ("chief", "worker")}
        kinds = list(cluster)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"TF_CONFIG is invalid: {type(error).__name__}: {error}.",
            'Expected: {"cluster": {"worker": ["HOST:PORT", …]}, "task": {"type": "worker", '
            '"index": 0}}',
        ) from None
    if unknown := [name for name in [*kinds, kind] if name not in hosts]:
        raise InputError(
            f"TF_CONFIG has a task of type {unknown[0]!r}; only chief and worker are supported.",
            "Remove parameter servers and evaluators from the cluster.",
        )
    if len(hosts["chief"]) > 1:
        raise InputError(f"TF_CONFIG has {len(hosts['chief'])} chiefs; there can be one.")
    everybody = hosts["chief"] + hosts["worker"]
    if len(set(everybody)) < len(everybody):
        raise InputError("TF_CONFIG names an address twice: each worker needs one of its own.")
    if not 0 <= index < len(hosts[kind]):
        raise InputError(f"TF_CONFIG has no {kind} {index}: it has {len(hosts[kind])}.")
    rank = index + (len(hosts["chief"]) if kind == "worker" else 0)
    return _world(rank, len(everybody), everybody[0], "TF_CONFIG")


def _texts(value: Any) -> list[str]:
    """Return a list of texts; raise TypeError if it is none."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"a list of HOST:PORT was expected, not {value!r}")
    return value


def _from_slurm(environment: Mapping[str, str]) -> World | None:
    """Return the place that `srun` gives."""
    try:
        rank, size = (int(environment[f"SLURM_{one}"]) for one in ("PROCID", "STEP_NUM_TASKS"))
        nodes = environment["SLURM_STEP_NODELIST"]
        job = int(environment["SLURM_JOB_ID"]) + int(environment.get("SLURM_STEP_ID", 0))
    except (KeyError, ValueError) as error:
        raise InputError(f"The Slurm variables are invalid: {error}.", HINT) from None
    port = FIRST_SLURM_PORT + job % SLURM_PORTS
    return _world(rank, size, f"{first_node(nodes)}:{port}", "Slurm")


def first_node(nodes: str) -> str:
    """Return the first node of a list as Slurm writes it: `gpu[007-009,12],cpu1` is `gpu007`."""
    first = re.match(r"(?:[^\[,\s]|\[[^\]]*\])+", nodes)
    if not first:
        raise InputError(f"SLURM_STEP_NODELIST is invalid. Received: {nodes!r}", HINT)
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", first[0])


def _world(rank: int, size: int, coordinator: str, source: str) -> World | None:
    """Return a place whose address was checked; None for the only worker of its world."""
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise InputError(f"The coordinator must be HOST:PORT. Received: {coordinator!r}", HINT)
    if ":" in host:
        raise InputError(
            f"The coordinator's host must be a name or an IPv4 address. Received: {host!r}", HINT
        )
    return World(rank, size, coordinator, source) if size > 1 else None
