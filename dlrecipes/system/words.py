"""Words for people: plurals."""


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 run` or `12 runs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
