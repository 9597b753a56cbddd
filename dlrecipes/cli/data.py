"""The `data` commands."""

import typer

from dlrecipes.cli import preflight


def make_data_app(epilog: str) -> typer.Typer:
    """Return the `data` command with its sub-commands."""
    app = typer.Typer(help="Look at data before training.", no_args_is_help=True)
    app.command("check", epilog=epilog)(preflight.check)

    @app.callback()
    def data() -> None:
        """Look at data before training."""

    return app
