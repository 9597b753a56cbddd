"""Recognise the encoding of a text file that is not in the one it was read in."""

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

LOOKED_AT = 2**16
"""Bytes that an encoding is told from."""
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".json", ".ndjson")
SHOWN = 40
"""Characters that are shown in it."""
USUAL = "Save it as UTF-8, or name its encoding to train, evaluate or data check: --encoding {}"
WESTERN = ("cp1250", "cp1254", "cp1257", "iso8859_", "latin_1", "cp1252", "cp775", "cp850")
"""Encodings that are hard to tell from each other; cp1252 is by far the commonest."""
COMMON = ("cp1252", "cp1251", "gb18030", "cp932", "big5", "cp949", "utf_16_le", "utf_16_be")
"""Encodings that are proposed before any other."""
ENOUGH = 0.8
"""Share of the foreign characters that must be frequent ones of an encoding's languages."""
OTHER_CYRILLIC = "\u0401\u0451\u0406\u0456\u0407\u0457\u0404\u0454\u0490\u0491\u040e\u045e\u2116"
"""More letters of Russian, Ukrainian and Belarusian, and the number sign."""
COMMON_LETTERS = {
    "cyrillic": frozenset("оеаинтсрвлі"),
    "greek": frozenset("αοιετσνηυρκόίά"),
    "hebrew": frozenset("יוהלארמתבש"),
    "thai": frozenset("านรกอเง่มยล้วดทสตะบปคหแ"),
}
"""The commonest letters of alphabets, as others are in the wrong one of several encodings."""
COMMON_SHARES = {"cyrillic": 0.5, "greek": 0.7, "hebrew": 0.65, "thai": 0.75}
"""Which share of the letters of a text they are, at least."""
TYPOGRAPHY = frozenset(
    bytes.fromhex("80 82 84 85 91 92 93 94 95 96 97 99 a0 a1 a3 a9 ab ae b0 b2 b3 b7 bb bf").decode(
        "cp1252"
    )
)
"""Quotation marks, dashes and signs, which texts in any language hold."""


def encoding_hint(path: Path) -> str:
    """Return what to type for a file that is not in the encoding it was read in."""
    with path.open("rb") as file:
        content = file.read(LOOKED_AT)
    name, text = likely_encoding(content)
    if not name or name == "latin-1":
        return USUAL.format("latin-1")
    foreign = next((place for place, letter in enumerate(text) if not letter.isascii()), 0)
    shown = text[max(foreign - SHOWN // 2, 0) :][:SHOWN].split("\n")
    example = max(shown, key=lambda line: sum(not letter.isascii() for letter in line)).strip()
    return f"It looks like {name}, as which it reads {example!r}: --encoding {name}"


def likely_encoding(content: bytes) -> tuple[str, str]:
    """Return the encoding that bytes are most likely in, and the text; "" and "" if none is."""
    from charset_normalizer import from_bytes

    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", content.decode("utf-16", "ignore")
    if b"\0" not in content:
        name, text = _common_encoding(content)
        if name:
            return name, text
    whole = content[: len(content) // 4 * 4]
    found = from_bytes(whole, cp_isolation=list(COMMON)).best() or from_bytes(whole).best()
    if found is None:
        return "", ""
    name = found.encoding
    if name.startswith(WESTERN):
        try:
            text = content.decode("cp1252")
            return ("latin-1" if text == content.decode("latin-1") else "cp1252"), text
        except UnicodeDecodeError:
            pass
    return name.replace("_", "-"), str(found)


def _common_encoding(content: bytes) -> tuple[str, str]:
    """Return which common encoding of letters fits bytes, and the text; "" and "" if none does.

    Few bytes are enough for it, because it knows which characters of each encoding are frequent.
    """
    fits = []
    for name, frequent in FREQUENT.items():
        try:
            decoder = getincrementaldecoder(name)()
            text = decoder.decode(content, final=len(content) < LOOKED_AT)
        except UnicodeDecodeError:
            continue
        foreign = [letter for letter in text if not letter.isascii()]
        if foreign:
            share = sum(map(frequent, foreign)) / len(foreign)
            fits.append((share * _likeness(name, text, foreign), name, text))
    share, name, text = max(fits, key=lambda fit: fit[0], default=(0.0, "", ""))
    if share < ENOUGH:
        return "", ""
    if name == "cp1252" and text == content.decode("latin-1"):
        name = "latin-1"
    return name, text


def _likeness(name: str, text: str, foreign: Sequence[str]) -> float:
    """Return how far a text mixes letters as the languages of its encoding do, 0 to 1."""
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    letters = "".join(words)
    if alphabet := ALPHABETS.get(name):
        return _of_alphabet(alphabet, letters, foreign) * (_odd_places(text) == 0)
    if name in LATIN:  # Most letters of its words are ASCII.
        if sum(not one.isascii() for one in letters) > 0.7 * len(letters):
            return 0.0
        return 1.0 - min(1.0, _odd_places(text) / len(foreign))
    if name == "euc-jp":  # No Japanese is without kana.
        return min(1.0, 10 * sum("\u3040" <= one <= "\u30ff" for one in foreign) / len(foreign))
    return 1.0


def _of_alphabet(alphabet: str, letters: str, foreign: Sequence[str]) -> float:
    """Return how alike letters and others are to a text of one alphabet, 0 to 1."""
    signs = sum(letter in TYPOGRAPHY for letter in foreign)
    if signs > 0.3 * len(foreign) or re.search("[a-zA-Z]", letters):
        return 0.0
    of = [letter for letter in foreign if letter not in TYPOGRAPHY]  # Thai has marks, too.
    common = sum(letter.lower() in COMMON_LETTERS[alphabet] for letter in of)
    capitals = sum(letter.isupper() for letter in of)
    is_loud = capitals > len(of) / 2
    return min(1.0, common / max(COMMON_SHARES[alphabet] * len(of), 1)) * (0.9 if is_loud else 1.0)


def _odd_places(text: str) -> int:
    """Return how often a capital stands behind a small letter, or a sign within a word."""
    capitals = sum(
        one.islower() and other.isupper() and not (one + other).isascii()
        for one, other in pairwise(text)
    )
    return capitals + len(SIGN_WITHIN.findall(text)) + len(MARK_ALONE.findall(text))


def _is_western(letter: str) -> bool:
    """Tell whether a character is common in the languages of cp1252, but for Icelandic."""
    is_letter = "À" <= letter <= "ÿ" and letter not in "ðþýÐÞÝ"
    return is_letter or letter in "ŠšŽžŒœŸ" or letter in TYPOGRAPHY


def _is_central(letter: str) -> bool:
    """Tell whether a character is common in Polish, Czech, Slovak, Hungarian and Romanian."""
    return letter.lower() in CENTRAL or letter in TYPOGRAPHY


def _is_turkish(letter: str) -> bool:
    """Tell whether a character is common in Turkish."""
    return letter in "çğıöşüÇĞİÖŞÜâîûÂÎÛ" or letter in TYPOGRAPHY


def _is_cyrillic(letter: str) -> bool:
    """Tell whether a character is common in Russian, Ukrainian, Belarusian and Bulgarian."""
    return "\u0410" <= letter <= "\u044f" or letter in OTHER_CYRILLIC or letter in TYPOGRAPHY


def _is_greek(letter: str) -> bool:
    """Tell whether a character is common in Greek."""
    return "\u0386" <= letter <= "\u03ce" or letter in TYPOGRAPHY


def _is_hebrew(letter: str) -> bool:
    """Tell whether a character is common in Hebrew."""
    return "\u05d0" <= letter <= "\u05ea" or letter in TYPOGRAPHY


def _is_thai(letter: str) -> bool:
    """Tell whether a character is common in Thai."""
    return "\u0e01" <= letter <= "\u0e4e"


def _is_japanese(letter: str) -> bool:
    """Tell whether a character is common in Japanese."""
    return "\u3000" <= letter <= "\u30ff" or _begins(letter, "cp932", 0x88, 0x97, 0x40)


def _is_chinese(letter: str) -> bool:
    """Tell whether a character is one of the 3755 commonest in simplified Chinese."""
    return _is_wide(letter) or _begins(letter, "gb2312", 0xB0, 0xD7, 0xA1)


def _is_traditional(letter: str) -> bool:
    """Tell whether a character is one of the 5401 commonest in traditional Chinese."""
    return _is_wide(letter) or _begins(letter, "big5", 0xA4, 0xC6, 0x40)


def _is_korean(letter: str) -> bool:
    """Tell whether a character is one of the 2350 commonest in Korean."""
    return _is_wide(letter) or _begins(letter, "euc_kr", 0xB0, 0xC8, 0xA1)


def _is_wide(letter: str) -> bool:
    """Tell whether a character is punctuation or a wide letter, as in all East Asian texts."""
    return "\u3000" <= letter <= "\u303f" or "\uff01" <= letter <= "\uff5e" or letter in TYPOGRAPHY


def _begins(letter: str, encoding: str, first: int, last: int, second: int) -> bool:
    """Tell whether an encoding writes a character as two bytes in these ranges."""
    code = letter.encode(encoding, "ignore")
    return len(code) == 2 and first <= code[0] <= last and code[1] >= second


FREQUENT: Mapping[str, Callable[[str], bool]] = {
    "cp1252": _is_western,
    "cp1254": _is_turkish,
    "cp1250": _is_central,
    "iso8859-2": _is_central,
    "mac-roman": _is_western,
    "cp1251": _is_cyrillic,
    "koi8-u": _is_cyrillic,
    "cp866": _is_cyrillic,
    "iso8859-5": _is_cyrillic,
    "mac-cyrillic": _is_cyrillic,
    "cp1253": _is_greek,
    "cp1255": _is_hebrew,
    "euc-jp": _is_japanese,
    "cp874": _is_thai,
    "cp932": _is_japanese,
    "cp949": _is_korean,
    "gb18030": _is_chinese,
    "big5": _is_traditional,
}
"""What tells the frequent characters of the languages of an encoding, the likeliest one first."""
LATIN = ("cp1252", "cp1250", "iso8859-2", "cp1254", "mac-roman")
ALPHABETS = {
    **dict.fromkeys(("cp1251", "koi8-u", "cp866", "iso8859-5", "mac-cyrillic"), "cyrillic"),
    **{"cp1253": "greek", "cp1255": "hebrew", "cp874": "thai"},
}
"""The alphabet of each encoding that has one of its own beside the Latin one."""
CENTRAL = frozenset("ąćęłńóśźżáčďéěíňřšťúůýžőűöüôľĺŕăâîşţđä")
SIGN_WITHIN = re.compile(
    r"(?<=[^\W\d_])[^\w\s\x00-\x7f\u2018\u2019\u00b7\u0e31-\u0e4e\u00ad\u2013\u2014](?=[^\W\d_])"
)
MARK_ALONE = re.compile(r"(?<![\u0e01-\u0e2e\u0e31-\u0e4e])[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
"""A vowel or tone sign of Thai that stands at no letter."""


def is_utf_16(content: bytes) -> bool:
    """Tell whether bytes are UTF-16, with or without a byte order mark."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return b"\0" in content and likely_encoding(content)[0].startswith("utf-16")


def is_utf_16_unsaid(path: Path, encoding: str) -> bool:
    """Tell whether a file of text is UTF-16, and is to be read in an encoding of single bytes."""
    if "\n".encode(encoding) != b"\n" or path.suffix.lower() not in TEXT_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            return is_utf_16(file.read(LOOKED_AT))
    except OSError:
        return False
