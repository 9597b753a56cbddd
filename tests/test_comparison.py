"""The benchmark against a plain script works, on the sample; how fast it is, is not tested."""

import json
import sys
from pathlib import Path

import pytest
from support import CHECKOUT, run_process


@pytest.mark.long
def test_a_plain_script_and_the_command_are_measured_side_by_side(tmp_path: Path) -> None:
    result = tmp_path / "compare.json"
    outcome = run_process(
        [
            *(sys.executable, CHECKOUT / "benchmarks" / "compare.py", "run", "--data", "sample"),
            *("--data-dir", tmp_path, "--only", "dense-32", "--repetitions", "1", "--seeds", "1"),
            *("--bare", "0", "--paths", "0", "--sides", "script", "dlrecipes", "--result", result),
        ],
        cwd=tmp_path,
    )
    rows = json.loads(result.read_text())["rows"]["dense-32"]
    for side in ("script", "dlrecipes"):
        (measured,) = rows[side]
        for figure in ("wall", "cpu", "peak_bytes", "first_step", "fit", "samples_per_second"):
            assert measured[figure] > 0, figure
        assert measured["first_step"] < measured["wall"]
        assert 200 < measured["result"] < 900
    assert "| 323.0 US$ mean absolute error: `dense-32` |" in outcome.out
