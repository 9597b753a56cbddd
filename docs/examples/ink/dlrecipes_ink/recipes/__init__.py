"""The recipes of this package. Listing them imports none."""
