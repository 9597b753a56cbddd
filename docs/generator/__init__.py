"""What `docs/generate.py` writes, a module a source."""
