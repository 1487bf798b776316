"""The tray: take back, pause, send now."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from reviewqueue.models import GeneratedPost, Hold
from reviewqueue.services import holds
from reviewqueue.views import fragments, queue, refusals, rows
from reviewqueue.views import posts as focus


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
    if first and undone and here.startswith("/review/"):  # the next key may come before the next poll
        visible = focus.complete(GeneratedPost.objects.visible_to(request.member))
        if fresh := visible.filter(pk=first.pk).first():
            context |= focus.article(request.member, fresh)
            parts.append("reviewqueue/review.html#decide")
    view = queue.came_in(request)
    to = f"/review/{first.pk}/{view}" if first and back.startswith("/review/") else back or f"/{view}"
    response = fragments.answer(request, to, *parts, context=context, said=said)
    if first and undone:
        response["HX-Trigger"] = f'{{"loupe:undone": {{"post": "{first.pk}"}}, "loupe:look": ""}}'
    return response


def _too_late(request, hold: Hold, error: holds.TooLate):
    """What was sent cannot be caught any more; where it went can be seen."""
    title, _, rest = str(error).partition(". ")
    post = hold.decisions.values_list("post_id", flat=True).first() if hold.count == 1 else None
    more = f"/library/{post}/" if post else "/library/"
    return refusals.refused(request, rest or "The service has no undo.", title.rstrip("."), 409, more=more)


@require_POST
def undo(request, hold_id: UUID):
    hold = _mine(request, hold_id)
    try:
        holds.undo(hold, by=request.member)
    except holds.TooLate as error:
        return _too_late(request, hold, error)
    return _answer(request, hold, f"Undone: {holds.caught_of(hold)}", undone=True)


@require_POST
def pause(request, hold_id: UUID):
    hold = _mine(request, hold_id)
    on = request.POST.get("on") == "1"
    holds.pause(hold, by=request.member, on=on)
    return _answer(request, hold, "Paused. Nothing is sent until you resume" if on else "Resumed")


@require_POST
def linger(request):
    """Somebody is in the tray, or has left it: nothing is sent under their hand."""
    holds.linger(request.member, on=request.POST.get("on") == "1")
    return fragments.answer(request, "/")  # only a script asks


@require_POST
def send(request, hold_id: UUID):
    hold = _mine(request, hold_id)
    if request.POST.get("all"):
        sent = holds.send_all(request.member)
        if sent > 1:
            return _answer(request, hold, f"Sending {sent} decisions")
        if sent:
            return _answer(request, hold, f"Sending: {hold.what} {hold.which}".strip())
    holds.send(hold, by=request.member)
    return _answer(request, hold, f"Sending: {hold.what} {hold.which}".strip())
