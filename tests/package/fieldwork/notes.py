"""The data set `tagged_notes`: short notes, each with the tags that it deserves."""

import json

PLACES = {"sea": ("waves", "salt"), "wood": ("moss", "bark"), "hill": ("slope", "view")}


def notes(count, start=0):
    """Yield notes: of a place, of two, or of none."""
    names = list(PLACES)
    for number in range(start, start + count):
        tags = [name for place, name in enumerate(names) if number % 7 & (1 << place)]
        words = [PLACES[tag][number // 7 % 2] for tag in tags]
        text = f"Day {number}: {' and '.join(words) or 'nothing'} to write home about."
        yield {"text": text, "label": ";".join(tags) or "none"}


def write_notes(folder):
    """Write the notes into a folder, and return their file."""
    path = folder / "notes.jsonl"
    lines = [json.dumps({**note, "split": "train"}) for note in notes(700)]
    lines += [json.dumps({**note, "split": "test"}) for note in notes(140, 700)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
