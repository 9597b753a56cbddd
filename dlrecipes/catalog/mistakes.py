"""What is wrong in a recipe's code: the line that raised, and the sentence that is meant.

Keras wraps what a layer raises into a report on its call; TensorFlow puts the sentence behind a
list of its own frames, or in front of the nodes of a graph. A learner needs none of that.
"""

import builtins
import linecache
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from dlrecipes.catalog.facts import recipe_name
from dlrecipes.catalog.find import installed_file
from dlrecipes.errors import DlrecipesError, most_like

KERAS_CALL = re.compile(
    r"Exception encountered when calling .*?\.\n\n\x1b\[1m(?P<sentence>.*?)\x1b\[0m\n*"
    r"(?:Arguments received by .*?:\n(?P<arguments>.*))?\Z",
    re.DOTALL,
)
SHAPE = re.compile(r"(?:• |')?(\w+)'?[=:] ?'?<?\w*(?:\.\w+)*[( ]shape=(\([^)]*\))")
USER_FRAME = re.compile(r'^ *File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>\S+)', re.M)
USER_SENTENCE = re.compile(r"^ {4}(?P<kind>\w+): (?P<sentence>.+?)\s*\Z", re.M | re.DOTALL)
BUILDING = re.compile(
    r"(?:Unable to automatically build|Could not automatically infer) "
    r".*encountered:\s+'?(?P<sentence>.*?)'?\Z",
    re.DOTALL,
)
COMPARED = re.compile(
    r"Received:? .*target\.shape=(?P<target>\([^)]*\)),.*output\.shape=(?P<output>\([^)]*\))"
)
PIPELINE = re.compile(r"Error in user-defined function passed to .*? iterator: \S+: ")
ANSI = re.compile(r"\x1b\[\d*m")
NO_FUNCTION = ("<module>", "<lambda>", "None")
"""What stands for the name of a function that has none."""
LIKE = 0.7
"""How like a name must be to one that does not exist, to be what was meant."""
MAX_SENTENCE = 400
"""Characters of a sentence that are shown: some list all the values of a tensor."""
SAYS_NO_TYPE = ("ValueError", "InvalidArgumentError")
"""Types of an error that say nothing which the sentence does not."""


@dataclass(frozen=True)
class Spot:
    """Where in a recipe something was raised.

    Args:
        file: The recipe's file, as it is shown.
        line: Number of the line, from 1.
        function: Name of the function; empty at the top level.
        source: The line itself.
    """

    file: str
    line: int
    function: str
    source: str

    def __str__(self) -> str:
        """Return two lines that show it."""
        inside = f", in {self.function}" if self.function else ""
        return f"  {self.file}, line {self.line}{inside}:\n    {self.source}"


def shown_path(path: Path) -> str:
    """Return a path as short as it can be typed here."""
    resolved = path.resolve()
    try:
        return str(resolved.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(resolved)


def find_spot(error: BaseException, path: Path) -> Spot | None:
    """Return the deepest line of a recipe's file that an error went through, None if there is none.

    TensorFlow runs a copy of a function that it has rewritten; then its message has the lines.
    """
    resolved = path.resolve()
    places = [
        (frame.lineno or 0, frame.name)
        for one in _chain(error)
        for frame in traceback.extract_tb(one.__traceback__)
        if Path(frame.filename).resolve() == resolved
    ]
    told = [
        (int(match["line"]), match["function"])
        for match in USER_FRAME.finditer(str(error))
        if Path(match["file"]).resolve() == resolved
    ]
    # A graph's message lists where the failed node was made, which is deeper than where it ran.
    if not places and not told:
        return None
    line, function = told[-1] if told else places[-1]
    source = linecache.getline(str(path), line).strip()
    return Spot(shown_path(path), line, "" if function in NO_FUNCTION else function, source)


def _definition(function: str, path: Path) -> Spot | None:
    """Return the line that defines a function of a recipe, None if none does."""
    lines = linecache.getlines(str(path))
    for number, line in enumerate(lines, start=1):
        if function and line.startswith(f"def {function}("):
            return Spot(shown_path(path), number, function, line.strip())
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that led to one, the first one first."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _chain(cause)
    yield error


def sentence_of(error: BaseException) -> str:
    """Return what an error says, in a sentence: without reports on calls, graphs and frames."""
    kind, text = type(error).__name__, str(error).strip()
    shapes = ""
    if match := KERAS_CALL.search(text):
        text = match["sentence"]
        if "shape" not in text and kind not in ("AttributeError", "NameError", "KeyError"):
            found = [f"{name} {shape}" for name, shape in SHAPE.findall(match["arguments"] or "")]
            shapes = f" Shapes: {', '.join(dict.fromkeys(found))}." if found else ""
    if text.startswith("Graph execution error"):
        text = _graph_sentence(text)
    if match := BUILDING.search(text):
        text = match["sentence"]
    if "in user code:" in text and (match := USER_SENTENCE.search(text)):
        kind, text = match["kind"], match["sentence"]
    if match := COMPARED.search(text):
        text = (
            f"The model returns the shape {match['output']}, which the loss cannot compare with "
            f"labels of the shape {match['target']}"
        )
    text = ANSI.sub("", text).replace(" with name 'None'", "")
    text = " ".join(text.split("\n\n")[0].split())
    if len(text) > MAX_SENTENCE:
        text = f"{text[:MAX_SENTENCE].rsplit(' ', 1)[0]} …"
    named = text if text and kind in SAYS_NO_TYPE else f"{kind}: {text}".rstrip(": ")
    return f"{named.rstrip('.')}.{shapes}"


def _graph_sentence(text: str) -> str:
    """Return the sentence in the message of a graph that failed as it ran."""
    text = text.partition("\n\t [[")[0]
    # The frames and their blank lines come first; the sentence is what stands after the last.
    frames = [*re.finditer(r'^(?: *File ".*|<stack traces unavailable>)$', text, re.M)]
    text = text[frames[-1].end() :] if frames else text.partition("\n\n")[2]
    text = PIPELINE.sub("", text.strip())
    return text.partition("  Label values:")[0]


def suggestion(error: BaseException) -> str:
    """Return "Did you mean X?" for a name or an attribute that does not exist; maybe nothing."""
    for one in _chain(error):
        name = getattr(one, "name", None)
        if not isinstance(name, str):
            continue
        known: set[str] = set()
        if isinstance(one, AttributeError) and one.obj is not None:
            known = {attribute for attribute in dir(one.obj) if not attribute.startswith("__")}
        elif isinstance(one, NameError):
            for frame, _ in traceback.walk_tb(one.__traceback__):
                known = {*frame.f_locals, *frame.f_globals, *dir(builtins)}
        if found := most_like(name, known, LIKE):
            return f"Did you mean {found}?"
    return ""


def explain(
    error: BaseException,
    path: Path,
    doing: str,
    kind: type[DlrecipesError],
    *,
    function: str = "",
    settings: bool = False,
) -> DlrecipesError:
    """Return what a user is told of an error that a recipe's code has raised.

    Args:
        error: Whatever was raised.
        path: The recipe's file.
        doing: What cannot be done, in a sentence without its full stop.
        kind: The type of the error to return.
        function: The function of the recipe to show where no line of it has raised.
        settings: Whether an installed recipe, which is right, raises where its settings do not fit.
    """
    if isinstance(error, DlrecipesError):
        return error
    sentence = sentence_of(error)
    if settings and (installed := installed_file(path.read_bytes())):
        return kind(
            f"{doing} with these settings: {sentence}",
            f"See the settings: dlrecipes describe {quote(recipe_name(installed))}",
        )
    spot = find_spot(error, path) or _definition(function, path)
    place = f"\n{spot}" if spot else f" ({shown_path(path)})"
    return kind(f"{doing}: {sentence}{place}", suggestion(error) or "For the traceback: --debug.")
