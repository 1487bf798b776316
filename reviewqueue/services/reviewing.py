"""The decisions: approve, reject, send to compose, reject one item. One transaction each, then held."""

import uuid
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from reviewqueue.clock import now
from reviewqueue.models import Decision, GeneratedPost, Hold, MediaItem, Member, Operation
from reviewqueue.rules.preflight import stops
from reviewqueue.rules.states import REVIEW, NotAllowed
from reviewqueue.services import desk, events, holds, operations, pricing
from reviewqueue.services.access import AlreadyOpen, Stale, require
from reviewqueue.services.checks import checks
from reviewqueue.services.kinds import KINDS


@dataclass(frozen=True)
class Verb:
    """One of the three verdicts on a whole post."""

    verdict: str
    kind: str
    grant: str
    action: str  # in REVIEW
    event: str
    own: str  # "Your approve was not sent."


APPROVE = Verb("approve", "approve", "review.approve", "approve", "post.approved", "approve")
REJECT = Verb("reject", "reject", "review.reject", "reject", "post.rejected", "reject")
COMPOSE = Verb("compose", "send_to_compose", "review.compose", "compose", "post.composed", "“to compose”")


def approve(post: GeneratedPost, *, by: Member, fingerprint: str, token: uuid.UUID) -> Decision:
    return decide(post, APPROVE, by=by, fingerprint=fingerprint, token=token)


def reject(
    post: GeneratedPost, *, by: Member, fingerprint: str, token: uuid.UUID, reason: str = ""
) -> Decision:
    return decide(post, REJECT, by=by, fingerprint=fingerprint, token=token, reason=reason)


def send_to_compose(post: GeneratedPost, *, by: Member, fingerprint: str, token: uuid.UUID) -> Decision:
    return decide(post, COMPOSE, by=by, fingerprint=fingerprint, token=token)


@transaction.atomic
def decide(
    post: GeneratedPost,
    verb: Verb,
    *,
    by: Member,
    fingerprint: str,
    token: uuid.UUID,
    reason: str = "",
    hold: Hold | None = None,
) -> Decision:
    """Decide on what was on the screen, and hold it.

    Raises NotPermitted, AlreadyOpen (somebody else was first; nothing of yours is sent), Stale (the post
    changed since the page was made), NotAllowed (a stop of the preflight, the policy, a wrong state).
    """
    require(by, verb.grant)
    post = desk.lock(post.pk)
    pressed = Operation.objects.filter(token=token, kind=verb.kind, target=post.upstream_id).first()
    if pressed:
        return still_standing(pressed.decisions.get())
    check_free(post, verb.own)
    check_seen(post, fingerprint)
    check_complete(post)
    REVIEW.after(post.review_status, verb.action)
    is_first = False
    if verb is APPROVE:
        for stop in stops(checks(post)):
            raise NotAllowed(f"{stop.text}. {stop.note}".strip())
        is_first = check_policy(post, by)
    label = desk.label_of(post)
    hold = holds.joined(hold) if hold else holds.begin(by, KINDS[verb.kind].did, label)
    operation = None
    if not is_first:
        operation, _ = operations.queue(
            verb.kind,
            by=by,
            target=post.upstream_id,
            label=label,
            token=token,
            hold=hold,
            fingerprint=post.fingerprint,
            post=post,
            persona=post.persona,
        )
    decision = write(post, verb.verdict, by, reason, post.fingerprint, operation, hold, is_first)
    events.record(
        "decision.first" if is_first else verb.event,
        by=by,
        subject=label,
        post=post,
        persona=post.persona,
        operation=operation,
        **({"reason": reason} if reason else {}),
    )
    desk.settle(post, touched=True)
    return decision


def still_standing(decision: Decision) -> Decision:
    """What an earlier press of the same button decided. Raises Stale if that has ended since."""
    if not decision.stands:
        raise Stale(
            "It was decided from this page before, and that does not stand any more. Nothing was decided."
        )
    return decision


def write(post, verdict, by, reason, fingerprint, operation, hold, is_first=False, item=None) -> Decision:
    """The record of a decision. Of two at the same moment the database lets one stand."""
    try:
        with transaction.atomic():
            decision = Decision.objects.create(
                workspace_id=post.workspace_id,
                post=post,
                item=item,
                verdict=verdict,
                reason=reason[:300],
                fingerprint=fingerprint,
                by=by,
                by_label=by.user.name,
                operation=operation,
                hold=hold,
                is_first=is_first,
            )
    except IntegrityError:
        raise AlreadyOpen(operations.in_the_way(post.workspace_id, "decide", post.upstream_id)) from None
    if item is None and not is_first:
        decision.workspace = post.workspace
        desk.tally(decision, 1)
    return decision


# ---- may it be decided? ----------------------------------------------------------------------


def check_free(post: GeneratedPost, own: str) -> None:
    """Raise AlreadyOpen with who was first, when, and that nothing of yours was sent."""
    standing = post.decisions.filter(stands=True, item=None, is_first=False).order_by("-at").first()
    if standing:
        raise AlreadyOpen(f"{told(standing)}. Your {own} was not sent.")
    open_one = post.operations.open().filter(lock_group="decide").first()
    if open_one:
        raise AlreadyOpen(operations.in_the_way(post.workspace_id, "decide", post.upstream_id))
    if post.review_status != "pending_review":
        said = {"published": "was published", "rejected": "was rejected", "approved": "is in compose"}
        raise AlreadyOpen(f"This {said.get(post.review_status, 'was decided')}. Your {own} was not sent.")


def check_seen(post: GeneratedPost, fingerprint: str) -> None:
    """Raise Stale if another version was on the screen; a row of a list tells it by its first digits."""
    if fingerprint not in (post.fingerprint, post.seen_as):
        raise Stale("This post changed while you looked. Nothing was decided; look at it again.")


def check_complete(post: GeneratedPost) -> None:
    """The service decides only on a post whose every item is completed."""
    items = list(post.items.current())
    if not items or not all(item.is_complete for item in items):
        raise NotAllowed("It can be decided once every item is ready.")


def check_policy(post: GeneratedPost, by: Member) -> bool:
    """The workspace's rules for approving. True if this is the first of two approvals."""
    workspace = post.workspace
    if not workspace.own_work_allowed:
        made = post.operations.filter(by=by, state__in=("succeeded", "unknown"), kind__in=pricing.SPENDING)
        if made.exists():
            raise NotAllowed(
                "You made or changed this post, so somebody else approves it (workspace policy)."
            )
    if workspace.approvers < 2:
        return False
    firsts = post.decisions.filter(stands=True, is_first=True, fingerprint=post.fingerprint)
    if firsts.filter(by=by).exists():
        raise NotAllowed("You gave the first approval; the second must be somebody else’s.")
    return not firsts.exists()


def told(decision: Decision) -> str:
    """ "Tom approved this 2 min ago" """
    did = Decision.Verdict(decision.verdict).label.lower()
    did = "sent this to compose" if did == "to compose" else f"{did} this"
    return f"{decision.by_label} {did} {ago(decision.at)}"


def what_changed(post: GeneratedPost, since: int | None) -> str:
    """What is not as it was in that version of the post, as far as that can be told."""
    anew = post.items.current().filter(take__gt=1, changed_in__gt=since).order_by("position") if since else []
    numbers = [str(item.position + 1) for item in anew]
    if not numbers:
        return "This post changed while you looked"
    if len(numbers) == 1:
        return f"Item {numbers[0]} was regenerated while you looked"
    return f"Items {', '.join(numbers[:-1])} and {numbers[-1]} were regenerated while you looked"


def ago(at) -> str:
    """For whoever asks: the time of day is that of their zone."""
    seconds = int((now() - at).total_seconds())
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    here = timezone.localtime(at)
    return f"at {here:%H:%M}" if seconds < 86400 else f"on {here:%-d %B}"


# ---- one item ---------------------------------------------------------------------------------


@transaction.atomic
def reject_item(
    item: MediaItem, *, by: Member, token: uuid.UUID, fingerprint: str = "", reason: str = ""
) -> Decision:
    """Ask the service to reject one media item, and record who decided so.

    Raises NotPermitted, AlreadyOpen if something on this item or its post is still under way, NotAllowed
    if it is past deciding, or the last one left (that would reject the post: do that instead).
    """
    require(by, "item.reject")
    post = desk.lock(item.post_id)
    item = post.items.get(pk=item.pk)
    pressed = Operation.objects.filter(token=token, kind="reject_item", target=item.upstream_id).first()
    if pressed:  # a regeneration that took its place has left the decision without its operation
        return still_standing(pressed.decisions.first() or item.decisions.latest("at"))
    check_free(post, "reject")
    if not item.is_current:
        raise Stale("This version was replaced while you looked. Nothing was decided.")
    if fingerprint:
        check_seen(post, fingerprint)
    check_complete(post)
    if item.is_rejected:
        raise NotAllowed(f"Item {item.label} is rejected already.")
    if is_last(post, item):
        raise NotAllowed("It is the last item left. Rejecting it rejects the whole post: reject the post.")
    label = f"item {item.label} of {desk.label_of(post)}"
    hold = holds.begin(by, "Item rejected", item.label)
    operation, _ = operations.queue(
        "reject_item",
        by=by,
        target=item.upstream_id,
        label=label,
        token=token,
        hold=hold,
        post=post,
        item=item,
        persona=post.persona,
    )
    seen = post.fingerprint if fingerprint else ""
    decision = write(post, "reject_item", by, reason, seen, operation, hold, item=item)
    post.items.filter(pk=item.pk).update(changed_in=post.version + 1)
    facts = {"reason": reason} if reason else {}
    events.record(
        "item.rejected", by=by, subject=label, post=post, persona=post.persona, operation=operation, **facts
    )
    desk.settle(post, touched=True)
    return decision


def is_last(post: GeneratedPost, item: MediaItem) -> bool:
    """True if rejecting the item would leave nothing: rejections still held count, and deletions."""
    others = operations.staying(post).exclude(pk=item.pk).exclude(review_status="rejected")
    held = Decision.objects.filter(post=post, stands=True).exclude(item=None).values("item_id")
    return not others.exclude(pk__in=held).exists()


# ---- many at once -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    post: GeneratedPost
    decision: Decision | None
    reason: str = ""


def decide_many(
    posts, verb: Verb, *, by: Member, seen: dict, token: uuid.UUID, reason: str = ""
) -> list[Outcome]:
    """One hold for all; each post its own transaction, so that one refusal stops nothing else.

    `seen` gives each post's fingerprint as it was on the screen.
    """
    require(by, verb.grant)
    hold = holds.begin(by, f"{KINDS[verb.kind].did} {len(posts)}", "", count=len(posts), runs=False)
    outcomes = []
    for post in posts:
        try:
            decision = decide(
                post, verb, by=by, fingerprint=seen.get(post.pk, ""), token=token, reason=reason, hold=hold
            )
            outcomes.append(Outcome(post, decision))
        except NotAllowed as error:
            outcomes.append(Outcome(post, None, str(error)))
    # Pressed twice with one token, the decisions stand under the hold of the first press.
    done = sum(outcome.decision is not None and outcome.decision.hold_id == hold.pk for outcome in outcomes)
    holds.filled(hold, f"{KINDS[verb.kind].did} {done}", done)
    return outcomes
