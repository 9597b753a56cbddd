"""Plain files of the four data sets, as the tutorials' loaders give them.

`keras.datasets` and `torchvision` download from servers that a benchmark must not depend on; these
functions return what those would. The files are written beforehand, which is not timed: to the
good of the scripts.
"""

import os
from pathlib import Path

import numpy as np

FOLDER = Path(os.environ["BENCHMARK_FILES"])
WORDS = 20_000
"""Word numbers in `imdb`; 0 is padding, 1 any other word."""


def write_all(rung: str, data_dir: str) -> None:
    """Write the files from the rows that the recipes train and test on.

    Args:
        rung: `full` or `sample`.
        data_dir: The folder of prepared data sets.
    """
    import keras
    import pandas as pd

    from dlrecipes.catalog.find import find_recipe
    from dlrecipes.cli.display import FetchDisplay
    from dlrecipes.tasks.opening import open_source
    from dlrecipes.training.request import Flags, Request

    def splits(recipe):
        request = Request.from_flags(find_recipe(recipe), Flags(data=rung, data_dir=data_dir))
        source = open_source(request.recipe_data, request.data, 0, FetchDisplay(quiet=True))
        return {"train": source.train, "test": source.test}

    arrays = {}
    for split, images in splits("mnist-cnn").items():
        arrays |= {f"x_{split}": images.features[:], f"y_{split}": images.labels[:]}
    np.savez(FOLDER / "mnist.npz", **arrays)

    reviews = splits("sentiment-lstm")
    numbering = keras.layers.TextVectorization(WORDS)
    numbering.adapt(reviews["train"].features[:].astype(str), batch_size=1024)
    arrays = {}
    for split, texts in reviews.items():
        rows = np.array_split(texts.features[:].astype(str), len(texts) // 500)
        found = [row[row > 0] for texts in rows for row in np.asarray(numbering(texts))]
        arrays |= {
            f"words_{split}": np.concatenate(found).astype("int32"),
            f"ends_{split}": np.cumsum([len(row) for row in found]),
            f"y_{split}": texts.labels[:],
        }
    np.savez(FOLDER / "imdb.npz", **arrays)

    for split, texts in splits("text-generation-lstm").items():
        (FOLDER / f"shakespeare-{split}.txt").write_text("".join(texts.features[:]))

    for split, rows in splits("regression-mlp").items():
        table = pd.DataFrame({name: column[:] for name, column in rows.features.items()})
        table["price"] = rows.labels[:]
        table.to_csv(FOLDER / f"diamonds-{split}.csv", index=False)


def mnist():
    """Return `(x_train, y_train), (x_test, y_test)`: uint8 (rows, 28, 28, 1), and digits."""
    with np.load(FOLDER / "mnist.npz") as file:
        return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])


def imdb():
    """Return `(x_train, y_train), (x_test, y_test)`: lists of word numbers, and 0 or 1."""
    with np.load(FOLDER / "imdb.npz") as file:
        return tuple(
            (np.split(file[f"words_{split}"], file[f"ends_{split}"][:-1]), file[f"y_{split}"])
            for split in ("train", "test")
        )


def shakespeare() -> tuple[str, str]:
    """Return the training and the test text."""
    return tuple(
        (FOLDER / f"shakespeare-{split}.txt").read_text(encoding="utf-8")
        for split in ("train", "test")
    )


def diamonds():
    """Return `(x_train, y_train), (x_test, y_test)`: 26 standardised columns, and prices in US$."""
    import pandas as pd
    from sklearn.preprocessing import StandardScaler

    tables = [pd.read_csv(FOLDER / f"diamonds-{split}.csv") for split in ("train", "test")]
    table = pd.get_dummies(pd.concat(tables), dtype="float32")
    prices = table.pop("price").to_numpy("float32")
    columns, rows = table.to_numpy("float32"), len(tables[0])
    scaler = StandardScaler().fit(columns[:rows])
    columns = scaler.transform(columns)
    return (columns[:rows], prices[:rows]), (columns[rows:], prices[rows:])
