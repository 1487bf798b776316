"""What a person and a workspace can choose: profile, policy, reasons, prices, the API key."""

from django.contrib.auth import login
from django.http import Http404
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewqueue.clock import pace
from reviewqueue.forms.settings import (
    FirstPersonForm,
    KeyboardForm,
    KeyForm,
    LookingForm,
    NewWorkspaceForm,
    PricesForm,
    ProfileForm,
    ReasonsForm,
    ThemeForm,
    WorkspaceForm,
)
from reviewqueue.models import Member, UpstreamKey
from reviewqueue.rules.roles import ROLE_WORDS
from reviewqueue.services import preferences, pricing, rates, setup
from reviewqueue.services.access import require
from reviewqueue.views import fragments
from reviewqueue.views.access import BACKEND
from reviewqueue.views.refusals import back_to

TEMPLATES = "reviewqueue/settings"
PRICES_SHOWN = 12


def _bound(request, form, part: str, template: str, to: str, context: dict, *, said: str):
    """After a form: the panel anew, or with what was wrong and all that was typed."""
    if form.is_valid():
        return fragments.answer(request, to, f"{template}#{part}", context=context, said=said)
    return fragments.page(request, template, context, part=part, status=422)


# ---- one's own ---------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def profile(request):
    template = f"{TEMPLATES}/profile.html"
    form = ProfileForm(request.POST) if request.method == "POST" else ProfileForm.of(request.user)
    context = {"form": form, "section": "settings", "role_words": ROLE_WORDS[request.member.role]}
    if request.method == "GET":
        return fragments.page(request, template, context)
    if form.is_valid():
        preferences.set_profile(by=request.member, **form.values())
    return _bound(request, form, "form", template, "/settings/", context, said="Saved")


@require_POST
def theme(request):
    """Light, dark, or the other one; a script has shown it already."""
    form = ThemeForm(request.POST)
    if form.is_valid():
        preferences.set_theme(form.cleaned_data["theme"], by=request.member)
    return shown_already(request)


@require_POST
def keyboard(request):
    """Single keys on or off (WCAG 2.1.4)."""
    form = KeyboardForm(request.POST)
    if form.is_valid():
        preferences.set_keyboard(form.cleaned_data["keys"], by=request.member)
    return shown_already(request)


@require_POST
def looking(request):
    """Pictures blurred or in grey, for one person; a script has shown it already."""
    form = LookingForm(request.POST)
    if form.is_valid():
        preferences.set_looking(by=request.member, **form.cleaned_data)
    return shown_already(request)


def shown_already(request):
    if fragments.is_fragment(request):
        return fragments.unchanged()
    return fragments.answer(request, back_to(request))


# ---- the workspace -----------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def workspace(request):
    """Name, time zone and policy."""
    require(request.member, "policy.change")
    template = f"{TEMPLATES}/workspace.html"
    here = request.member.workspace
    form = WorkspaceForm(request.POST) if request.method == "POST" else WorkspaceForm.of(here)
    context = {"form": form, "reasons_form": ReasonsForm(reasons=here.reasons.all()), **beside(request)}
    if request.method == "GET":
        return fragments.page(request, template, context)
    if form.is_valid():
        preferences.set_workspace(by=request.member, **form.values(here))
        context["form"] = WorkspaceForm.of(here)
    return _bound(request, form, "form", template, "/settings/workspace/", context, said="Saved")


@require_POST
def reasons(request):
    """The short list under Reject."""
    require(request.member, "policy.change")
    here = request.member.workspace
    form = ReasonsForm(request.POST)
    if form.is_valid():
        preferences.set_reasons(form.texts(), by=request.member)
    shown = ReasonsForm(reasons=here.reasons.all()) if form.is_valid() else form
    context = {"form": WorkspaceForm.of(here), "reasons_form": shown, **beside(request)}
    template, to = f"{TEMPLATES}/workspace.html", "/settings/workspace/"
    if form.is_valid():
        return fragments.answer(request, to, f"{template}#reasons", context=context, said="Saved")
    return fragments.page(request, template, context, part="reasons", status=422)


@require_http_methods(["GET", "POST"])
def prices(request):
    """The price list in force, and a new one from a date on."""
    require(request.member, "price.change")
    template = f"{TEMPLATES}/prices.html"
    here = request.member.workspace
    form = PricesForm(request.POST) if request.method == "POST" else PricesForm.of(pricing.prices(here))
    if request.method == "POST" and form.is_valid():
        preferences.set_prices(by=request.member, **form.values())
    context = {
        "form": form,
        "in_force": pricing.prices(here),
        "lists": here.prices.all()[:PRICES_SHOWN],
        **beside(request),
    }
    if request.method == "GET":
        return fragments.page(request, template, context)
    return _bound(request, form, "all", template, "/settings/prices/", context, said="Saved")


def beside(request) -> dict:
    """What every page of the workspace's settings needs."""
    return {"section": "settings", "sandbox_place": sandbox_of(request.user)}


# ---- the key -----------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def keys(request):
    """The key to the service: its state, what it may do, and a form for another."""
    require(request.member, "key.change")
    if request.method == "GET":
        return fragments.page(request, f"{TEMPLATES}/keys.html", key_context(request, key_form(request)))
    form = key_form(request, request.POST)
    if not form.is_valid():
        context = key_context(request, form)
        return fragments.page(request, f"{TEMPLATES}/keys.html", context, part="enter", status=422)
    store(request, form)
    return fragments.go_to(request, "/settings/keys/", said="The key is being tried")


def key_form(request, data=None) -> KeyForm:
    """The sandbox has a key of its own: another one opens a workspace, and asks who somebody really is."""
    if not request.member.workspace.is_sandbox:
        return KeyForm(data)
    return (FirstPersonForm if request.user.is_sample else NewWorkspaceForm)(data)


def store(request, form: KeyForm) -> None:
    here, secret = request.member.workspace, form.cleaned_data["secret"]
    if not here.is_sandbox:
        setup.enter_key(request.user, secret, workspace=here)
        return
    person = form.person() if request.user.is_sample else None
    name = form.cleaned_data["workspace"]
    user = setup.open_workspace(secret, by=request.member, name=name, person=person)
    if user.pk != request.user.pk:
        login(request, user, backend=BACKEND)


def key_context(request, form: KeyForm | None = None) -> dict:
    key = UpstreamKey.objects.filter(workspace=request.member.workspace, upstream="reelmirror").first()
    granted = key.scopes if key else None
    return {
        "form": form,
        "key": key,
        "has_scopes": granted is not None,
        "scopes": [(name, name in (granted or ()), setup.WITHOUT[name]) for name in setup.SCOPES],
        "stamp": stamp(key),
        "every": max(0.5, pace(2.0 if key and key.state == UpstreamKey.State.UNCHECKED else 10.0)),
        **beside(request),
    }


def stamp(key: UpstreamKey | None) -> str:
    if key is None:
        return "none"
    return f"{key.pk.hex}.{key.state}.{int(key.checked_at.timestamp()) if key.checked_at else 0}"


@require_safe
def live_keys(request):
    """What came of trying the key; 204 while nothing did."""
    require(request.member, "key.change")
    context = key_context(request)
    if request.GET.get("v") == context["stamp"]:
        return fragments.unchanged()
    return fragments.answer(request, "/settings/keys/", f"{TEMPLATES}/keys.html#live", context=context)


@require_POST
def key_trial(request):
    """Ask a service that is away at once, instead of within half a minute."""
    require(request.member, "look")
    is_tried = rates.try_now(request.member.workspace.keys.filter(upstream="reelmirror"))
    return fragments.answer(
        request,
        fragments.came_from(request, "/") or "/",
        "shell.html#banners",
        context={"in_focus": fragments.asked_from(request).startswith("/review/")},
        said="The service is being asked" if is_tried else "Nothing waits for the service",
    )


@require_http_methods(["GET", "POST"])
def key_removal(request):
    """GET asks; POST removes the key. What was mirrored stays."""
    require(request.member, "key.change")
    if request.method == "GET":
        return fragments.page(request, f"{TEMPLATES}/ask_key.html", key_context(request), part="dialog")
    setup.remove_key(request.member.workspace, by=request.member)
    return fragments.go_to(request, "/settings/keys/", said="The key was removed")


@require_http_methods(["GET", "POST"])
def sandbox_removal(request):
    """GET asks; POST takes the sandbox away with its people, posts and files."""
    place = sandbox_of(request.user)
    if place is None:
        raise Http404
    require(place, "key.change")
    if request.method == "GET":
        context = {"place": place, "section": "settings"}
        return fragments.page(request, f"{TEMPLATES}/ask_sandbox.html", context, part="dialog")
    setup.remove_sandbox(place.workspace, by=place)
    return fragments.go_to(request, "/setup/", said="The sandbox was removed")


def sandbox_of(user) -> Member | None:
    """The person's place in the sandbox, if they have one and another workspace to go on in."""
    places = list(Member.objects.of_user(user.pk))
    return next((place for place in places if place.workspace.is_sandbox), None) if len(places) > 1 else None
