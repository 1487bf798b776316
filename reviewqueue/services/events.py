"""The record of who did what."""

from reviewqueue.models import Event, Member, Workspace
from reviewqueue.rules.vocabulary import EVENTS

SERVICE = "The service"
LOUPE = "Loupe"


def record(
    name: str,
    workspace: Workspace | None = None,
    *,
    by: Member | None = None,
    by_label: str = "",
    subject: str = "",
    persona=None,
    post=None,
    operation=None,
    cents: int | None = None,
    **facts,
) -> Event:
    """Append one event: a name of rules/vocabulary.py. `subject` is copied, so it outlives its row."""
    word = EVENTS[name]
    word.sentence.format(subject=subject, **facts)  # a missing fact fails here, not on somebody's page
    workspace_id = workspace.pk if workspace else by.workspace_id
    return Event.objects.create(
        workspace_id=workspace_id,
        name=name,
        by=by,
        by_label=by.user.name if by else (by_label or LOUPE),
        subject_label=subject[:200],
        facts=facts,
        persona=persona,
        post=post,
        operation=operation,
        cents=cents,
    )
