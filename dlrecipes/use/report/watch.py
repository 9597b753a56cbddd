"""The page of a training: its learning curves so far, and its result at the end."""

from dlrecipes.runs.record import REPORT_FILE, Run, shown_data
from dlrecipes.use.pages import rendered
from dlrecipes.use.report.page import command_of, learning_curves
from dlrecipes.use.report.parts import history_of

TEMPLATE = "watch.html.jinja"


def watch_html(run: Run | None, nonce: str, *, is_over: bool) -> str:
    """Return the page as one HTML document, whose script replaces its content by a newer one.

    Args:
        run: The run as it is now; None if it has not begun.
        nonce: What allows the page's own script to run, and no other.
        is_over: Whether nothing is trained any more.
    """
    history = history_of(run) if run else []
    return rendered(
        __package__,
        TEMPLATE,
        run=run,
        is_over=is_over,
        nonce=nonce,
        data=shown_data(run.data) if run else "",
        folder=str(run.path) if run else "",
        command=command_of(run) if run else "",
        epochs=run.config.get("epochs") if run else None,
        last=history[-1] if history else {},
        curves=learning_curves(run) if run else [],
        has_report=run is not None and (run.path / REPORT_FILE).is_file(),
    )
