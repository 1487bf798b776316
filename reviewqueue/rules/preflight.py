"""The checks that run before the click. Each is ok, a warning, or a stop with its cure."""

from dataclasses import dataclass

from reviewqueue.rules import captions

# Limits of the platform: https://help.instagram.com (caption 2,200 characters, 30 hashtags), read 2026-11.
CAPTION_LIMIT = 2200
HASHTAG_LIMIT = 30


@dataclass(frozen=True)
class Check:
    level: str  # "ok", "warning", "stop"
    code: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """What the checks look at."""

    items: int
    ready: int
    failed: int
    caption: str
    source_caption: str
    source_handle: str
    persona: str
    accounts: tuple[str, ...]
    refused_files: tuple[str, ...] = ()


def preflight(facts: Facts) -> list[Check]:
    """Every check of one post, stops first within their place. A stop closes Approve and says why."""
    return [
        _items(facts),
        *(Check("stop", "media", f"A file was refused: {reason}") for reason in facts.refused_files),
        *_copied(facts),
        *_handle(facts),
        _length(facts),
        _accounts(facts),
    ]


def stops(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.level == "stop"]


def _items(facts: Facts) -> Check:
    if facts.failed:
        kept = facts.ready
        said = f"{facts.failed} of {facts.items} failed"
        return Check("stop", "items", said, f"The other {kept} are kept. Retry what failed." if kept else "")
    if facts.ready < facts.items or not facts.items:
        return Check("stop", "items", f"{facts.ready} of {facts.items} items are ready")
    said = "The item is ready" if facts.items == 1 else f"All {facts.items} items are ready"
    return Check("ok", "items", said)


def _copied(facts: Facts) -> list[Check]:
    if not facts.source_caption:
        return []
    run = captions.copied_run(facts.source_caption, facts.caption)
    if run:
        return [Check("warning", "copied", f"{len(run)} words in a row match the source", "underlined")]
    return [Check("ok", "copied", "No longer run of words matches the source")]


def _handle(facts: Facts) -> list[Check]:
    if not facts.source_handle:
        return []
    if captions.names(facts.caption, facts.source_handle):
        return [Check("warning", "handle", f"The caption names the source, @{facts.source_handle}")]
    return [Check("ok", "handle", "No source account is named")]


def _length(facts: Facts) -> Check:
    length, tags = len(facts.caption), len(captions.hashtags(facts.caption))
    said = f"{length:,} of {CAPTION_LIMIT:,} characters, {tags} hashtag{'' if tags == 1 else 's'}"
    if length > CAPTION_LIMIT or tags > HASHTAG_LIMIT:
        return Check("stop", "length", said, "Instagram refuses it. Shorten it in compose.")
    return Check("ok", "length", said)


def _accounts(facts: Facts) -> Check:
    if not facts.accounts:
        said = f"{facts.persona} has no publishing account" if facts.persona else "No publishing account"
        return Check("stop", "accounts", said, "Connect one, or send the post to compose.")
    return Check("ok", "accounts", "Publishes to " + ", ".join(f"@{name}" for name in facts.accounts))
