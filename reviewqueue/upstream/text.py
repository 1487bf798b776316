"""What every string of an upstream goes through before anything else sees it."""

import math
import re
from collections.abc import Callable
from typing import Any

DEEPEST = 8

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """Put U+FFFD for NUL and for lone surrogates: PostgreSQL refuses the first, UTF-8 the second.

    Bidirectional controls stay: templates isolate them.
    """
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any, string: Callable[[str], str] = storable, depth: int = 0) -> Any:
    """A copy of free-form JSON that a database can keep: every string through `string`, no NaN or infinity,
    and nothing below eight levels.
    """
    if isinstance(value, str):
        return string(value)
    if isinstance(value, dict | list) and depth == DEEPEST:
        return None
    if isinstance(value, dict):
        return {string(key): storable_json(inner, string, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [storable_json(inner, string, depth + 1) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
