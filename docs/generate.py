"""Write what README.md, docs/ and the recipes' docstrings take from code and benchmark results.

    python docs/generate.py            # write
    python docs/generate.py --check    # list outdated pages, and exit with 1 if there are any

Some pages are generated as a whole. In the others, the text between `<!-- NAME: begin -->` and
`<!-- NAME: end -->` is. It runs no recipe and does not import TensorFlow.
"""

import argparse
import sys

from generator.paths import BENCHMARKS, ROOT, TESTS


def main() -> int:
    """Write or check the pages, and return the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if outdated")
    arguments = parser.parse_args()
    # The benchmarks make the tables of what they measured; the tests know the parameters.
    sys.path += [str(BENCHMARKS), str(TESTS)]
    from generator.pages import all_pages
    from generator.results import docstrings

    outdated = 0
    for make in (docstrings, all_pages):  # the pages show what the docstrings say
        for path, text in make().items():
            if path.exists() and path.read_text("utf-8") == text:
                continue
            outdated += 1
            print(path.relative_to(ROOT))
            if not arguments.check:
                path.write_text(text, "utf-8")
    if outdated and arguments.check:
        print("These pages are out of date. Run: python docs/generate.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
