"""The preflight of one post, from its rows."""

from reviewqueue.models import GeneratedPost, MediaItem, Operation
from reviewqueue.rules import preflight as rules
from reviewqueue.rules.preflight import Check, Facts, preflight
from reviewqueue.services import desk, pictures, pricing


def checks(post: GeneratedPost, items: list[MediaItem] | None = None) -> list[Check]:
    """Every check of the post as it is mirrored now, in a fixed number of queries.

    `items`: its current ones, if they are read already.
    """
    if items is None:
        items = list(post.items.current().select_related("file", "voice_file"))
    files = [file for item in items for file in (item.file, item.voice_file) if file]
    going = pictures.going_of(items)
    source = post.source_post
    accounts = accounts_of(post)
    return preflight(
        Facts(
            items=len(items),
            ready=sum(item.is_complete for item in items),
            failed=sum(item.status == "failed" for item in items),
            caption=post.caption,
            source_caption=source.caption if source else "",
            source_handle=source.handle if source else "",
            persona=post.persona.name if post.persona else "",
            accounts=accounts,
            going=tuple(measured(item) for item in going),
            refused_files=tuple(file.reason for file in files if file.state == "refused"),
            is_current=desk.fingerprint_of(post, items) == post.fingerprint,
            relinked=tuple(item.position + 1 for item in items if item.next_file_id),
            twins=twins_of(post, going, {account.name for account in accounts}),
            has_pictures=any(pictures.is_telling(item.file) for item in going),
            money=money_of(post, [item for item in items if item.status == "failed"]),
        )
    )


def accounts_of(post: GeneratedPost) -> tuple[rules.Account, ...]:
    """Where the persona publishes. What an account's own row says is newer than the persona's list."""
    if post.persona is None:
        return ()
    linked = [target.account for target in post.persona.targets.select_related("account")]
    names = {account.username for account in linked}
    going = [account for account in linked if account.is_active and account.username in post.persona.accounts]
    asleep = [account for account in linked if not account.is_active]
    listed = [rules.Account(name) for name in post.persona.accounts if name not in names]
    known = [rules.Account(row.username, row.platform, row.is_active) for row in (*going, *asleep)]
    return tuple(sorted((*listed, *known), key=lambda account: account.name))


def measured(item: MediaItem) -> rules.Item:
    file = item.file if item.file and item.file.is_here else None
    is_video = item.media_type == "video"
    seconds = (file.duration_seconds if file else None) or item.duration_seconds
    return rules.Item(
        number=item.position + 1,
        is_video=is_video,
        width=file.width if file else None,
        height=file.height if file else None,
        seconds=seconds if is_video else None,
        content_type=file.content_type if file else "",
    )


def twins_of(post: GeneratedPost, going: list[MediaItem], accounts: set[str]) -> tuple[rules.Twin, ...]:
    return tuple(
        rules.Twin(
            number=one.item.position + 1,
            label=desk.label_of(one.other.post),
            standing="published" if one.is_published else one.other.post.desk,
            post_id="" if one.other.post.deleted_at else str(one.other.post_id),
            accounts=tuple(sorted(accounts & one.accounts)),
        )
        for one in pictures.alike(post, going)
    )


def money_of(post: GeneratedPost, failed: list[MediaItem]) -> rules.Money:
    """What the workspace knows of its spending; the price of another try only where something failed."""
    workspace = post.workspace
    waiting = Operation.objects.filter(
        workspace=workspace, state="blocked", blocked_by__in=("balance", "cap")
    )
    retry = free = None
    if failed:
        retry = pricing.cost_of_items(failed, post.persona, pricing.prices(workspace)).low_cents
        if workspace.balance_cents is not None and not workspace.auto_reload:
            free = workspace.balance_cents - pricing.reserved_cents(workspace)
    return rules.Money(
        balance_cents=workspace.balance_cents,
        reloads=bool(workspace.auto_reload),
        waits_for=waiting.order_by("-blocked_by").values_list("blocked_by", flat=True).first() or "",
        retry_cents=retry,
        free_cents=free,
    )
