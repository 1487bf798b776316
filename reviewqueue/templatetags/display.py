"""How things are said on a page: cents, times, states, icons. Nothing here decides anything."""

from datetime import datetime
from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html

from reviewqueue.clock import age, now, pace
from reviewqueue.rules import cadence, captions, money
from reviewqueue.rules.releases import Known, words
from reviewqueue.rules.roles import least_role
from reviewqueue.services import operations, resolving
from reviewqueue.services.kinds import KINDS
from reviewqueue.services.personas import MODES

register = template.Library()


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str, extra: str = "") -> str:
    """One icon of the sprite; decorative, so it always stands beside a word or a label."""
    css = f"icon {extra}".strip()
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#i-{}"/></svg>', css, static("sprite.svg"), name
    )


@register.filter
def dollars(cents) -> str:
    return money.dollars(cents)


@register.filter
def signed(cents: int) -> str:
    """An amount with its sign: a credit carries a plus."""
    return f"+{money.dollars(cents)}" if cents > 0 else money.dollars(cents)


@register.filter
def mmss(seconds) -> str:
    seconds = int(seconds or 0)
    return f"{seconds // 60}:{seconds % 60:02d}"


@register.filter
def age_of(at: datetime | None) -> str:
    """ "12 s ago", "6 min ago", "4 h ago", "yesterday", "14 May": for pages that are rendered anew."""
    if at is None:
        return "never"
    seconds = int((now() - at).total_seconds())
    if seconds < 60:
        return f"{max(0, seconds)} s ago"
    if seconds < 5400:
        return f"{seconds // 60} min ago"
    if seconds < 86400:
        return f"{seconds // 3600} h ago"
    if seconds < 2 * 86400:
        return "yesterday"
    return f"{timezone.localtime(at):%-d %B}"


@register.filter
def epoch(at: datetime | None) -> int:
    return int(at.timestamp()) if at else 0


@register.filter(expects_localtime=True)
def edge_date(at: datetime) -> str:
    """On the edge of a frame, "14 May": in one step, as the filter `date` takes a row ten times as long."""
    exact = at.isoformat(timespec="seconds")
    return format_html('<time class="push" data-ago datetime="{}">{}</time>', exact, f"{at:%-d %b}")


@register.filter
def plural(count: int, words: str) -> str:
    """`{{ n|plural:"post,posts" }}`"""
    one, many = words.split(",")
    return one if count == 1 else many


PLACES = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")


@register.filter
def in_line(place: int) -> str:
    """ "Third in line", "12th in line"."""
    if place <= len(PLACES):
        return f"{PLACES[place - 1]} in line"
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending} in line"


@register.filter
def mode_name(mode: str) -> str:
    return MODES.get(mode, mode)


@register.filter
def alternative(caption: str) -> str:
    """What a picture is said to show where nobody has written better: the caption's first sentence."""
    return captions.first_sentence(caption or "")


DESK_WORDS = {
    "ready": ("Ready", "review", ""),
    "pending": ("Queued", "clock", ""),
    "generating": ("Generating", "sync", "is-live"),
    "attention": ("Needs attention", "alert", "is-no"),
    "held": ("Held", "clock", "is-wait"),
    "sending": ("Sending", "sync", "is-live"),
    "composing": ("In compose", "compose", ""),
    "publishing": ("Publishing", "sync", "is-live"),
    "published": ("Published", "publish", "is-ok"),
    "rejected": ("Rejected", "x", "is-no"),
}
DESK_WORDS = Known(DESK_WORDS, lambda place: (words(place).capitalize(), "clock", ""))
TROUBLE_WORDS = {
    "failed": "Failed",
    "partly_failed": "Partly failed",
    "not_made": "Not made",
    "stuck": "No answer",
    "unknown": "Not known",
    "blocked": "Waits",
    "not_sent": "Not sent",
    "not_done": "Not done",
    "delivery": "Delivery failed",
    "media": "File refused",
    "changed": "Changed since",
}


@register.filter
def state_word(post) -> str:
    if post.desk == "attention":
        return TROUBLE_WORDS.get(post.trouble, "Needs attention")
    return DESK_WORDS[post.desk][0]


@register.filter
def state_icon(post) -> str:
    return DESK_WORDS[post.desk][1]


@register.filter
def state_tone(post) -> str:
    return DESK_WORDS[post.desk][2]


@register.filter
def verb(operation) -> str:
    return KINDS[operation.kind].verb


@register.filter
def verb_of(kind: str) -> str:
    return KINDS[kind].verb


@register.filter
def is_sent_again(kind: str) -> bool:
    return kind in resolving.AGAIN


@register.filter
def for_whom(kind: str) -> str:
    """The class under which only those see a control who may ask for this kind."""
    classes = {"reviewer": "can-decide", "editor": "can-spend", "admin": "can-run"}
    return classes[least_role(KINDS[kind].grant)]


@register.filter
def doubt(operation) -> str:
    return operations.doubt(operation)


@register.filter
def why_not(post) -> str:
    """Why a post cannot be decided now, for the disabled buttons."""
    if post.desk == "attention":
        return TROUBLE_WORDS.get(post.trouble, "Needs attention")
    words = {
        "pending": "Still queued",
        "generating": "Still generating",
        "held": "Decided, held",
        "sending": "Being sent",
        "ready": "",
    }
    return words.get(post.desk, f"Already decided: {DESK_WORDS[post.desk][0].lower()}")


@register.filter
def frame_state(post) -> str:
    """The `data-state` of a frame."""
    if post.desk == "attention":
        return "ready" if post.trouble == "not_sent" or post.face.get("free") else "failed"
    if post.desk == "sending":
        return "held"
    if post.desk in ("composing", "publishing", "published", "rejected"):
        return "done"
    return post.desk


def scale(kind: str, speed: float) -> dict:
    """The documented range on a scale from 0 to the polling limit, in seconds as they pass here."""
    span = cadence.SPANS[kind].faster(speed)
    return {
        "kind": kind,
        "low": pace(span.low),
        "high": pace(span.high),
        "limit": pace(span.limit),
        "from_x": 100 * span.low / span.limit,
        "width": 100 * (span.high - span.low) / span.limit,
        "words": cadence.SPAN_WORDS[kind],
        "phases": late_words(kind, span),
    }


def late_words(kind: str, span: cadence.Span) -> tuple[tuple[float, str], ...]:
    """From which age on a clock says how often it is looked at, as is true of it without an answer.

    Posts and their voices stand in lists that are read by themselves at least once an hour.
    """
    (late, minute), (stuck, hour), (lost, _) = cadence.late_phases(span)
    is_listed = kind in ("image", "video", "voice")
    hourly = cadence.checking(pace(hour), at_least=is_listed)
    found = [(late, cadence.checking(pace(minute))), (stuck, hourly), (lost, cadence.checking(None))]
    return tuple((pace(begins), words) for begins, words in found[: 2 if is_listed else 3])


@register.inclusion_tag("components/clock.html")
def clock_row(face: dict) -> dict:
    """A clock in a kept row: the row knows only when it began; the script fills in the rest.

    The row is another one before looks lie an hour apart; what is made and being copied has its answer.
    """
    found = scale(face["media"], face.get("speed", 1.0)) | {"since": face["asked"]}
    is_made = face.get("items") and face.get("done") == face["items"]
    unknown = {"elapsed": None, "late": False}
    return found | unknown | {"phases": () if is_made else found["phases"][:1]}


@register.inclusion_tag("components/clock.html")
def clock(kind: str, since, workspace, label: str = "") -> dict:
    """Elapsed time against the documented range: a needle on a scale, never a bar that fills.

    `since` is a moment or epoch seconds; the script goes on ticking from the same attributes.
    """
    started = (
        since
        if isinstance(since, datetime)
        else datetime.fromtimestamp(since or 0, tz=timezone.get_default_timezone())
    )
    span = cadence.SPANS[kind].faster(workspace.speed)
    elapsed = age(started, now())
    found = scale(kind, workspace.speed)
    return found | {
        "reached": [begins for begins, _ in found["phases"] if pace(elapsed) > begins][-1:],
        "label": label,
        "since": int(started.timestamp()),
        "elapsed": pace(elapsed),
        "needle": min(99.0, 100 * elapsed / span.limit),
        "late": cadence.lateness(span, elapsed),
    }


@register.simple_tag
def may(member, grant: str) -> bool:
    return bool(member) and member.may(grant)
