"""Time of writing 300 characters: with the state of the LSTM, and by reading 100 again for each.

    python benchmarks/text_generation.py     # about two minutes

Trains `text-generation-lstm` for one epoch on its sample, exports it, and writes the same text in
turn in each of these ways, once to be traced and then as often as is asked. Writes
`text_generation.json`; `python docs/generate.py` puts the table into the documentation.
"""

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dlrecipes.runs.golden import form_of
from dlrecipes.runs.lookup import read_run
from dlrecipes.system.backend import load_tensorflow
from dlrecipes.tasks.answers.text_generator import sampling, stream, text_generator
from dlrecipes.tasks.base import PredictOptions
from dlrecipes.use.predict import load_serving

RESULT = Path(__file__).resolve().parent / "text_generation.json"
CHARACTERS = 300
PROMPT = "It is a truth universally acknowledged, that a single man in possession of"
Write = Callable[[], str]


def command(*words: str, folder: Path) -> dict[str, Any]:
    """Return what a dlrecipes command prints as JSON."""
    full = [sys.executable, "-P", "-m", "dlrecipes", *words, "--json"]
    result = subprocess.run(full, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(result.stdout + result.stderr)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@contextmanager
def served(exported: Path) -> Iterator[Write]:
    """Give the block what has the text streamed by `dlrecipes serve`, over HTTP."""
    words = ("serve", f"writer={exported}", "--port", "0", "--grpc-port", "0")
    command = [sys.executable, "-P", "-m", "dlrecipes", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.compile(r"http://127\.0\.0\.1:(\d+)/")
        port = int(next(filter(None, map(address.search, process.stdout)))[1])
        body = json.dumps({"prompt": PROMPT, "length": CHARACTERS})

        def write() -> str:
            with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
                connection.request("POST", "/v1/models/writer:generate", body)
                events = connection.getresponse().read().decode().split("\n\n")
            data = [json.loads(one.removeprefix("data: ")) for one in events[:-2]]
            return PROMPT + "".join(data)

        yield write
        process.terminate()


def writers(folder: Path) -> tuple[dict[str, Write], Path, Any]:
    """Return the ways to write the text, by name, the export, and what must be kept meanwhile."""
    flags = ("--data", "sample", "--epochs", "1", "--no-baseline", "--no-report")
    path = command("train", "text-generation-lstm", *flags, folder=folder)["path"]
    exported = command("export", path, folder=folder)["path"]
    tf = load_tensorflow()
    import keras

    run = read_run(folder / path)
    serving, characters = load_serving(run, trust=False), form_of(run).answer.classes
    again = keras.Model(serving.input, serving.output, name="again")  # not known to be divisible
    loaded = tf.saved_model.load(str(folder / exported))
    options = PredictOptions(length=CHARACTERS)
    asked = {
        "prompt": tf.constant([PROMPT]),
        "length": tf.constant(CHARACTERS),
        **sampling(options),
    }

    def whole(generate: Any) -> Write:
        return lambda: generate(asked)["text"].numpy()[0].decode()

    def streamed(start: Any, step: Any) -> Write:
        return lambda: PROMPT + "".join(stream(start, step, PROMPT, options))

    def signature(name: str) -> Any:
        return lambda inputs: loaded.signatures[name](**inputs)

    window, state = text_generator(again, characters), text_generator(serving, characters)
    ways = {
        "100 characters read again for each": whole(window.generate),
        "`predict`": whole(state.generate),
        "an export's `generate`": whole(signature("generate")),
        "the parts of `predict`, streamed": streamed(state.start, state.step),
        "an export's `generate_step`, streamed": streamed(
            signature("generate_start"), signature("generate_step")
        ),
    }
    return ways, folder / exported, loaded


def measured(
    ways: dict[str, Write], repetitions: int
) -> tuple[dict[str, str], dict[str, list[float]]]:
    """Return what each way writes, and how many seconds it takes each time after the first."""
    texts = {name: write() for name, write in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, write in ways.items():
            started = time.perf_counter()
            assert write() == texts[name]
            times[name].append(time.perf_counter() - started)
    return texts, times


def table(times: dict[str, list[float]]) -> str:
    """Return the table in Markdown: medians in milliseconds, and how many times faster."""
    medians = {name: statistics.median(found) for name, found in times.items()}
    slowest = next(iter(medians.values()))
    lines = ["| 300 characters | milliseconds | times faster |", "|---|---|---|"]
    lines += [
        f"| {name} | {1000 * median:,.0f} | {slowest / median:.1f} |"
        for name, median in medians.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description="Time the writing of text.")
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory() as folder:
        ways, exported, _loaded = writers(Path(folder))
        with served(exported) as write:
            ways["`serve`, streamed over HTTP"] = write
            texts, times = measured(ways, repetitions)
    # The first reads the last 100 characters alone: its text may differ after 100.
    assert len(set(list(texts.values())[1:])) == 1
    RESULT.write_text(json.dumps(times, indent=1) + "\n")
    print(table(times))


if __name__ == "__main__":
    main()
