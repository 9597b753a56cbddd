"""Run the command line: `python -m dlrecipes`."""

import sys

from dlrecipes.cli import command

if __name__ == "__main__":
    sys.exit(command())
