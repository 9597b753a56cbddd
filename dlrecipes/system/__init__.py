"""The machine: whole files, locks, signals, the clock, and TensorFlow's start."""
