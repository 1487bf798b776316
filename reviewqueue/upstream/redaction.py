"""Take secrets out of text that is kept or shown: exchanges, error messages, logs."""

import re
from collections.abc import Iterable

REDACTED = "[redacted]"
SHORTEST_SECRET = 8  # a shorter "secret" would blot out ordinary words

_NAMES = r"(?:client_secret|password|authorization|x-api-key|api_key|access_token|refresh_token|secret)"

_URL = re.compile(r"""https?:(?:[^\s"'<>\\]|\\/|\\u[0-9a-fA-F]{4})*""")
_RULES = [
    (re.compile(r"rm_[A-Za-z0-9_-]{16,}"), REDACTED),
    # "client_secret": "…" and 'password': '…', to the end of the string or of the text
    (re.compile(rf"""(?i)((["']){_NAMES}\2\s*:\s*\2)(?:(?!\2)[^\\]|\\.)*"""), rf"\1{REDACTED}"),
    # "key": "…" of a new API key; a storage key has slashes
    (re.compile(r'("key"\s*:\s*")[^"/\\]{16,}'), rf"\1{REDACTED}"),
    (re.compile(rf"""(?i)\b({_NAMES}=)[^\s&"'<>]+"""), rf"\1{REDACTED}"),
    (
        re.compile(r"(?i)\b(authorization|x-api-key)(\s*[:=]\s*)(?!\[|bearer\s)[^\s,;\"']+"),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"), rf"\1{REDACTED}"),
    (re.compile(r"\b(?:cs_(?:live|test)_\w+|(?:seti|pi)_\w+_secret_\w*)"), REDACTED),
]


def redact(text: str, also: Iterable[str] = ()) -> str:
    """Blot out API keys, passwords, client secrets, bearer tokens and what follows ? or # in any address.

    `also` names further secrets, such as the key in use. Addresses keep host and path: checkout, card and
    consent pages carry their secrets in the query, signed media links their signature.
    """
    for secret in also:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, REDACTED)
    text = _URL.sub(_without_query, text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _without_query(found: re.Match) -> str:
    address, *query = re.split(r"[?#]", found.group(), maxsplit=1)
    return f"{address}?{REDACTED}" if query else address
