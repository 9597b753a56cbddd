"""The recipes of fieldwork."""
