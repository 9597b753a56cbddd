"""The command line: parse, call, show. Nothing here imports TensorFlow before it is needed."""

from dlrecipes.cli.app import command, main

__all__ = ["command", "main"]
