"""The checks that run before the click. Each is ok, a warning, or a stop, with its cure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from reviewqueue.rules import captions
from reviewqueue.rules.money import dollars
from reviewqueue.rules.platforms import INSTAGRAM, PLATFORMS, Platform, shape_words, span_words, type_words

LEVELS = ("stop", "warning", "ok")
MOST_TWINS = 3  # lines about other posts


@dataclass(frozen=True)
class Check:
    """`cure` names what would help, and `at` what it is about: a post's id, an item's number."""

    level: str  # "ok", "warning", "stop"
    code: str
    text: str
    note: str = ""
    cure: str = ""  # connect, top_up, billing, retry, look, compose, item, post, copy, again
    at: str = ""


@dataclass(frozen=True)
class Item:
    """One item that would go out, as its copy was measured."""

    number: int
    is_video: bool = False
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    content_type: str = ""  # by its first bytes

    @property
    def ratio(self) -> float | None:
        return self.width / self.height if self.width and self.height else None


@dataclass(frozen=True)
class Account:
    name: str
    platform: str = "instagram"
    is_active: bool = True


@dataclass(frozen=True)
class Twin:
    """Another post, published or on its way, with a picture like one of this post's."""

    number: int  # of the item of this post
    label: str
    standing: str  # published, publishing, composing, sending, held, attention
    post_id: str = ""  # empty: deleted since
    accounts: tuple[str, ...] = ()  # of this post's accounts, those it is published or approved for
    at: datetime | None = None


@dataclass(frozen=True)
class Money:
    """What is known of the workspace's spending. Approving itself costs nothing."""

    balance_cents: int | None = None
    reloads: bool = False
    waits_for: str = ""  # "balance" or "cap": some operation waits for it
    retry_cents: int | None = None  # what retrying the failed items costs at least
    free_cents: int | None = None  # of the balance, what nothing is reserved of


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
    accounts: tuple[Account, ...]
    going: tuple[Item, ...] = ()  # the items that would go out
    refused_files: tuple[str, ...] = ()
    is_current: bool = True  # its fingerprint is that of what is mirrored
    relinked: tuple[int, ...] = ()  # items whose file lies under another link that was not compared yet
    twins: tuple[Twin, ...] = ()
    has_pictures: bool = False  # that could be compared
    money: Money = Money()


def preflight(facts: Facts) -> list[Check]:
    """Every check of one post, stops first, then warnings. A stop closes Approve and says why."""
    found = [
        _items(facts),
        *(
            Check("stop", "media", f"A file was refused: {reason}", cure="copy")
            for reason in facts.refused_files
        ),
        *_accounts(facts),
        *_fingerprint(facts),
        *_copied(facts),
        *_handle(facts),
        *_twins(facts),
        *(check for platform in _platforms(facts) for check in _platform(facts, platform)),
        _money(facts),
    ]
    return sorted(found, key=lambda check: LEVELS.index(check.level))


def stops(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.level == "stop"]


def _items(facts: Facts) -> Check:
    if facts.failed:
        kept = facts.ready
        said = f"{facts.failed} of {facts.items} failed"
        note = f"The other {kept} are kept. Retry what failed." if kept else ""
        return Check("stop", "items", said, note, "retry")
    if facts.ready < facts.items or not facts.items:
        return Check("stop", "items", f"{facts.ready} of {facts.items} items are ready", cure="look")
    said = "The item is ready" if facts.items == 1 else f"All {facts.items} items are ready"
    return Check("ok", "items", said)


# ---- where it goes ---------------------------------------------------------------------------


def _accounts(facts: Facts) -> Iterator[Check]:
    going = [account for account in facts.accounts if account.is_active]
    asleep = [account for account in facts.accounts if not account.is_active]
    names = _names(account.name for account in asleep)
    if not going and asleep:
        yield Check("stop", "accounts", f"{names} must be signed in again", "No other account.", "connect")
    elif not going:
        said = f"{facts.persona} has no publishing account" if facts.persona else "No publishing account"
        yield Check("stop", "accounts", said, "Connect one, or send the post to compose.", "connect")
    else:
        yield Check("ok", "accounts", f"Publishes to {_names(account.name for account in going)}")
        if asleep:
            said = f"{names} must be signed in again, and is left out"
            yield Check("warning", "asleep", said, cure="connect")
    for platform in {account.platform for account in going}:
        if not (platform in PLATFORMS and PLATFORMS[platform].is_supported):
            name = PLATFORMS[platform].name if platform in PLATFORMS else platform
            there = _names(account.name for account in going if account.platform == platform)
            said = f"{name} is not supported by the service yet: {there} may not get it"
            yield Check("warning", "unsupported", said, cure="connect")


def _names(names) -> str:
    return ", ".join(f"@{name}" for name in names)


def _platforms(facts: Facts) -> list[Platform]:
    """Those it goes to; before an account is connected, the one that the service supports."""
    named = dict.fromkeys(account.platform for account in facts.accounts if account.is_active)
    return [PLATFORMS[name] for name in named if name in PLATFORMS] or [INSTAGRAM]


def _platform(facts: Facts, platform: Platform) -> Iterator[Check]:
    """Caption, number, shape, length and type.

    Of a platform that the service does not support only what it would refuse: it is not sure that anything
    goes there, so nothing is stopped.
    """
    found = [_length(facts, platform), *_number(facts, platform)]
    for check in [*found, *_shape(facts, platform), *_types(facts, platform)]:
        if platform.is_supported:
            yield check
        elif check.level != "ok":
            yield Check("warning", check.code, check.text, check.note, check.cure, check.at)


def _length(facts: Facts, platform: Platform) -> Check:
    limit = platform.longest(any(item.is_video for item in facts.going))
    length, tags = platform.length(facts.caption), len(captions.hashtags(facts.caption))
    whose = f"{platform.name}: " if len(_platforms(facts)) > 1 else ""
    said = f"{whose}{length:,} of {limit:,} characters, {tags} hashtag{'' if tags == 1 else 's'}"
    too_many = platform.hashtags and not platform.hashtags.takes(tags)
    if length > limit or too_many:
        note = f"{platform.name} refuses it. Shorten it in compose."
        return Check("stop", "length", said, note, "compose")
    if platform.hashtags_announced and not platform.hashtags_announced.takes(tags):
        note = f"{platform.name} has announced a limit of {platform.hashtags_announced.high:.0f} hashtags."
        return Check("warning", "length", said, note, "compose")
    return Check("ok", "length", said)


def _number(facts: Facts, platform: Platform) -> Iterator[Check]:
    count, most = len(facts.going), int(platform.items.high)
    if count > most:
        said = f"{count} items; {platform.name} takes {most}"
        yield Check("stop", "carousel", said, "Reject some, or choose in compose.", "compose")
    if not platform.mixes and len({item.is_video for item in facts.going}) > 1:
        said = f"{platform.name} takes pictures or a video, not both in one post"
        yield Check("stop", "carousel", said, cure="compose")


def _shape(facts: Facts, platform: Platform) -> Iterator[Check]:
    """What was not measured is not judged. An odd shape may be cropped on its way, so it only warns."""
    off: dict[str, list[Item]] = {}
    for item in facts.going:
        taken = platform.video_shape if item.is_video else platform.picture_shape
        if taken and item.ratio and not taken.takes_shape(item.ratio):
            span = f"{shape_words(taken.low)} to {shape_words(taken.high)}"
            off.setdefault(f"{shape_words(item.ratio)}; {platform.name} takes {span}", []).append(item)
    for said, items in off.items():
        note = "It may be cropped or refused."
        yield Check("warning", "shape", f"{_which(items, facts)} {said}", note, "item", str(items[0].number))
    long = [item for item in facts.going if item.seconds and not platform.video_seconds.takes(item.seconds)]
    for item in long:
        span = f"{span_words(platform.video_seconds.low)} to {span_words(platform.video_seconds.high)}"
        said = f"{_which([item], facts)} {span_words(item.seconds)} long; {platform.name} takes {span}"
        yield Check("stop", "duration", said, cure="item", at=str(item.number))
    measured = [item for item in facts.going if item.ratio]
    if measured and not off and not long:
        yield Check("ok", "shape", f"{_measures(measured)}, as {platform.name} takes it")


def _types(facts: Facts, platform: Platform) -> Iterator[Check]:
    """A video in another container may be refused; a picture is easily written anew on its way."""
    known = [item for item in facts.going if item.content_type]
    videos, pictures = platform.video_types.taken, platform.picture_types.taken
    off = [item for item in known if item.is_video and item.content_type not in videos]
    if off:
        said = f"{_which(off, facts)} {type_words(item.content_type for item in off)}"
        said += f"; {platform.name} takes {type_words(videos)}"
        yield Check("warning", "type", said, "It may be refused.", "item", str(off[0].number))
        return
    anew = [item for item in known if not item.is_video and item.content_type not in pictures]
    if anew:
        said = f"{type_words(item.content_type for item in anew)}, which the service has to turn into"
        yield Check("ok", "type", f"{said} {type_words(pictures)} for {platform.name}")
    elif known:
        said = type_words(item.content_type for item in known)
        yield Check("ok", "type", f"{said}, as {platform.name} takes it")


def _which(items: list[Item], facts: Facts) -> str:
    if len(facts.going) == 1:
        return "It is"
    if len(items) == 1:
        return f"Item {items[0].number} is"
    numbers = [str(item.number) for item in items]
    return f"Items {', '.join(numbers[:-1])} and {numbers[-1]} are"


def _measures(items: list[Item]) -> str:
    shapes = " and ".join(dict.fromkeys(shape_words(item.ratio) for item in items))
    seconds = [span_words(item.seconds) for item in items if item.seconds]
    return ", ".join([f"{len(items)} items in {shapes}" if len(items) > 1 else shapes, *seconds])


# ---- what it says and shows -----------------------------------------------------------------------


def _fingerprint(facts: Facts) -> Iterator[Check]:
    if not facts.is_current:
        yield Check("stop", "fingerprint", "It changed since this page was made", "Look again.", "again")
    elif facts.relinked:
        which = "The file" if facts.items == 1 else f"Item {facts.relinked[0]}"
        said = f"{which} lies under a new link; it is compared before anything is sent"
        yield Check("warning", "fingerprint", said)
    else:
        yield Check("ok", "fingerprint", "What you see is what would be sent")


def _copied(facts: Facts) -> list[Check]:
    if not facts.source_caption:
        return []
    run = captions.copied_run(facts.source_caption, facts.caption)
    if run:
        said = f"{len(run)} words in a row match the source"
        return [Check("warning", "copied", said, "underlined", "compose")]
    return [Check("ok", "copied", "No longer run of words matches the source")]


def _handle(facts: Facts) -> list[Check]:
    if not facts.source_handle:
        return []
    if captions.names(facts.caption, facts.source_handle):
        said = f"The caption names the source, @{facts.source_handle}"
        return [Check("warning", "handle", said, cure="compose")]
    return [Check("ok", "handle", "No source account is named")]


STANDINGS = {
    "held": "approved and held",
    "sending": "approved and being sent",
    "composing": "in compose",
    "publishing": "being published",
    "attention": "approved and not known to be sent",
}


def _twins(facts: Facts) -> Iterator[Check]:
    """Near one that is published anywhere; or on its way to an account that this would go to."""
    told = [twin for twin in facts.twins if twin.standing == "published" or twin.accounts]
    for twin in told[:MOST_TWINS]:
        which = "Looks" if facts.items == 1 else f"Item {twin.number} looks"
        said = f"{which} like {twin.label}, {STANDINGS.get(twin.standing, 'published')}"
        if twin.accounts:
            said += f" {'on' if twin.standing == 'published' else 'for'} {_names(twin.accounts)}"
        note = "" if twin.post_id else "It was deleted since."
        code = "twice" if twin.accounts else "duplicate"
        yield Check("warning", code, said, note, "post" if twin.post_id else "", twin.post_id)
    if len(told) > MOST_TWINS:
        yield Check("warning", "duplicate", f"And like {len(told) - MOST_TWINS} more")
    if facts.has_pictures and not told:
        yield Check("ok", "duplicate", "Like nothing that was published")


# ---- money ------------------------------------------------------------------------------------------


def _money(facts: Facts) -> Check:
    known = facts.money
    if known.waits_for == "cap":
        said = "The monthly cap of the key is reached. Approving costs nothing"
        return Check("warning", "money", said, "What costs waits.", "billing")
    is_empty = known.balance_cents is not None and known.balance_cents <= 0 and not known.reloads
    if known.waits_for == "balance" or is_empty:
        said = f"Balance is {dollars(known.balance_cents)}. Approving costs nothing"
        return Check("warning", "money", said, "What costs waits.", "top_up")
    if known.retry_cents and known.free_cents is not None and known.retry_cents > known.free_cents:
        free = dollars(max(0, known.free_cents))
        said = f"Making it again costs {dollars(known.retry_cents)}, and {free} is left"
        return Check("warning", "money", said, cure="top_up")
    if known.balance_cents is None:
        return Check("ok", "money", "Approving costs nothing")
    return Check("ok", "money", f"Approving costs nothing. Balance {dollars(known.balance_cents)}")
