"""The `try` command. It runs no recipe's code."""

import sys
import threading
import webbrowser

from dlrecipes.cli import options, output
from dlrecipes.cli.serve import ServedModels, found_places, require_extra

ADDRESS = "127.0.0.1"


def try_models(
    models: ServedModels,
    trust_recipe: options.TrustRecipe = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
) -> None:
    """Try models in your web browser: draw, type, fill in a row, or drop a photo.

    Serves a page to this machine alone, on a free port, until Ctrl-C. Needs FastAPI and uvicorn:
    pip install 'dlrecipes[serve]'
    """
    require_extra()
    places = found_places(models, runs_dir, trust=trust_recipe)
    from dlrecipes.use.serve.server import Served, listening, run
    from dlrecipes.use.watching import can_open_browser

    with listening(ADDRESS, 0) as opened:
        address = f"http://{ADDRESS}:{opened.getsockname()[1]}/"
        output.console().print(f"Try it in a browser: {address} (Ctrl-C ends it)", markup=False)
        sys.stdout.flush()
        if can_open_browser():
            # Some browsers are waited for.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        run(Served(places), opened, workers=1)
