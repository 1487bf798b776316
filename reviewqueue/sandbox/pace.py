"""How long things take: the documented ranges, and the factors that shorten them.

Times are fixed when a thing is asked for (`begins_at`, `ends_at`); its state then follows from the clock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

#: Typical durations in seconds, from https://reelmirror.com/docs/guides/webhooks.
IMAGE = (20, 90)
VIDEO = (60, 300)
VOICE = (30, 120)
SYNC = (30, 300)
DELIVERY = (10, 60)
#: Our own: how long an item waits in the queue, and how much later each further one of a carousel begins.
QUEUE = (3, 9)
NEXT_ITEM_SECONDS = 15

RATE_WINDOW_SECONDS = 60
SYNC_COOLDOWN_SECONDS = 15 * 60
PUBLIC_LOCK_SECONDS = 20 * 86_400
SIGNUP_WINDOW_SECONDS = 86_400


@dataclass(frozen=True)
class Pace:
    """`speed` shortens work: generation, voice, sync, delivery. `time_scale` shortens work and rules."""

    speed: float = 6.0
    time_scale: float = 1.0

    def work(self, seconds: float) -> float:
        return seconds / (self.speed * self.time_scale)

    def rule(self, seconds: float) -> float:
        return seconds / self.time_scale


def draw(seed: str, between: tuple[float, float]) -> float:
    """A duration within a range, always the same for the same seed (an object's id and what is measured)."""
    return random.Random(seed).uniform(*between)  # noqa: S311 – a duration, not a secret


def status_of(item, now: float) -> str:
    """A generated item's status at a moment: pending → generating → completed or failed."""
    if now < item["begins_at"]:
        return "pending"
    if item["ends_at"] is None or now < item["ends_at"]:
        return "generating"
    return item["outcome"]


def post_status(statuses: list[str]) -> str:
    """A post's status from its items'. One failed item fails the post, once nothing runs any more."""
    if statuses and all(status == "pending" for status in statuses):
        return "pending"
    if any(status in ("pending", "generating") for status in statuses):
        return "generating"
    return "failed" if "failed" in statuses else "completed"


def voice_status(item, now: float) -> str | None:
    """A voice conversion's status: none asked for, pending → processing → completed."""
    if item["voice_ends_at"] is None:
        return None
    if now < item["voice_begins_at"]:
        return "pending"
    return "processing" if now < item["voice_ends_at"] else "completed"


def sync_status(job, now: float) -> str:
    """A sync job's status: pending → running → completed or failed; a skipped one is skipped at once."""
    if job["outcome"] == "skipped":
        return "skipped"
    if now < job["begins_at"]:
        return "pending"
    return "running" if now < job["ends_at"] else job["outcome"]


def delivery_status(delivery, now: float) -> str:
    """A delivery's status: pending until its post goes out → publishing → published or failed."""
    if delivery["begins_at"] is None or now < delivery["begins_at"]:
        return "pending"
    return "publishing" if now < delivery["ends_at"] else delivery["outcome"]
