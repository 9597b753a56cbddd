"""The test metrics of a recipe, as far as its text tells."""

import re

from dlrecipes.catalog.facts import Facts
from dlrecipes.kit.metric_names import FUNCTIONS, OF_EACH_CLASS


def metrics_of(facts: Facts) -> list[str]:
    """Return the test metrics that a recipe can have; none if nobody can know before it has run.

    Those of the function that its `evaluate` calls, and any that are keys in its source.
    """
    source = facts.path.read_text(encoding="utf-8", errors="replace")
    # The function goes on to the next line that is not indented.
    body = re.split(r"\n(?=[^\s)])", source.partition("\ndef evaluate(")[2])[0]
    called = [function for function in FUNCTIONS if f"{function}(" in body]
    # The metrics of each class have names that only the data knows.
    if not called or OF_EACH_CLASS.keys() & set(called):
        return []
    own = re.findall(r"""["']([A-Za-z_]\w*)["']""", body)
    return list(dict.fromkeys([*FUNCTIONS[called[0]], *own]))


def lacks_headline(facts: Facts, headline: str) -> str:
    """Return why a recipe's test cannot be judged, in a clause; empty if it can, or nobody knows.

    Args:
        facts: The recipe.
        headline: Name of the metric that its task is judged by.
    """
    metrics = metrics_of(facts)
    if not metrics or headline in metrics:
        return ""
    functions = [name for name, names in FUNCTIONS.items() if headline in names]
    use = f": use dlrecipes.{functions[0]}" if functions else ""
    return f"its evaluate returns no {headline}, by which {facts.task} is judged{use}"
