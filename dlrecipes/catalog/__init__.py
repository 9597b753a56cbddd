"""Finding recipes, their settings and their contract."""
