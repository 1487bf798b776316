"""What can be done to one item of a post."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from reviewqueue.forms.review import Pressed, RejectionForm, VisibilityForm
from reviewqueue.models import MediaItem
from reviewqueue.services import generating, reviewing
from reviewqueue.services.access import NotAllowed
from reviewqueue.views import fragments, posts
from reviewqueue.views.posts import acted


def _item(request, item_id: UUID) -> MediaItem:
    items = MediaItem.objects.visible_to(request.member).select_related(
        "post__persona", "post__workspace", "file"
    )
    return get_object_or_404(items, pk=item_id)


def _token(request):
    form = Pressed(request.POST)
    form.is_valid()
    return form.cleaned_data["token"]


@require_http_methods(["GET", "POST"])
def rejection(request, item_id: UUID):
    """POST rejects the item; GET is the page of reasons for a browser without script."""
    item = _item(request, item_id)
    if request.method == "GET":
        return posts.reasons_page(request, item.post, item)
    form = RejectionForm(request.POST)
    form.is_valid()
    try:
        reviewing.reject_item(item, by=request.member, token=form.cleaned_data["token"], reason=form.spoken())
    except NotAllowed as error:
        return posts.not_decided(request, error, form, item.post, item)
    return acted(request, item.post, f"Item {item.label} rejected. {fragments.undo(request)}", item)


@require_POST
def regeneration(request, item_id: UUID):
    item = _item(request, item_id)
    operation = generating.regenerate_item(item, by=request.member, token=_token(request))
    said = operation.hold.what if operation.hold else "Regenerate"
    return acted(request, item.post, f"{said}, held. {fragments.undo(request)}", item)


@require_POST
def voice(request, item_id: UUID):
    item = _item(request, item_id)
    generating.convert_voice(item, by=request.member, token=_token(request))
    return acted(request, item.post, f"Voice conversion, held. {fragments.undo(request)}", item)


@require_http_methods(["GET", "POST"])
def visibility(request, item_id: UUID):
    """POST shows or hides the item; GET explains the 20 days of a discounted one before the click."""
    item = _item(request, item_id)
    if request.method == "GET":
        context = {"item": item, "post": item.post, "until": generating.would_be_locked_until()}
        return fragments.page(request, "reviewqueue/ask_public.html", context, part="dialog")
    form = VisibilityForm(request.POST)
    if not form.is_valid():
        return HttpResponse("Choose public or private.", status=422)
    is_public = form.cleaned_data["public"]
    generating.set_public(item, is_public, by=request.member, token=form.cleaned_data["token"])
    words = "Made public" if is_public else "Made private"
    return acted(request, item.post, f"{words}, held. {fragments.undo(request)}", item)


@require_http_methods(["GET", "POST"])
def deletion(request, item_id: UUID):
    """GET asks, as it cannot be taken back; POST deletes."""
    item = _item(request, item_id)
    if request.method == "GET":
        return fragments.page(
            request, "reviewqueue/ask_delete.html", {"item": item, "post": item.post}, part="dialog"
        )
    generating.delete_item(item, by=request.member, token=_token(request))
    return acted(request, item.post, f"Item {item.label} is being deleted")
