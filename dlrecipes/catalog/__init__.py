"""Recipes as files: where they are, and what their text says."""
