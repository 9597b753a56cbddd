"""Data larger than memory: columns in a temporary file read the same as those in memory."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Array, read_own

from dlrecipes.datasets import content, storage
from dlrecipes.datasets.digests import example_digests
from dlrecipes.datasets.duplicates import count_leaks
from dlrecipes.datasets.examples import Examples, ExamplesWriter, Source
from dlrecipes.datasets.pipelines import Share, share_of
from dlrecipes.datasets.storage import Column, ColumnsWriter, StoredColumn
from dlrecipes.errors import InputError
from dlrecipes.kit.columns import column_statistics


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function after whose call nothing fits into memory."""
    return lambda: monkeypatch.setattr(storage, "MEMORY_BYTES", 0)


def texts(count: int) -> Array:
    """Return texts of many lengths, empty ones and ones beyond ASCII among them."""
    found = np.empty(count, dtype=object)
    found[:] = [("ä€😀x" * (number % 7))[: number % 23] for number in range(count)]
    return found


def token_rows(count: int, start: int = 0) -> Array:
    """Return rows of token numbers, of lengths of their own, with zeros behind their end."""
    lengths = [1 + (number * 5) % 9 for number in range(start, start + count)]
    rows = np.zeros((count, max(lengths)), "int64")
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = np.arange(1, length + 1) + length
    return rows


@pytest.fixture(params=["in memory", "in files"])
def anywhere(request: pytest.FixtureRequest, in_files: Callable[[], None]) -> None:
    """Run a test twice: where everything fits into memory, and where nothing does."""
    if request.param == "in files":
        in_files()


ROWS = 500
COLUMNS: dict[str, Array] = {
    "numbers": np.linspace(-5, 5, ROWS, dtype="float32"),
    "labels": np.arange(ROWS, dtype="int32") % 7,
    "pixels": np.random.default_rng(0).integers(0, 256, (ROWS, 5, 4, 3), dtype="uint8"),
    "texts": texts(ROWS),
    "flags": np.arange(ROWS) % 3 == 0,
    "empty rows": np.empty((ROWS, 0), dtype="float32"),
}
SELECTIONS: dict[str, slice | Array] = {
    "all": slice(None),
    "a slice": slice(17, 60),
    "a slice past the end": slice(480, 900),
    "nothing": slice(500, 600),
    "no rows": np.empty(0, dtype="int64"),
    "scattered rows": np.array([499, 0, 250, 3, 2, 250]),
    "all in a random order": np.random.default_rng(1).permutation(ROWS),
}


def is_in_file(column: object) -> bool:
    """Tell whether a column is read from a file."""
    return isinstance(column, StoredColumn) and isinstance(column.content, content.StoredFile)


def written(chunk_rows: int = 64, **columns: Array) -> dict[str, Column]:
    """Return columns as they were written a chunk at a time."""
    writer = ColumnsWriter()
    count = len(next(iter(columns.values())))
    for start in range(0, count, chunk_rows):
        writer.append({name: rows[start : start + chunk_rows] for name, rows in columns.items()})
    return writer.finish()


@pytest.fixture(scope="module")
def stored() -> dict[str, Column]:
    """Return the columns, written with room in memory for the first chunks alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "MEMORY_BYTES", 20_000)
        return written(**COLUMNS)


@pytest.mark.parametrize("rows", SELECTIONS)
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_in_a_file_reads_as_an_array_does(
    name: str, rows: str, stored: dict[str, Column]
) -> None:
    column, whole, chosen = stored[name], COLUMNS[name], SELECTIONS[rows]
    assert isinstance(column, StoredColumn)
    assert column.shape == whole.shape
    assert len(column) == ROWS
    found = column[chosen]
    assert found.dtype == whole.dtype
    np.testing.assert_array_equal(found, whole[chosen])
    np.testing.assert_array_equal(np.asarray(column), whole)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_row_of_a_column_in_a_file_is_that_of_an_array(
    name: str, stored: dict[str, Column]
) -> None:
    for row in (0, 7, -1, np.int64(-ROWS)):
        np.testing.assert_array_equal(stored[name][row], COLUMNS[name][row])
    with pytest.raises(IndexError):
        stored[name][ROWS]


def test_views_of_views_read_the_rows_that_they_are_of(stored: dict[str, Column]) -> None:
    first, second = np.array([400, 7, 3, 99, 7]), np.array([4, 0, 1])
    views = storage.take(storage.take(stored, first), second)
    for name, view in views.items():
        assert len(view) == 3
        np.testing.assert_array_equal(view[:], COLUMNS[name][first][second])
        np.testing.assert_array_equal(view[1:], COLUMNS[name][first][second][1:])


def test_columns_that_fit_stay_in_memory() -> None:
    for name, column in written(**COLUMNS).items():
        if isinstance(column, StoredColumn):
            assert name == "texts"
            assert isinstance(column.content, content.Memory)
        np.testing.assert_array_equal(column[:], COLUMNS[name])


def test_where_texts_and_long_rows_end_counts_as_memory_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage, "MEMORY_BYTES", 2 * ROWS)
    letters = np.array(["a", "b"] * (ROWS // 2), dtype=object)
    assert is_in_file(written(letters=letters)["letters"])


def test_views_of_different_rows_stay_apart(stored: dict[str, Column]) -> None:
    labels = storage.take({"labels": stored["labels"]}, np.arange(ROWS)[::-1])
    taken = storage.take({"texts": stored["texts"], **labels}, np.array([3, 1]))
    assert taken["texts"][:].tolist() == COLUMNS["texts"][[3, 1]].tolist()
    assert taken["labels"][:].tolist() == COLUMNS["labels"][[ROWS - 4, ROWS - 2]].tolist()


@pytest.mark.usefixtures("anywhere")
def test_texts_made_of_texts_are_texts() -> None:
    import tensorflow as tf

    lower = Examples(np.array(["Ä One", "two"], dtype=object)).transform(tf.strings.lower)
    assert lower.arrays().tolist() == ["Ä one", "two"]
    with pytest.raises(InputError, match=r"not texts of the shape \(2,\)"):
        lower.transform(lambda texts: tf.stack([texts, texts], axis=1))


@pytest.mark.usefixtures("anywhere")
def test_batches_without_a_token_have_rows_of_padding() -> None:
    writer = ColumnsWriter(ragged=True)
    for chunk in (np.empty((2, 0), "int64"), np.array([[5, 6, 0]]), np.empty((1, 0), "int64")):
        writer.append({"tokens": chunk})
    assert writer.finish()["tokens"][:].tolist() == [[0, 0], [0, 0], [5, 6], [0, 0]]


def test_far_and_near_rows_are_read_alike(in_files: Callable[[], None]) -> None:
    """Rows of 40 kB lie farther apart than what is read at once."""
    in_files()
    rows = np.arange(30 * 10_000, dtype="float32").reshape(30, 10_000)
    column = written(4, rows=rows)["rows"]
    order = np.array([29, 3, 4, 17, 3, 0])
    np.testing.assert_array_equal(column[order], rows[order])


@pytest.mark.usefixtures("anywhere")
def test_rows_of_different_lengths_are_padded_to_the_longest_that_is_read() -> None:
    writer = ColumnsWriter(ragged=True)
    parts = [token_rows(40), token_rows(3, 40), token_rows(60, 43)]
    for part in parts:
        writer.append({"tokens": part})
    column = writer.finish()["tokens"]
    width = max(part.shape[1] for part in parts)
    whole = np.concatenate([np.pad(p, [(0, 0), (0, width - p.shape[1])]) for p in parts])
    np.testing.assert_array_equal(column[:], whole)
    np.testing.assert_array_equal(storage.column_lengths(column), storage.row_lengths(whole))
    rows = np.array([9, 2, 80, 0])
    longest = storage.row_lengths(whole[rows]).max()
    np.testing.assert_array_equal(column[rows], whole[rows][:, :longest])
    view = storage.take({"tokens": column}, rows)["tokens"]
    longest = storage.row_lengths(whole[[2, 80]]).max()
    np.testing.assert_array_equal(view[1:3], whole[[2, 80]][:, :longest])
    np.testing.assert_array_equal(storage.column_lengths(view), storage.row_lengths(whole[rows]))


def test_no_file_is_left_behind(tmp_path: Path) -> None:
    program = """
import numpy as np
from dlrecipes.datasets import content, storage
storage.MEMORY_BYTES = 0
writer = storage.ColumnsWriter()
writer.append({"x": np.arange(100_000)})
assert writer.finish()["x"][:].sum() == 4999950000
import os
os._exit(1)
"""
    env = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=env, check=False, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_no_folder_for_temporary_files_is_an_error_that_says_what_to_set(
    in_files: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_files()
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with pytest.raises(Exception, match="A temporary file cannot be created in /nowhere") as raised:
        written(**COLUMNS)
    assert "TMPDIR" in raised.value.hint


class FullDisk(FileIO):
    """A file on a disk that is full."""

    def write(self, content: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(content, "temporary_file", lambda: FullDisk(tmp_path / "file", "wb"))
    with pytest.raises(Exception, match="fits neither into memory nor into the folder") as raised:
        content.StoredFile().write(b"x")
    assert "TMPDIR" in raised.value.hint


def examples() -> Examples:
    """Return labelled examples with columns of numbers and of texts."""
    writer = ExamplesWriter()
    features = {"x": COLUMNS["numbers"], "word": COLUMNS["texts"]}
    whole = Examples(features, COLUMNS["numbers"] * 2, np.arange(ROWS))
    for start in range(0, ROWS, 90):
        rows = np.arange(start, min(start + 90, ROWS))
        writer.append(whole.take(rows))
    return writer.finish()


def both(make: Callable[[], Any], in_files: Callable[[], None]) -> tuple[Any, Any]:
    """Return what a function makes in memory, and in files."""
    in_memory = make()
    in_files()
    return in_memory, make()


def test_batches_from_files_are_those_from_memory(in_files: Callable[[], None]) -> None:
    for shuffle in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            memory, file = both(examples, lambda: patch.setattr(storage, "MEMORY_BYTES", 0))
        assert isinstance(file.columns["x"], StoredColumn)
        for one, other in zip(
            memory.batches(64, shuffle=shuffle), file.batches(64, shuffle=shuffle), strict=True
        ):
            for name in ("x", "word"):
                assert one[0][name].dtype == other[0][name].dtype
                assert one[0][name].numpy().tolist() == other[0][name].numpy().tolist()
            assert one[1].numpy().tolist() == other[1].numpy().tolist()


def token_examples() -> Examples:
    """Return labelled rows of token numbers, as a text vectorization makes them."""

    class Vectorize:
        output_shape = (None, None)

        def __call__(self, numbers: Any) -> Any:
            import tensorflow as tf

            rows = tf.gather(tf.constant(token_rows(300)), numbers)
            used = tf.reduce_max(tf.math.count_nonzero(rows, axis=1))
            return rows[:, :used]

    return Examples(np.arange(300), np.arange(300, dtype="int32")).transform(Vectorize(), 32)


def test_batches_by_length_from_files_are_those_from_memory(in_files: Callable[[], None]) -> None:
    memory, file = both(token_examples, in_files)
    assert is_in_file(file.features)
    assert not is_in_file(memory.features)
    for tokens, labels in memory.batches(50):
        assert tokens.shape == (50, 9)
        assert labels.shape == (50,)
    for shuffle in (False, True):
        pairs = zip(
            memory.batches(16, shuffle=shuffle, by_length=True),
            file.batches(16, shuffle=shuffle, by_length=True),
            strict=True,
        )
        for (tokens, labels), (same_tokens, same_labels) in pairs:
            assert tokens.numpy().tolist() == same_tokens.numpy().tolist()
            assert labels.numpy().tolist() == same_labels.numpy().tolist()


class Watched(StoredColumn):
    """A column that notes which rows are read."""

    seen: list[int]

    def __getitem__(self, rows: Any) -> Array:
        self.seen.extend(np.asarray(rows).tolist())
        return super().__getitem__(rows)


def watched(column: Column) -> Watched:
    """Return a column in a file, of which nothing was read yet."""
    assert isinstance(column, StoredColumn)
    assert is_in_file(column)
    found = Watched(column.content, column.dtype, column.row_shape, column.count, column.ends)
    found.seen = []
    return found


@pytest.mark.parametrize("by_length", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_each_worker_reads_its_share_of_every_batch_and_nothing_else(
    count: int, by_length: bool, in_files: Callable[[], None]
) -> None:
    in_files()
    made = token_examples()
    features = made.features if by_length else examples().columns["x"]
    labels = np.arange(len(features), dtype="int32")

    def batches_of(share: Share) -> tuple[list[list[Any]], Watched]:
        column = watched(features)
        dataset = Examples(column, labels).batches(32, shuffle=True, by_length=by_length)
        column.seen.clear()
        found = share_of(dataset, share)
        return [[tensor.numpy() for tensor in batch] for batch in found], column

    whole, _ = batches_of(Share(0, 1))
    shares = [batches_of(Share(number, count)) for number in range(count)]
    for number, batch in enumerate(whole):
        for place, expected in enumerate(batch):
            pieces = [of_share[number][place] for of_share, _ in shares]
            assert max(map(len, pieces)) - min(map(len, pieces)) <= 1
            np.testing.assert_array_equal(np.concatenate(pieces), expected)
    seen = [row for _, column in shares for row in column.seen]
    assert sorted(seen) == list(range(len(features)))


def test_a_function_makes_the_same_of_columns_in_files(in_files: Callable[[], None]) -> None:
    import tensorflow as tf

    def function(columns: dict[str, Any]) -> Any:
        lengths = tf.cast(tf.strings.length(columns["word"]), "float32")
        return tf.concat([columns["x"] * 2, lengths], axis=1)

    def make() -> Examples:
        return examples().transform(function, 50)

    memory, file = both(make, in_files)
    assert isinstance(file.features, StoredColumn)
    np.testing.assert_array_equal(file.arrays(), memory.arrays())
    assert memory.arrays().shape == (ROWS, 2)


def test_splits_statistics_digests_and_fingerprints_do_not_depend_on_where_columns_lie(
    in_files: Callable[[], None],
) -> None:
    def facts() -> tuple[Any, ...]:
        train, test = examples().split(0.2)
        source = Source("x", "own", "x", train, test)
        digests = example_digests(train, with_labels=True)
        statistics = column_statistics(train)
        return source.fingerprint, digests.tolist(), statistics, count_leaks(source)

    memory, file = both(facts, in_files)
    assert memory == file


def test_windows_of_characters_are_the_same_however_a_text_is_cut(
    in_files: Callable[[], None],
) -> None:
    from dlrecipes.kit.vocabulary import character_vectorization, character_windows

    text = "".join(chr(97 + number * number % 13) for number in range(1000)) + "ä€"
    whole = Examples(np.array([text], dtype=object))
    vectorize = character_vectorization(whole)
    expected = character_windows(whole, vectorize, 30)
    assert expected.arrays().shape == (34, 30)
    np.testing.assert_array_equal(expected.arrays()[:, 1:], np.asarray(expected.labels)[:, :-1])
    in_files()
    for size in (1, 7, 30, 31, 999):
        pieces = np.empty(-(-len(text) // size), dtype=object)
        pieces[:] = [text[start : start + size] for start in range(0, len(text), size)]
        writer = ExamplesWriter()
        writer.append(Examples(pieces))
        found = character_windows(writer.finish(), vectorize, 30)
        assert isinstance(found.features, StoredColumn)
        np.testing.assert_array_equal(found.arrays(), expected.arrays())
        np.testing.assert_array_equal(np.asarray(found.labels), np.asarray(expected.labels))


def images(folder: Path) -> Path:
    """Write images in class folders."""
    from support import write_image_folders

    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 28), dtype="uint8")
    write_image_folders(folder / "images", pixels, [number % 3 for number in range(40)])
    return folder / "images"


def sentences(folder: Path) -> Path:
    """Write a table of texts."""
    rows = [f"sentence {number},{number % 3}" for number in range(5000)]
    (folder / "texts.csv").write_text("\n".join(["text,label", *rows]))
    return folder / "texts.csv"


def prose(folder: Path) -> Path:
    """Write a text of more than one piece."""
    (folder / "prose.txt").write_text("ein Wörtchen, " * 100_000)
    return folder / "prose.txt"


def numbers(folder: Path) -> Path:
    """Write a table with a missing value here and there."""
    rows = [f"{'' if n % 9 == 0 else n % 100},{'abc'[n % 3]},{n}" for n in range(9000)]
    (folder / "rows.csv").write_text("\n".join(["a,b,c", *rows]))
    return folder / "rows.csv"


@pytest.mark.parametrize(
    ("task", "write"),
    [
        ("image-classification", images),
        ("text-classification", sentences),
        ("text-generation", prose),
        ("tabular-regression", numbers),
    ],
)
def test_a_users_data_is_the_same_whether_or_not_it_fits_into_memory(
    task: str, write: Callable[[Path], Path], in_files: Callable[[], None], tmp_path: Path
) -> None:
    path = write(tmp_path)

    def make() -> Source:
        return read_own(task, path)

    memory, file = both(make, in_files)
    assert all(map(is_in_file, file.train.columns.values()))
    assert file.fingerprint == memory.fingerprint
    assert file.rows_per_class() == memory.rows_per_class()
