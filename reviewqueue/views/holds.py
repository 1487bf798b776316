"""The tray: take back, pause, send now."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from reviewqueue.models import GeneratedPost, Hold
from reviewqueue.services import holds
from reviewqueue.views import fragments, rows


def _mine(request, hold_id: UUID) -> Hold:
    return get_object_or_404(Hold.objects.filter(workspace_id=request.member.workspace_id), pk=hold_id)


def _answer(request, hold: Hold, said: str, *, undone: bool = False):
    """The tray, and the frames that it was about."""
    posts = GeneratedPost.objects.filter(decisions__hold=hold).distinct()
    context = {"changes": [rows.frames.of(post) for post in posts], "undone": posts}
    here = fragments.asked_from(request)
    has_frames = here == "/" or here.startswith(("/library/", "/setup/"))
    parts = ["reviewqueue/queue.html#changes"] if has_frames else []
    back = fragments.came_from(request, "/review/", "/library/", "/setup/")
    first = posts[0] if posts else None
    to = f"/review/{first.pk}/" if first and back.startswith("/review/") else back or "/"
    response = fragments.answer(request, to, *parts, context=context, said=said)
    if first and undone:
        response["HX-Trigger"] = f'{{"loupe:undone": {{"post": "{first.pk}"}}, "loupe:look": ""}}'
    return response


@require_POST
def undo(request, hold_id: UUID):
    hold = _mine(request, hold_id)
    holds.undo(hold, by=request.member)
    return _answer(request, hold, f"Undone: {hold.what} {hold.which}".strip(), undone=True)


@require_POST
def pause(request, hold_id: UUID):
    hold = _mine(request, hold_id)
    on = request.POST.get("on") == "1"
    holds.pause(hold, by=request.member, on=on)
    return _answer(request, hold, "Paused. Nothing is sent until you resume" if on else "Resumed")


@require_POST
def send(request, hold_id: UUID):
    hold = _mine(request, hold_id)
    holds.send(hold, by=request.member)
    return _answer(request, hold, f"Sending: {hold.what} {hold.which}".strip())
