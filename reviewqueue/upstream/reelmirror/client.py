"""The ReelMirror API, by noun: `ReelMirror(base_url, key).posts.get(post_id)`.

Every method makes one call and returns a frozen dataclass of types.py. Any of them may raise the errors of
upstream/errors.py: NotSent and Throttled (nothing happened, try again after `wait` seconds), KeyRejected,
Forbidden (SCOPES says what is needed), NotFound and the other kinds of Refused (nothing happened), and
OutcomeUnknown (look before doing anything else). A docstring names what it raises for reasons of its own.

Reads are tried again by the transport, writes never, whatever their effect.

The address in a docstring is the page the method follows; "Inferred" means that no page states it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from reviewqueue.upstream.errors import BadRequest, Unreadable
from reviewqueue.upstream.reelmirror import parsing, types
from reviewqueue.upstream.reelmirror.inferred import SCHEDULE_WITH
from reviewqueue.upstream.reelmirror.operations import OPERATIONS
from reviewqueue.upstream.reelmirror.parsing import one, page
from reviewqueue.upstream.transport import Transport

T = TypeVar("T")


class Sending(TypedDict, total=False):
    """What every write method takes besides its own arguments.

    `request_id` goes out as X-Request-Id, for support. `deadline`, by time.monotonic(), is the last moment
    for the first byte; after it NotSent is raised.
    """

    request_id: str
    deadline: float | None


class ReelMirror:
    """A client for one key. Safe to share between threads and across a fork.

    `base_url` ends in /api, as https://reelmirror.com/api. `transport` is an httpx transport to use in place
    of sockets; `transport_options` are those of upstream.transport.Transport (observe, total_seconds, …).
    `schedule_with`: whether a draft is scheduled by a call of its own ("post") or by changing it ("patch").
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        transport: Any = None,
        *,
        schedule_with: Literal["post", "patch"] = "post",
        **transport_options: Any,
    ):
        wire = Transport(base_url, key, transport=transport, **transport_options)
        self.auth = Auth(wire)
        self.keys = Keys(wire)
        self.personas = Personas(wire)
        self.sources = Sources(wire)
        self.syncs = Syncs(wire)
        self.source_posts = SourcePosts(wire)
        self.generation = Generation(wire)
        self.posts = Posts(wire)
        self.items = Items(wire)
        self.accounts = Accounts(wire)
        self.targets = Targets(wire)
        self.outgoing = Outgoing(wire, SCHEDULE_WITH[schedule_with])
        self.billing = Billing(wire)
        self.uploads = Uploads(wire)
        self.profile = Profile(wire)
        self.feedback = Feedback(wire)
        self._wire = wire

    def __repr__(self) -> str:
        return f"<ReelMirror at {self._wire.base_url}>"


class Resource:
    """Turns the name of an operation into a request, and its reply into a type."""

    def __init__(self, wire: Transport):
        self._wire = wire

    def _call(
        self,
        name: str,
        read: Callable[[Any], T],
        ids: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> T:
        """Make one call. `ids` fill the path; `body` has our names of the fields."""
        operation = OPERATIONS[name]
        path = operation.path.format(**{part: _segment(value) for part, value in (ids or {}).items()})
        if body is not None:
            body = {operation.fields.get(field, field): value for field, value in body.items()}
        reply = self._wire.request(operation.method, path, json=body, **options)
        try:
            return read(reply.body)
        except Unreadable as error:
            message = error.message
        # raised anew out here: the frames of the parser hold the raw body, which may hold a secret
        raise Unreadable(message, status=reply.status, exchange=reply.exchange)

    def _list(
        self,
        name: str,
        parse: Callable[[Any], T],
        limit: int,
        offset: int,
        ids: Mapping[str, str] | None = None,
    ) -> types.Page[T]:
        """One page of a list: `limit` rows (at most 100) from `offset` on. No sort order is documented."""
        return self._call(name, page(parse), ids, params={"limit": limit, "offset": offset})


def _segment(value: str) -> str:
    """One segment of a path. Nothing in it can lead to another path."""
    if not value or value in (".", ".."):
        raise ValueError("An id is missing.")
    return quote(value, safe="")


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without those that are None."""
    return {name: value for name, value in fields.items() if value is not None}


def _some(changes: dict[str, Any]) -> dict[str, Any]:
    """The service refuses an empty set of changes; so do we, before asking."""
    if not changes:
        raise ValueError("There is nothing to change.")
    return changes


def _instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("A time to publish at must know its offset from UTC.")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Auth(Resource):
    def sign_up(self, email: str, password: str, **sending: Unpack[Sending]) -> types.Signup:
        """Create an account; the link in the mail must be followed by a person. Sent without the key.

        `password` has at least 8 characters. At most 5 sign-ups per IP address in 24 hours.
        Raises Conflict when the account exists.
        https://reelmirror.com/docs/api-reference/auth/agent-signup
        """
        return self._call(
            "auth.sign_up",
            one(parsing.parse_signup),
            body={"email": email, "password": password},
            anonymous=True,
            **sending,
        )


class Keys(Resource):
    def list(self, limit: int = 100, offset: int = 0) -> types.Page[types.ApiKey]:
        """List the API keys, without their secrets. https://reelmirror.com/docs/guides/authentication"""
        return self._list("keys.list", parsing.parse_api_key, limit, offset)

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        monthly_limit_cents: int | None = None,
        **sending: Unpack[Sending],
    ) -> types.NewApiKey:
        """Create a key with exactly `scopes` (names as in ALL_SCOPES); its secret is shown this one time.

        `monthly_limit_cents`: a spending cap of 100 to 1000000 cents, None for no cap. After
        OutcomeUnknown a live key may exist that nobody has: look for its name and revoke it.
        https://reelmirror.com/docs/api-reference/api-keys/create-api-key
        """
        return self._call(
            "keys.create",
            one(parsing.parse_new_api_key),
            body=_given({"name": name, "scopes": list(scopes), "monthly_limit_cents": monthly_limit_cents}),
            **sending,
        )

    def revoke(self, key_id: str, **sending: Unpack[Sending]) -> types.Deleted:
        """Revoke a key. https://reelmirror.com/docs/guides/authentication"""
        return self._call("keys.revoke", one(parsing.parse_deleted), {"key_id": key_id}, **sending)


class Personas(Resource):
    def list(self, limit: int = 100, offset: int = 0) -> types.Page[types.Persona]:
        """List the personas. Inferred from https://reelmirror.com/docs/api-reference/introduction"""
        return self._list("personas.list", parsing.parse_persona, limit, offset)

    def create(
        self,
        name: str,
        writing_style: str | None = None,
        discount_mode: bool | None = None,
        **sending: Unpack[Sending],
    ) -> types.Persona:
        """Create a persona. `writing_style` is guidance for captions; `discount_mode` is documented for
        update only. https://reelmirror.com/docs/guides/agent-automation
        """
        return self._call(
            "personas.create",
            one(parsing.parse_persona),
            body=_given({"name": name, "writing_style": writing_style, "discount_mode": discount_mode}),
            **sending,
        )

    def get(self, persona_id: str) -> types.Persona:
        """Read a persona. Inferred from https://reelmirror.com/docs/api-reference/introduction"""
        return self._call("personas.get", one(parsing.parse_persona), {"persona_id": persona_id})

    def update(
        self,
        persona_id: str,
        *,
        name: str | None = None,
        writing_style: str | None = None,
        discount_mode: bool | None = None,
        **sending: Unpack[Sending],
    ) -> types.Persona:
        """Change what is given. `discount_mode` makes everything generated afterwards 20 % cheaper, and
        lower in quality; it is set here only, never with a generation.
        https://reelmirror.com/docs/guides/generation
        """
        return self._call(
            "personas.update",
            one(parsing.parse_persona),
            {"persona_id": persona_id},
            body=_some(
                _given({"name": name, "writing_style": writing_style, "discount_mode": discount_mode})
            ),
            **sending,
        )

    def delete(self, persona_id: str, **sending: Unpack[Sending]) -> types.Deleted:
        """Delete a persona. Inferred from https://reelmirror.com/docs/api-reference/introduction"""
        return self._call(
            "personas.delete", one(parsing.parse_deleted), {"persona_id": persona_id}, **sending
        )


class Sources(Resource):
    def list(self, persona_id: str, limit: int = 100, offset: int = 0) -> types.Page[types.Source]:
        """List the accounts a persona follows.
        Inferred from https://reelmirror.com/docs/api-reference/introduction
        """
        return self._list("sources.list", parsing.parse_source, limit, offset, {"persona_id": persona_id})

    def add(
        self,
        persona_id: str,
        platform: str,
        handle: str,
        automation_mode: str | None = None,
        **sending: Unpack[Sending],
    ) -> types.Source:
        """Follow an account. `platform`: instagram or tiktok (tracking of which is not yet supported).
        `automation_mode`: sync_only (the default), auto_clone or auto_publish.

        The reference calls the name `handle`, the guides `username`. `handle` is sent; on a 400, which
        proves that nothing was made, `username` is tried once. This is the one write that is sent twice.
        If both are refused so, the first refusal is raised.

        Raises Conflict when the persona follows the account already: treat that as done.
        https://reelmirror.com/docs/api-reference/sources/add-source
        """
        fields = {"platform": platform, "automation_mode": automation_mode}

        def add(name: str) -> types.Source:
            return self._call(
                "sources.add",
                one(parsing.parse_source),
                {"persona_id": persona_id},
                body=_given({**fields, name: handle}),
                **sending,
            )

        try:
            return add("handle")
        except BadRequest as refusal:
            if refusal.status != 400:
                raise
            first = refusal
        try:
            return add("username")
        except BadRequest:
            raise first from None

    def update(
        self, persona_id: str, source_id: str, automation_mode: str, **sending: Unpack[Sending]
    ) -> types.Source:
        """Set the automation mode: sync_only, auto_clone (also generates, for money) or auto_publish (also
        publishes, without the reviewers). https://reelmirror.com/docs/guides/agent-automation
        """
        return self._call(
            "sources.update",
            one(parsing.parse_source),
            {"persona_id": persona_id, "source_id": source_id},
            body={"automation_mode": automation_mode},
            **sending,
        )

    def remove(self, persona_id: str, source_id: str, **sending: Unpack[Sending]) -> types.Deleted:
        """Stop following an account. Inferred from https://reelmirror.com/docs/api-reference/introduction"""
        return self._call(
            "sources.remove",
            one(parsing.parse_deleted),
            {"persona_id": persona_id, "source_id": source_id},
            **sending,
        )


class Syncs(Resource):
    def start(self, persona_id: str, **sending: Unpack[Sending]) -> types.SyncStarted:
        """Pull new posts from every account the persona follows; costs money. One job per account.

        Within 15 minutes of the last sync the jobs are skipped. The estimate is in cents, for all jobs.
        https://reelmirror.com/docs/guides/generation
        """
        return self._call(
            "syncs.start", one(parsing.parse_sync_started), {"persona_id": persona_id}, **sending
        )

    def get(self, job_id: str) -> types.SyncJob:
        """Read a sync job: pending, running, completed, failed or skipped. Takes 30 to 300 seconds.
        https://reelmirror.com/docs/guides/webhooks
        """
        return self._call("syncs.get", one(parsing.parse_sync_job), {"job_id": job_id})


class SourcePosts(Resource):
    def list(self, persona_id: str, limit: int = 100, offset: int = 0) -> types.Page[types.SourcePost]:
        """List the posts pulled for a persona. https://reelmirror.com/docs/guides/generation"""
        return self._list(
            "source_posts.list", parsing.parse_source_post, limit, offset, {"persona_id": persona_id}
        )


class Generation(Resource):
    def start(
        self, source_post_id: str, persona_id: str, **sending: Unpack[Sending]
    ) -> types.GenerationStarted:
        """Generate a post from a source post. Not idempotent: again means a second post and charge.

        Raises InsufficientBalance. https://reelmirror.com/docs/guides/generation
        """
        return self._call(
            "generation.start",
            one(parsing.parse_generation_started),
            body={"source_post_id": source_post_id, "persona_id": persona_id},
            **sending,
        )

    def clone(self, url: str, persona_id: str, **sending: Unpack[Sending]) -> types.GenerationStarted:
        """Fetch the post behind an Instagram link and generate from it in one step. Not idempotent.

        Raises InsufficientBalance. The reply is not shown; that of start is assumed.
        https://reelmirror.com/docs/guides/generation
        """
        return self._call(
            "generation.clone",
            one(parsing.parse_generation_started),
            body={"url": url, "persona_id": persona_id},
            **sending,
        )

    def regenerate_post(
        self, post_id: str, failed_only: bool = False, **sending: Unpack[Sending]
    ) -> types.RegenerationStarted:
        """Make all items of a post anew for the full price, or only the failed ones. Not idempotent.

        The post keeps its id, items get new ones; the caption changes unless `failed_only`.
        Raises InsufficientBalance, and Unprocessable when `failed_only` and nothing had failed.
        https://reelmirror.com/docs/guides/generation
        """
        return self._call(
            "generation.regenerate_post",
            one(parsing.parse_regeneration_started),
            body={"generated_post_id": post_id, "failed_only": failed_only},
            **sending,
        )

    def regenerate_item(self, item_id: str, **sending: Unpack[Sending]) -> types.ItemStarted:
        """Make one item anew, for its price. Not idempotent. Pages differ on whether it gets a new id:
        fetch the post afterwards. Raises InsufficientBalance.
        https://reelmirror.com/docs/guides/generation
        """
        return self._call(
            "generation.regenerate_item",
            one(parsing.parse_item_started),
            body={"generated_media_item_id": item_id},
            **sending,
        )

    def convert_voice(self, item_id: str, **sending: Unpack[Sending]) -> types.VoiceStarted:
        """Put the persona's voice over a completed video; priced by the second. Not idempotent.

        Raises BadRequest without a voice sample or a completed video, InsufficientBalance.
        https://reelmirror.com/docs/guides/generation
        """
        return self._call(
            "generation.convert_voice",
            one(parsing.parse_voice_started),
            body={"generated_media_item_id": item_id},
            **sending,
        )

    def set_public(self, item_id: str, is_public: bool, **sending: Unpack[Sending]) -> types.Visibility:
        """Show an item to everybody, or hide it. A discounted item stays public for 20 days; hiding it
        earlier is refused (BadRequest or Conflict, the status is not stated).
        https://reelmirror.com/docs/guides/generation
        """
        return self._call(
            "generation.set_public",
            one(parsing.parse_visibility),
            body={"generated_media_item_id": item_id, "is_public": is_public},
            **sending,
        )


class Posts(Resource):
    def list(self, persona_id: str, limit: int = 100, offset: int = 0) -> types.Page[types.GeneratedPost]:
        """List the generated posts of a persona, with their items. There is no filter by status.
        https://reelmirror.com/docs/guides/review-queue
        """
        return self._list(
            "posts.list", parsing.parse_generated_post, limit, offset, {"persona_id": persona_id}
        )

    def get(self, post_id: str) -> types.GeneratedPost:
        """Read a generated post. Judge progress by its items: the post's own status when only some failed
        is not stated. https://reelmirror.com/docs/guides/generation
        """
        return self._call("posts.get", one(parsing.parse_generated_post), {"post_id": post_id})

    def delete(self, post_id: str, **sending: Unpack[Sending]) -> types.Deleted:
        """Delete a post and its items. What was charged stays charged.
        https://reelmirror.com/docs/guides/generation
        """
        return self._call("posts.delete", one(parsing.parse_deleted), {"post_id": post_id}, **sending)

    def approve(self, post_id: str, **sending: Unpack[Sending]) -> types.ApprovalStarted:
        """Publish a post for real, at once, to the persona's accounts. Cannot be undone. Not idempotent.

        Only when the post and all its items are completed. Raises BadRequest when the persona has no
        active publishing account: send_to_compose is the way then.
        https://reelmirror.com/docs/guides/review-queue
        """
        return self._call(
            "posts.approve", one(parsing.parse_approval_started), {"post_id": post_id}, **sending
        )

    def reject(self, post_id: str, **sending: Unpack[Sending]) -> types.Rejection:
        """Reject a post; nothing is published. https://reelmirror.com/docs/guides/review-queue"""
        return self._call("posts.reject", one(parsing.parse_rejection), {"post_id": post_id}, **sending)

    def send_to_compose(self, post_id: str, **sending: Unpack[Sending]) -> types.DraftMade:
        """Approve a post into a draft that can be edited; nothing is published. A repeat makes another.
        https://reelmirror.com/docs/guides/review-queue
        """
        return self._call(
            "posts.send_to_compose", one(parsing.parse_draft_made), {"post_id": post_id}, **sending
        )


class Items(Resource):
    def get(self, item_id: str) -> types.MediaItem:
        """Read one media item. https://reelmirror.com/docs/guides/generation"""
        return self._call("items.get", one(parsing.parse_media_item), {"item_id": item_id})

    def delete(self, item_id: str, **sending: Unpack[Sending]) -> types.Deleted:
        """Delete one media item. https://reelmirror.com/docs/guides/generation"""
        return self._call("items.delete", one(parsing.parse_deleted), {"item_id": item_id}, **sending)

    def reject(self, item_id: str, **sending: Unpack[Sending]) -> types.ItemRejection:
        """Reject one item. Rejecting the last one rejects the post: `post_auto_rejected`.
        https://reelmirror.com/docs/guides/review-queue
        """
        return self._call("items.reject", one(parsing.parse_item_rejection), {"item_id": item_id}, **sending)


class Accounts(Resource):
    def list(self, limit: int = 100, offset: int = 0) -> types.Page[types.ConnectedAccount]:
        """List the connected accounts; only an active one can publish. The reply is not shown.
        https://reelmirror.com/docs/guides/publishing
        """
        return self._list("accounts.list", parsing.parse_connected_account, limit, offset)

    def connect_link(self, platform: str) -> types.ConnectLink:
        """Ask for the page on which a person connects an account. `platform`: instagram or tiktok.

        Raises InsufficientBalance when no slot is free.
        https://reelmirror.com/docs/guides/publishing
        """
        return self._call(
            "accounts.connect_link", one(parsing.parse_connect_link), params={"platform": platform}
        )

    def slots(self) -> types.Slots:
        """Read how many account slots there are: one is free, each further one is $3 a month.
        https://reelmirror.com/docs/guides/publishing
        """
        return self._call("accounts.slots", one(parsing.parse_slots))

    def set_slots(
        self, slots: int, return_url: str | None = None, **sending: Unpack[Sending]
    ) -> types.SlotsChanged:
        """Set the total of paid slots, $3 a month each. `return_url` is where a checkout leads back to.

        Without a saved card the service either answers `checkout_url` or raises InsufficientBalance.
        https://reelmirror.com/docs/api-reference/publishing/purchase-account-slots
        """
        return self._call(
            "accounts.set_slots",
            one(parsing.parse_slots_changed),
            body=_given({"slots": slots, "returnUrl": return_url}),
            **sending,
        )


class Targets(Resource):
    def list(self, persona_id: str, limit: int = 100, offset: int = 0) -> types.Page[types.PublishingTarget]:
        """List the accounts linked to a persona. https://reelmirror.com/docs/guides/agent-automation"""
        return self._list(
            "targets.list", parsing.parse_publishing_target, limit, offset, {"persona_id": persona_id}
        )

    def add(
        self, persona_id: str, connected_account_id: str, **sending: Unpack[Sending]
    ) -> types.PublishingTarget:
        """Link an account to a persona. Raises Conflict when it is linked already: treat that as done.
        https://reelmirror.com/docs/guides/agent-automation
        """
        return self._call(
            "targets.add",
            one(parsing.parse_publishing_target),
            {"persona_id": persona_id},
            body={"connected_account_id": connected_account_id},
            **sending,
        )

    def remove(self, persona_id: str, target_id: str, **sending: Unpack[Sending]) -> types.Deleted:
        """Unlink an account. Inferred; no page mentions it, nor whether the last segment is the id of the
        target or of the account.
        """
        return self._call(
            "targets.remove",
            one(parsing.parse_deleted),
            {"persona_id": persona_id, "target_id": target_id},
            **sending,
        )


# An outgoing post comes as {"data": …} in the reference, as {"post": …} in the guides, or bare.
_outgoing_post = one(parsing.parse_outgoing_post, "data", "post")


class Outgoing(Resource):
    def __init__(self, wire: Transport, schedule_with: str):
        super().__init__(wire)
        self._schedule_with = schedule_with

    def list(self, limit: int = 100, offset: int = 0) -> types.Page[types.OutgoingPost]:
        """List the outgoing posts. Inferred from https://reelmirror.com/docs/api-reference/introduction"""
        return self._list("outgoing.list", parsing.parse_outgoing_post, limit, offset)

    def create(
        self,
        items: Sequence[types.OutgoingItem],
        *,
        persona_id: str | None = None,
        caption: str | None = None,
        target_account_ids: Sequence[str] | None = None,
        platform_settings: Mapping[str, Any] | None = None,
        **sending: Unpack[Sending],
    ) -> types.OutgoingPost:
        """Make a draft out of media items, in order. Nothing is published. A repeat makes another.
        https://reelmirror.com/docs/api-reference/publishing/create-outgoing-post
        """
        return self._call(
            "outgoing.create",
            _outgoing_post,
            body=_given(
                {
                    "persona_id": persona_id,
                    **_draft(items, caption, target_account_ids, platform_settings),
                }
            ),
            **sending,
        )

    def get(self, outgoing_post_id: str) -> types.OutgoingPost:
        """Read an outgoing post and its deliveries, one per account. A delivery takes 10 to 60 seconds.
        https://reelmirror.com/docs/guides/webhooks
        """
        return self._call("outgoing.get", _outgoing_post, {"outgoing_post_id": outgoing_post_id})

    def update(
        self,
        outgoing_post_id: str,
        *,
        caption: str | None = None,
        items: Sequence[types.OutgoingItem] | None = None,
        target_account_ids: Sequence[str] | None = None,
        platform_settings: Mapping[str, Any] | None = None,
        unschedule: bool = False,
        **sending: Unpack[Sending],
    ) -> types.OutgoingPost:
        """Change what is given of a draft; `unschedule` takes it off the schedule. Raises Conflict when it
        is no draft any more. Inferred from https://reelmirror.com/docs/guides/review-queue
        """
        changes = _given(_draft(items, caption, target_account_ids, platform_settings))
        if unschedule:
            changes["scheduled_for"] = None
        return self._call(
            "outgoing.update",
            _outgoing_post,
            {"outgoing_post_id": outgoing_post_id},
            body=_some(changes),
            **sending,
        )

    def delete(self, outgoing_post_id: str, **sending: Unpack[Sending]) -> types.Deleted:
        """Throw a draft away. Inferred; no page mentions it."""
        return self._call(
            "outgoing.delete", one(parsing.parse_deleted), {"outgoing_post_id": outgoing_post_id}, **sending
        )

    def publish(self, outgoing_post_id: str, **sending: Unpack[Sending]) -> types.OutgoingPost:
        """Publish a draft for real, at once. Cannot be undone. Not idempotent. Raises Conflict when it is
        no draft any more. Inferred from https://reelmirror.com/docs/guides/review-queue
        """
        return self._call(
            "outgoing.publish", _outgoing_post, {"outgoing_post_id": outgoing_post_id}, **sending
        )

    def schedule(
        self, outgoing_post_id: str, scheduled_for: datetime, **sending: Unpack[Sending]
    ) -> types.OutgoingPost:
        """Publish a draft later, at `scheduled_for` (aware, in the future). The same time again is the same
        wish. Inferred from https://reelmirror.com/docs/guides/review-queue; path and body are assumed, and
        `schedule_with` of the client chooses between the two likely ways.
        """
        return self._call(
            self._schedule_with,
            _outgoing_post,
            {"outgoing_post_id": outgoing_post_id},
            body={"scheduled_for": _instant(scheduled_for)},
            **sending,
        )


def _draft(
    items: Sequence[types.OutgoingItem] | None,
    caption: str | None,
    target_account_ids: Sequence[str] | None,
    platform_settings: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The fields that a draft is made and changed with; None for what is not given."""
    return {
        "items": None if items is None else [_item(item) for item in items],
        "caption": caption,
        "target_account_ids": None if target_account_ids is None else list(target_account_ids),
        "platform_settings": None if platform_settings is None else dict(platform_settings),
    }


def _item(item: types.OutgoingItem) -> dict[str, Any]:
    return {
        "generated_media_item_id": item.generated_media_item_id,
        "position": item.position,
        "use_voice_converted": item.use_voice_converted,
    }


class Billing(Resource):
    def balance(self) -> types.Balance:
        """Read the balance and the reload settings, in cents. https://reelmirror.com/docs/guides/billing"""
        return self._call("billing.balance", parsing.parse_balance)

    def set_auto_reload(
        self,
        auto_reload: bool,
        reload_threshold_cents: int | None = None,
        reload_amount_cents: int | None = None,
        **sending: Unpack[Sending],
    ) -> types.Balance:
        """Switch automatic reload on or off: below the threshold (0 to 5000 cents) add the amount (100 to
        5000 cents). Without a saved card the answer has a `setup_url` and nothing was switched: a person
        saves a card there, then this is sent again.
        https://reelmirror.com/docs/api-reference/billing/update-auto-reload-settings
        """
        return self._call(
            "billing.set_auto_reload",
            parsing.parse_balance,
            body=_given(
                {
                    "auto_reload": auto_reload,
                    "reload_threshold_cents": reload_threshold_cents,
                    "reload_amount_cents": reload_amount_cents,
                }
            ),
            **sending,
        )

    def transactions(self, limit: int = 100, offset: int = 0) -> types.Page[types.Transaction]:
        """List charges (below zero) and credits, in cents.
        https://reelmirror.com/docs/api-reference/billing/list-transactions
        """
        return self._list("billing.transactions", parsing.parse_transaction, limit, offset)

    def top_up(self, amount_cents: int, **sending: Unpack[Sending]) -> types.CheckoutLink:
        """Ask for a page on which a person pays `amount_cents`, one of a fixed set that no page lists.

        Raises BadRequest for another amount. Nothing is charged until the person pays.
        https://reelmirror.com/docs/api-reference/billing/create-top-up-checkout-session
        """
        return self._call(
            "billing.top_up", one(parsing.parse_checkout_link), body={"amount_cents": amount_cents}, **sending
        )

    def setup_intent(self, **sending: Unpack[Sending]) -> types.CardSetup:
        """Ask for the secret with which the card SDK saves a card; the first card brings $5 of credit.
        https://reelmirror.com/docs/guides/agent-automation
        """
        return self._call("billing.setup_intent", one(parsing.parse_card_setup), **sending)


class Uploads(Resource):
    def from_file(
        self,
        persona_id: str,
        category: str,
        content: bytes,
        filename: str,
        content_type: str,
        **sending: Unpack[Sending],
    ) -> types.Upload:
        """Set the avatar or the voice sample of a persona (`category`: avatar, voice) from bytes.

        Limits of size and type are not stated. https://reelmirror.com/docs/api-reference/uploads/upload-file
        """
        return self._call(
            "uploads.from_file",
            one(parsing.parse_upload),
            form={"category": category, "persona_id": persona_id},
            files={"file": (filename, content, content_type)},
            **sending,
        )

    def from_url(self, persona_id: str, category: str, url: str, **sending: Unpack[Sending]) -> types.Upload:
        """The same from an address that the service fetches; the name of that field is inferred.
        https://reelmirror.com/docs/api-reference/uploads/upload-file
        """
        return self._call(
            "uploads.from_url",
            one(parsing.parse_upload),
            body={"url": url, "category": category, "persona_id": persona_id},
            **sending,
        )


class Profile(Resource):
    def get(self) -> types.Profile:
        """Read the profile of the key's owner.
        Inferred from the scopes on https://reelmirror.com/docs/api-reference/introduction
        """
        return self._call("profile.get", one(parsing.parse_profile))

    def update(self, display_name: str, **sending: Unpack[Sending]) -> types.Profile:
        """Change the display name.
        Inferred from the scopes on https://reelmirror.com/docs/api-reference/introduction
        """
        return self._call(
            "profile.update", one(parsing.parse_profile), body={"display_name": display_name}, **sending
        )


class Feedback(Resource):
    def list(self, limit: int = 100, offset: int = 0) -> types.Page[types.Ticket]:
        """List the tickets with the service's support.
        Inferred from the scopes on https://reelmirror.com/docs/api-reference/introduction
        """
        return self._list("feedback.list", parsing.parse_ticket, limit, offset)

    def open(self, message: str, subject: str | None = None, **sending: Unpack[Sending]) -> types.Ticket:
        """Open a ticket. A repeat opens another.
        Inferred from the scopes on https://reelmirror.com/docs/api-reference/introduction
        """
        return self._call(
            "feedback.open",
            one(parsing.parse_ticket),
            body=_given({"subject": subject, "message": message}),
            **sending,
        )

    def get(self, ticket_id: str) -> types.Ticket:
        """Read a ticket and its replies.
        Inferred from the scopes on https://reelmirror.com/docs/api-reference/introduction
        """
        return self._call("feedback.get", one(parsing.parse_ticket), {"ticket_id": ticket_id})

    def reply(self, ticket_id: str, message: str, **sending: Unpack[Sending]) -> types.Ticket:
        """Answer in a ticket. A repeat answers twice.
        Inferred from the scopes on https://reelmirror.com/docs/api-reference/introduction
        """
        return self._call(
            "feedback.reply",
            one(parsing.parse_ticket),
            {"ticket_id": ticket_id},
            body={"message": message},
            **sending,
        )
