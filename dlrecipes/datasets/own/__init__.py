"""Your own files."""
