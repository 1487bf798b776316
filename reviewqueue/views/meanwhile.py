"""What happened meanwhile: somebody else was first, or the post is not what was on the screen any more.

It is told in its place: the post stays, greyed, with who did what, and the decision is off.
"""

from dataclasses import dataclass

from reviewqueue.models import Decision, GeneratedPost, Member, Operation
from reviewqueue.services import pricing, reviewing
from reviewqueue.services.access import Stale
from reviewqueue.views import fragments

DIGITS = 10  # of the largest version that a row can have


@dataclass(frozen=True)
class Veil:
    """What lies over a post that cannot be decided as it was seen."""

    state: str  # conflict or stale
    lead: str
    rest: str = ""


def veil_of(post: GeneratedPost, decided: Decision | None, member: Member) -> Veil | None:
    """Somebody else's decision on the way: theirs counts."""
    if decided is None or decided.by_id == member.pk or post.desk not in ("held", "sending"):
        return None
    return Veil("conflict", f"{reviewing.told(decided)}.")


def refused(post: GeneratedPost, error: Exception, since: int | None) -> Veil:
    """Why a press came to nothing."""
    if isinstance(error, Stale):
        return Veil("stale", f"{reviewing.what_changed(post, since)}.", "Nothing was decided.")
    lead, _, rest = str(error).partition(". ")
    return Veil("conflict", f"{lead.rstrip('.')}.", rest)


def is_news(post: GeneratedPost, seen: str, member: Member) -> bool:
    """A post that could be decided is another one now, and not by the hand of who looks at it."""
    if not seen or seen == post.fingerprint or post.desk != "ready":
        return False
    made = Operation.objects.filter(post=post, state="succeeded", kind__in=pricing.SPENDING)
    made = made.order_by("-finished_at").first()
    return made is None or made.by_id != member.pk


def version_seen(request) -> int | None:
    """The version of the post on the page that asked."""
    return version_of(request.headers.get("X-Version", ""))


def version_of(text: str) -> int | None:
    """The version that a page names; None for nonsense."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS else None


def is_in_place(request) -> bool:
    """The page that asked can show it where it happened."""
    here = fragments.asked_from(request)
    return fragments.is_fragment(request) and (here.startswith("/review/") or here == "/")
