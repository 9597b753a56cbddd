"""`train --workers`: several processes train one network, and stop together if one is lost.

What a worker reads of its place is tested in test_world.py.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support import (
    CHEAP,
    CHECKOUT,
    COMMAND,
    MNIST,
    REGRESSION,
    SCRIPTS,
    changed,
    dlrecipes,
    environment,
    recipe_source,
    run_python,
    weights_of,
)

RunOf = Callable[[str], dict[str, Any]]
TrainApart = Callable[..., dict[str, Any]]

SAMPLE = (REGRESSION, "--data", "sample", "--dropout", "0")
ONE_EPOCH = (*SAMPLE, "--epochs", "1")
GAN = "digits-gan"
TWO, THREE = ("--workers", "2"), ("--workers", "3")
EXAMPLES = CHECKOUT / "docs" / "examples" / "workers"
CHIEFS = {"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 1}}
TASKS = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}

WRONG: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "none": (("--workers", "0"), {}, "--workers must be from 1 to 1000. Received: 0"),
    "devices": (
        (*TWO, "--devices", "cpu:2"),
        {},
        "--devices cannot be combined with several workers",
    ),
    "seeds": ((*TWO, "--seeds", "2"), {}, "--seeds cannot be combined with several workers"),
    "seeds of a task": (
        ("--seeds", "2"),
        {"TF_CONFIG": json.dumps(TASKS)},
        "(requested by TF_CONFIG)",
    ),
    "jobs": ((*TWO, "--seeds", "2", "--jobs", "2"), {}, "cannot be combined with several workers"),
    "a GPU": ((*TWO, "--device", "gpu"), {}, "--workers trains on the CPU"),
    "both": ((*TWO, "--rank", "0"), {}, "Give either --workers, or --rank"),
    "rank": (
        ("--rank", "2", "--world-size", "2", "--coordinator", "127.0.0.1:9"),
        {},
        "--rank must be from 0 to 1. Received: 2",
    ),
    "no time": (("--join-timeout", "0"), {}, "--join-timeout must be from 1 to 86400 seconds"),
    "nonsense": ((), {"TF_CONFIG": "{nonsense"}, "TF_CONFIG is invalid: JSONDecodeError"),
    "two chiefs": ((), {"TF_CONFIG": json.dumps(CHIEFS)}, "TF_CONFIG has 2 chiefs"),
}


def place(rank: int, port: int, size: int = 2, seconds: int = 30) -> list[str]:
    """Return the flags of one worker."""
    where = f"127.0.0.1:{port}"
    flags = ("--rank", rank, "--world-size", size, "--coordinator", where)
    return [*map(str, flags), "--join-timeout", str(seconds)]


@pytest.fixture
def port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        return number


@contextmanager
def started(*arguments: str | Path, cwd: Path, **extra: str) -> Iterator["subprocess.Popen[str]"]:
    """Give the block the real command at work, and end it after the block."""
    with subprocess.Popen(
        [COMMAND, *arguments],
        cwd=cwd,
        env=environment(extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def workers_of(launcher: "subprocess.Popen[str]", count: int = 2) -> dict[int, int]:
    """Return the processes of the workers that a command started, by their ranks."""
    found: dict[int, int] = {}
    while len(found) < count and launcher.poll() is None:
        with suppress(psutil.NoSuchProcess):  # One may end just now.
            for child in psutil.Process(launcher.pid).children():
                words = child.cmdline()
                if "--rank" in words:
                    found[int(words[words.index("--rank") + 1])] = child.pid
    assert len(found) == count, launcher.communicate()[0]
    return found


def read_until(process: "subprocess.Popen[str]", start: str) -> str:
    """Return what a process prints up to a line that begins so."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if line.startswith(start):
            break
    return read


MANY_COMMANDS = """
import io, json, os, sys
from contextlib import redirect_stderr
from dlrecipes.cli import main

found = []
for words, variables in json.loads(sys.argv[1]):
    os.environ.update(variables)
    with redirect_stderr(io.StringIO()) as said:
        found.append([main(words), said.getvalue()])
    for name in variables:
        del os.environ[name]
assert not {"tensorflow", "keras"} & set(sys.modules), "it imported TensorFlow"
print(json.dumps(found))
"""
"""Runs commands, each with variables of its own, in one process that imports no TensorFlow."""


def ends_of(commands: Sequence[tuple[Sequence[str], Mapping[str, str]]], cwd: Path) -> Any:
    """Return the exit code of each command, and what it says."""
    return run_python(MANY_COMMANDS, json.dumps(commands), cwd=cwd).document


def test_workers_that_make_no_sense_are_refused_before_tensorflow_starts(tmp_path: Path) -> None:
    commands = [
        (("train", *ONE_EPOCH, *flags), variables) for flags, variables, _ in WRONG.values()
    ]
    ends = dict(zip(WRONG, ends_of(commands, tmp_path), strict=True))
    for name, (code, said) in ends.items():
        assert code == 2, name
        assert WRONG[name][2] in said, name
    assert not list(tmp_path.iterdir())


def test_workers_that_do_not_meet_say_who_is_missing(tmp_path: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        places = (place(0, port, seconds=1), place(1, port, seconds=1), place(0, taken))
        ends = ends_of([(("train", *ONE_EPOCH, *words), {}) for words in places], tmp_path)
    assert [code for code, _ in ends] == [2, 2, 2]
    chief, other, second = (said for _, said in ends)
    assert f"Worker 1 did not connect to 127.0.0.1:{port} within 1 s." in chief
    assert f"The chief (127.0.0.1:{port}) did not answer within 1 s" in other
    assert f"cannot listen at 127.0.0.1:{taken}: Address already in use" in second
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_a_stranger_who_comes_to_the_chief_is_sent_away(tmp_path: Path, port: int) -> None:
    hello = {"rank": "1", "size": 2, "port": 9, "facts": {}}
    with started("train", *ONE_EPOCH, *place(0, port, seconds=8), cwd=tmp_path) as chief:
        for _ in range(400):
            with (
                suppress(ConnectionRefusedError),
                socket.create_connection(("127.0.0.1", port)) as one,
            ):
                one.sendall(json.dumps(hello).encode() + b"\n")
                assert one.recv(1) == b"", "the connection is closed"
                break
            time.sleep(0.02)
        said, _ = chief.communicate(timeout=60)
    assert f"Worker 1 did not connect to 127.0.0.1:{port} within 8 s." in said
    assert chief.returncode == 2


OTHER_WORDS = {
    "setting": (
        ("--epochs", "2"),
        "Worker 1 (127.0.0.1) and the chief differ in setting epochs: 2 and 1.",
    ),
    "seed": (("--seed", "5"), "differ in seed: 5 and 0."),
    "checkpoints": (
        ("--checkpoint-every", "3epochs"),
        "differ in --checkpoint-every: 3epochs and ",
    ),
    "size": (("--world-size", "3"), "was started for 3 workers, the chief for 2."),
    "recipe": ((), "and the chief differ in recipe: "),
}


@pytest.mark.long
@pytest.mark.parametrize("name", OTHER_WORDS)
def test_workers_that_train_something_else_are_told_apart(
    name: str, tmp_path: Path, port: int
) -> None:
    flags, expected = OTHER_WORDS[name]
    source = recipe_source(REGRESSION)
    recipes = [tmp_path / "one" / "mine.py", tmp_path / "two" / "mine.py"]
    for recipe in recipes:
        recipe.parent.mkdir()
        recipe.write_text(source)
    if name == "recipe":
        recipes[1].write_text(source + "\n# changed\n")
    words = ("--data", "sample", "--epochs", "1")
    chief = ["train", recipes[0], *words, *place(0, port)]
    other = ["train", recipes[1], *words, *place(1, port), *flags]
    with started(*chief, cwd=tmp_path) as one, started(*other, cwd=tmp_path) as two:
        said = [process.communicate(timeout=60)[0] for process in (one, two)]
        assert [one.returncode, two.returncode] == [2, 2]
    assert all(expected in text for text in said), said
    assert not (tmp_path / "runs").exists()


OTHER_KERAS = """
from importlib import metadata

version = metadata.version
metadata.version = lambda name: "3.0.0" if name == "keras" else version(name)
"""
"""Read by Python as it starts: this process has another version of Keras."""


@pytest.mark.long
def test_workers_with_other_versions_are_told_apart(tmp_path: Path, port: int) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text(OTHER_KERAS)
    words = ("train", *ONE_EPOCH)
    with (
        started(*words, *place(0, port), cwd=tmp_path) as one,
        started(*words, *place(1, port), cwd=tmp_path, PYTHONPATH=str(tmp_path / "other")) as two,
    ):
        said = [process.communicate(timeout=60)[0] for process in (one, two)]
        assert [one.returncode, two.returncode] == [2, 2]
    assert all("and the chief differ in keras: 3.0.0 and 3." in text for text in said), said


@pytest.mark.long
@pytest.mark.parametrize("flags", [TWO, THREE], ids=["two", "three"])
def test_workers_and_one_process_train_the_same_network_within_rounding(
    flags: tuple[str, ...], train_apart: TrainApart
) -> None:
    one, several = train_apart(*ONE_EPOCH), train_apart(*ONE_EPOCH, *flags)
    assert [one["workers"], several["workers"]] == [1, int(flags[1])]
    networks = [weights_of(run, Path(run["cwd"])) for run in (one, several)]
    assert networks[0].keys() == networks[1].keys()
    for name, weights in networks[0].items():
        np.testing.assert_allclose(weights, networks[1][name], atol=2e-6, err_msg=name)
    assert several["metrics"]["mae"] == pytest.approx(one["metrics"]["mae"], rel=1e-5)


@pytest.mark.long
def test_a_recipe_with_two_optimizers_learns_with_two_workers(
    run_of: RunOf, train_apart: TrainApart
) -> None:
    run = train_apart(GAN, "--data", "sample", *CHEAP[GAN], *TWO)
    assert [run["workers"], run["verdict"]] == [2, run_of(GAN)["verdict"]]


@pytest.mark.long
def test_workers_with_other_data_are_told_apart(tmp_path: Path, port: int) -> None:
    for rank, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        rows = "".join(f"{number},{3 * number + rank}\n" for number in range(200))
        (tmp_path / folder / "rows.csv").write_text(f"x,y\n{rows}")
    words = ("train", REGRESSION, "--data", "rows.csv", "--target", "y", "--epochs", "1")
    with (
        started(*words, *place(0, port), cwd=tmp_path / "one") as one,
        started(*words, *place(1, port), cwd=tmp_path / "two") as two,
    ):
        said = [process.communicate(timeout=120)[0] for process in (one, two)]
        assert [one.returncode, two.returncode] == [2, 2], said
    assert all("and the chief differ in data fingerprint: " in text for text in said), said
    assert not (tmp_path / "one" / "runs").exists()


@pytest.mark.long
def test_workers_whose_networks_differ_are_found_out(tmp_path: Path) -> None:
    text = changed(recipe_source(REGRESSION), "    watched = {", DRIFT)
    (tmp_path / "mine.py").write_text(text)
    words = ("train", "./mine.py", "--data", "sample", "--epochs", "1", *TWO)
    outcome = dlrecipes(*words, cwd=tmp_path, code=1)
    assert "Worker 1 (127.0.0.1) and the chief differ in network after training: " in outcome.err


DRIFT = """
    class Drift(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            import os

            here = self.model.trainable_weights[-1]._value.values[0]
            here.assign(here + float(os.getpid()))

    callbacks = [*callbacks, Drift()]
    watched = {"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("who", "sent", "expected"),
    [
        ("worker", signal.SIGKILL, "Worker 1 (127.0.0.1) has ended. The run"),
        ("all", signal.SIGTERM, "Interrupted. The run"),
    ],
    ids=["killed", "stopped"],
)
def test_a_worker_that_is_lost_or_asked_to_stop_stops_all_and_the_run_resumes_bit_identical(
    who: str, sent: int, expected: str, tmp_path: Path, train_apart: TrainApart
) -> None:
    words = (*SAMPLE, "--epochs", "4", "--checkpoint-every", "epoch,3steps", *TWO)
    whole = train_apart(*words)
    flags = ("--no-baseline", "--no-report", "--name", "ended")
    with started("train", *words, *flags, cwd=tmp_path) as launcher:
        workers = workers_of(launcher)
        read_until(launcher, "epoch 1/4")
        os.kill(workers[1] if who == "worker" else launcher.pid, sent)
        said, _ = launcher.communicate(timeout=60)
    run = tmp_path / "runs" / REGRESSION / "ended"
    assert launcher.returncode == 130, said
    assert f"{expected} runs/{REGRESSION}/ended is kept" in " ".join(said.split())
    assert f"dlrecipes resume runs/{REGRESSION}/ended --workers 2" in said
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert not any(Path(f"/proc/{number}").exists() for number in workers.values())
    resumed = dlrecipes("resume", run, *TWO, "--json", cwd=tmp_path).document
    assert resumed["metrics"] == whole["metrics"]
    networks = [weights_of(whole, Path(whole["cwd"])), weights_of(resumed, tmp_path)]
    for name, weights in networks[0].items():
        assert weights.tobytes() == networks[1][name].tobytes(), name


@pytest.mark.long
def test_a_hung_worker_is_found_and_the_run_goes_on_with_one_process(
    tmp_path: Path, train_apart: TrainApart
) -> None:
    words = (*ONE_EPOCH, "--checkpoint-every", "3steps")
    flags = ("--no-baseline", "--no-report", "--name", "hung")
    with started("train", *words, *flags, *TWO, cwd=tmp_path) as launcher:
        workers = workers_of(launcher)
        read_until(launcher, "Traced the first step")
        os.kill(workers[1], signal.SIGSTOP)
        said, _ = launcher.communicate(timeout=60)
    assert "Worker 1 (127.0.0.1) has not answered for 20 s." in said
    assert not any(Path(f"/proc/{number}").exists() for number in workers.values())
    run = tmp_path / "runs" / REGRESSION / "hung"
    outcome = dlrecipes("resume", run, "--json", cwd=tmp_path)
    assert "workers was 2 and is 1: the result may differ in its last digits." in outcome.err
    one = train_apart(*ONE_EPOCH)
    assert outcome.document["metrics"]["mae"] == pytest.approx(one["metrics"]["mae"], rel=1e-5)


MEETS_ONLY = """
import sys, time
from dlrecipes.catalog.find import find_recipe
from dlrecipes.cli.workers import facts_of
from dlrecipes.training.meeting import Meeting
from dlrecipes.training.request import Flags, Request
from dlrecipes.training.world import find_world

request = Request.from_flags(find_recipe(sys.argv[1]), Flags(settings={}))
world = find_world(1, 2, sys.argv[2])
meeting = Meeting(world, facts_of(request), lambda error: print(error.message), 60)
meeting.require_same("kind of device", "cpu")
while not meeting.is_over:
    time.sleep(0.1)
"""
"""A worker that meets the others, and never joins them in TensorFlow, which would wait an hour."""


@pytest.mark.long
def test_workers_that_meet_and_cannot_join_do_not_wait_for_an_hour(
    tmp_path: Path, port: int
) -> None:
    words = ("train", REGRESSION, "--data", "sample", *place(0, port))
    where = f"127.0.0.1:{port}"
    with started(*words, cwd=tmp_path) as chief:
        heard = run_python(MEETS_ONLY, REGRESSION, where, cwd=tmp_path).out
        said, _ = chief.communicate(timeout=60)
    assert "The workers have met, but TensorFlow cannot join them at 127.0.0.1:" in said
    assert "The chief failed: The workers have met" in heard
    assert chief.returncode == 2


FAKE_SRUN = """#!/bin/bash
for rank in 1 0; do
  SLURM_PROCID=$rank SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST=127.0.0.1 "$@" &
done
wait -n && wait
"""


@pytest.mark.long
def test_the_slurm_script_trains_with_two_workers(tmp_path: Path) -> None:
    (tmp_path / "srun").write_text(FAKE_SRUN)
    (tmp_path / "srun").chmod(0o755)
    cheap = ("--epochs", "1", "--filters", "4,8")
    words = ("--data", "sample", *cheap, "--no-baseline", "--no-report")
    path = f"{tmp_path}:{SCRIPTS}:{os.environ['PATH']}"
    number = str(os.getpid())
    subprocess.run(
        ["bash", EXAMPLES / "slurm.sh", *words],
        cwd=tmp_path,
        env=environment({"PATH": path, "SLURM_JOB_ID": number}),
        check=True,
        timeout=300,
    )
    run = tmp_path / "runs" / MNIST / f"job-{number}" / "run.json"
    document = json.loads(run.read_text())
    assert document["workers"] == 2
    assert document["status"] == "finished"


def test_the_kubernetes_manifest_gives_each_pod_its_place() -> None:
    import yaml

    from dlrecipes.training.world import World, find_world

    service, job = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text("utf-8"))
    name, spec = service["metadata"]["name"], job["spec"]
    pod = spec["template"]["spec"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert [spec["completionMode"], pod["subdomain"]] == ["Indexed", name]
    (worker,) = pod["containers"]
    words = dict(zip(worker["args"][::2], worker["args"][1::2], strict=True))
    assert words["--rank"] == f"$({worker['env'][0]['name']})"
    size, coordinator = int(words["--world-size"]), words["--coordinator"]
    assert size == spec["completions"] == spec["parallelism"]
    assert coordinator.startswith(f"{job['metadata']['name']}-0.{name}:")
    assert find_world(1, size, coordinator, {}) == World(1, size, coordinator, "flags")


FAKE_RAY = """
import json, os, sys
from types import ModuleType

class Trainer:
    def __init__(self, work, train_loop_config, scaling_config):
        self.work, self.config, self.count = work, train_loop_config, scaling_config
    def fit(self):
        hosts = [f"127.0.0.1:{9000 + number}" for number in range(self.count)]
        task = {"type": "worker", "index": 1}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": hosts}, "task": task})
        self.work(self.config)

ray, train, tensorflow = (ModuleType(name) for name in ("ray", "train", "tensorflow"))
train.ScalingConfig = lambda num_workers: num_workers
tensorflow.TensorflowTrainer = Trainer
sys.modules.update({"ray": ray, "ray.train": train, "ray.train.tensorflow": tensorflow})
"""
REPORTER = f"""#!{sys.executable}
import sys
import time
from dlrecipes.training.world import find_world
print(sys.argv[1:], find_world(None, None, ""))
"""


def test_the_ray_script_starts_the_command_where_tf_config_says_its_place(tmp_path: Path) -> None:
    (tmp_path / "dlrecipes").write_text(REPORTER)
    (tmp_path / "dlrecipes").chmod(0o755)
    program = f"{FAKE_RAY}\nimport runpy\nrunpy.run_path({str(EXAMPLES / 'ray_workers.py')!r}, "
    program += "run_name='__main__')"
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    outcome = run_python(program, MNIST, "--epochs", "1", cwd=tmp_path, env=path)
    assert f"['train', '{MNIST}', '--epochs', '1', '--join-timeout', '120']" in outcome.out
    assert "World(rank=1, size=2, coordinator='127.0.0.1:9000', source='TF_CONFIG')" in outcome.out
