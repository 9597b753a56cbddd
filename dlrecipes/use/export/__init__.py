"""Write a run's network in a form that other programs load, proven to predict the same."""
