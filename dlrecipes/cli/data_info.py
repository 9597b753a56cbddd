"""What `data list` and `data info` show of a data set."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from dlrecipes.catalog.facts import Facts
from dlrecipes.cli import output
from dlrecipes.datasets.published.brought import known_path
from dlrecipes.datasets.published.builder_source import About
from dlrecipes.datasets.published.disk import Place, size_of
from dlrecipes.datasets.published.download import shown_bytes
from dlrecipes.datasets.published.features import Feature
from dlrecipes.datasets.published.fetch import brings_files, describe
from dlrecipes.datasets.published.sources import all_files
from dlrecipes.errors import DlrecipesError, InputError

MOST_FILES = 8
"""Files that are listed for people; `--json` has them all."""
MOST_CLASSES = 12
"""Names of classes that are listed for people; `--json` has them all."""
MOST_TITLE = 70
"""Letters of a title that is cut out of a description."""


def data_set_document(place: Place, recipes: Sequence[Facts]) -> dict[str, Any]:
    """Return what `--json` shows of a data set, and of where it is. Imports nobody's code.

    Args:
        place: Its place.
        recipes: The recipes that there are.
    """
    data_set, release = place.data_set, place.data_set.release
    prepared, brought = place.prepared(), known_path(place)
    about = prepared.about if prepared else _about(place)
    files = all_files(data_set)
    path = prepared.folder if prepared else brought
    config, _, version = (prepared.name.partition("/")[2] if prepared else "").rpartition(":")
    if prepared and not version:
        version = prepared.folder.name
    return {
        "name": data_set.full_name,
        "title": release.title if release else _title(about.description),
        "description": about.description,
        "version": version or data_set.version or (release.version if release else ""),
        "config": config or data_set.config or (release.config if release else ""),
        "licence": release.licence if release else about.licence,
        "citation": release.citation if release else about.citation,
        "homepage": release.homepage if release else about.homepage,
        "rows": _rows(place),
        "unit": release.unit if release else "examples",
        "recipes": [
            facts.name
            for facts in recipes
            if facts.dataset.partition("/")[0].partition(":")[0] == data_set.name
        ],
        "package": data_set.entry_point.partition(":")[0].partition(".")[0],
        "needs": data_set.source.missing_distributions() if data_set.source else [],
        "by_hand": data_set.source.manual_instructions() if data_set.source else "",
        "download_bytes": sum(file.size or 0 for file in files),
        "downloaded_bytes": sum(file.received(place.downloads) for file in files),
        "prepared": path is not None,
        "path": str(path or place.home),
        "bytes": size_of(path) if path else 0,
        "files": [
            {
                "name": file.name,
                "bytes": file.size,
                "sha256": file.sha256,
                "urls": list(file.urls),
            }
            for file in files
        ],
    }


def described(document: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return the document with the features of the data set.

    Those of one that is not prepared are asked of its builder, which is imported; nothing is
    downloaded.
    """
    features: tuple[Feature, ...] = ()
    supervised, note = None, ""
    try:
        name, folder = place.data_set.full_name, str(place.folder)
        if not brings_files(name, folder):
            found = describe(name, folder)
            features, supervised = found.features, found.supervised
    except InputError:  # Its configuration or version is wrong.
        raise
    except DlrecipesError as error:
        note = f"{error.message} {error.hint}".strip()
    return {
        **document,
        "features": [
            {
                "path": feature.path,
                "kind": feature.kind,
                "of": feature.of,
                "shape": list(feature.shape),
                "dtype": feature.dtype,
                "classes": list(feature.classes),
            }
            for feature in features
        ],
        "supervised": supervised and [list(paths) for paths in supervised],
        "note": note,
    }


def print_info(document: dict[str, Any]) -> None:
    """Print what `data info` shows of a data set to people."""
    target = output.console()
    version = f" {document['version']}" if document["version"] else ""
    target.print(f"[bold]{document['name']}[/]{version}: {escape(document['title'])}\n")
    rows = ", ".join(f"{count:,} {split}" for split, count in document["rows"].items())
    where = f"in {document['path']}"
    facts = {
        "licence": document["licence"],
        "homepage": document["homepage"],
        "splits": f"{rows} ({document['unit']})" if rows else "",
        "recipes": ", ".join(document["recipes"]),
        "package": document["package"],
        "by hand": document["by_hand"],
        "needs": ", ".join(document["needs"]),
        "download": _download(document),
        "prepared": f"{shown_bytes(document['bytes'])} {where}" if document["prepared"] else "no",
        "note": document["note"],
    }
    output.print_table(["fact", "value"], [[name, text] for name, text in facts.items() if text])
    target.print()
    if document["features"]:
        output.print_table(
            ["feature", "kind", "shape", "classes"], map(_feature_row, document["features"])
        )
        target.print()
    for file in document["files"][:MOST_FILES]:
        size = "size unknown" if file["bytes"] is None else f"{file['bytes']:,} bytes"
        target.print(f"{file['name']}, {size}", markup=False)
        target.print(f"  SHA-256 {file['sha256'] or 'unknown'}")
        for url in file["urls"]:
            target.print(f"  {url}", markup=False)
    if len(document["files"]) > MOST_FILES:
        more = len(document["files"]) - MOST_FILES
        target.print(f"… and {more:,} more files, which --json lists")
    if document["citation"]:
        target.print(f"\n{document['citation']}", markup=False)
    target.print()


def _about(place: Place) -> About:
    """Return what the source of the builder says of a data set that is not prepared."""
    return place.data_set.source.about() if place.data_set.source else About()


def _title(description: str) -> str:
    """Return the first sentence of a description, shortened to a line."""
    words = " ".join(description.split())
    sentence = words.partition(". ")[0].removesuffix(".")
    return sentence if len(sentence) <= MOST_TITLE else f"{sentence[: MOST_TITLE - 1]}…"


def _rows(place: Place) -> dict[str, int]:
    """Return the rows of each split; empty if that is not known before it is prepared."""
    release, prepared = place.data_set.release, place.prepared()
    if prepared and (release is None or release.unit == "examples"):
        return prepared.rows
    return dict(release.rows) if release else {}


def _download(document: dict[str, Any]) -> str:
    """Return how much is to be downloaded, and how much of it is here."""
    size, received = document["download_bytes"], document["downloaded_bytes"]
    if not size:
        return "" if document["package"] else "size unknown"
    here = f", {shown_bytes(received)} of which are here" if received else ""
    files = len(document["files"])
    return shown_bytes(size) + (f" in {files:,} files" if files > 1 else "") + here


def _feature_row(feature: dict[str, Any]) -> list[str]:
    """Return the row of a feature in the table."""
    classes = feature["classes"]
    shown = ", ".join(classes[:MOST_CLASSES])
    if len(classes) > MOST_CLASSES:
        shown += f", … ({len(classes):,} classes)"
    lengths = " x ".join("?" if length is None else str(length) for length in feature["shape"])
    kind = f"{feature['kind']} of {feature['of']}" if feature["of"] else feature["kind"]
    return [feature["path"], kind, lengths, shown]
