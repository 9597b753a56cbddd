"""The full data sets as they are published: version, licence, citation, rows, and their files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit


@dataclass(frozen=True)
class SourceFile:
    """A file that a data set is prepared from.

    Args:
        url: Where TensorFlow Datasets has it from; what its checksum is recorded under.
        mirrors: Other places that serve the same bytes, in the order in which they are tried.
    """

    url: str
    mirrors: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the file's name."""
        return PurePosixPath(urlsplit(self.url).path).name


@dataclass(frozen=True)
class Release:
    """A version of a data set, as TensorFlow Datasets prepares it.

    Args:
        title: What it is, in a few words.
        licence: Under which terms it may be used.
        citation: What its authors ask to be cited, as BibTeX.
        homepage: Where to read about it.
        version: Its version in TensorFlow Datasets.
        rows: Rows in each split, the unlabelled ones too.
        files: What it is prepared from.
        prepared_bytes: What it takes on the disk once it is prepared, about.
        unpacked_bytes: What preparing it takes beside that, until it is done.
        config: Its configuration in TensorFlow Datasets; empty for none.
        unit: What its rows are.
    """

    title: str
    licence: str
    citation: str
    homepage: str
    version: str
    rows: Mapping[str, int]
    files: tuple[SourceFile, ...]
    prepared_bytes: int
    unpacked_bytes: int = 0
    config: str = ""
    unit: str = "examples"


MNIST = Release(
    title="handwritten digits, grey images of 28 x 28 pixels",
    licence="CC BY-SA 3.0, Yann LeCun, Corinna Cortes, Christopher J.C. Burges",
    citation="""@article{lecun2010mnist,
  title={MNIST handwritten digit database},
  author={LeCun, Yann and Cortes, Corinna and Burges, CJ},
  journal={ATT Labs [Online]. Available: http://yann.lecun.com/exdb/mnist},
  volume={2},
  year={2010}
}""",
    homepage="http://yann.lecun.com/exdb/mnist/",
    version="3.0.1",
    rows={"train": 60_000, "test": 10_000},
    files=tuple(
        SourceFile(
            f"https://storage.googleapis.com/cvdf-datasets/mnist/{name}",
            # Where PyTorch's torchvision has it from.
            (f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}",),
        )
        for name in (
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        )
    ),
    prepared_bytes=23_100_000,
    unpacked_bytes=55_000_000,  # 70,000 images of 784 bytes, and their labels
)

IMDB_REVIEWS = Release(
    title="film reviews in English, positive or negative",
    licence="none stated; its authors ask to cite Maas et al. 2011",
    citation="""@InProceedings{maas-EtAl:2011:ACL-HLT2011,
  author    = {Maas, Andrew L.  and  Daly, Raymond E.  and  Pham, Peter T.  and  Huang, Dan  and  \
Ng, Andrew Y.  and  Potts, Christopher},
  title     = {Learning Word Vectors for Sentiment Analysis},
  booktitle = {Proceedings of the 49th Annual Meeting of the Association for Computational \
Linguistics: Human Language Technologies},
  month     = {June},
  year      = {2011},
  address   = {Portland, Oregon, USA},
  publisher = {Association for Computational Linguistics},
  pages     = {142--150},
  url       = {http://www.aclweb.org/anthology/P11-1015}
}""",
    homepage="http://ai.stanford.edu/~amaas/data/sentiment/",
    version="1.0.0",
    config="plain_text",
    rows={"train": 25_000, "test": 25_000, "unsupervised": 50_000},
    files=(
        SourceFile(
            "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
            # The same host, where a network lets nothing but HTTPS through.
            ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
        ),
    ),
    prepared_bytes=138_000_000,
)

TINY_SHAKESPEARE = Release(
    title="40,000 lines of Shakespeare's plays",
    licence="public domain",
    citation=r"""@misc{
  author={Karpathy, Andrej},
  title={char-rnn},
  year={2015},
  howpublished={\url{https://github.com/karpathy/char-rnn}}
}""",
    homepage="https://github.com/karpathy/char-rnn/blob/master/data/tinyshakespeare/input.txt",
    version="1.0.0",
    rows={"train": 1_003_854, "validation": 55_770, "test": 55_770},
    unit="characters",
    files=(
        SourceFile(
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
            "input.txt",
            (
                "https://cdn.jsdelivr.net/gh/karpathy/char-rnn@master/data/tinyshakespeare/"
                "input.txt",
                # Where TensorFlow's tutorial on text generation has it from.
                "https://storage.googleapis.com/download.tensorflow.org/data/shakespeare.txt",
            ),
        ),
    ),
    prepared_bytes=1_120_000,
)

DIAMONDS = Release(
    title="prices and properties of diamonds",
    licence="MIT, as a part of ggplot2",
    citation="""@Book{,
  author = {Hadley Wickham},
  title = {ggplot2: Elegant Graphics for Data Analysis},
  publisher = {Springer-Verlag New York},
  year = {2016},
  isbn = {978-3-319-24277-4},
  url = {https://ggplot2.tidyverse.org},
}""",
    homepage="https://ggplot2.tidyverse.org/reference/diamonds.html",
    version="1.0.0",
    rows={"train": 53_940},
    files=(
        SourceFile(
            "https://raw.githubusercontent.com/tidyverse/ggplot2/main/data-raw/diamonds.csv",
            # seaborn's copy is the same to the byte.
            (
                "https://cdn.jsdelivr.net/gh/mwaskom/seaborn-data@master/diamonds.csv",
                "https://raw.githubusercontent.com/mwaskom/seaborn-data/master/diamonds.csv",
            ),
        ),
    ),
    prepared_bytes=14_500_000,
)

RELEASES: Mapping[str, Release] = {
    "mnist": MNIST,
    "imdb_reviews": IMDB_REVIEWS,
    "tiny_shakespeare": TINY_SHAKESPEARE,
    "diamonds": DIAMONDS,
}
"""What is known of data sets beyond the metadata of TensorFlow Datasets, by name."""
