"""What is looked at upstream, and when. Rows are the truth: a restart forgets nothing.

`plan` ranks what is worth a request now (rules/cadence.py): one list page answers for all posts of a
persona that are in flight. `look` makes one look, claimed so that two processes never make the same one.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q

from reviewqueue import gateway
from reviewqueue.clock import age, claim, now, pace, wait
from reviewqueue.models import (
    GeneratedPost,
    Look,
    MediaItem,
    OutgoingPost,
    Persona,
    SyncJob,
    UpstreamKey,
    Watch,
    Workspace,
)
from reviewqueue.models.prepared import AT, Prepared
from reviewqueue.rules import cadence
from reviewqueue.rules.states import GENERATION_ENDED, VOICE_ENDED
from reviewqueue.services import desk, durations, mirroring, rates, reconciling, setup, watches, wire
from reviewqueue.upstream import errors

log = logging.getLogger("loupe.polling")

PAGE = 100  # rows a list page, the most that the service gives
PAGES_AT_MOST = 50
LISTED_AT_MOST = 5000  # posts among which it is counted where one stands in its list
MISSED_AT_MOST = 5  # posts read singly with a page, as it did not show them
CLAIM_SECONDS = 90
WATCHED_FOR_SECONDS = 25  # after the last poll of the page that shows it
SHOWN_IN_FLIGHT = 12  # of the posts in flight, that an open queue page may show

# Seconds between looks of the things that nobody waits for.
EVERY = {
    "catalogue": 600,
    "persona": None,
    "balance": 300,
    "transactions": 600,
    "posts": 300,
    "source_posts": None,
    "key": None,
}
EVERY_WITH_AUTOMATION = 60  # posts of a persona that generates by itself
WALK_EVERY = 3600  # a persona's whole list, for what changed unseen
JOBS = ("sync", "outgoing", "deliveries", "voice")  # planned by how long they have been running
DELIVERIES = ("deliveries", "")  # the watch that reads the list of what goes out
SPAN_OF = {"sync": "sync", "outgoing": "delivery", "voice": "voice"}
ALONE, BESIDE_PEOPLE = "poll", "poll_beside_people"  # classes of the minute
RANK = {"key": 1e6, "unknown": 60.0, "outgoing": 50.0, "balance": 40.0, "post": 30.0, "persona": 20.0}


@dataclass(frozen=True)
class Job:
    """Something that runs at the service and is not a post being made."""

    kind: str
    pk: object
    started: datetime
    looked_at: datetime | None
    post_id: object = None


@dataclass(order=True)
class Candidate:
    rank: float
    workspace_id: object = field(compare=False)
    kind: str = field(compare=False)
    subject: str = field(compare=False)


# ---- planning ------------------------------------------------------------------------------


def plan(*, at: datetime | None = None) -> list[Candidate]:
    """Everything worth looking at now, the most pressing first."""
    at = at or now()
    found: list[Candidate] = []
    for key in _worth_planning(at=at):
        found += plan_for(key, at)
    return sorted(found, reverse=True)


def worth_planning(at: datetime):
    """Keys under which something may be due: all others cost a plan one query, however many they are."""

    def there_is(rows):
        return Exists(rows.filter(workspace=OuterRef("workspace")))

    watched = there_is(scheduled_at(at)) | there_is(Watch.objects.filter(kind="voice"))
    posts = readable()
    not_lost = Q(looked_at=None) | Q(looked_at__lte=F("asked_at") + wait(cadence.DAY))
    made = there_is(posts.in_flight()) | there_is(posts.stuck().filter(not_lost))
    syncs = there_is(SyncJob.objects.filter(ended_at=None))
    sent = there_is(OutgoingPost.objects.filter(status="publishing", settled_at=None))
    something = Q(opened_at=None) & (Q(watched) | Q(made) | Q(syncs) | Q(sent))
    rejected = Q(state=UpstreamKey.State.REJECTED)
    keys = UpstreamKey.objects.filter(upstream="reelmirror")
    return keys.filter((rejected & rates.to_be_probed(at)) | (~rejected & (something | rates.half_open(at))))


_worth_planning = Prepared(lambda: worth_planning(AT).select_related("workspace"))


def plan_for(key: UpstreamKey, at: datetime) -> list[Candidate]:
    workspace = key.workspace
    if key.state == UpstreamKey.State.REJECTED:
        return [Candidate(RANK["key"], workspace.pk, "key", "")] if rates.probe_due(key) else []
    if rates.is_open(key):
        return []
    if rates.is_half_open(key):
        return [Candidate(RANK["key"], workspace.pk, "key", "")]
    screens = on_screens(workspace, at)
    room = rates.room(key.fingerprint, BESIDE_PEOPLE if screens else ALONE)
    if not room.requests:
        return []
    share = room.used_share
    resting = resting_after_failure(workspace, at)
    found = posts_in_flight(workspace, share, screens, at)
    found += jobs_in_flight(workspace, share, screens, resting, at)
    found = [one for one in found if (one.kind, one.subject) not in resting]
    return sorted(scheduled(workspace, at) + found, reverse=True)[: room.requests]


def resting_after_failure(workspace: Workspace, at: datetime) -> set[tuple[str, str]]:
    """Looks that failed the last time: their pause holds for whatever is in flight there, too."""
    failed = workspace.watches.filter(failures__gt=0, poll_at__gt=at)
    return set(failed.values_list("kind", "subject"))


def scheduled(workspace: Workspace, at: datetime) -> list[Candidate]:
    due = scheduled_at(at).filter(workspace=workspace).order_by("poll_at")[:50]
    return [Candidate(RANK.get(watch.kind, 10.0), workspace.pk, watch.kind, watch.subject) for watch in due]


def scheduled_at(at: datetime):
    free = Q(claimed_until=None) | Q(claimed_until__lt=at)
    return Watch.objects.filter(free, poll_at__lte=at, kind__in=list(LOOKS)).exclude(kind__in=JOBS)


def on_screens(workspace: Workspace, at: datetime) -> set:
    """The posts that somebody has open, and None for any other page; empty while nobody is there."""
    recent = Look.objects.filter(workspace=workspace, at__gte=at - timedelta(seconds=WATCHED_FOR_SECONDS))
    return set(recent.values_list("post_id", flat=True))


def readable():
    """Posts that can be asked for: the list of a persona that is gone cannot be read."""
    there = Q(persona=None) | Q(persona__gone_at=None)
    return GeneratedPost.objects.filter(there, deleted_at=None).exclude(upstream_id="")


def posts_in_flight(workspace: Workspace, share: float, screens: set, at: datetime) -> list[Candidate]:
    """One candidate a page of a persona's list, or the single post where there is only one on it."""
    posts = list(
        readable()
        .filter(workspace=workspace)
        .being_made()
        .order_by("asked_at")
        .only("pk", "workspace_id", "persona_id", "asked_at", "made_at", "looked_at", "face")[:2000]
    )
    if not posts:
        return []
    watched = watched_posts(posts, screens)
    spans = durations.spans(workspace)
    alike = Counter(post.persona_id for post in posts)
    pages = pages_of([post for post in posts if alike[post.persona_id] > 1], at)
    by_page: dict = {}
    for post in posts:
        by_page.setdefault((post.persona_id, pages.get(post.pk)), []).append(post)
    found = []
    for (persona_id, page), group in by_page.items():
        together = len(group) > 1 and persona_id is not None and page is not None
        for some in [group] if together else [[post] for post in group]:
            pendings = [pending_post(spans, post, post.pk in watched, at) for post in some]
            debt = cadence.worth_looking([one for one in pendings if one is not None], used_share=share)
            if not debt:
                continue
            kind, subject = place_of(persona_id, page) if together else ("post", str(some[0].pk))
            found.append(Candidate(debt, workspace.pk, kind, subject))
    return found


def place_of(persona_id, page: int) -> tuple[str, str]:
    """The watch that reads this page of the persona's list; the first brings what is new as well."""
    return ("posts", str(persona_id)) if page == 0 else ("page", f"{persona_id}/{page}")


def pages_of(posts: list[GeneratedPost], at: datetime) -> dict:
    """On which page of its persona's list each of these posts stands, counted from 0.

    The newest stand first, as far as the samples show. What runs for long may stand far behind; it is left
    out, to be read by itself.
    """
    fresh = [post for post in posts if post.persona_id and age(post.asked_at, at) < cadence.HOUR]
    if not fresh:
        return {}
    listed = GeneratedPost.objects.filter(
        workspace=fresh[0].workspace_id, deleted_at=None, made_at__gte=min(post.made_at for post in fresh)
    )
    before: Counter = Counter()
    pages = {}
    rows = listed.exclude(upstream_id="").newest_first().values_list("persona_id", "pk")
    for persona_id, pk in rows[:LISTED_AT_MOST]:
        pages[pk] = before[persona_id] // PAGE
        before[persona_id] += 1
    return {post.pk: pages[post.pk] for post in fresh if post.pk in pages}


def watched_posts(posts: list[GeneratedPost], screens: set) -> set:
    """Posts that somebody has on the screen: opened, or among the first in flight of an open queue."""
    shown = posts[:SHOWN_IN_FLIGHT] if None in screens else []
    return screens | {post.pk for post in shown}


def pending_post(spans: dict, post: GeneratedPost, is_watched: bool, at: datetime) -> cadence.Pending | None:
    """The post as the planner sees it; None while it is not its turn (late posts are looked at rarely)."""
    span = spans[post.face.get("media", "image")]
    parts = max(1, post.face.get("items", 1) - post.face.get("done", 0))
    return pending(span, post.asked_at, post.looked_at, at, parts=parts, is_watched=is_watched)


def pending(span, started, looked_at, at, *, parts=1, is_watched=False) -> cadence.Pending | None:
    old, since = age(started, at), age(looked_at or started, at)
    # Late is what a look has found late: after a night in which nobody looked, the first one comes at once.
    pause = cadence.pause_when_late(span, old - since)
    if pause is None or (pause and since < pause):
        return None
    return cadence.Pending(span, old, max(0.0, old - since), parts, is_watched)


def jobs_in_flight(
    workspace: Workspace, share: float, screens: set, resting: set, at: datetime
) -> list[Candidate]:
    """Syncs, deliveries and voice conversions that run: one candidate for each look that is due."""
    jobs = running_jobs(workspace, resting)
    if not jobs:
        return []
    spans = durations.spans(workspace)
    found = []
    for kind, subject, some in looked_at_together(jobs, resting):
        pendings = [
            pending(
                spans[SPAN_OF[job.kind]],
                job.started,
                job.looked_at,
                at,
                is_watched=None in screens or job.post_id in screens,
            )
            for job in some
        ]
        debt = cadence.worth_looking([one for one in pendings if one is not None], used_share=share)
        if debt:
            found.append(Candidate(debt, workspace.pk, kind, subject))
    return found


def running_jobs(workspace: Workspace, resting: set) -> list[Job]:
    looked = {
        (kind, subject): when
        for kind, subject, when in workspace.watches.filter(kind__in=JOBS).values_list(
            "kind", "subject", "looked_at"
        )
    }
    syncs = SyncJob.objects.filter(workspace=workspace, ended_at=None)
    found = [
        Job("sync", pk, started, looked.get(("sync", str(pk))))
        for pk, started in syncs.values_list("pk", "asked_at")
    ]
    listed_at = None if DELIVERIES in resting else looked.get(DELIVERIES)  # a failed look has told nothing
    found += [
        Job("outgoing", pk, started, latest(looked.get(("outgoing", str(pk))), listed_at), post_id)
        for pk, started, post_id in publishing(workspace).values_list("pk", "asked_at", "post_id")
    ]
    voices = MediaItem.objects.filter(pk__in=[subject for kind, subject in looked if kind == "voice"])
    found += [
        Job(
            "voice",
            item.pk,
            item.voice_asked_at or item.asked_at,
            latest(looked["voice", str(item.pk)], item.post.looked_at),
            item.post_id,
        )
        for item in voices.select_related("post")
    ]
    return found


def publishing(workspace: Workspace):
    return OutgoingPost.objects.filter(workspace=workspace, status="publishing", settled_at=None)


def latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)


def looked_at_together(jobs: list[Job], resting: set) -> Iterator[tuple[str, str, list[Job]]]:
    """(kind, subject, jobs) of each look: the first page of the list answers for all deliveries at once.

    While the list cannot be read, they are looked at one by one.
    """
    outgoing = [job for job in jobs if job.kind == "outgoing"]
    if len(outgoing) > 1 and DELIVERIES not in resting:
        yield (*DELIVERIES, outgoing)
        jobs = [job for job in jobs if job.kind != "outgoing"]
    for job in jobs:
        yield job.kind, str(job.pk), [job]


# ---- looking -------------------------------------------------------------------------------


def look_at(candidate: Candidate) -> bool:
    watch = watches.add(candidate.workspace_id, candidate.kind, candidate.subject)
    return look(watch.pk)


def look(watch_id, *, at: datetime | None = None, hinted: bool = False) -> bool:
    """Make one look. Of several callers one makes it; True if this one did.

    `hinted`: on a hint, which counts once; a hint that comes twice is not a second look.
    """
    at = at or now()
    free = Q(claimed_until=None) | Q(claimed_until__lt=at)
    if hinted:
        free &= Q(hinted_at__isnull=False)
    known = Watch.objects.filter(kind__in=list(LOOKS))
    if not known.filter(free, pk=watch_id).update(claimed_until=at + claim(CLAIM_SECONDS, least=15)):
        return False
    watch = Watch.objects.select_related("workspace").get(pk=watch_id)
    line = None
    try:
        line = wire.open_wire(watch.workspace)
        if watch.kind != "key":
            line.spend(class_of(watch.workspace, at))
        again = LOOKS[watch.kind](line, watch)
        if watch.kind != "key":
            line.learn(None)
    except gateway.NoKey:
        put_off(watch, 60, "no key", looked=False)
    except wire.NoRoom as full:
        put_off(watch, full.wait_seconds / pace(1), watch.trouble, looked=False)
    except errors.UpstreamError as error:
        if line is not None and watch.kind != "key":
            line.learn(error)
        watch.failures += 1
        if isinstance(error, errors.Forbidden):
            put_off(watch, 3600, watches.LACKS_SCOPE)
        else:
            far = min(600, 5 * 2**watch.failures)
            asked = getattr(error, "wait", 0) or getattr(error, "retry_after", 0)
            put_off(watch, max(far, asked), str(error))
    else:
        finish(watch, again)
    return True


def finish(watch: Watch, again: float | None) -> None:
    """Done: look again after `again` documented seconds, or drop the row (None).

    Whoever asked for a look while this one was under way still gets it: their `poll_at` stays.
    """
    at = now()
    row = Watch.objects.filter(pk=watch.pk)
    unasked = row.filter(poll_at=watch.poll_at)
    if again is None:
        unasked.delete()
    else:
        unasked.update(poll_at=at + wait(again))
    row.update(looked_at=at, claimed_until=None, hinted_at=None, failures=0, trouble="")


def put_off(watch: Watch, seconds: float, trouble: str, *, looked: bool = True) -> None:
    facts = {"looked_at": now()} if looked else {}
    Watch.objects.filter(pk=watch.pk).update(
        poll_at=now() + wait(seconds),
        claimed_until=None,
        hinted_at=None,
        failures=watch.failures,
        trouble=trouble[:300],
        **facts,
    )


def class_of(workspace: Workspace, at: datetime) -> str:
    """While somebody has a page open, background looks leave more of the minute to their decisions."""
    return BESIDE_PEOPLE if on_screens(workspace, at) else ALONE


# Each makes its requests (the first is paid for), writes the mirror, and says when to look again:
# documented seconds, or None for never.


def look_at_key(line, watch) -> float | None:
    setup.try_key(line.key)
    return None


def look_at_catalogue(line, watch) -> float:
    """Personas, and for each its sources and targets; and the connected accounts."""
    workspace = watch.workspace
    listed = all_of(line, line.api.personas.list)
    people = mirroring.personas(workspace, listed, complete=listed.is_whole)
    line.spend("poll")
    listed = all_of(line, line.api.accounts.list)
    mirroring.accounts(workspace, listed, complete=listed.is_whole)
    for persona in people:
        look_at_links(line, persona)
        for kind in ("posts", "source_posts"):
            if not Watch.objects.filter(
                workspace=workspace, kind=kind, subject=str(persona.pk)
            ).exists() and (kind == "posts" or persona.source_posts_seen_at is None):
                watches.add(workspace.pk, kind, persona.pk)
    Workspace.objects.filter(pk=workspace.pk).update(catalogue_seen_at=now())
    return EVERY["catalogue"]


def look_at_links(line, persona: Persona) -> None:
    line.spend("poll")
    listed = all_of(line, lambda **page: line.api.sources.list(persona.upstream_id, **page))
    mirroring.sources(persona, listed, complete=listed.is_whole)
    line.spend("poll")
    listed = all_of(line, lambda **page: line.api.targets.list(persona.upstream_id, **page))
    mirroring.targets(persona, listed, complete=listed.is_whole)


def look_at_persona(line, watch) -> None:
    persona = Persona.objects.filter(pk=watch.subject).first()
    if persona is None:
        return
    mirroring.persona(watch.workspace, line.api.personas.get(persona.upstream_id), row=persona)
    line.spend("wait")
    listed = all_of(line, line.api.accounts.list)
    mirroring.accounts(watch.workspace, listed, complete=listed.is_whole)
    look_at_links(line, persona)


def look_at_balance(line, watch) -> float:
    workspace, at = watch.workspace, now()
    before = workspace.balance_cents
    mirroring.balance(workspace, line.api.billing.balance(), at=at)
    workspace.refresh_from_db(fields=["balance_cents"])
    if workspace.balance_cents != before:
        watches.add(workspace.pk, "transactions", soon=True)
    return EVERY["balance"]


def look_at_transactions(line, watch) -> float:
    """New ones stand first, as far as the samples show; read on until a page brings nothing new."""
    offset = 0
    for _ in range(PAGES_AT_MOST):
        page = line.api.billing.transactions(limit=PAGE, offset=offset)
        fresh = mirroring.transactions(watch.workspace, page.items)
        offset += len(page.items) + page.unreadable
        if not fresh or not page.items or (page.count is not None and offset >= page.count):
            break
        line.spend("poll")
    return EVERY["transactions"]


def look_at_posts(line, watch) -> float | None:
    """The first page of a persona's posts; now and then the whole list."""
    persona = Persona.objects.select_related("workspace").filter(pk=watch.subject).first()
    if persona is None or persona.gone_at:
        return None
    at = now()
    walk = persona.posts_walked_at is None or at - persona.posts_walked_at > wait(WALK_EVERY)
    expected = expected_on(persona, 0)
    seen = read_posts(line, persona, whole=walk)
    facts = {"posts_seen_at": at}
    if walk:
        check_gone(line, persona, seen)
        facts["posts_walked_at"] = at
    Persona.objects.filter(pk=persona.pk).update(**facts)
    read_missed(line, persona, expected, seen)
    automatic = persona.sources.exclude(automation_mode="sync_only").exists()
    return EVERY_WITH_AUTOMATION if automatic else EVERY["posts"]


def look_at_page(line, watch) -> None:
    """A later page of a persona's posts, on which several are in flight."""
    persona_id, _, page = watch.subject.partition("/")
    persona = Persona.objects.select_related("workspace").filter(pk=persona_id).first()
    if persona is None or persona.gone_at:
        return
    expected = expected_on(persona, int(page))
    read_missed(line, persona, expected, read_posts(line, persona, first=int(page)))


def read_posts(line, persona: Persona, *, first: int = 0, whole: bool = False) -> set[str]:
    """Mirror one page of the list, or with `whole` all of it. Returns the ids that were listed."""
    seen: set[str] = set()
    offset = first * PAGE
    for number in range(PAGES_AT_MOST):
        if number:
            line.spend("poll")
        at = now()
        page = line.api.posts.list(persona.upstream_id, limit=PAGE, offset=offset)
        mirroring.generated_posts(persona, page.items, at=at)
        seen.update(remote.id for remote in page.items)
        offset += len(page.items) + page.unreadable
        if not whole or not page.items or (page.count is not None and offset >= page.count):
            break
    return seen


def expected_on(persona: Persona, page: int) -> list:
    """The posts in flight that should stand on this page, by what is known here."""
    flying = persona.posts.filter(deleted_at=None).in_flight().exclude(upstream_id="")
    flying = flying.only("pk", "workspace_id", "persona_id", "asked_at", "made_at")
    return [pk for pk, where in pages_of(list(flying), now()).items() if where == page]


def read_missed(line, persona: Persona, expected: list, seen: set[str]) -> None:
    """Read singly what should have stood on the page, the longest unread first: the order may be another."""
    missed = persona.posts.filter(pk__in=expected).exclude(upstream_id__in=seen)
    read_each(line, missed.order_by(F("looked_at").asc(nulls_first=True), "asked_at")[:MISSED_AT_MOST])


def check_gone(line, persona: Persona, seen: set[str]) -> None:
    """Posts that the whole list no longer shows are asked for singly before they count as deleted."""
    gone = persona.posts.filter(deleted_at=None).exclude(upstream_id="").exclude(upstream_id__in=seen)
    read_each(line, gone.order_by("seen_at")[:20])


def read_each(line, posts) -> None:
    """Mirror posts one by one; an answer that cannot be read stops no other."""
    for post in posts:
        line.spend("poll")
        try:
            read_post(line, post)
        except errors.Unreadable as error:
            log.warning("Post %s cannot be read: %s", post.pk, error)


def look_at_post(line, watch) -> None:
    post = GeneratedPost.objects.select_related("workspace", "persona").filter(pk=watch.subject).first()
    if post is not None and post.upstream_id and not post.deleted_at:
        read_post(line, post)


def read_post(line, post: GeneratedPost) -> None:
    """Mirror one post. Gone only if a sister object is still there: else it may be the key."""
    at = now()
    try:
        remote = line.api.posts.get(post.upstream_id)
    except errors.NotFound:
        line.spend("poll")
        if post.persona:
            line.api.personas.get(post.persona.upstream_id)
        mirroring.post_gone(post, at=at)
    else:
        mirroring.generated_post(post.workspace, remote, owner=post.persona, at=at)


def look_at_source_posts(line, watch) -> None:
    persona = Persona.objects.select_related("workspace").filter(pk=watch.subject).first()
    if persona is None:
        return
    rows = all_of(line, lambda **page: line.api.source_posts.list(persona.upstream_id, **page))
    mirroring.source_posts(persona.workspace, rows)
    Persona.objects.filter(pk=persona.pk).update(source_posts_seen_at=now())


def look_at_sync(line, watch) -> float | None:
    job = SyncJob.objects.select_related("workspace", "persona").filter(pk=watch.subject).first()
    if job is None:
        return None
    mirroring.sync_job(job, line.api.syncs.get(job.upstream_id))
    if job.ended_at is None:
        return cadence.HOUR
    watches.add(watch.workspace_id, "persona", job.persona_id, soon=True)
    if job.status == "completed":
        watches.add(watch.workspace_id, "source_posts", job.persona_id, soon=True)
        watches.add(watch.workspace_id, "balance", soon=True)
        if job.persona.sources.exclude(automation_mode="sync_only").exists():
            watches.add(watch.workspace_id, "posts", job.persona_id, soon=True)
    return None


def look_at_outgoing(line, watch) -> float | None:
    row = OutgoingPost.objects.filter(pk=watch.subject).first()
    if row is None:
        return None
    row = mirroring.outgoing(watch.workspace, line.api.outgoing.get(row.upstream_id))
    return None if row.settled_at else cadence.HOUR


def look_at_deliveries(line, watch) -> float | None:
    """The first page of what goes out; what it does not show is read singly, the longest unread first."""
    workspace = watch.workspace
    rows = {row.upstream_id: row for row in publishing(workspace).order_by("seen_at")}
    for remote in line.api.outgoing.list(limit=PAGE).items:
        if rows.pop(remote.id, None):
            mirroring.outgoing(workspace, remote)
    for upstream_id in list(rows)[:MISSED_AT_MOST]:
        line.spend("poll")
        mirroring.outgoing(workspace, line.api.outgoing.get(upstream_id))
    return cadence.HOUR if publishing(workspace).exists() else None


def look_at_unknown(line, watch) -> float | None:
    return reconciling.look(line, watch.workspace)


def look_at_voice(line, watch) -> float | None:
    item = (
        MediaItem.objects.select_related("post__workspace", "post__persona").filter(pk=watch.subject).first()
    )
    if item is None or not item.is_current:
        return None
    read_post(line, item.post)
    item.refresh_from_db(fields=["voice_conversion_status"])
    return None if item.voice_conversion_status in VOICE_ENDED else cadence.HOUR


class Rows(list):
    """Rows of a list of the service; `is_whole` says whether these are all that it holds."""

    is_whole = False


def all_of(line, read) -> Rows:
    """Every row of a list, page by page; the first page is paid for."""
    rows, offset = Rows(), 0
    for number in range(PAGES_AT_MOST):
        if number:
            line.spend("poll")
        page = read(limit=PAGE, offset=offset)
        rows += page.items
        got = len(page.items) + page.unreadable
        offset += got
        is_last = got < PAGE if page.count is None else offset >= page.count
        if is_last or not got:
            rows.is_whole = len(rows) == offset  # else some could not be read
            break
    return rows


LOOKS = {
    "key": look_at_key,
    "catalogue": look_at_catalogue,
    "persona": look_at_persona,
    "balance": look_at_balance,
    "transactions": look_at_transactions,
    "posts": look_at_posts,
    "page": look_at_page,
    "post": look_at_post,
    "source_posts": look_at_source_posts,
    "sync": look_at_sync,
    "outgoing": look_at_outgoing,
    "deliveries": look_at_deliveries,
    "voice": look_at_voice,
    "unknown": look_at_unknown,
}


# ---- late ones --------------------------------------------------------------------------------


def refresh_late(workspace: Workspace, *, at: datetime | None = None) -> int:
    """Posts whose time is up move to Needs attention though nothing new was read."""
    at = at or now()
    moved = 0
    limit = cadence.SPANS["image"].faster(workspace.speed).limit
    late = workspace.posts.in_flight().filter(deleted_at=None, asked_at__lt=at - wait(2 * limit))
    awaited = Q(file=None) | ~Q(status__in=GENERATION_ENDED)
    awaited = MediaItem.objects.current().filter(awaited, post=OuterRef("pk"))
    # What is made and only being copied takes what it takes.
    late = late.filter(Exists(awaited) | ~Q(status__in=GENERATION_ENDED))
    for post in late.only("pk").order_by("asked_at")[:50]:
        moved += desk.refresh(post.pk, at=at).desk == "attention"
    return moved
