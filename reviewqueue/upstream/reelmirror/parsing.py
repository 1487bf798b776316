"""ReelMirror's JSON → types.py. Pure functions that raise nothing but Unreadable.

Pages of the service disagree on many forms; every one of them is read here (contract, "Disagreements between
pages, and what a tolerant client does"). Unknown fields are ignored, unknown states kept. A field that the
contract requires must be usable; any other that is not becomes its default.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from reviewqueue.upstream.errors import Unreadable
from reviewqueue.upstream.reelmirror import types
from reviewqueue.upstream.reelmirror.fields import (
    Row,
    array,
    flag,
    identifiers,
    link,
    read_rows,
    seconds,
    settings,
    text,
    whole,
    word,
    words,
)

T = TypeVar("T")


def one(parse: Callable[[Any], T], *envelopes: str) -> Callable[[Any], T]:
    """A reader for a reply with one object: bare, or in an envelope ("data", unless others are named).

    No body at all (204) is an empty object.
    """

    def read(body: Any) -> T:
        return parse(_contents(body, envelopes or ("data",)))

    return read


def page(parse: Callable[[Any], T]) -> Callable[[Any], types.Page[T]]:
    """A reader for a list: {"data": […], "count": n}, or the bare list."""

    def read(body: Any) -> types.Page[T]:
        rows = body if isinstance(body, list) else Row(body).required(array, "data")
        items = read_rows(parse, rows)
        total = None if isinstance(body, list) else Row(body).count("count", "total")
        return types.Page(items, total, unreadable=len(rows) - len(items))

    return read


def _contents(body: Any, envelopes: tuple[str, ...]) -> Any:
    if body is None:
        return {}
    for name in envelopes:
        if isinstance(body, dict) and isinstance(body.get(name), dict):
            return body[name]
    return body


def _handle(row: Row) -> str:
    """The name of an account, without @: `handle` in the reference, `username` in the guides."""
    return row.text("handle", "username").removeprefix("@")


def parse_signup(value: Any) -> types.Signup:
    row = Row(value)
    return types.Signup(status=row.required(word, "status"), user_id=row.id("user_id"))


def parse_api_key(value: Any) -> types.ApiKey:
    row = Row(value)
    return types.ApiKey(
        id=row.id("id"),
        name=row.required(text, "name"),
        scopes=row.optional(words, "scopes") or (),
        monthly_limit_cents=row.count("monthly_limit_cents"),
        created_at=row.time("created_at"),
        key_prefix=row.word("key_prefix"),
        last_used_at=row.time("last_used_at"),
    )


def parse_new_api_key(value: Any) -> types.NewApiKey:
    row = Row(value)
    return types.NewApiKey(
        id=row.id("id"),
        key=row.required(_secret, "key"),
        name=row.text("name"),
        scopes=row.optional(words, "scopes") or (),
        monthly_limit_cents=row.count("monthly_limit_cents"),
        created_at=row.time("created_at"),
    )


def _secret(value: Any) -> str | None:
    """A secret is used as it came, or not at all: nothing in it is ever replaced."""
    usable = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
    return value if usable and value else None


def parse_persona(value: Any) -> types.Persona:
    row = Row(value)
    return types.Persona(
        id=row.id("id"),
        name=row.required(text, "name"),
        writing_style=row.text("writing_style"),
        discount_mode=row.flag("discount_mode"),
        avatar_url=row.link("avatar_url"),
        voice_sample_url=row.link("voice_sample_url"),
        source_count=row.count("source_count"),
        created_at=row.time("created_at"),
        updated_at=row.time("updated_at"),
    )


def parse_source(value: Any) -> types.Source:
    row = Row(value)
    return types.Source(
        id=row.id("id"),
        platform=row.required(word, "platform"),
        handle=_handle(row),
        creator_id=row.id_or_none("creator_id"),
        automation_mode=row.word("automation_mode"),
        status=row.word("status"),
        last_synced_at=row.time("last_synced_at"),
        content_count=row.count("content_count"),
        created_at=row.time("created_at"),
    )


def parse_sync_started(value: Any) -> types.SyncStarted:
    row = Row(value)
    return types.SyncStarted(
        job_ids=row.required(identifiers, "job_ids"),
        estimated_cost_cents=row.count("estimated_cost_cents"),
    )


def parse_sync_job(value: Any) -> types.SyncJob:
    row = Row(value)
    return types.SyncJob(
        status=row.required(word, "status"),
        id=row.id_or_none("id"),
        persona_id=row.id_or_none("persona_id"),
        creator_id=row.id_or_none("creator_id"),
        error_message=row.text("error_message"),
        new_posts_count=row.count("new_posts_count"),
        created_at=row.time("created_at"),
        started_at=row.time("started_at"),
        completed_at=row.time("completed_at"),
    )


def parse_source_media(value: Any) -> types.SourceMedia:
    row = Row(value)
    return types.SourceMedia(
        id=row.id_or_none("id"),
        media_type=row.word("media_type"),
        url=row.link("url"),
        duration_seconds=row.optional(seconds, "duration_seconds"),
    )


def parse_source_post(value: Any) -> types.SourcePost:
    row = Row(value)
    return types.SourcePost(
        id=row.id("id"),
        creator_id=row.id_or_none("creator_id"),
        platform=row.word("platform"),
        platform_post_id=row.text("platform_post_id"),
        caption=row.text("caption"),
        url=row.link("url"),
        thumbnail_url=row.link("thumbnail_url"),
        media_items=row.readable(parse_source_media, "media_items"),
        posted_at=row.time("posted_at"),
        created_at=row.time("created_at"),
    )


def parse_media_item(value: Any) -> types.MediaItem:
    row = Row(value)
    return types.MediaItem(
        id=row.id("id"),
        status=row.required(word, "status"),
        generated_post_id=row.id_or_none("generated_post_id"),
        media_type=row.word("media_type"),
        url=row.link("url"),
        is_public=row.flag("is_public"),
        discount_applied=row.flag("discount_applied"),
        voice_conversion_status=row.optional(word, "voice_conversion_status"),
        voice_converted_url=row.link("voice_converted_url"),
        thumbnail_url=row.link("thumbnail_url"),
        duration_seconds=row.optional(seconds, "duration_seconds"),
        position=row.count("position"),
        review_status=row.word("review_status"),
        error_message=row.text("error_message"),
        created_at=row.time("created_at"),
    )


def parse_generated_post(value: Any) -> types.GeneratedPost:
    row = Row(value)
    return types.GeneratedPost(
        id=row.id("id"),
        status=row.required(word, "status"),
        media_items=row.every(parse_media_item, "media_items", needed=True),
        persona_id=row.id_or_none("persona_id"),
        source_post_id=row.id_or_none("source_post_id"),
        review_status=row.word("review_status"),
        caption=row.text("caption"),
        outgoing_post_id=row.id_or_none("outgoing_post_id"),
        total_cost_cents=row.count("total_cost_cents"),
        error_message=row.text("error_message"),
        created_at=row.time("created_at"),
        updated_at=row.time("updated_at"),
    )


def parse_generation_started(value: Any) -> types.GenerationStarted:
    """Only the id is needed; `status` comes with some pages and not with others."""
    return types.GenerationStarted(generated_post_id=Row(value).id("generated_post_id"))


def parse_retried_item(value: Any) -> types.RetriedItem:
    row = Row(value)
    return types.RetriedItem(
        original_item_id=row.id("original_item_id"),
        new_item_id=row.id("new_item_id"),
        media_type=row.word("media_type"),
        status=row.word("status"),
    )


def parse_regeneration_started(value: Any) -> types.RegenerationStarted:
    row = Row(value)
    return types.RegenerationStarted(
        generated_post_id=row.id("generated_post_id"),
        retried_items=row.readable(parse_retried_item, "retried_items"),
        total_cost_cents=row.count("total_cost_cents"),
    )


def parse_item_started(value: Any) -> types.ItemStarted:
    """Any id will do, the one that is surely the new item first."""
    return types.ItemStarted(item_id=Row(value).id_or_none("new_item_id", "generated_media_item_id", "id"))


def parse_voice_started(value: Any) -> types.VoiceStarted:
    row = Row(value)
    return types.VoiceStarted(
        item_id=row.id_or_none("generated_media_item_id", "id"),
        voice_conversion_status=row.optional(word, "voice_conversion_status"),
    )


def parse_visibility(value: Any) -> types.Visibility:
    row = Row(value)
    return types.Visibility(
        item_id=row.id_or_none("generated_media_item_id", "id"), is_public=row.optional(flag, "is_public")
    )


def parse_approval_started(value: Any) -> types.ApprovalStarted:
    row = Row(value)
    return types.ApprovalStarted(outgoing_post_id=row.id("outgoing_post_id"), status=row.word("status"))


def parse_rejection(value: Any) -> types.Rejection:
    return types.Rejection(status=Row(value).word("status"))


def parse_draft_made(value: Any) -> types.DraftMade:
    return types.DraftMade(outgoing_post_id=Row(value).id("outgoing_post_id"))


def parse_item_rejection(value: Any) -> types.ItemRejection:
    row = Row(value)
    return types.ItemRejection(
        status=row.required(word, "status"), post_auto_rejected=row.required(flag, "post_auto_rejected")
    )


def parse_deleted(value: Any) -> types.Deleted:
    """No page shows a delete reply: whatever came with the 2xx will do."""
    return types.Deleted(status=Row(value).word("status") if isinstance(value, dict) else "")


def parse_connected_account(value: Any) -> types.ConnectedAccount:
    row = Row(value)
    return types.ConnectedAccount(
        id=row.id("id"),
        platform=row.word("platform"),
        username=_handle(row),
        status=row.word("status"),
        avatar_url=row.link("avatar_url"),
        connected_at=row.time("connected_at"),
    )


def parse_connect_link(value: Any) -> types.ConnectLink:
    return types.ConnectLink(url=Row(value).required(link, "auth_url", "url"))


def parse_slots(value: Any) -> types.Slots:
    row = Row(value)
    return types.Slots(
        purchased=row.required(whole, "purchased"),
        used=row.required(whole, "used"),
        available=row.required(whole, "available"),
        subscription_id=row.id_or_none("subscription_id"),
    )


def parse_slots_changed(value: Any) -> types.SlotsChanged:
    """The new total, or an address to pay at when no card is saved; an answer with neither says nothing."""
    row = Row(value)
    changed = types.SlotsChanged(
        purchased=row.count("purchased"),
        subscription_id=row.id_or_none("subscription_id"),
        checkout_url=row.link("checkout_url"),
    )
    if changed.purchased is None and changed.checkout_url is None:
        raise Unreadable("The answer has neither a number of slots nor an address to pay at.")
    return changed


def parse_publishing_target(value: Any) -> types.PublishingTarget:
    row = Row(value)
    return types.PublishingTarget(
        connected_account_id=row.id("connected_account_id"),
        id=row.id_or_none("id"),
        persona_id=row.id_or_none("persona_id"),
        platform=row.word("platform"),
        username=_handle(row),
        created_at=row.time("created_at"),
    )


def parse_outgoing_item(value: Any) -> types.OutgoingItem:
    row = Row(value)
    return types.OutgoingItem(
        generated_media_item_id=row.id("generated_media_item_id"),
        position=row.count("position") or 0,
        use_voice_converted=row.flag("use_voice_converted"),
        id=row.id_or_none("id"),
    )


def parse_delivery(value: Any) -> types.Delivery:
    row = Row(value)
    return types.Delivery(
        id=row.id("id"),
        status=row.required(word, "status"),
        connected_account_id=row.id_or_none("connected_account_id"),
        platform=row.word("platform"),
        username=_handle(row),
        platform_post_id=row.text("platform_post_id"),
        error_message=row.text("error_message"),
        published_at=row.time("published_at"),
    )


def parse_outgoing_post(value: Any) -> types.OutgoingPost:
    row = Row(value)
    return types.OutgoingPost(
        id=row.id("id"),
        status=row.required(word, "status"),
        deliveries=row.every(parse_delivery, "deliveries", needed=True),
        persona_id=row.id_or_none("persona_id"),
        caption=row.text("caption"),
        scheduled_for=row.time("scheduled_for"),
        platform_settings=row.optional(settings, "platform_settings") or {},
        items=row.every(parse_outgoing_item, "items", needed=False),
        created_at=row.time("created_at"),
        updated_at=row.time("updated_at"),
    )


def parse_balance(value: Any) -> types.Balance:
    """Takes the whole reply: where setup_url sits in it is not shown, so it is looked for inside and outside.

    Both names of the reload settings are read; balance_dollars, text or number, never is.
    """
    row = Row(_contents(value, ("data",)))
    setup_url = row.link("setup_url") or Row(value).link("setup_url")
    read_balance = row.optional if setup_url else row.required
    return types.Balance(
        balance_cents=read_balance(whole, "balance_cents"),
        auto_reload=row.optional(flag, "auto_reload", "auto_reload_enabled"),
        reload_threshold_cents=row.count("reload_threshold_cents", "auto_reload_threshold_cents"),
        reload_amount_cents=row.count("reload_amount_cents", "auto_reload_amount_cents"),
        setup_url=setup_url,
    )


def parse_transaction(value: Any) -> types.Transaction:
    row = Row(value)
    return types.Transaction(
        id=row.id("id"),
        amount_cents=row.required(whole, "amount_cents"),
        kind=row.word("operation_type", "type"),
        description=row.text("description"),
        created_at=row.time("created_at"),
        generated_post_id=row.id_or_none("generated_post_id"),
        generated_media_item_id=row.id_or_none("generated_media_item_id"),
        refund_of_id=row.id_or_none("refund_of_id"),
    )


def parse_checkout_link(value: Any) -> types.CheckoutLink:
    return types.CheckoutLink(url=Row(value).required(link, "url", "checkout_url"))


def parse_card_setup(value: Any) -> types.CardSetup:
    return types.CardSetup(client_secret=Row(value).required(_secret, "client_secret"))


def parse_upload(value: Any) -> types.Upload:
    row = Row(value)
    return types.Upload(
        url=row.required(link, "url"),
        category=row.required(word, "category"),
        key=row.text("key"),
        persona_id=row.id_or_none("persona_id"),
    )


def parse_profile(value: Any) -> types.Profile:
    row = Row(value)
    return types.Profile(
        id=row.id_or_none("id"),
        email=row.text("email"),
        display_name=row.text("display_name"),
        created_at=row.time("created_at"),
    )


def parse_ticket_reply(value: Any) -> types.TicketReply:
    row = Row(value)
    return types.TicketReply(
        id=row.id_or_none("id"), message=row.text("message"), created_at=row.time("created_at")
    )


def parse_ticket(value: Any) -> types.Ticket:
    row = Row(value)
    return types.Ticket(
        id=row.id_or_none("id"),
        subject=row.text("subject"),
        message=row.text("message"),
        status=row.word("status"),
        replies=row.readable(parse_ticket_reply, "replies"),
        created_at=row.time("created_at"),
    )
