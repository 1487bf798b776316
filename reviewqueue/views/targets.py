"""The accounts a persona publishes to: link, unlink, connect one more."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewqueue.forms.personas import TargetForm
from reviewqueue.forms.review import Pressed
from reviewqueue.models import Checkout, ConnectedAccount, Persona, PublishingTarget
from reviewqueue.services import billing
from reviewqueue.services import personas as service
from reviewqueue.services.access import require
from reviewqueue.views import fragments
from reviewqueue.views.personas import acted, asked, find


def _token(request):
    form = Pressed(request.POST)
    form.is_valid()
    return form.cleaned_data["token"]


@require_http_methods(["GET", "POST"])
def linked(request, persona_id: UUID):
    """GET lists the connected accounts that are not linked; POST links one."""
    persona = find(request, persona_id)
    require(request.member, "account.change")
    accounts = ConnectedAccount.objects.filter(workspace=persona.workspace_id)
    accounts = accounts.exclude(targets__persona=persona).order_by("username", "id")
    form = TargetForm(accounts, request.POST if request.method == "POST" else None)
    if form.is_valid():
        account = form.cleaned_data["account"]
        service.link_account(persona, account, by=request.member, token=form.cleaned_data["token"])
        return acted(request, persona, f"{account} is being linked")
    return asked(request, "reviewqueue/ask_target.html", {"persona": persona, "accounts": accounts}, form)


@require_http_methods(["GET", "POST"])
def removal(request, persona_id: UUID, target_id: UUID):
    """GET asks; POST unlinks the account. It stays connected."""
    visible = PublishingTarget.objects.filter(workspace=request.member.workspace_id, persona__gone_at=None)
    target = get_object_or_404(
        visible.select_related("persona", "account"), pk=target_id, persona_id=persona_id
    )
    require(request.member, "account.change")
    if request.method == "GET":
        context = {"target": target, "persona": target.persona, "section": "personas"}
        return fragments.page(request, "reviewqueue/ask_unlink.html", context, part="dialog")
    service.unlink_account(target, by=request.member, token=_token(request))
    return acted(request, target.persona, f"{target.account} is being unlinked")


@require_POST
def connection(request, persona_id: UUID):
    """Ask for the page on which a person signs in; its link appears as soon as the service has given it."""
    persona = find(request, persona_id)
    service.connect_account(by=request.member, token=_token(request), persona=persona)
    return acted(request, persona, "Preparing the page of the service")


@require_safe
def connected(request):
    """Back from the service's page: look at the accounts, and return to the persona it was begun for."""
    member = request.member
    require(member, "account.change")
    began = member.workspace.checkouts.filter(kind=Checkout.Kind.CONNECT, operation__persona__gone_at=None)
    last = began.select_related("operation__persona").order_by("-created_at").first()
    billing.came_back(member.workspace, Checkout.Kind.CONNECT)
    persona: Persona | None = last.operation.persona if last and last.operation else None
    if request.GET.get("outcome") == "cancelled":
        messages.info(request, "Nothing was connected.")
    else:
        messages.info(request, "The accounts are being read again. Link the new one under “Publishes to”.")
    return HttpResponseRedirect(f"/personas/{persona.pk}/" if persona else "/personas/")
