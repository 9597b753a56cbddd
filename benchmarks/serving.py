"""Load a server of mnist-cnn with wrk, and compare: batching off, LitServe, the model in a loop.

    python benchmarks/serving.py EXPORT [--rounds 3] [--seconds 30] [--connections 64]

EXPORT is a SavedModel of mnist-cnn: `dlrecipes export mnist-cnn`. Needs wrk, and `pip install
litserve`. Each server is measured alone, in turn with the others, on loopback; the load generator
runs on the same cores. What each round measured is written to `serving.json`.
"""

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

RESULT = Path(__file__).with_suffix(".json")
ROWS = ("1", "32")
"""Images in a request."""
LOOP = "the model in a loop, no server"
SERVERS = {
    "dlrecipes serve": ["--max-batch", "32"],
    "dlrecipes serve --max-batch 1": ["--max-batch", "1"],
}
PORT = 8599
LITSERVE = """
import sys
import litserve
import numpy as np
import tensorflow as tf


class Digits(litserve.LitAPI):
    def setup(self, device):
        self.model = tf.saved_model.load(sys.argv[1])

    def decode_request(self, request):
        return np.array(request["instances"], np.uint8)

    def batch(self, inputs):
        self.sizes = [len(one) for one in inputs]
        return np.concatenate(inputs)

    def predict(self, images):
        answer = self.model.signatures["serving_default"](image=tf.constant(images))
        return answer["probabilities"].numpy()

    def unbatch(self, outputs):
        return np.split(outputs, np.cumsum(self.sizes)[:-1])

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    digits = Digits(max_batch_size=32, batch_timeout=0.002, api_path="/v1/models/digits:predict")
    server = litserve.LitServer(digits, accelerator="cpu", fast_queue=True)
    server.run(port=int(sys.argv[2]), generate_client_file=False, log_level="error")
"""
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
"""


@contextmanager
def server(command: list[str]) -> Iterator[psutil.Process]:
    """Give the block a server that answers."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", PORT))  # Another server there would be measured instead.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            # Any answer, even 404, says that it listens.
            with suppress(ConnectionError, urllib.error.URLError, TimeoutError):
                with suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v1/models/digits", timeout=60)
                break
            time.sleep(0.2)
        else:
            sys.exit(f"this server did not start: {command}")
        yield psutil.Process(process.pid)
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for one in [process, *children]:  # LitServe leaves its processes behind.
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait(20)


def usage(process: psutil.Process) -> tuple[float, float]:
    """Return the processor's seconds and the megabytes of a process and its children."""
    every = [process, *process.children(recursive=True)]
    times = [one.cpu_times() for one in every]
    return (
        sum(one.user + one.system for one in times),
        sum(one.memory_info().rss for one in every) / 1e6,
    )


def _number(pattern: str, said: str) -> float:
    """Return the number that a pattern finds in what wrk says."""
    found = re.search(pattern, said)
    if found is None:
        sys.exit(f"wrk said nothing like {pattern}:\n{said}")
    return float(found[1])


def load(script: Path, seconds: int, connections: int) -> dict[str, Any]:
    """Load the server, and return what wrk says."""
    address = f"http://127.0.0.1:{PORT}/v1/models/digits:predict"
    flags = ["-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "30", "--latency"]
    said = subprocess.run(
        ["wrk", *flags, "-s", str(script), address], capture_output=True, text=True, check=True
    ).stdout
    failed = [*re.findall(r"Non-2xx or 3xx responses: (\d+)", said)]
    failed += re.findall(r"(?:connect|read|write|timeout) (\d+)", said)
    percentiles = {name: re.search(rf"{name}%\s+([\d.]+)(us|ms|s)", said) for name in ("50", "99")}
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    return {
        "requests": int(_number(r"(\d+) requests in", said)),
        "requests_per_second": _number(r"Requests/sec:\s+([\d.]+)", said),
        "failed": sum(map(int, failed)),
        **{
            f"p{name}_ms": float(found[1]) * units[found[2]]
            for name, found in percentiles.items()
            if found
        },
    }


def measure(command: list[str], scripts: dict[str, Path], asked: argparse.Namespace) -> Any:
    """Return what a server does with requests of each size."""
    found = {}
    with server(command) as process:
        for rows, script in scripts.items():
            load(script, min(asked.seconds, 5), asked.connections)  # warms it up
            before = usage(process)
            said = load(script, asked.seconds, asked.connections)
            after = usage(process)
            found[rows] = {
                **said,
                "images_per_second": said["requests_per_second"] * int(rows),
                "cpu_microseconds_per_image": (after[0] - before[0])
                / max(said["requests"], 1)
                / int(rows)
                * 1e6,
                "memory_mb": after[1],
                "memory_growth_mb": after[1] - before[1],
            }
    return found


IN_PROCESS = """
import json, sys, time
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["serving_default"]
found = {}
for rows in (1, 32):
    images = tf.constant(np.random.default_rng(0).integers(0, 255, (rows, 28, 28, 1)), tf.uint8)
    for _ in range(50):
        answer(image=images)["probabilities"].numpy()
    begun, used, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < float(sys.argv[2]):
        answer(image=images)["probabilities"].numpy()
        count += rows
    found[rows] = {
        "images_per_second": count / (time.perf_counter() - begun),
        "cpu_microseconds_per_image": (time.process_time() - used) / count * 1e6,
    }
print(json.dumps(found))
"""


def in_process(export: Path, seconds: int) -> Any:
    """Return how fast the SavedModel is in a loop, without a server."""
    words = [sys.executable, "-c", IN_PROCESS, str(export), str(seconds)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return json.loads(said)


def commands(export: Path, folder: Path) -> dict[str, list[str]]:
    """Return the servers to compare, and how they are started."""
    ours = [sys.executable, "-m", "dlrecipes", "serve", f"digits={export}"]
    found = {
        name: [*ours, "--port", str(PORT), "--grpc-port", "0", *flags]
        for name, flags in SERVERS.items()
    }
    if find_spec("litserve"):
        program = folder / "lit.py"
        program.write_text(LITSERVE)
        found["LitServe"] = [sys.executable, str(program), str(export), str(PORT)]
    return found


def scripts_for(folder: Path) -> dict[str, Path]:
    """Write the requests, of real digits, and return the script of wrk for each size."""
    with np.load(Path(__file__).parent.parent / "data" / "mnist.npz") as arrays:
        images = arrays["x_test"][..., None]
    found = {}
    for rows in ROWS:
        body = folder / f"{rows}.json"
        body.write_text(json.dumps({"instances": images[: int(rows)].tolist()}))
        found[rows] = folder / f"{rows}.lua"
        found[rows].write_text(SCRIPT.format(body=body))
    return found


def table(document: dict[str, Any]) -> str:
    """Return the table in Markdown: medians over the rounds."""
    rounds = document["rounds"]
    lines = [
        "| images in a request | server | images/s | of the loop | p50 | p99 | failed | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rows in ROWS:
        for name in rounds[0]:
            found = [one[name][rows] for one in rounds]
            middle = {key: statistics.median(one[key] for one in found) for key in found[0]}
            of_loop = statistics.median(
                one[name][rows]["images_per_second"] / one[LOOP][rows]["images_per_second"]
                for one in rounds
            )
            cells = [rows, name, f"{middle['images_per_second']:,.0f}", f"{of_loop:.2f}"]
            if name == LOOP:
                cells += [""] * 4
            else:
                failed, growth = (
                    sum(one["failed"] for one in found),
                    middle["memory_growth_mb"],
                )
                cells += [f"{middle[key]:,.0f} ms" for key in ("p50_ms", "p99_ms")]
                cells += [f"{failed:,}", f"{middle['memory_mb']:,.0f} MB ({growth:+.0f})"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description="Load a server of mnist-cnn, and compare.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--connections", type=int, default=64)
    asked = parser.parse_args()
    export = asked.export.resolve()
    document: dict[str, Any] = {
        "cores": os.cpu_count(),
        "seconds": asked.seconds,
        "connections": asked.connections,
        "rounds": [],
    }
    with tempfile.TemporaryDirectory() as name:
        scripts = scripts_for(Path(name))
        for _ in range(asked.rounds):
            found = {LOOP: in_process(export, min(asked.seconds, 10))}
            for called, command in commands(export, Path(name)).items():
                found[called] = measure(command, scripts, asked)
            document["rounds"].append(found)
            RESULT.write_text(json.dumps(document, indent=1) + "\n")
    print(table(document))


if __name__ == "__main__":
    main()
