"""An example of a package that brings recipes, a sample, a data set and tasks."""
