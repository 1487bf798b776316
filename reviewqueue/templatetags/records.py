"""How operations, exchanges and charges are told. Nothing here decides anything."""

import json
import re

from django import template

from reviewqueue.rules.releases import Known, words
from reviewqueue.services import resolving

register = template.Library()

STATES = {
    "queued": ("Queued", "clock", ""),
    "blocked": ("Waits", "clock", "is-wait"),
    "sending": ("Being sent", "sync", "is-live"),
    "succeeded": ("Done", "check", "is-ok"),
    "failed": ("Refused", "alert", "is-no"),
    "unknown": ("Not known", "alert", "is-no"),
    "absent": ("Did not happen", "x", ""),
    "cancelled": ("Taken back", "undo", ""),
}
STATES = Known(STATES, lambda state: (words(state).capitalize(), "clock", ""))
MOVES = {
    "claim": "Sent",
    "skip": "Nothing left to send",
    "block": "Stopped",
    "refuse": "Refused",
    "cancel": "Taken back",
    "release": "Let go on",
    "finish": "Answered",
    "put_back": "Put back in line",
    "lose": "No usable answer",
    "find": "Found to have happened",
    "rule_out": "Ruled out",
    "repeat": "Sent again",
}
CHARGES = {
    "generation": "Generation",
    "voice_conversion": "Voice conversion",
    "sync": "Sync",
    "refund": "Refund",
    "deposit": "Top-up",
    "bonus": "Credit",
}
# What could hide or reorder text, or cannot be written as any, is shown as its number instead.
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@register.filter
def operation_word(operation) -> str:
    is_held = operation.state == "queued" and operation.hold_id and operation.attempts == 0
    return "Held" if is_held else STATES[operation.state][0]


@register.filter
def operation_icon(operation) -> str:
    return STATES[operation.state][1]


@register.filter
def operation_tone(operation) -> str:
    return STATES[operation.state][2]


@register.filter
def known(operation) -> str:
    return resolving.known(operation)


@register.filter
def move_word(move) -> str:
    return MOVES.get(move.action, move.action)


@register.filter
def charge_word(charge) -> str:
    """What the service calls it; its own kind in words where it says nothing."""
    words = CHARGES.get(charge.kind, charge.kind.replace("_", " ").capitalize())
    return charge.description or words or "Transaction"


@register.filter
def seen(text: str) -> str:
    """The text with everything in it visible: controls and marks of direction as their numbers."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text or "")


@register.filter
def pretty(text: str) -> str:
    """A body as it came, spread out where it is JSON."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return seen(text)
    return seen(json.dumps(parsed, indent=2, ensure_ascii=False))


@register.filter
def price(mills: int) -> str:
    """A price in mills: "$0.32", "$0.005"."""
    text = f"{mills / 1000:.3f}"
    return f"${text[:-1] if text.endswith('0') else text}"


@register.filter
def kilobytes(text: str) -> str:
    return f"{len(text) / 1000:.1f} kB"
