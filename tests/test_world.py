"""Who a worker is: what TF_CONFIG, Slurm and flags say, and what makes no sense."""

import json
from typing import Any

import pytest

from dlrecipes.errors import InputError
from dlrecipes.training.world import World, find_world, first_node

NO_FLAGS: Any = (None, None, "")


def tf_config(cluster: object, kind: str, index: int) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


SLURM = {
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "2",
    "SLURM_STEP_NODELIST": "gpu[007-009,12]",
    "SLURM_JOB_ID": "12345",
}
TWO = {"worker": ["a:1", "b:2"]}

PLACES: dict[str, tuple[Any, dict[str, str], World | None]] = {
    "alone": (NO_FLAGS, {}, None),
    "worker": (NO_FLAGS, tf_config(TWO, "worker", 1), World(1, 2, "a:1", "TF_CONFIG")),
    "chief apart": (
        NO_FLAGS,
        tf_config({"chief": ["c:1"], **TWO}, "worker", 1),
        World(2, 3, "c:1", "TF_CONFIG"),
    ),
    "one worker": (NO_FLAGS, tf_config({"worker": ["a:1"]}, "worker", 0), None),
    "srun": (NO_FLAGS, SLURM, World(2, 4, "gpu007:22345", "Slurm")),
    "flags before variables": ((1, 2, "h:99"), SLURM, World(1, 2, "h:99", "flags")),
}

NONSENSE: dict[str, tuple[Any, dict[str, str], str]] = {
    "no JSON": (NO_FLAGS, {"TF_CONFIG": "{nonsense"}, "TF_CONFIG is invalid: JSONDecodeError"),
    "a list": (NO_FLAGS, {"TF_CONFIG": "[]"}, "TF_CONFIG is invalid: TypeError"),
    "a text": (NO_FLAGS, tf_config({"worker": "a:1"}, "worker", 0), "a list of HOST:PORT"),
    "two chiefs": (NO_FLAGS, tf_config({"chief": ["c:1", "d:1"]}, "chief", 1), "has 2 chiefs"),
    "twice": (NO_FLAGS, tf_config({"worker": ["a:1", "a:1"]}, "worker", 1), "an address twice"),
    "not there": (NO_FLAGS, tf_config(TWO, "worker", 3), "has no worker 3: it has 2"),
    "servers": (NO_FLAGS, tf_config({**TWO, "ps": ["x:1"]}, "worker", 0), "of type 'ps'"),
    "no port": (NO_FLAGS, tf_config({"worker": ["a", "b"]}, "worker", 0), "must be HOST:PORT"),
    "Slurm": (NO_FLAGS, {**SLURM, "SLURM_PROCID": "x"}, "The Slurm variables are invalid"),
    "one flag": ((0, None, ""), {}, "--world-size and --coordinator are also required"),
    "size": ((0, 2000, "a:1"), {}, "--world-size must be from 1 to 1000. Received: 2000"),
    "IPv6": ((0, 2, "[::1]:99"), {}, "must be a name or an IPv4 address. Received: '[::1]'"),
    "rank": ((3, 2, "a:1"), {}, "--rank must be from 0 to 1. Received: 3"),
    "address": ((0, 2, "nope"), {}, "The coordinator must be HOST:PORT. Received: 'nope'"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_worker_finds_its_place(name: str) -> None:
    flags, environment, expected = PLACES[name]
    assert find_world(*flags, environment) == expected


@pytest.mark.parametrize("name", NONSENSE)
def test_a_world_that_makes_no_sense_is_a_sentence(name: str) -> None:
    flags, environment, expected = NONSENSE[name]
    with pytest.raises(InputError) as raised:
        find_world(*flags, environment)
    assert expected in raised.value.message


def test_the_first_node_of_a_list_as_slurm_writes_it() -> None:
    assert first_node("gpu[007-009,12],cpu1") == "gpu007"
    assert first_node("alone") == "alone"
    assert first_node("rack[1-2]-node") == "rack1-node"
    assert first_node("rack[0-1]node[03-4],other") == "rack0node03"
