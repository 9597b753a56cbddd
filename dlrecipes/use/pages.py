"""Pages: one HTML document each, made from a template that stands beside the code that fills it."""

from collections.abc import Sequence
from typing import Any

from dlrecipes.system.words import duration, number


def rendered(package: str, template: str, **values: Any) -> str:
    """Return a page.

    Args:
        package: The package that the template stands in.
        template: Name of its file.
        values: What the template shows, by name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=not template.endswith(".md.jinja"),  # Markdown is read as it is
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "duration": duration, "shape": shape}
    return environment.get_template(template).render(**values)


def shape(sizes: Sequence[int | None]) -> str:
    """Return an output's shape for people."""
    return " x ".join("any" if size is None else f"{size:,}" for size in sizes) if sizes else ""
