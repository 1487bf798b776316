"""Every kind of operation as one line: how it is sent, what its success means, how it is told.

`call(api, operation, wire)` makes exactly one request that changes something; `wire` holds the request
id and the deadline. `settle(operation, reply)` runs in the transaction that records the success; it
returns what is worth keeping of the reply.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reviewqueue.clock import now
from reviewqueue.models import Checkout, GeneratedPost, Operation, OutgoingPost, Persona, Source, SyncJob
from reviewqueue.models.base import held
from reviewqueue.rules.releases import Known, words
from reviewqueue.services import desk, mirroring, watches


@dataclass(frozen=True)
class Kind:
    """What there is to know about one kind of operation."""

    name: str
    grant: str  # asked at the click, and again before it is sent
    lock_group: str
    call: Callable
    settle: Callable
    verb: str  # "Approve": on buttons and in “Send again”
    did: str  # "Approved": in the tray and the history
    doubt: str  # what the person reads while nobody knows whether it happened
    fresh: str = ""  # what is read again just before: "post", "item"
    absolute: bool = False  # a value set or an id deleted: may be repeated from unknown
    assume: Callable | None = None  # what is taken as done while nobody knows
    opposite: str = ""  # the kind that sets the other value; not asked for while this one may still arrive
    spends: bool = False
    scope: str = "content:write"

    @property
    def reads(self) -> int:
        """Requests it makes besides the one that changes something."""
        return 1 if self.fresh else 0


# ---- calls ---------------------------------------------------------------------------------


def _generate(api, op, wire):
    return api.generation.start(op.params["source_post_id"], op.params["persona_id"], **wire)


def _clone(api, op, wire):
    return api.generation.clone(op.params["url"], op.params["persona_id"], **wire)


def _outgoing_approve(api, op, wire):
    return api.posts.approve(op.target, **wire)


# ---- what success means --------------------------------------------------------------------


def _nothing(op: Operation, reply) -> dict:
    return {}


def _generation_started(op: Operation, reply) -> dict:
    """The post has an id now. If a poll saw it first, the two rows become one."""
    post = desk.lock(op.post_id)
    twin = GeneratedPost.objects.filter(
        workspace_id=op.workspace_id, upstream_id=reply.generated_post_id
    ).first()
    if twin and twin.pk != post.pk:
        twin = desk.lock(twin.pk)
        if desk.is_in_use(twin) or twin.upstream_id in (op.baseline or {}).get("posts", []):
            desk.give_way(post, twin)
            Operation.objects.filter(pk=op.pk).update(post=twin)
            return _made(op, twin.upstream_id)
        twin.mark, twin.upstream_id = "", f"merged-{twin.pk}"
        twin.deleted_at = now()
        twin.save(update_fields=["mark", "upstream_id", "deleted_at"])
        desk.settle(twin, touched=True)
    post.upstream_id = reply.generated_post_id
    post.status = "pending"
    post.asked_at = now()
    post.save(update_fields=["upstream_id", "status", "asked_at"])
    return _made(op, reply.generated_post_id)


def _made(op: Operation, post_id: str) -> dict:
    watches.add(op.workspace_id, "posts", op.persona_id, soon=True)
    watches.add(op.workspace_id, "balance", soon=True)
    return {"generated_post_id": post_id}


def _clone_started(op: Operation, reply) -> dict:
    watches.add(op.workspace_id, "source_posts", op.persona_id, soon=True)
    return _generation_started(op, reply)


def _regeneration_started(op: Operation, reply) -> dict:
    """The post is to be decided anew, so a standing decision is overtaken."""
    post = desk.lock(op.post_id)
    post.status, post.asked_at, post.review_status, post.mark = "pending", now(), "pending_review", ""
    post.save(update_fields=["status", "asked_at", "review_status", "mark"])
    for pair in reply.retried_items:
        failed = post.items.filter(upstream_id=pair.original_item_id, is_current=True).first()
        if failed:
            failed.post = post
            mirroring.new_take(failed, pair.new_item_id)
    overtake(post)
    watches.add(op.workspace_id, "post", op.post_id, soon=True)
    watches.add(op.workspace_id, "balance", soon=True)
    return {"total_cost_cents": reply.total_cost_cents, "retried": len(reply.retried_items)}


def _item_started(op: Operation, reply) -> dict:
    """A new version is on its way, under the same id or a new one; the old one stays to be compared."""
    post = desk.lock(op.post_id)
    item = post.items.get(pk=op.item_id)
    item.post = post
    overtake(post, item_id=op.item_id)
    mirroring.new_take(item, reply.item_id or item.upstream_id)
    post.asked_at, post.mark = now(), ""
    post.save(update_fields=["asked_at", "mark"])
    watches.add(op.workspace_id, "post", op.post_id, soon=True)
    watches.add(op.workspace_id, "balance", soon=True)
    return {"item_id": reply.item_id}


def _voice_started(op: Operation, reply) -> dict:
    post = desk.lock(op.post_id)
    post.items.filter(pk=op.item_id).update(
        voice_conversion_status=reply.voice_conversion_status or "pending",
        voice_asked_at=now(),
        changed_in=post.version + 1,
    )
    post.mark = ""
    post.save(update_fields=["mark"])
    watches.add(op.workspace_id, "voice", op.item_id)
    watches.add(op.workspace_id, "balance", soon=True)
    return {}


def _visibility_set(op: Operation, reply) -> dict:
    post = desk.lock(op.post_id)
    is_public = op.kind == "set_public"
    facts = {"is_public": is_public, "changed_in": post.version + 1}
    if is_public:
        facts["public_at"] = now()
    post.items.filter(pk=op.item_id).update(**facts)
    post.mark = ""
    post.save(update_fields=["mark"])
    return {"is_public": is_public}


def _approved(op: Operation, reply) -> dict:
    post = desk.lock(op.post_id)
    post.outgoing_upstream_id = reply.outgoing_post_id
    post.save(update_fields=["outgoing_upstream_id"])
    row = _outgoing(op, reply.outgoing_post_id, "publishing")
    watches.add(op.workspace_id, "outgoing", row.pk, soon=True)
    return {"outgoing_post_id": reply.outgoing_post_id}


def _composed(op: Operation, reply) -> dict:
    post = desk.lock(op.post_id)
    post.outgoing_upstream_id, post.review_status = reply.outgoing_post_id, "approved"
    post.save(update_fields=["outgoing_upstream_id", "review_status"])
    _outgoing(op, reply.outgoing_post_id, "draft")
    return {"outgoing_post_id": reply.outgoing_post_id}


def _outgoing(op: Operation, upstream_id: str, status: str) -> OutgoingPost:
    row, _ = OutgoingPost.objects.get_or_create(
        workspace_id=op.workspace_id,
        upstream="reelmirror",
        upstream_id=upstream_id,
        defaults={"post_id": op.post_id, "status": status, "asked_at": now(), "seen_at": now()},
    )
    return row


def _rejected(op: Operation, reply) -> dict:
    desk.lock(op.post_id)
    GeneratedPost.objects.filter(pk=op.post_id).update(review_status="rejected", mark="")
    return {}


def _item_rejected(op: Operation, reply) -> dict:
    post = desk.lock(op.post_id)
    post.items.filter(pk=op.item_id).update(review_status="rejected", changed_in=post.version + 1)
    post.mark = ""
    whole_post = bool(reply and reply.post_auto_rejected)
    if whole_post:
        post.review_status = "rejected"
    post.save(update_fields=["mark", "review_status"])
    return {"post_auto_rejected": whole_post}


def _post_deleted(op: Operation, reply) -> dict:
    mirroring.post_gone(op.post)
    return {}


def _item_deleted(op: Operation, reply) -> dict:
    mirroring.item_gone(op.item)
    return {}


def _sync_started(op: Operation, reply) -> dict:
    for job_id in reply.job_ids:
        job, made = SyncJob.objects.get_or_create(
            workspace_id=op.workspace_id,
            upstream="reelmirror",
            upstream_id=job_id,
            defaults={"persona_id": op.persona_id, "operation": op, "asked_at": now(), "seen_at": now()},
        )
        if made:
            watches.add(op.workspace_id, "sync", job.pk, soon=True)
    watches.add(op.workspace_id, "balance", soon=True)
    return {"estimated_cost_cents": reply.estimated_cost_cents, "jobs": len(reply.job_ids)}


def _catalogue_changed(op: Operation, reply) -> dict:
    watches.add(op.workspace_id, "persona" if op.persona_id else "catalogue", op.persona_id or "", soon=True)
    return {}


def _persona_created(op: Operation, reply) -> dict:
    row = mirroring.persona(op.workspace, reply)
    Operation.objects.filter(pk=op.pk).update(persona=row)
    return {"persona": str(row.pk)}


def _persona_updated(op: Operation, reply) -> dict:
    mirroring.persona(op.workspace, reply, row=held(Persona.objects).get(pk=op.persona_id))
    return {}


def _page_opened(kind: str):
    def settle(op: Operation, reply) -> dict:
        Checkout.objects.create(
            workspace_id=op.workspace_id,
            kind=kind,
            operation=op,
            url=reply.url,
            amount_cents=op.params.get("amount_cents"),
            by=op.by,
        )
        return {"opened": kind}

    return settle


def _reload_set(op: Operation, reply) -> dict:
    """Without a card the service answers an address where one is saved, and has changed nothing."""
    if reply.setup_url:
        Checkout.objects.create(
            workspace_id=op.workspace_id, kind="card", operation=op, url=reply.setup_url, by=op.by
        )
        return {"needs_card": True}
    mirroring.balance(op.workspace, reply)
    return {"auto_reload": reply.auto_reload}


def _take_as_on(op: Operation) -> None:
    """Publishing without review counts as on until a read of the source says otherwise."""
    if op.params["automation_mode"] == "auto_publish":
        Source.objects.filter(pk=op.source_id).update(automation_mode="auto_publish")


def overtake(post: GeneratedPost, item_id=None) -> None:
    """What was decided about pictures that are being replaced no longer stands; it stays in the record."""
    standing = post.decisions.filter(stands=True)
    standing = standing.filter(item_id=item_id) if item_id else standing
    standing.update(stands=False, ended="overtaken")


# ---- the table -----------------------------------------------------------------------------

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "generate",
            "generate",
            "generate",
            _generate,
            _generation_started,
            "Generate",
            "Generate",
            "A generation may be running; up to {price} may have been charged.",
            spends=True,
        ),
        Kind(
            "clone",
            "generate",
            "clone",
            _clone,
            _clone_started,
            "Fetch and generate",
            "Clone",
            "A generation may be running; up to {price} may have been charged.",
            spends=True,
        ),
        Kind(
            "regenerate_post",
            "regenerate",
            "decide",
            lambda api, op, wire: api.generation.regenerate_post(op.target, failed_only=False, **wire),
            _regeneration_started,
            "Regenerate",
            "Regenerate the post",
            "Regeneration may be running at the full price.",
            fresh="post",
            spends=True,
        ),
        Kind(
            "retry_failed",
            "regenerate",
            "decide",
            lambda api, op, wire: api.generation.regenerate_post(op.target, failed_only=True, **wire),
            _regeneration_started,
            "Retry",
            "Retry what failed",
            "A retry may be running.",
            fresh="post",
            spends=True,
        ),
        Kind(
            "regenerate_item",
            "regenerate",
            "item",
            lambda api, op, wire: api.generation.regenerate_item(op.target, **wire),
            _item_started,
            "Regenerate",
            "Regenerate",
            "A new version may be on its way.",
            fresh="item",
            spends=True,
        ),
        Kind(
            "voice_convert",
            "voice.convert",
            "item",
            lambda api, op, wire: api.generation.convert_voice(op.target, **wire),
            _voice_started,
            "Convert voice",
            "Convert voice",
            "A conversion may be running (about half a cent a second).",
            fresh="item",
            spends=True,
        ),
        Kind(
            "set_public",
            "item.visibility",
            "item",
            lambda api, op, wire: api.generation.set_public(op.target, True, **wire),
            _visibility_set,
            "Make public",
            "Made public",
            "Not confirmed. If it is public and discounted it stays so for 20 days.",
            fresh="item",
            absolute=True,
            opposite="set_private",
        ),
        Kind(
            "set_private",
            "item.visibility",
            "item",
            lambda api, op, wire: api.generation.set_public(op.target, False, **wire),
            _visibility_set,
            "Make private",
            "Made private",
            "Not confirmed.",
            fresh="item",
            absolute=True,
            opposite="set_public",
        ),
        Kind(
            "approve",
            "review.approve",
            "decide",
            _outgoing_approve,
            _approved,
            "Approve & publish",
            "Approved",
            "This post may be published. Look at {accounts} before doing anything. Approve is locked.",
            fresh="post",
        ),
        Kind(
            "reject",
            "review.reject",
            "decide",
            lambda api, op, wire: api.posts.reject(op.target, **wire),
            _rejected,
            "Reject",
            "Rejected",
            "Not confirmed; nobody can publish it from here meanwhile.",
            fresh="post",
            absolute=True,
        ),
        Kind(
            "send_to_compose",
            "review.compose",
            "decide",
            lambda api, op, wire: api.posts.send_to_compose(op.target, **wire),
            _composed,
            "Send to compose",
            "To compose",
            "A draft may exist.",
            fresh="post",
        ),
        Kind(
            "reject_item",
            "item.reject",
            "item",
            lambda api, op, wire: api.items.reject(op.target, **wire),
            _item_rejected,
            "Reject item",
            "Item rejected",
            "Not confirmed.",
            fresh="item",
            absolute=True,
        ),
        Kind(
            "delete_post",
            "post.delete",
            "decide",
            lambda api, op, wire: api.posts.delete(op.target, **wire),
            _post_deleted,
            "Delete post",
            "Deleted",
            "Deletion not confirmed.",
            absolute=True,
        ),
        Kind(
            "delete_item",
            "post.delete",
            "item",
            lambda api, op, wire: api.items.delete(op.target, **wire),
            _item_deleted,
            "Delete item",
            "Item deleted",
            "Deletion not confirmed.",
            absolute=True,
        ),
        Kind(
            "sync",
            "sync.start",
            "sync",
            lambda api, op, wire: api.syncs.start(op.target, **wire),
            _sync_started,
            "Sync",
            "Sync",
            "A sync may be running. Wait 15 minutes before the next.",
            spends=True,
            scope="sync:write",
        ),
        Kind(
            "add_source",
            "source.edit",
            "source",
            lambda api, op, wire: api.sources.add(
                op.params["persona_id"],
                op.params["platform"],
                op.params["handle"],
                automation_mode=op.params["automation_mode"],
                **wire,
            ),
            _catalogue_changed,
            "Add source",
            "Source added",
            "Not confirmed.",
            absolute=True,
            scope="sources:write",
        ),
        Kind(
            "remove_source",
            "source.edit",
            "source",
            lambda api, op, wire: api.sources.remove(op.params["persona_id"], op.target, **wire),
            _catalogue_changed,
            "Remove source",
            "Source removed",
            "Not confirmed.",
            absolute=True,
            scope="sources:write",
        ),
        Kind(
            "set_automation",
            "automation.change",
            "source",
            lambda api, op, wire: api.sources.update(
                op.params["persona_id"], op.target, automation_mode=op.params["automation_mode"], **wire
            ),
            _catalogue_changed,
            "Set automation",
            "Automation set",
            "Not confirmed. If it was “publish without review”, take it as on.",
            absolute=True,
            assume=_take_as_on,
            scope="sources:write",
        ),
        Kind(
            "create_persona",
            "persona.edit",
            "persona",
            lambda api, op, wire: api.personas.create(
                op.params["name"], writing_style=op.params["writing_style"], **wire
            ),
            _persona_created,
            "Create persona",
            "Persona created",
            "The persona may exist.",
            scope="personas:write",
        ),
        Kind(
            "update_persona",
            "persona.edit",
            "persona",
            lambda api, op, wire: api.personas.update(op.target, **op.params, **wire),
            _persona_updated,
            "Change persona",
            "Persona changed",
            "Not confirmed.",
            absolute=True,
            scope="personas:write",
        ),
        Kind(
            "add_target",
            "account.change",
            "target",
            lambda api, op, wire: api.targets.add(op.params["persona_id"], op.params["account_id"], **wire),
            _catalogue_changed,
            "Link account",
            "Account linked",
            "Not confirmed.",
            absolute=True,
            scope="publishing:write",
        ),
        Kind(
            "remove_target",
            "account.change",
            "target",
            lambda api, op, wire: api.targets.remove(op.params["persona_id"], op.params["target_id"], **wire),
            _catalogue_changed,
            "Unlink account",
            "Account unlinked",
            "Not confirmed.",
            absolute=True,
            scope="publishing:write",
        ),
        Kind(
            "connect_account",
            "account.change",
            "connect",
            lambda api, op, wire: api.accounts.connect_link(op.params["platform"]),
            _page_opened("connect"),
            "Connect account",
            "Connect account",
            "No page was opened.",
            absolute=True,
            scope="publishing:write",
        ),
        Kind(
            "top_up",
            "billing.change",
            "billing",
            lambda api, op, wire: api.billing.top_up(op.params["amount_cents"], **wire),
            _page_opened("topup"),
            "Top up",
            "Top-up",
            "No payment page was opened.",
            absolute=True,
            scope="billing:write",
        ),
        Kind(
            "set_reload",
            "billing.change",
            "billing",
            lambda api, op, wire: api.billing.set_auto_reload(**op.params, **wire),
            _reload_set,
            "Save auto-reload",
            "Auto-reload set",
            "Not confirmed: auto-reload may be on.",
            absolute=True,
            scope="billing:write",
        ),
    )
}


def newer(name: str) -> Kind:
    """A kind that only a newer release knows: it has words here, and is neither sent nor looked for."""
    said = words(name).capitalize()
    return Kind(name, "operation.resolve", "", _not_ours, _nothing, said, said, "Not confirmed.")


def _not_ours(api, op, wire):
    raise NotImplementedError(f"“{op.kind}” is sent by a newer release of Loupe.")


KINDS = Known(KINDS, newer)
