"""What a reviewer decides on is what was on the screen: one hash over it."""

import hashlib
import json
from typing import NamedTuple


class ItemIdentity(NamedTuple):
    upstream_id: str
    media: str  # SHA-256 of the file, or the link's path where there is no copy yet
    voice: str  # the same for the converted voice, "" where there is none


def fingerprint(caption: str, items: list[ItemIdentity], targets: list[str]) -> str:
    """SHA-256 (hex) over the caption, the ordered items and the accounts it would go to."""
    canonical = json.dumps(
        {"caption": caption, "items": [list(item) for item in items], "targets": sorted(targets)},
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
