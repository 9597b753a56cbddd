"""The `doctor` command: what this machine offers, and why a GPU may not be seen."""

from dlrecipes.cli import options, output
from dlrecipes.cli.display import FetchDisplay


def doctor(data_dir: options.DataDir = None, json: options.Json = False) -> None:
    """Show versions, devices and folders, and why no GPU is used."""
    from dlrecipes.use.doctor import diagnose

    document = diagnose(data_dir, FetchDisplay(quiet=False))
    if json:
        output.print_json(document)
        return
    rows = []
    for name, value in document.items():
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {item}" for key, item in value.items())
        else:
            items = value if isinstance(value, list) else [value]
            shown = ", ".join(map(str, items)) or "none"
        rows.append([name.replace("_", " "), shown])
    output.print_table(["property", "value"], rows)
    output.print_next("dlrecipes train mnist-cnn --data sample")
