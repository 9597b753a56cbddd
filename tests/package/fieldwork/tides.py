"""The data set `tide_tables`: how high the water stands at an hour, by the moon and the place."""

from pathlib import Path

HEADER = "hour,moon,place,height\n"


def tides(count):
    """Yield the rows of a table."""
    for number in range(count):
        hour, moon, place = number * 7 % 24, number % 29, ("bay", "cape")[number % 2]
        height = 300 + 100 * abs(hour - 12) / 12 + (40 if place == "cape" else 0) + moon
        yield f"{hour},{moon},{place},{height:.1f}\n"


def write_tides(folder):
    """Write the table into a folder of its own, and return its file."""
    path = Path(folder) / "tables" / "tides.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "".join(tides(900)))
    return path
