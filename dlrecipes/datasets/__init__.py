"""The data ladder: full data sets, bundled samples, and the in-memory examples that both become."""
