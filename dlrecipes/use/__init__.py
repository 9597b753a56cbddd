"""What you do with a finished run: evaluate, predict, benchmark, export."""
