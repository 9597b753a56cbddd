"""Run the command line: `python -m dlrecipes`."""

import sys

from dlrecipes.cli import main

if __name__ == "__main__":
    sys.exit(main())
