"""Data sets of TensorFlow Datasets: downloaded, prepared, decoded, kept."""
