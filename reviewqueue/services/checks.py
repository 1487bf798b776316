"""The preflight of one post, from its rows."""

from reviewqueue.models import GeneratedPost
from reviewqueue.rules.preflight import Check, Facts, preflight


def checks(post: GeneratedPost, items: list | None = None) -> list[Check]:
    """Every check of the post as it is mirrored now. `items`: its current ones, if they are read already."""
    if items is None:
        items = list(post.items.current().select_related("file", "voice_file"))
    files = [file for item in items for file in (item.file, item.voice_file) if file]
    source = post.source_post
    return preflight(
        Facts(
            items=len(items),
            ready=sum(item.is_complete for item in items),
            failed=sum(item.status == "failed" for item in items),
            caption=post.caption,
            source_caption=source.caption if source else "",
            source_handle=source.handle if source else "",
            persona=post.persona.name if post.persona else "",
            accounts=tuple(post.persona.accounts) if post.persona else (),
            refused_files=tuple(file.reason for file in files if file.state == "refused"),
        )
    )
