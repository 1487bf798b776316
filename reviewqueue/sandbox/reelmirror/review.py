"""Review: approve and publish, send to compose, reject.

A decision needs a post that is complete in all its items, and that nobody decided on before. The contract
gives 409 for posts; for the rejection of one item it lists no 409, so that answers 400.
"""

from __future__ import annotations

from reviewqueue.sandbox.context import Call, Context
from reviewqueue.sandbox.http import Problem
from reviewqueue.sandbox.pace import status_of, voice_status
from reviewqueue.sandbox.store import Row

from . import deliveries, generating, outgoing, publishing


def find_decidable(context: Context, post_id: str) -> tuple[Row, list[Row]]:
    """A post one can decide on, and its items."""
    post = generating.find(context, post_id)
    items = generating.items_of(context, post_id)
    if not items or any(status_of(item, context.now) != "completed" for item in items):
        raise Problem(409, "Generation is not completed for this post and all its items")
    if is_decided(context, post):
        raise Problem(409, "Post has been reviewed already", review_status=post["review_status"])
    return post, items


def is_decided(context: Context, post: Row) -> bool:
    """Whether someone decided. An approval of which every delivery failed leaves the post open again."""
    return post["review_status"] != "pending_review" or deliveries.is_alive(context, post["outgoing_post_id"])


def make_outgoing(context: Context, post: Row, items: list[Row], account_ids: list[str]) -> str:
    """A generated post's outgoing one: the items not rejected, the converted voice where there is one."""
    kept = [
        outgoing.Item(item["id"], voice_status(item, context.now) == "completed")
        for item in items
        if item["review_status"] != "rejected"
    ]
    return outgoing.make(
        context,
        kept,
        account_ids,
        caption=post["caption"],
        persona_id=post["persona_id"],
        generated_post_id=post["id"],
    )


def approve(call: Call) -> dict:
    outgoing_post_id = approve_post(call, call.params["post_id"])
    return {"status": "publishing", "outgoing_post_id": outgoing_post_id}


def approve_post(context: Context, post_id: str) -> str:
    """Publish at once to the active accounts linked to the persona.

    `review_status` stays pending_review until the first delivery is published.
    """
    post, items = find_decidable(context, post_id)
    account_ids = publishing.linked_accounts(context, post["persona_id"])
    if not account_ids:
        raise Problem(400, "Persona has no active publishing account")
    outgoing_post_id = make_outgoing(context, post, items, account_ids)
    deliveries.release(context, outgoing_post_id)
    context.rows.change(
        "generated_posts", post["id"], outgoing_post_id=outgoing_post_id, updated_at=context.now
    )
    context.effect("approve", post["id"], outgoing_post_id)
    return outgoing_post_id


def approve_by_itself(context: Context, post_id: str) -> None:
    """What auto_publish does once a post is complete, if it is, and if it may."""
    try:
        approve_post(context, post_id)
    except Problem:
        return


def send_to_compose(call: Call) -> dict:
    post, items = find_decidable(call, call.params["post_id"])
    outgoing_post_id = make_outgoing(call, post, items, publishing.linked_accounts(call, post["persona_id"]))
    call.rows.change(
        "generated_posts",
        post["id"],
        outgoing_post_id=outgoing_post_id,
        review_status="approved",
        updated_at=call.now,
    )
    call.effect("send_to_compose", post["id"], outgoing_post_id)
    return {"outgoing_post_id": outgoing_post_id}


def reject(call: Call) -> dict:
    post, _ = find_decidable(call, call.params["post_id"])
    call.rows.change("generated_posts", post["id"], review_status="rejected", updated_at=call.now)
    call.effect("reject", post["id"])
    return {"status": "rejected"}


def reject_item(call: Call) -> dict:
    """Reject one item; with the last one the whole post is rejected."""
    item = generating.find_item(call, call.params["item_id"])
    try:
        post, items = find_decidable(call, item["post_id"])
    except Problem as problem:
        raise Problem(400, problem.message, **problem.details) from problem
    if item["review_status"] == "rejected":
        raise Problem(400, "Media item has been rejected already")
    call.rows.change("generated_items", item["id"], review_status="rejected")
    last = all(each["review_status"] == "rejected" for each in items if each["id"] != item["id"])
    review_status = "rejected" if last else "pending_review"
    call.rows.change("generated_posts", post["id"], review_status=review_status, updated_at=call.now)
    call.effect("reject_item", item["id"])
    return {"status": "rejected", "post_auto_rejected": last}
