"""Finished runs: their record, files, lookup and comparison."""
