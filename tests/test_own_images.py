"""A user's own images as people have them: what is read, to the pixel, and what is said of it."""

import io
import shutil
import struct
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support import CHEAP, MNIST, Array, dlrecipes, mnist_test_images, read_own

from dlrecipes.datasets.examples import Source
from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.datasets.own.images import read_image
from dlrecipes.tasks import find_task
from dlrecipes.tasks.check import Findings, look_at

TASK = "image-classification"
SIZE = (48, 40)


def shape(kind: str, number: int) -> Image.Image:
    """Return a circle or a cross, white on black."""
    image = Image.new("L", SIZE)
    draw, place = ImageDraw.Draw(image), number % 12
    box = (4 + place, 6, 28 + place, 30)
    if kind == "circle":
        draw.ellipse(box, fill=255)
    else:
        draw.line(box, fill=255, width=4)
    return image


def write(folder: Path, names: Mapping[str, int], ending: str = "png") -> None:
    """Write so many images into each folder."""
    for name, count in names.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = shape("circle" if "circle" in name else "cross", number)
            image.save(folder / name / f"{number:03}.{ending}")


def read(path: Path, **options: Any) -> Source:
    """Return images as training reads them."""
    found = read_own(TASK, path, **options)
    assert isinstance(found, Source)
    return found


def looked_at(path: Path, **options: Any) -> Findings:
    """Return what `data check` finds."""
    return look_at(path, find_task(TASK), FileOptions(**options), {})


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("training_set", "test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TRAIN", "Valid"),
        ("train2017", "val2017"),
        ("data/images/train_images", "data/images/dev_images"),
        ("TrainingSet", "TestSet"),
        ("lots", "few"),
    ],
)
def test_splits_are_found_by_any_usual_name_at_any_level(
    train: str, test: str, tmp_path: Path
) -> None:
    write(tmp_path, {f"{train}/circle": 9, f"{train}/cross": 9})
    write(tmp_path, {f"{test}/circle": 3, f"{test}/cross": 3})
    (tmp_path / "readme.csv").write_text("file,label\n")
    found = looked_at(tmp_path)
    split = "validation" if test.lower().startswith(("val", "data")) else "test"
    assert list(found.rows_per_class["train"]) == ["circle", "cross"]
    assert found.rows[split] == 6
    assert sum(found.rows.values()) == 24


def test_classes_may_hold_the_splits_and_a_class_may_be_called_train(tmp_path: Path) -> None:
    write(tmp_path / "a", {"circle/train": 9, "cross/train": 9, "circle/val": 3, "cross/val": 3})
    found = looked_at(tmp_path / "a")
    assert found.rows_per_class["validation"] == {"circle": 3, "cross": 3}
    write(tmp_path / "b", {"train": 9, "circle": 9, "bus": 9})
    assert list(looked_at(tmp_path / "b").rows_per_class["train"]) == ["bus", "circle", "train"]
    write(tmp_path / "c", {"circle": 9, "cross": 9, "all/circle": 9, "all/cross": 9})
    assert list(looked_at(tmp_path / "c").rows_per_class["train"]) == ["circle", "cross"]


def test_folders_of_the_same_folders_are_classes_or_a_question_unless_they_look_like_splits(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a", {f"{who}/{side}": 3 for who in "xyz" for side in ("left", "right")})
    assert list(looked_at(tmp_path / "a").rows_per_class["train"]) == ["x", "y", "z"]
    write(tmp_path / "b", {f"{who}/{side}": 3 for who in "xy" for side in ("left", "right")})
    assert "splits, or classes?" in looked_at(tmp_path / "b").problems[0]


def test_files_in_no_folder_of_a_class_are_labelled_by_their_names_or_left_out(
    tmp_path: Path,
) -> None:
    for folder in ("train", "test1"):
        (tmp_path / folder).mkdir()
    for number in range(10):
        for kind in ("circle", "cross"):
            shape(kind, number).save(tmp_path / "train" / f"{kind}.{number}.jpg")
        shape("cross", number).save(tmp_path / "test1" / f"{number}.jpg")
    found = looked_at(tmp_path)
    assert found.rows_per_class["train"] == {"circle": 8, "cross": 8}
    assert any("test1 is left out" in note for note in found.notes)
    assert any("what the names of its files begin with" in note for note in found.notes)


def test_foreign_and_damaged_files_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, {"circle": 60, "cross": 60})
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"x" * 99
    for name in ("Thumbs.db", ".DS_Store", "cross/._1.jpg", "$RECYCLE.BIN/a.png", "@eaDir/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "circle" / "notes.txt").write_text("of me")
    (tmp_path / "cross" / "photo.jpg").write_bytes(heic)
    (tmp_path / "cross" / "cut.png").write_bytes((tmp_path / "cross/001.png").read_bytes()[:90])
    found = looked_at(tmp_path)
    assert sum(found.rows.values()) == 120
    (note,) = (note for note in found.notes if note.startswith("Left out"))
    for part in ("5 of the system", "1 .txt (notes.txt)", "1 HEIC photo", "pip install", "cut.png"):
        assert part in note
    assert not looked_at(tmp_path, strict=True).usable
    outcome = dlrecipes("data", "check", tmp_path, "--task", TASK, "--json", cwd=tmp_path)
    assert note in outcome.document["notes"]
    strict = ("data", "check", tmp_path, "--task", TASK, "--strict")
    assert "cut.png is a damaged image" in dlrecipes(*strict, cwd=tmp_path, code=2).out


def test_many_damaged_images_are_left_out_only_if_you_say_so(tmp_path: Path) -> None:
    write(tmp_path, {"circle": 40, "cross": 40})
    for number in range(3):
        (tmp_path / "cross" / f"{number:03}.png").write_bytes(b"no image")
    found = looked_at(tmp_path)
    assert not found.usable
    assert found.problem_count == 3
    assert found.hint == "Leave them out: --skip-damaged"
    found = looked_at(tmp_path, skip_damaged=True)
    assert found.usable
    assert sum(found.rows.values()) == 77


@pytest.mark.parametrize(("ink", "background"), [(0, "white"), (255, "black")])
def test_transparent_images_are_shown_on_what_they_are_seen_on(
    ink: int, background: str, tmp_path: Path
) -> None:
    for kind in ("circle", "cross"):
        (tmp_path / kind).mkdir()
        for number in range(12):
            alpha = shape(kind, number)
            icon = Image.new("RGBA", SIZE, (ink, ink, ink, 0))
            icon.putalpha(alpha)
            if number % 3 == 1:
                icon = icon.convert("LA")
            elif number % 3 == 2:
                icon = alpha.point(lambda value: int(value > 128), "L")
                icon.putpalette([128, 128, 128, ink, ink, ink])
                icon.save(tmp_path / kind / f"{number}.png", transparency=0)
                continue
            icon.save(tmp_path / kind / f"{number}.png")
    found = read(tmp_path)
    assert found.input.document()["background"] == background
    paper = 255 - ink
    for image, label in zip(found.train.features[:], found.train.labels[:], strict=True):
        assert image[0, 0] == paper
        assert (image == ink).any(), (label, "its ink is seen")


@pytest.mark.parametrize("most", [1023, 4095, 65535])
@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_more_than_eight_bits_are_scaled_by_the_range_of_all(
    most: int, ending: str, channels: int, tmp_path: Path
) -> None:
    values = np.linspace(0.25 * most, 0.5 * most, 40 * 48).reshape(40, 48)
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        for number in range(4):
            image = np.roll(values, number, axis=0).astype("uint16")
            path = tmp_path / kind / f"{number}.{ending}"
            if channels == 1:
                Image.fromarray(image).save(path)
            else:
                colours = np.stack([image, image[::-1], image], axis=-1)
                path.write_bytes(deep_png(colours) if ending == "png" else deep_tiff(colours))
    found = read(tmp_path)
    assert found.input.document()["shape"] == [40, 48, channels]
    low, high = found.input.document()["levels"]
    assert low == pytest.approx(0.25 * most, abs=1)
    assert high == pytest.approx(0.5 * most, abs=1)
    pixels = found.train.features[:][0][..., 0]
    assert len(np.unique(pixels)) > 200, "not a few values of 256"
    expected = (values.astype("uint16") - low) / (high - low) * 255
    first = read_image(tmp_path / "a" / f"0.{ending}", (40, 48, channels), found.input.look)
    assert np.abs(first[..., 0] - expected).max() <= 1


def deep_png(colours: Array) -> bytes:
    """Return a PNG of 16 bits a channel."""
    import zlib

    height, width, _ = colours.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def deep_tiff(colours: Array) -> bytes:
    """Return a TIFF of 16 bits a channel."""
    height, width, _ = colours.shape
    content = colours.astype("<u2").tobytes()
    entries = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 8 + len(content))),
        *((259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, 3), (278, 4, 1, height)),
        (279, 4, 1, len(content)),
    ]
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + packed + struct.pack("<I", 0)
    bits = struct.pack("<HHH", 16, 16, 16)
    return b"II*\0" + struct.pack("<I", 8 + len(content) + 6) + content + bits + directory


def test_photos_are_turned_by_an_orientation_among_broken_tags(tmp_path: Path) -> None:
    upright = Image.new("L", (40, 64))
    ImageDraw.Draw(upright).rectangle((0, 0, 39, 20), fill=255)
    encoded = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(encoded, "JPEG")
    content = encoded.getvalue()

    def photo(entries: bytes, count: int) -> bytes:
        exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, count) + entries + b"\0\0\0\0"
        return content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]

    held = struct.pack("<HHIHH", 0x112, 3, 1, 6, 0)
    broken = {
        "plain": (held, 1),
        "text": (struct.pack("<HHI", 0x112, 2, 2) + b"6\0\0\0", 1),
        "two": (struct.pack("<HHIHH", 0x112, 3, 2, 6, 6), 1),
        "offset": (held + struct.pack("<HHII", 0x11A, 5, 1, 60_000), 2),
        "huge": (held + struct.pack("<HHII", 0x10F, 2, 2**31 - 1, 9), 2),
        "loop": (held + struct.pack("<HHII", 0x8769, 4, 1, 8), 2),
    }
    for name, (entries, count) in broken.items():
        file = tmp_path / f"{name}.jpg"
        file.write_bytes(photo(entries, count))
        pixels = read_image(file, (64, 40, 1))
        assert pixels[5, 20] > 200, name
        assert pixels[60, 20] < 50, name


def test_the_shape_is_the_median_and_not_that_of_a_panorama(tmp_path: Path) -> None:
    write(tmp_path, {"circle": 12, "cross": 12})
    Image.new("RGB", (9000, 60), "red").save(tmp_path / "cross" / "panorama.jpg")
    Image.new("RGB", (2, 900), "red").save(tmp_path / "cross" / "sliver.png")
    for number in range(5):  # more of one size than of any other, and not the usual one
        Image.new("L", (600, 20 + number)).save(tmp_path / "circle" / f"wide{number}.png")
    assert looked_at(tmp_path).image_shape == [40, 48, 3]


def test_a_large_photo_is_not_decoded_whole_and_looks_the_same(tmp_path: Path) -> None:
    small = Image.effect_mandelbrot((96, 72), (-2, -1.2, 1, 1.2), 60)
    photo = small.resize((3840, 2880), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "large.jpg", quality=95)
    photo.save(tmp_path / "large.png")
    one, other = (read_image(tmp_path / f"large.{kind}", (72, 96, 1)) for kind in ("jpg", "png"))
    assert np.abs(one.astype(int) - other).max() < 12


def test_classes_are_the_same_in_either_form_of_unicode(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    write(tmp_path, {f"train/{composed}": 6, "train/circle": 6})
    write(tmp_path, {f"test/{apart}": 3, "test/circle": 3})
    assert looked_at(tmp_path).rows_per_class["test"] == {composed: 3, "circle": 3}


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_a_folder_may_be_packed(ending: str, tmp_path: Path) -> None:
    write(tmp_path / "photos", {"train/circle": 6, "train/cross": 6, "valid/circle": 3})
    (tmp_path / "photos" / "train" / "cross" / "000.png").write_bytes(b"x")
    packed = tmp_path / f"photos.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted((tmp_path / "photos").rglob("*")):
                archive.write(file, file.relative_to(tmp_path))
            archive.writestr("__MACOSX/._photos", b"x")
    else:
        with tarfile.open(packed, "w:gz") as archive:
            archive.add(tmp_path / "photos", "photos")
    shutil.rmtree(tmp_path / "photos")
    found = looked_at(packed, skip_damaged=True)
    assert sum(found.rows.values()) == 14
    assert found.rows["validation"] == 3
    found = looked_at(packed)
    inside = packed / "photos" / "train" / "cross" / "000.png"
    assert found.problems == [
        f"{inside} is not an image: PNG, JPEG, BMP, GIF, WebP, TIFF, AVIF, PPM or JPEG 2000."
    ]


def test_predict_takes_packed_images(run_of: Callable[[str], Any], tmp_path: Path) -> None:
    write(tmp_path / "new", {"circle": 2, "cross": 1})
    (tmp_path / "new" / "damaged.png").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        for file in sorted((tmp_path / "new").rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path))
        archive.writestr("__MACOSX/._new", b"x")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.write(tmp_path / "new" / "cross" / "000.png", "000.png")
    words = ("predict", run_of(MNIST)["path"], "new", "new.zip", "one.zip", "--json")
    found = dlrecipes(*words, cwd=tmp_path, code=1).document["predictions"]
    plain, packed, alone = found[:4], found[4:8], found[8]
    assert [one["input"] for one in packed] == [f"new.zip/{one['input']}" for one in plain]
    for one, other in zip(plain, packed, strict=True):
        assert one.get("probabilities") == other.get("probabilities")
        assert one.get("error", "").replace("new/", "new.zip/new/") == other.get("error", "")
    assert (alone["input"], alone["probabilities"]) == ("one.zip", plain[2]["probabilities"])


def test_a_table_may_name_its_files_with_another_slash_or_by_name_alone(tmp_path: Path) -> None:
    write(tmp_path / "files", {"circle": 6, "cross": 6})
    apart = unicodedata.normalize("NFD", "größe.png")
    (tmp_path / "files" / "circle" / "000.png").rename(tmp_path / "files" / "circle" / apart)
    rows = [r"files\circle\001.png,a", f"files/circle/{unicodedata.normalize('NFC', apart)},a"]
    for number in range(6):
        (tmp_path / "files" / "cross" / f"{number:03}.png").rename(
            tmp_path / "files" / "cross" / f"x{number}.png"
        )
        rows.append(f"x{number},b")  # as competitions list their files
    (tmp_path / "list.csv").write_text("\n".join(["id,label", *rows]) + "\n")
    found = looked_at(tmp_path / "list.csv")
    assert sum(found.rows.values()) == 8, found.problems


def test_formats_of_cameras_scanners_and_the_web_are_read(tmp_path: Path) -> None:
    grey = shape("circle", 3)
    ways = {
        "a.tif": grey,
        "b.webp": grey.convert("RGB"),
        "c.bmp": grey,
        "d.jpg": grey.convert("CMYK"),
        "e.pgm": grey,
        "f.jp2": grey,
        "g.avif": grey.convert("RGB"),
        "h.jfif": grey,
    }
    for name, image in ways.items():
        image.save(tmp_path / name, **({"format": "JPEG"} if name == "h.jfif" else {}))
    grey.save(tmp_path / "i.gif", save_all=True, append_images=[Image.new("L", SIZE)])
    expected = np.asarray(grey).astype(int)
    for file in sorted(tmp_path.iterdir()):
        pixels = read_image(file, (SIZE[1], SIZE[0], 1))[..., 0]
        assert np.abs(pixels - expected).mean() < 6, file.name


def test_ink_of_the_opposite_colour_is_inverted_for_a_model_and_said(tmp_path: Path) -> None:
    write(tmp_path / "mine", {"circle": 9, "cross": 9})
    trained = read(tmp_path / "mine")
    assert trained.input.document()["border"] == [0, 0]
    for number, kind in enumerate(("circle", "cross")):
        (tmp_path / "paper" / kind).mkdir(parents=True)
        for ink in (0, 255):
            image = shape(kind, number)
            drawn = image.point(lambda value: 235 - value * 0.8) if ink == 0 else image
            drawn.save(tmp_path / "paper" / kind / f"{ink}.png")
    tested = read(tmp_path / "paper", like=trained).test.features[:]
    assert (tested[:, 0, 0] < 30).all(), "every border is dark, as in training"
    assert all((image > 200).any() for image in tested)


@pytest.mark.long
def test_predict_inverts_black_ink_on_white_paper_unless_told_otherwise(tmp_path: Path) -> None:
    images, labels = mnist_test_images()
    (tmp_path / "mine").mkdir()
    for number in range(20):
        paper = Image.fromarray(255 - images[number].squeeze())
        paper.save(tmp_path / "mine" / f"{number:02}.png")
    dlrecipes("train", MNIST, "--data", "sample", *CHEAP[MNIST], cwd=tmp_path)
    right: dict[str, int] = {}
    for invert in ("auto", "no", "yes"):
        found = dlrecipes("predict", MNIST, "mine", "--invert", invert, "--json", cwd=tmp_path)
        answers = found.document["predictions"]
        said = [int(answer["label"]) == labels[place] for place, answer in enumerate(answers)]
        right[invert] = sum(said)
        assert all(("note" in answer) == (invert != "no") for answer in answers)
    assert right["auto"] == right["yes"] >= 15 > right["no"]


def test_images_whose_classes_have_sides_are_not_mirrored() -> None:
    from dlrecipes.datasets.examples import Examples
    from dlrecipes.kit.mirrors import can_be_mirrored

    random = np.random.default_rng(0)
    pixels = random.integers(0, 90, (60, 24, 24, 3), dtype="uint8")
    labels = np.arange(60) % 2
    assert can_be_mirrored(Examples(pixels, labels))
    for image, label in zip(pixels, labels, strict=True):  # an arrow to the left, or to the right
        image[8:16, 2:8] += 120
        if label:
            image[:] = image[:, ::-1]
    assert not can_be_mirrored(Examples(pixels, labels))
    assert not can_be_mirrored(Examples(pixels[..., :1], labels)), "letters and digits"


@pytest.mark.long
def test_a_few_dozen_photos_are_learned_whole(tmp_path: Path) -> None:
    write(tmp_path / "train", {"circle": 20, "cross": 20})
    write(tmp_path / "test", {"circle": 12, "cross": 12})
    run = dlrecipes("train", MNIST, "--data", tmp_path, "--json", cwd=tmp_path).document
    assert run["metrics"]["accuracy"] >= 0.9
    assert run["chosen"]["settings"]["augmentation"] is True
    assert run["chosen"]["settings"]["averaged"] is True


@pytest.mark.long
def test_a_rare_class_weighs_more_and_it_is_said(tmp_path: Path) -> None:
    write(tmp_path / "mine", {"circle": 220, "cross": 20})
    outcome = dlrecipes("train", MNIST, "--data", "mine", "--epochs", "3", "--json", cwd=tmp_path)
    assert outcome.document["config"]["balance_classes"] is True
    assert "class cross is 11 times rarer than circle" in outcome.err


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("{split}/images/{name}.jpg", "{split}/masks/{name}.png"),
        ("images/{split}/{name}.jpg", "annotations/{split}/{name}.png"),
        ("set/{split}_images/{name}.jpg", "set/{split}_masks/{name}.png"),
        ("{split}/img/{name}.jpg", "{split}/labels/{name}_mask.tif"),
    ],
)
def test_masks_are_found_beside_images_in_any_usual_layout(
    images: str, masks: str, tmp_path: Path
) -> None:
    for split, count in (("Training", 6), ("val", 2), ("test", 3)):
        for number in range(count):
            image = shape("circle", number)
            for pattern, content in ((images, image), (masks, image.point(lambda v: v // 255))):
                file = tmp_path / pattern.format(split=split, name=f"größe{number}")
                file.parent.mkdir(parents=True, exist_ok=True)
                content.save(file)
    found = read_own("image-segmentation", tmp_path)
    assert {split: len(rows) for split, rows in found.splits().items()} == {
        "train": 6,
        "validation": 2,
        "test": 3,
    }
    assert found.classes == ("0", "1")
    assert (found.train.labels[:][0] == 1).any()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("where", ["each split", "above the splits", "beside the images"])
def test_the_metadata_of_a_folder_lists_its_images(where: str, ending: str, tmp_path: Path) -> None:
    import pandas as pd

    folders = (
        {"train": "ab" * 5, "test": "ab" * 3} if where != "beside the images" else {"": "ab" * 10}
    )
    rows = []
    for folder, labels in folders.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        for number, label in enumerate(labels):
            shape("circle" if label == "a" else "cross", number).save(
                tmp_path / folder / f"{number:04}.png"
            )
            name = (
                f"{folder}/{number:04}.png" if where == "above the splits" else f"{number:04}.png"
            )
            rows.append((folder, {"file_name": name, "caption": f"text {number}", "label": label}))
    tables = dict.fromkeys(folders, "") if where == "each split" else {"": ""}
    for folder in tables:
        table = pd.DataFrame([row for of, row in rows if where != "each split" or of == folder])
        path = tmp_path / folder / f"metadata.{ending}"
        if ending == "csv":
            table.to_csv(path, index=False)
        elif ending == "jsonl":
            table.to_json(path, orient="records", lines=True)
        else:
            table.to_parquet(path)
    found = read(tmp_path)
    assert found.classes == ("a", "b")
    counts = {split: len(part) for split, part in found.splits().items()}
    assert counts == ({"train": 16, "test": 4} if "" in folders else {"train": 10, "test": 6})
    for part in found.splits().values():
        pixels, numbers = np.asarray(part.columns["features"][:]), np.asarray(part.labels)
        assert pixels.shape == (len(part), 40, 48, 1)
        is_circle = pixels.reshape(len(part), -1).mean(axis=1) > 40
        assert (is_circle == (numbers == 0)).all(), "the label is that of the image"


def test_a_folder_may_hold_the_table_that_lists_its_images(tmp_path: Path) -> None:
    write(tmp_path, {"images": 12})
    rows = [f"images/{number:03}.png,{'ab'[number % 2]},valid" for number in range(4)]
    rows += [f"{number:03},{'ab'[number % 2]},Training" for number in range(4, 12)]
    (tmp_path / "labels.csv").write_text("\n".join(["image_id,breed,split", *rows]) + "\n")
    found = looked_at(tmp_path)
    assert found.rows == {"train": 7, "validation": 4, "test": 1} or found.usable, found.problems
    assert found.rows_per_class["validation"] == {"a": 2, "b": 2}
