"""Texts in whatever form they come: scripts, encodings, labels, layouts, columns."""

import csv
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import SENTIMENT, dlrecipes

from dlrecipes.datasets.own.files import FileOptions
from dlrecipes.tasks import TASKS
from dlrecipes.tasks.check import Findings, look_at
from dlrecipes.tasks.inputs.given import Given
from dlrecipes.tasks.inputs.text import given_texts

CHINESE = {
    "good": ("很好看", "非常喜欢", "值得推荐", "太精彩了"),
    "bad": ("很难看", "非常失望", "浪费时间", "太无聊了"),
}
FILLING = ("这部电影", "昨天晚上", "和朋友", "在电影院", "演员", "导演", "音乐", "剧情", "我觉得")
THAI = {"good": ("ดีมาก", "ชอบที่สุด", "แนะนำเลย"), "bad": ("แย่มาก", "ผิดหวัง", "เสียเวลา")}
THAI_FILLING = ("หนังเรื่องนี้", "เมื่อวาน", "กับเพื่อน", "ในโรงหนัง", "นักแสดง", "เพลง")
RUSSIAN = {"good": ("ХОРОШО", "отлично", "Прекрасно"), "bad": ("плохо", "Ужасно", "СКУЧНО")}
RUSSIAN_FILLING = ("фильм", "Вчера", "другом", "музыка", "актёры", "кино")


def look(path: Path, encoding: str = "utf-8", header: str = "") -> Findings:
    """Return what `data check` finds in texts."""
    options = FileOptions(encoding=encoding, header=header)
    return look_at(path, TASKS["text-classification"], options, {})


def write(path: Path, rows: Sequence[tuple[object, object]], names: Sequence[str] = ()) -> Path:
    """Write a table of two columns and return its path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(names or ("text", "label"))
        table.writerows(rows)
    return path


def comments(
    kinds: dict[str, tuple[str, ...]], filling: Sequence[str], joiner: str, rows: int = 300
) -> list[tuple[str, str]]:
    """Return texts whose label is plain from one word among others, and the labels."""
    found = []
    for number in range(rows):
        label = ("good", "bad")[number % 2]
        words = [filling[(number * step + step) % len(filling)] for step in (1, 3, 5)]
        telling = kinds[label][number // 2 % len(kinds[label])]
        place = number % 4
        found.append((joiner.join([*words[:place], telling, *words[place:]]), label))
    return found


def classes(findings: Findings) -> dict[str, int]:
    """Return the examples of each class in all splits."""
    counts: dict[str, int] = {}
    for split in findings.rows_per_class.values():
        for name, count in split.items():
            counts[name] = counts.get(name, 0) + count
    return counts


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["1", "2", "1.0", "2.0"], {"1": 20, "2": 20}),
        (["Positive", "positive", "POSITIVE ", "negative"], {"Positive": 30, "negative": 10}),
        (["so so", "so  so", "So So", "fine"], {"so so": 30, "fine": 10}),
        (["caf\u00e9", "cafe\u0301", "bar", "Bar"], {"caf\u00e9": 20, "bar": 20}),
        (["a", "A", "b", "B"], {"A": 10, "B": 10, "a": 10, "b": 10}),
        (["1.5", "2", "2.0", "1.5"], {"1.5": 20, "2": 20}),
    ],
)
def test_labels_that_mean_the_same_are_one_class(
    labels: list[str], expected: dict[str, int], tmp_path: Path
) -> None:
    rows = [(f"text number {number}", labels[number % 4]) for number in range(40)]
    findings = look(write(tmp_path / "x.csv", rows))
    assert findings.problems == []
    assert classes(findings) == expected
    assert any("the same class as" in note for note in findings.notes) == (len(expected) < 4)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([f"0.{number:04d}" for number in range(200)], "a regression"),
        ([str(number % 90) for number in range(200)], "a regression"),
        ([f"user{number}" for number in range(200)], "for nearly every row"),
    ],
)
def test_quantities_and_names_of_rows_are_no_classes(
    labels: list[str], problem: str, tmp_path: Path
) -> None:
    rows = [(f"text {number % 7} {number % 11}", label) for number, label in enumerate(labels)]
    findings = look(write(tmp_path / "x.csv", rows))
    assert not findings.usable
    assert problem in findings.problems[0]
    assert "--label-column" in findings.hint


@pytest.mark.parametrize("name", ["unsup", "Unlabeled", "un-labelled"])
def test_examples_without_a_label_are_left_out(name: str, tmp_path: Path) -> None:
    for split, kinds in (("train", ("pos", "neg", name)), ("test", ("pos", "neg"))):
        for kind in kinds:
            folder = tmp_path / "reviews" / split / kind
            folder.mkdir(parents=True)
            for number in range(6):
                (folder / f"{number}.txt").write_text(f"{kind} film {number} {split}")
    findings = look(tmp_path / "reviews")
    assert findings.rows == {"train": 12, "test": 12}
    assert classes(findings) == {"neg": 12, "pos": 12}
    assert any(f"6 examples of {name!r} are left out" in note for note in findings.notes)


def test_the_values_of_objects_in_objects_are_columns(tmp_path: Path) -> None:
    rows = [
        {"id": n, "review": {"text": f"film {n} good", "by": {"stars": n % 2}}} for n in range(40)
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    options = FileOptions(label_column="review.by.stars")
    findings = look_at(path, TASKS["text-classification"], options, {})
    assert classes(findings) == {"0": 20, "1": 20}
    assert any("The column of texts is review.text" in note for note in findings.notes)


def test_labels_that_join_others_are_said(tmp_path: Path) -> None:
    kinds = ("action", "comedy", "action;comedy", "action;comedy;drama", "drama;comedy")
    path = write(tmp_path / "x.csv", [(f"film {n} good", kinds[n % 5]) for n in range(60)])
    assert any("'action;comedy' join others" in note for note in look(path).notes)
    kinds = ("Portland, OR", "Salem, OR", "Boise, ID")
    path = write(tmp_path / "y.csv", [(f"film {n} good", kinds[n % 3]) for n in range(60)])
    assert not any("join others" in note for note in look(path).notes)


def test_a_class_that_is_never_tested_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [
        (number, ("a", "b", "c")[number % 3], "test" if number % 3 < 2 and number > 50 else "train")
        for number in range(90)
    ]
    path.write_text("text,label,split\n" + "".join(f"w{n} x,{k},{s}\n" for n, k, s in rows))
    assert any("'c' is in train (30 examples), and never" in note for note in look(path).notes)


@pytest.mark.parametrize(
    ("encoding", "proposed", "text"),
    [
        ("gbk", "gb18030", "这部电影太精彩了昨天晚上和朋友在电影院"),
        ("big5", "big5", "這部電影太精彩了昨天晚上和朋友"),
        ("shift_jis", "cp932", "この映画はとても面白かったです"),
        ("euc_kr", "cp949", "이 영화는 정말 재미있었어요"),
        ("utf-16", "utf-16", "这部电影太精彩了"),
        ("utf-16-le", "utf-16-le", "A film that I liked"),
        ("utf-16-be", "utf-16-be", "Очень хороший фильм"),
        ("cp1251", "cp1251", "Очень хороший фильм понравилось"),
        ("koi8-r", "koi8-u", "Очень хороший фильм понравилось"),
        ("cp866", "cp866", "Очень хороший фильм понравилось"),
        ("cp1253", "cp1253", "Πολύ ωραία ταινία με συγκίνησε"),
        ("cp1254", "cp1254", "Çok güzel bir film şiddetle öneririm"),
        ("cp1250", "cp1250", "Příliš žluťoučký kůň je dobrý film"),
        ("iso8859-2", "iso8859-2", "Świetna gra aktorów książka też"),
        ("cp874", "cp874", "ภาพยนตร์เรื่องนี้สนุกมาก"),
        ("euc-jp", "euc-jp", "この映画はとても面白かったです"),
        ("mac-roman", "mac-roman", "“Très bon film” élégant et drôle"),
        ("latin-1", "latin-1", "Très bon film élégant et drôle"),
        ("cp1252", "cp1252", "“Très bon film” \u2013 élégant et drôle"),
    ],
)
def test_an_encoding_is_recognised_and_proposed(
    encoding: str, proposed: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    rows = "".join(f"{text} {number},{'good' if number % 2 else 'bad'}\n" for number in range(40))
    path.write_bytes(f"text,label\n{rows}".encode(encoding))
    findings = look(path)
    assert not findings.usable
    assert findings.hint.endswith(f"--encoding {proposed}")
    again = look(path, proposed)
    assert classes(again) == {"bad": 20, "good": 20}


LABELLED = [(f"{'warm' if n % 3 else 'dull'} film number {n}", int(n % 3 > 0)) for n in range(60)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kaggle.csv", "v1,v2,,,\n" + "".join(f'{k},"{t}",,,\n' for t, k in LABELLED)),
        (
            "overflow.csv",
            "v1,v2,,\n0,cut,off here,\n" + "".join(f"{k},{t},,\n" for t, k in LABELLED),
        ),
        ("labelled.txt", "".join(f"{t}\t{k}\n" for t, k in LABELLED)),
        ("bars.txt", "".join(f"{k}|{t}\n" for t, k in LABELLED)),
        (
            "headerless.csv",
            "".join(f'"{k}","title {n}","{t}"\n' for n, (t, k) in enumerate(LABELLED)),
        ),
    ],
)
def test_tables_of_texts_are_read_as_well_known_sets_have_them(
    name: str, content: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content)
    findings = look(path)
    assert findings.usable, findings.problems
    assert classes(findings) == {"0": 20 + (name == "overflow.csv"), "1": 40}


def test_a_file_of_lines_is_a_class_and_each_line_is_a_text(tmp_path: Path) -> None:
    for folder, names in (
        ("rt", ("rt-polarity.neg", "rt-polarity.pos")),
        ("subj", ("quote.tok.5000", "plot.tok.5000")),
        ("split", ("train_bad.txt", "train_good.txt", "test_bad.txt", "test_good.txt")),
    ):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            lines = "".join(f"{text}\n" for text, label in LABELLED if label == number % 2)
            (tmp_path / folder / name).write_text(lines)
    assert classes(look(tmp_path / "rt")) == {"neg": 20, "pos": 40}
    assert classes(look(tmp_path / "subj")) == {"plot": 40, "quote": 20}
    split = look(tmp_path / "split")
    assert split.rows_per_class == {
        "train": {"bad": 20, "good": 40},
        "test": {"bad": 20, "good": 40},
    }
    given = list(given_texts([str(tmp_path / "rt")], FileOptions()))
    assert [one.value for one in given if isinstance(one, Given)] == [
        *(text for text, label in LABELLED if not label),
        *(text for text, label in LABELLED if label),
    ]


def test_lines_of_fasttext_and_tables_without_a_header_are_read(tmp_path: Path) -> None:
    lines = [f"__label__{'spam' if number % 5 == 0 else 'ham'} hi {number}" for number in range(50)]
    (tmp_path / "x.txt").write_text("\n".join(lines))
    assert classes(look(tmp_path / "x.txt")) == {"ham": 40, "spam": 10}
    rows = [f"{'spam' if number % 5 == 0 else 'ham'}\tHi there {number}" for number in range(50)]
    (tmp_path / "SMSSpamCollection.tsv").write_text("\n".join(rows) + "\n")
    findings = look(tmp_path / "SMSSpamCollection.tsv")
    assert classes(findings) == {"ham": 40, "spam": 10}
    assert "has no header" in findings.notes[0]


def test_a_table_whose_first_line_is_a_row_is_read(tmp_path: Path) -> None:
    rows = [(1 + number % 4, f"Title {number}", f"A longer text {number}") for number in range(40)]
    with (tmp_path / "news.csv").open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    found = look(tmp_path / "news.csv")
    assert classes(found) == {"1": 10, "2": 10, "3": 10, "4": 10}
    assert "in the column that begins with 'A longer text 0'" in found.notes[0]
    findings = look(tmp_path / "news.csv", header="none")
    assert classes(findings) == {"1": 10, "2": 10, "3": 10, "4": 10}
    assert "The texts are in column_3, their labels in column_1." in findings.notes


def test_files_without_an_ending_are_texts_where_no_file_has_one(tmp_path: Path) -> None:
    for number in range(40):
        file = tmp_path / ("alt.atheism", "sci.space")[number % 2] / str(50_000 + number)
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"Subject: {number}\n\nText {number}\n")
    assert classes(look(tmp_path)) == {"alt.atheism": 20, "sci.space": 20}


def test_the_rows_of_a_split_without_labels_are_left_out(tmp_path: Path) -> None:
    lines = ["text,label,split"]
    for number in range(60):
        split = ("train", "test", "unsupervised")[number % 3]
        label = -1 if split == "unsupervised" else number % 2
        lines.append(f"text {number},{label},{split}")
    (tmp_path / "x.csv").write_text("\n".join(lines))
    findings = look(tmp_path / "x.csv")
    assert classes(findings) == {"0": 20, "1": 20}
    assert "Rows whose split is 'unsupervised' are left out: they have no label." in (
        findings.notes
    )


def test_texts_that_nothing_parts_are_named(tmp_path: Path) -> None:
    glued = "thisfilmwasgoodandilikeditverymuch"
    rows = [(f"{glued}{number}", number % 2) for number in range(20)]
    assert any("one word" in note for note in look(write(tmp_path / "x.csv", rows)).notes)
    rows = [("这部电影很好看" * 6 + str(number), number % 2) for number in range(20)]
    assert not any("one word" in note for note in look(write(tmp_path / "y.csv", rows)).notes)


def test_tokens_are_those_of_their_script() -> None:
    import tensorflow as tf

    from dlrecipes.kit.tokens import Tokens

    texts = {
        "It's GREAT, isn't it?": "it ' s great , isn ' t it ?",
        "ПРИВЕТ Ёлка": "привет ёлка",
        "这部电影 OK": "这 部 电 影 ok",
        "ดีมาก": "ดี ม า ก",
        "とても面白いデータ": "と て も 面 白 い デ ー タ",
        "좋은 영화": "좋은 영화",
        "كتـــاب جميل": "كتاب جميل",
        "wow\U0001f600\U0001f44d\U0001f3fd!": "wow \U0001f600 \U0001f44d \U0001f3fd !",
        "a\u3000b\u200bc": "a b c",
    }
    found = Tokens()(tf.constant(list(texts))).numpy()
    shown = [" ".join(text.decode().split()) for text in found]
    assert shown == list(texts.values())


@pytest.mark.long
@pytest.mark.parametrize("recipe", ["text-ngrams", SENTIMENT])
@pytest.mark.parametrize(
    ("kinds", "filling", "joiner"),
    [(CHINESE, FILLING, ""), (THAI, THAI_FILLING, ""), (RUSSIAN, RUSSIAN_FILLING, " ")],
    ids=["chinese", "thai", "russian"],
)
def test_texts_of_any_script_are_learned_and_predicted(
    recipe: str,
    kinds: dict[str, tuple[str, ...]],
    filling: Sequence[str],
    joiner: str,
    tmp_path: Path,
) -> None:
    rows = comments(kinds, filling, joiner)
    write(tmp_path / "x.csv", rows, ("review", "sentiment"))
    more = ("--epochs", "12", "--learning-rate", "1e-2") if recipe == SENTIMENT else ()
    run = dlrecipes("train", recipe, "--data", "x.csv", *more, "--json", cwd=tmp_path).document
    assert run["metrics"]["accuracy"] > 0.95
    assert run["data"]["input"]["column"] == "review"
    decomposed = unicodedata.normalize("NFD", rows[0][0])
    answers = dlrecipes("predict", recipe, rows[0][0], decomposed, "--json", cwd=tmp_path).document
    first, second = answers["predictions"]
    assert first["label"] == "good"
    assert first["probabilities"] == second["probabilities"]
    assert first["unknown_words"] == 0
    exported = dlrecipes("export", recipe, "--format", "saved-model", "--json", cwd=tmp_path)
    assert exported.document["max_abs_difference"] <= 1e-6


@pytest.mark.long
def test_the_columns_that_were_read_are_read_again(tmp_path: Path) -> None:
    rows = comments({"good": ("fine", "great"), "bad": ("dull", "awful")}, FILLING, " ")
    write(tmp_path / "x.csv", rows, ("review", "stars_given"))
    run = dlrecipes("train", "text-ngrams", "--data", "x.csv", "--json", cwd=tmp_path).document
    assert run["details"]["unknown_words"] == 0
    with (tmp_path / "new.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label", "review", "stars_given"])
        table.writerows(("nothing", "bad" if n % 2 else "good", *row) for n, row in enumerate(rows))
    found = dlrecipes(
        "evaluate", "text-ngrams", "--data", "new.csv", "--json", cwd=tmp_path
    ).document
    assert found["metrics"]["accuracy"] == 1.0
    assert found["details"]["unknown_words"] == 0
    odd = [("fine fine xqz", "good"), ("dull vvw yyq", "bad")] * 6  # A third, and two thirds.
    write(tmp_path / "odd.csv", odd, ("review", "stars_given"))
    words = ("evaluate", "text-ngrams", "--data", "odd.csv")
    assert "Of the words in the test texts, 50% were not" in dlrecipes(*words, cwd=tmp_path).out
    answers = dlrecipes("predict", "text-ngrams", "new.csv", "--json", cwd=tmp_path).document
    assert [one["label"] for one in answers["predictions"]] == [label for _, label in rows]
