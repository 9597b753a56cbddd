"""What `train` and `resume` do."""
