"""Notes: where one may be pinned, and whom its words name."""

import re
from typing import NamedTuple

CHARACTERS = 1000  # of a note's text
AT = re.compile(r"(?<![\w@])@")
INSIDE = 1.0001  # shares of a picture add up with a little noise


class Pin(NamedTuple):
    """A point of the picture (`x`, `y`: shares of its width and height), a box, a moment of the video."""

    x: float | None = None
    y: float | None = None
    width: float | None = None
    height: float | None = None
    at_seconds: float | None = None

    @property
    def is_placed(self) -> bool:
        return self.x is not None

    def __bool__(self) -> bool:
        return any(part is not None for part in self)


def flaw(pin: Pin) -> tuple[str, str] | None:
    """(field, what is wrong with it) of a pin that lies on no picture; None if it can."""
    for one, other in (("x", "y"), ("y", "x"), ("width", "height"), ("height", "width")):
        if getattr(pin, one) is not None and getattr(pin, other) is None:
            return other, "Give both, or neither."
    if pin.width is not None and not pin.is_placed:
        return "x", "A box needs the corner where it begins."
    for start, size in (("x", "width"), ("y", "height")):
        begins, long = getattr(pin, start), getattr(pin, size) or 0
        if begins is not None and not (0 <= begins <= 1 and long >= 0 and begins + long <= INSIDE):
            return (size if 0 <= begins <= 1 else start), "The pin lies outside the picture."
    if pin.at_seconds is not None and pin.at_seconds < 0:
        return "at_seconds", "A video begins at 0."
    return None


def named(text: str, names: dict) -> set:
    """The keys of `names` (key: full name) that the text names with an @: in full, or by first name."""
    firsts = {key: name.split()[0] for key, name in names.items() if name.split()}
    found = set()
    for sign in AT.finditer(text):
        rest = text[sign.end() :]
        whole = {key: name for key, name in names.items() if name and _begins(rest, name)}
        longest = max((len(name) for name in whole.values()), default=0)
        if whole:
            found |= {key for key, name in whole.items() if len(name) == longest}
        else:
            found |= {key for key, first in firsts.items() if _begins(rest, first)}
    return found


def _begins(text: str, name: str) -> bool:
    is_whole = not text[len(name) : len(name) + 1].isalnum()
    return is_whole and text[: len(name)].casefold() == name.casefold()
