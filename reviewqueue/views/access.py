"""Coming in: the one-time link of the first start, and the sandbox's “sign in as”."""

from django.contrib.auth import login
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewqueue.models import Member
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import accounts, events, filling

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@never_cache
@require_http_methods(["GET", "POST"])
def enter(request, secret: str):
    """The printed link. A GET only shows a button: a preview of the link must not use it up."""
    find = accounts.use_link if request.method == "POST" else accounts.owner_of_link
    try:
        user = find(secret)
    except NotAllowed as error:
        return render(request, "account/enter.html", {"refusal": str(error)}, status=409)
    place = Member.objects.of_user(user.pk).first()
    if place:
        filling.begin(place.workspace)
    if request.method == "GET":
        return render(request, "account/enter.html")
    login(request, user, backend=BACKEND)
    if place:
        events.record("signed_in", by=place)
    return redirect("/")


@require_POST
def sign_in_as(request, member_id):
    """Another of the sandbox's cast, so that one can see each role's view. It exists only there."""
    here = request.member.workspace
    if not here.is_sandbox:
        raise Http404
    other = get_object_or_404(here.members.active().filter(user__is_sample=True), pk=member_id)
    login(request, other.user, backend=BACKEND)
    return redirect("/")


@require_POST
def workspace_entry(request, workspace_id):
    """Go to another workspace of mine."""
    place = get_object_or_404(Member.objects.of_user(request.user.pk), workspace_id=workspace_id)
    accounts.enter(request.user, place.workspace)
    return redirect("/")


@require_safe
def more(request):
    """What does not fit into the bar of a phone."""
    return render(request, "reviewqueue/more.html", {"section": "more"})


@require_safe
def keys(request):
    """The keyboard, as a page and as the dialog behind “?”."""
    from reviewqueue.views import fragments

    return fragments.page(request, "reviewqueue/keys.html", {}, part="dialog")
