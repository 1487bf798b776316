"""What the service shows of an operation whose answer was lost: there, not there, or not to be told.

`EVIDENCE[kind](operation, eyes)` returns Found with what the reply would have said, NotThere, or Unclear
with its reason. Only positive identification counts: a thing that names what was asked for, was not there
before, and belongs to no other operation (ADR 9). One pair of Eyes serves all unknown operations of a key, so
every list is read once a pass.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from itertools import pairwise

from django.db.models import Q

from reviewqueue.models import Operation, OutgoingPost
from reviewqueue.rules.states import GENERATION_ENDED, IN_COMPOSE, REVIEW_ENDED
from reviewqueue.services import media
from reviewqueue.services.kinds import KINDS
from reviewqueue.upstream import errors
from reviewqueue.upstream.reelmirror import types

PAGE = 100
PAGES_AT_MOST = 11  # of one list; with what else an operation needs it fits into one pass
PAGES_OF_CHARGES = 3  # what was paid for since an operation was sent, if that is minutes ago
NO_BASELINE = "What it was like before is not known, so it cannot be told."
TOO_LONG = "A list of the service is too long to be read to its end, so it cannot be told."
UNREADABLE = "A list of the service has rows that cannot be read, so it cannot be told."
OF_ANOTHER = "The post was made anew; whether by this or by something else of the lost time, nobody can tell."
PAID = "A charge names a post that cannot be seen, so it cannot be told."
CLOCKS = "The service's clock is so far behind ours that it cannot be told what was made since."
EARLIER = timedelta(seconds=120)  # by which the service's clock may be behind ours


@dataclass(frozen=True)
class Found:
    """It happened. `reply`: what the lost answer would have told; `note`: what a person should know."""

    reply: object = None
    note: str = ""


@dataclass(frozen=True)
class NotThere:
    """Looked for where it would have to be, and not seen."""


@dataclass(frozen=True)
class Unclear:
    """Neither: what could tell is missing or says two things."""

    reason: str


@dataclass
class Eyes:
    """Reads of one pass under one key, each made once. `spend()` takes a request from the key's minute.

    `since`: nothing that was made before it is evidence for the operation at hand.
    """

    line: object
    spend: Callable
    since: datetime | None = None
    claimed: set[str] = field(default_factory=set)  # what an operation of this pass was found to have made
    known: dict = field(default_factory=dict)
    places: dict = field(default_factory=dict)  # of each list: where to read on (None: ended), pages turned
    cut: dict = field(default_factory=dict)  # lists that do not show all they hold, and why
    used: set = field(default_factory=set)  # what the operation at hand was looked for in

    def once(self, name, read):
        self.used.add(name)
        if name not in self.known:
            self.known[name] = read()
        return self.known[name]

    def one(self, name, read):
        """One object, or None where the service says 404."""

        def look():
            self.spend()
            try:
                return read()
            except errors.NotFound:
                return None

        return self.once(name, look)

    def all(self, name, read, *, newest: bool = False, pages: int | None = None):
        """Every row of a list, page by page; `newest`: only what was made since matters. Whoever has to see
        further back goes on where the one before left off.
        """
        self.used.add(name)
        rows, offset, turned = self.known.get(name, []), *self.places.get(name, (0, 0))
        while offset is not None and not (newest and self.reaches_back(rows)):
            if turned == (pages or PAGES_AT_MOST):
                self.cut.setdefault(name, TOO_LONG)
                break
            self.spend()
            page = read(limit=PAGE, offset=offset)
            if page.unreadable:
                self.cut[name] = UNREADABLE
            got = len(page.items) + page.unreadable
            rows, offset, turned = [*rows, *page.items], offset + got, turned + 1
            if not got or (got < PAGE if page.count is None else offset >= page.count):
                offset = None
            self.known[name], self.places[name] = rows, (offset, turned)
        return rows

    def lack(self, name: str, rows: list) -> bool:
        """Whether nothing of this id is among the rows, which are all that what was looked in holds."""
        return not self.cut.keys() & self.used and all(row.id != name for row in rows)

    def reaches_back(self, rows: list) -> bool:
        """Whether all that follows is too old, if the list goes on in the order that it has shown so far.

        No order is documented; the samples stand newest first.
        """
        moments = [row.created_at for row in rows]
        if not moments or None in moments or moments[-1] >= self.since:
            return False
        return all(newer >= older for newer, older in pairwise(moments))

    def turn_to(self, operation: Operation) -> None:
        """The operation at hand is this one now."""
        self.used.clear()
        self.since = operation.sent_at - EARLIER

    # ---- what there is to see --------------------------------------------------------------

    def persona(self, upstream_id: str) -> types.Persona | None:
        return self.one(("persona", upstream_id), lambda: self.line.api.personas.get(upstream_id))

    def personas(self) -> list:
        return self.all("personas", self.line.api.personas.list)

    def post(self, upstream_id: str) -> types.GeneratedPost | None:
        return self.one(("post", upstream_id), lambda: self.line.api.posts.get(upstream_id))

    def item(self, upstream_id: str) -> types.MediaItem | None:
        return self.one(("item", upstream_id), lambda: self.line.api.items.get(upstream_id))

    def posts(self, persona: str) -> list:
        return self.all(
            ("posts", persona), lambda **page: self.line.api.posts.list(persona, **page), newest=True
        )

    def source_posts(self, persona: str) -> list:
        return self.all(
            ("source_posts", persona), lambda **page: self.line.api.source_posts.list(persona, **page)
        )

    def sources(self, persona: str) -> list:
        return self.all(("sources", persona), lambda **page: self.line.api.sources.list(persona, **page))

    def targets(self, persona: str) -> list:
        return self.all(("targets", persona), lambda **page: self.line.api.targets.list(persona, **page))

    def outgoing(self) -> list | None:
        """Outgoing posts; None where the (inferred) list does not exist or may not be read."""
        if self.known.get("outgoing", ()) is not None:
            try:
                return self.all("outgoing", self.line.api.outgoing.list, newest=True)
            except (errors.NotFound, errors.Forbidden):
                self.known["outgoing"] = None
        return None

    def balance(self):
        return self.one("balance", self.line.api.billing.balance)

    def transactions(self) -> list:
        return self.all("transactions", self.line.api.billing.transactions, newest=True)

    def charges(self) -> list:
        """The newest transactions, as a second witness. One that does not reach back says nothing: by then a
        list that lagged has come up, and what it did not show as unfinished has ended.
        """
        read = self.line.api.billing.transactions
        rows = self.all("charges", read, newest=True, pages=PAGES_OF_CHARGES)
        if self.cut.get("charges") == TOO_LONG:
            self.used.discard("charges")
        return rows


# ---- generating ------------------------------------------------------------------------------------------


def generate(operation: Operation, eyes: Eyes):
    return made_from(operation, eyes, {operation.params["source_post_id"]})


def clone(operation: Operation, eyes: Eyes):
    """First the post behind the link has to be among the pulled ones, then a post made from it."""
    code = operation.params["url"].rstrip("/").rsplit("/", 1)[-1]
    pulled = {
        post.id
        for post in eyes.source_posts(operation.params["persona_id"])
        if post.platform_post_id == code or f"/{code}/" in f"{post.url or ''}/"
    }
    return made_from(operation, eyes, pulled) if pulled else NotThere()


def made_from(operation: Operation, eyes: Eyes, sources: set[str]):
    posts = eyes.posts(operation.params["persona_id"])
    old = taken(operation) | eyes.claimed
    fresh = [post for post in posts if post.id not in old and is_new(operation, post.created_at)]
    if fresh and all(post.source_post_id is None for post in fresh):
        fresh = [post for post in fresh if charged_for(operation, eyes, post.id)]  # only money can tell
    else:
        fresh = [post for post in fresh if post.source_post_id in sources]
    if not fresh:
        listed = old | {post.id for post in posts}
        paid = unlisted_but_paid(operation, eyes, sources, listed)
        if not isinstance(paid, types.GeneratedPost):
            return paid
        fresh = [paid]
    first, *others = sorted(fresh, key=lambda post: (post.created_at is None, post.created_at, post.id))
    eyes.claimed.add(first.id)
    notes = []
    source = operation.source_post and operation.workspace.sources.filter(
        creator_id=operation.source_post.creator_id
    )
    if source and source.exclude(automation_mode="sync_only").exists():
        notes.append("It was possibly made by the source’s automation.")
    if others:
        notes.append(f"{len(others)} more of the same was made, which Loupe did not order.")
    return Found(types.GenerationStarted(first.id), " ".join(notes))


def unlisted_but_paid(operation: Operation, eyes: Eyes, sources: set[str], listed: set[str]):
    """The post that a charge names since then, though the list does not show it (yet): money is the best
    witness. NotThere if no charge does, or none may be read; Unclear if it names one that cannot be seen.
    """
    try:
        charges = eyes.charges()
    except (errors.Forbidden, errors.NotFound):
        return NotThere()
    named = [
        charge.generated_post_id
        for charge in charges
        if charge.amount_cents < 0 and is_new(operation, charge.created_at)
    ]
    named = dict.fromkeys(one for one in named if one and one not in listed)
    is_older = Q(made_at__lt=operation.sent_at - EARLIER)
    is_of_another = Q(source_post__isnull=False) & ~Q(source_post__upstream_id__in=sources)
    is_other = ~Q(persona=operation.persona_id) | is_older | is_of_another
    known = operation.workspace.posts.filter(is_other, upstream_id__in=named)
    known = set(known.values_list("upstream_id", flat=True))  # such as an older one that was made anew
    seen = [eyes.post(upstream_id) for upstream_id in named if upstream_id not in known]
    for post in filter(None, seen):
        is_of_persona = post.persona_id in (None, operation.params["persona_id"])
        is_of_source = post.source_post_id in (None, *sources)
        if is_of_persona and is_of_source and is_new(operation, post.created_at):
            return post
    return Unclear(PAID) if None in seen else NotThere()


def taken(operation: Operation) -> set[str]:
    """Posts that were there before, or that another operation is known to have made."""
    others = operation.workspace.operations.filter(kind__in=("generate", "clone"), state="succeeded")
    made = others.exclude(pk=operation.pk).values_list("result__generated_post_id", flat=True)
    return set((operation.baseline or {}).get("posts", [])) | {one for one in made if one}


def is_new(operation: Operation, at) -> bool:
    return at is None or at >= operation.sent_at - EARLIER


def charged_for(operation: Operation, eyes: Eyes, subject: str, *, item: bool = False) -> bool:
    """A charge for that post or item since the request was sent, that no other operation can have caused."""
    if others_spent(operation):
        return False
    return any(
        charge.amount_cents < 0
        and is_new(operation, charge.created_at)
        and subject == (charge.generated_media_item_id if item else charge.generated_post_id)
        for charge in eyes.transactions()
    )


def others_spent(operation: Operation) -> bool:
    """Whether something else was sent for the same post so shortly before that its charge may be this one."""
    if operation.post_id is None:
        return False
    spending = [name for name, kind in KINDS.items() if kind.spends]
    others = operation.post.operations.filter(kind__in=spending, sent_at__gte=operation.sent_at - 2 * EARLIER)
    return others.exclude(pk=operation.pk).exclude(state__in=("failed", "absent")).exists()


# ---- making anew -------------------------------------------------------------------------------------------


def on_post(look):
    """The rule needs the post, and what it was before."""

    @wraps(look)
    def looked(operation, eyes):
        post = eyes.post(operation.target)
        if post is None:
            return Unclear("The post is no longer there at the service.")
        if operation.baseline is None and operation.kind != "reject":
            return Unclear(NO_BASELINE)
        return look(operation, eyes, post, operation.baseline or {})

    return looked


@on_post
def regenerate(operation, eyes, post, before):
    """New items, or items being made again; one that was being made before only goes on. Another caption
    proves nothing: anybody may write one. After a restore nobody knows what else was done in the lost time:
    then only all of it made anew, caption included, is this.
    """
    items = {item.id: item.status for item in post.media_items}
    was = before.get("states", {})
    ended = {key for key, state in was.items() if state in GENERATION_ENDED}
    begun = {key for key in ended if items.get(key, "completed") not in GENERATION_ENDED}
    remade = begun or set(items) - set(was)
    left = ended & set(items) - begun
    in_doubt = operation.kind == "regenerate_post" and operation.was_restored
    if remade and in_doubt and (left or post.caption == before.get("caption")):
        return Unclear(OF_ANOTHER)
    if remade or charged_for(operation, eyes, post.id):
        return Found(types.RegenerationStarted(post.id))
    return NotThere()


def regenerate_item(operation, eyes):
    before = operation.baseline
    if before is None:
        return Unclear(NO_BASELINE)
    if operation.was_restored and operation.post and before.get("caption") is not None:
        post = eyes.post(operation.post.upstream_id)
        if post and post.caption != before["caption"]:  # with one item the caption stays
            return Unclear(OF_ANOTHER)
    item = eyes.item(operation.target)
    if item is None:
        return replaced(operation, eyes)
    moved = media.path_of(item.url) != before.get("url") if item.url else False
    if moved or item.status != before.get("status", item.status):
        return Found(types.ItemStarted(item.id))
    if charged_for(operation, eyes, item.id, item=True):
        return Found(types.ItemStarted(item.id))
    return NotThere()


def replaced(operation, eyes):
    """The item is gone: the one that stands in its place now, if the post shows one."""
    post, item = eyes.post(operation.post.upstream_id) if operation.post else None, operation.item
    known = set()
    if post and item:  # a poll may have mirrored the new version before anybody looked
        older = operation.post.items.exclude(position=item.position, take__gt=item.take)
        known = set(older.values_list("upstream_id", flat=True))
    fresh = [item for item in post.media_items if item.id not in known] if known else []
    if len(fresh) == 1:
        return Found(types.ItemStarted(fresh[0].id))
    return Unclear("The item is no longer there, and nothing stands clearly in its place.")


def convert_voice(operation, eyes):
    """The first one shows on the item. Of a second only money tells: the first may just have ended."""
    item = eyes.item(operation.target)
    if item is None:
        return Unclear("The item is no longer there at the service.")
    if operation.baseline is None:
        return Unclear(NO_BASELINE)
    if item.voice_conversion_status and not operation.baseline.get("voice_conversion_status"):
        return Found(types.VoiceStarted(item.id, item.voice_conversion_status))
    if charged_for(operation, eyes, item.id, item=True):
        return Found(types.VoiceStarted(item.id, item.voice_conversion_status))
    return NotThere()


# ---- deciding ----------------------------------------------------------------------------------------


@on_post
def sent_out(operation, eyes, post, before):
    """Approve and send to compose. `pending_review` proves nothing; that it is nowhere to be seen does.

    Both leave an outgoing post behind: one in compose, the other one that goes out.
    """
    listed, earlier = eyes.outgoing(), made_before(operation, before)
    items = set(before.get("items", []))
    ours = {
        one.id: one.status
        for one in listed or ()
        if one.id not in earlier
        and items & {item.generated_media_item_id for item in one.items}
        and is_new(operation, one.created_at)
        and not OutgoingPost.objects.filter(workspace=operation.workspace, upstream_id=one.id)
        .exclude(post=operation.post)
        .exists()
    }
    if post.outgoing_post_id and post.outgoing_post_id not in earlier:
        status = {one.id: one.status for one in listed or ()}.get(post.outgoing_post_id)
        ours = {post.outgoing_post_id: status} | ours
    fitting = [found for found, status in ours.items() if is_of_kind(operation, status)]
    if fitting:
        return Found(reply_of(operation, fitting[0]))
    if ours:
        where = "It is going out from" if operation.kind == "send_to_compose" else "It lies in compose at"
        return Unclear(f"{where} the service, which is something else than was asked for from here.")
    if post.review_status != before.get("review_status") and post.review_status in ("approved", "published"):
        return Unclear("The service shows it as approved; whether by this, nobody can tell.")
    if listed is None:
        return Unclear("The service does not let its outgoing posts be read, so it cannot be told.")
    return NotThere()


def made_before(operation, before: dict) -> set[str | None]:
    """The outgoing posts that were there, or that another operation on the post is known to have made."""
    others = operation.workspace.operations.filter(target=operation.target, state="succeeded")
    others = others.exclude(pk=operation.pk)
    return {before.get("outgoing_post_id"), *others.values_list("result__outgoing_post_id", flat=True)}


def is_of_kind(operation, status: str | None) -> bool:
    return status is None or (status in IN_COMPOSE) == (operation.kind == "send_to_compose")


def reply_of(operation, outgoing_id: str):
    made = types.ApprovalStarted if operation.kind == "approve" else types.DraftMade
    return made(outgoing_id)


@on_post
def reject(operation, eyes, post, before):
    return Found(types.Rejection("rejected")) if post.review_status == "rejected" else NotThere()


def reject_item(operation, eyes):
    item = eyes.item(operation.target)
    if item is None:
        return Unclear("The item is no longer there at the service.")
    if item.review_status == "rejected":
        return Found(types.ItemRejection("rejected", post_auto_rejected=False))
    post = eyes.post(operation.post.upstream_id) if operation.post else None
    if post and post.review_status in REVIEW_ENDED:
        return Found(types.ItemRejection("rejected", post_auto_rejected=post.review_status == "rejected"))
    return NotThere()


def visibility(operation, eyes):
    item = eyes.item(operation.target)
    if item is None:
        return Unclear("The item is no longer there at the service.")
    wished = operation.kind == "set_public"
    return Found(types.Visibility(item.id, wished)) if item.is_public == wished else NotThere()


def delete_post(operation, eyes):
    """Gone only while a sister object is still there: else it may be the key that sees nothing."""
    if eyes.post(operation.target) is not None:
        return NotThere()
    sister = eyes.persona(operation.persona.upstream_id) if operation.persona else None
    return Found() if sister else Unclear("Nothing else can be seen either, so it cannot be told.")


def delete_item(operation, eyes):
    if eyes.item(operation.target) is not None:
        return NotThere()
    sister = eyes.post(operation.post.upstream_id) if operation.post else None
    return Found() if sister else Unclear("Its post cannot be seen either, so it cannot be told.")


# ---- personas, sources, accounts ----------------------------------------------------------------------


def sync(operation, eyes):
    """The ids of the jobs are lost; that the accounts were synced since shows on them."""
    synced = [one.last_synced_at for one in eyes.sources(operation.target) if one.last_synced_at]
    if synced and is_new(operation, max(synced)):
        return Found(types.SyncStarted((), None))
    return NotThere()


def source(operation, eyes):
    rows = eyes.sources(operation.params["persona_id"])
    if operation.kind == "add_source":
        there = any(row.handle.casefold() == operation.params["handle"].casefold() for row in rows)
    elif operation.kind == "remove_source":
        there = eyes.lack(operation.target, rows)
    else:
        mode = operation.params["automation_mode"]
        there = any(row.id == operation.target and row.automation_mode == mode for row in rows)
    return Found() if there else NotThere()


def target(operation, eyes):
    rows = eyes.targets(operation.params["persona_id"])
    if operation.kind == "add_target":
        there = any(row.connected_account_id == operation.params["account_id"] for row in rows)
    else:
        there = eyes.lack(operation.params["target_id"], rows)
    return Found() if there else NotThere()


def create_persona(operation, eyes):
    """A poll may have mirrored it before anybody looked: what counts is what there was before it was sent."""
    if operation.baseline is None:
        return Unclear(NO_BASELINE)
    others = operation.workspace.operations.filter(kind="create_persona", state="succeeded")
    known = set(operation.baseline.get("personas", []))
    known |= set(others.exclude(pk=operation.pk).values_list("persona__upstream_id", flat=True))
    fresh = [
        row
        for row in eyes.personas()
        if row.name == operation.params["name"] and row.id not in known and is_new(operation, row.created_at)
    ]
    if len(fresh) > 1:
        return Unclear("Several new personas have this name.")
    return Found(fresh[0]) if fresh else NotThere()


def update_persona(operation, eyes):
    row = eyes.persona(operation.target)
    if row is None:
        return Unclear("The persona is no longer there at the service.")
    same = all(getattr(row, name, value) == value for name, value in operation.params.items())
    return Found(row) if same else NotThere()


def set_reload(operation, eyes):
    balance = eyes.balance()
    wished = {name: value for name, value in operation.params.items() if value is not None}
    if not wished.get("auto_reload"):
        wished = {"auto_reload": False}  # the amounts of a reload that is off are no matter
    same = all(getattr(balance, name) == value for name, value in wished.items())
    return Found(balance) if same else NotThere()


def opened(operation, eyes):
    """A page that nobody was sent to has no effect: there is nothing to be found, ever."""
    return NotThere()


EVIDENCE = {
    "generate": generate,
    "clone": clone,
    "regenerate_post": regenerate,
    "retry_failed": regenerate,
    "regenerate_item": regenerate_item,
    "voice_convert": convert_voice,
    "set_public": visibility,
    "set_private": visibility,
    "approve": sent_out,
    "send_to_compose": sent_out,
    "reject": reject,
    "reject_item": reject_item,
    "delete_post": delete_post,
    "delete_item": delete_item,
    "sync": sync,
    "add_source": source,
    "remove_source": source,
    "set_automation": source,
    "create_persona": create_persona,
    "update_persona": update_persona,
    "add_target": target,
    "remove_target": target,
    "connect_account": opened,
    "top_up": opened,
    "set_reload": set_reload,
}
