"""How a camera was held: the one tag of a photo that its pixels depend on.

Only this tag is read: phones and editors leave others broken in many ways.
"""

import re
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION = 0x0112
"""The tag of EXIF."""
ON_ITS_SIDE = 5
"""Its values from here on turn height and width around."""
UNREADABLE: tuple[type[Exception], ...] = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError),
    *(ArithmeticError, EOFError, struct.error),
)
"""What Pillow raises for tags that it cannot read."""
IN_XMP = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])""")
WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}
"""Formats of `struct` for the types of EXIF."""


def orientation(image: "Image.Image") -> int:
    """Return how an image is to be turned, from 1 (as it is) to 8; 1 if it does not say so."""
    if image.format == "TIFF":  # Pillow turns them itself.
        return 1
    exif = image.info.get("exif")
    if isinstance(exif, bytes) and (found := _of_exif(exif)):
        return found
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    if match := IN_XMP.search(xmp if isinstance(xmp, bytes) else str(xmp).encode()):
        return int(match[1])
    if isinstance(exif, bytes):
        return 1
    from PIL import Image

    try:  # That of a PNG would decode all of it.
        return _valid(Image.Image.getexif(image).get(ORIENTATION)) or 1
    except UNREADABLE:
        return 1


def size_as_held(image: "Image.Image") -> tuple[int, int]:
    """Return the width and height of an image after it is turned."""
    width, height = image.size
    return (height, width) if orientation(image) >= ON_ITS_SIDE else (width, height)


def turned(image: "Image.Image", how: int) -> "Image.Image":
    """Return an image as the camera was held.

    Args:
        image: The image.
        how: Its orientation.
    """
    from PIL import Image

    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(methods[how]) if how in methods else image


def _of_exif(content: bytes) -> int:
    """Return the orientation in a block of EXIF; 0 if it has none that can be read."""
    while content.startswith(b"Exif\0\0"):
        content = content[6:]
    order = {b"II": "<", b"MM": ">"}.get(content[:2], "")
    try:
        (start,) = struct.unpack_from(f"{order}I", content, 4)
        (entries,) = struct.unpack_from(f"{order}H", content, start)
        for place in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHI4s", content, place)
            if order and tag == ORIENTATION:
                return _valid(_number(content, order, kind, value))
    except struct.error:
        pass
    return 0


def _number(content: bytes, order: str, kind: int, value: bytes) -> Any:
    """Return the number in the four bytes of an entry, or at the place that they name."""
    if kind in WHOLE_NUMBERS:
        return struct.unpack_from(f"{order}{WHOLE_NUMBERS[kind]}", value)[0]
    if kind in (5, 10):  # a fraction
        (place,) = struct.unpack(f"{order}I", value)
        over, under = struct.unpack_from(f"{order}II", content, place)
        return over // under if under else 0
    return value.split(b"\0")[0]


def _valid(value: Any) -> int:
    """Return a value of the tag as a number from 1 to 8; 0 if it is none."""
    if isinstance(value, tuple | list):
        value = value[0] if value else 0
    try:
        number = int(value)
    except (TypeError, ValueError, ArithmeticError):
        return 0
    return number if 1 <= number <= 8 else 0
