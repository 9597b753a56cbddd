"""Where the documentation is."""

from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent
ROOT = DOCS.parent
BENCHMARKS = ROOT / "benchmarks"
TESTS = ROOT / "tests"
