"""Recipes, data sets and a task that come from outside dlrecipes."""
