"""One operation: what was asked, what was sent, what came, and where it stands."""

import uuid
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST, require_safe

from reviewqueue.clock import pace
from reviewqueue.forms.operations import ResolutionForm
from reviewqueue.forms.review import Pressed
from reviewqueue.models import Member, Operation
from reviewqueue.rules.roles import least_role
from reviewqueue.services import resolving
from reviewqueue.services.access import require
from reviewqueue.services.kinds import KINDS
from reviewqueue.views import fragments

TEMPLATE = "reviewqueue/operation.html"
SHORT = 1200  # characters of a body that stand open on the page


def _operation(request, operation_id: UUID) -> Operation:
    related = ("workspace", "post__persona", "persona", "source", "item", "by__user", "retry_of", "hold")
    found = Operation.objects.visible_to(request.member).select_related(*related)
    return get_object_or_404(found, pk=operation_id)


@require_safe
def operation(request, operation_id: UUID):
    found = _operation(request, operation_id)
    return fragments.page(request, TEMPLATE, everything(found, request.member))


@require_safe
def live_operation(request, operation_id: UUID):
    """The moves and exchanges since the page was made; 204 if there are none."""
    found = _operation(request, operation_id)
    context = everything(found, request.member)
    if request.GET.get("v") == context["stamp"]:
        return fragments.unchanged()
    return fragments.answer(request, f"/operations/{found.pk}/", f"{TEMPLATE}#moved", context=context)


def everything(operation: Operation, member: Member) -> dict:
    grant = KINDS[operation.kind].grant
    moves = list(operation.events.all())
    exchanges = list(operation.exchanges.all())
    return {
        "operation": operation,
        "moves": moves,
        "exchanges": exchanges,
        "charges": operation.charges.order_by("at"),
        "retries": operation.retries.order_by("created_at"),
        "can_release": resolving.can_release(operation),
        "can_withdraw": resolving.can_withdraw(operation),
        "can_send_again": resolving.can_send_again(operation),
        "can_decide_anew": resolving.can_decide_anew(operation),
        "may_ask": member.may(grant),
        "whom": {"reviewer": "a reviewer", "editor": "an editor", "admin": "an admin"}[least_role(grant)],
        "next_look": resolving.next_look(operation),
        "form": ResolutionForm(),
        "short": SHORT,
        "stamp": f"{operation.state}.{len(moves)}.{len(exchanges)}.{operation.looks}",
        "every": max(0.5, pace(2.0)) if operation.is_open else None,
        "section": "activity",
    }


@require_POST
def release(request, operation_id: UUID):
    """A person's word that it may go on, after a top-up."""
    found = _operation(request, operation_id)
    resolving.release(found, by=request.member)
    return _moved(request, operation_id, "It goes on")


@require_POST
def withdrawal(request, operation_id: UUID):
    """A person's word that it shall not go on."""
    resolving.withdraw(_operation(request, operation_id), by=request.member)
    return _moved(request, operation_id, "It was withdrawn")


@require_POST
def check(request, operation_id: UUID):
    """Look for it at the service at the next chance."""
    resolving.check_now(_operation(request, operation_id), by=request.member)
    return _moved(request, operation_id, "It is being looked for")


@require_POST
def resolution(request, operation_id: UUID):
    """What a person saw at the service, in their words."""
    found, form = _operation(request, operation_id), ResolutionForm(request.POST)
    require(request.member, "operation.resolve")
    if form.is_valid():
        resolving.tell(found, **form.cleaned_data, by=request.member)
        return _moved(request, operation_id, "Written down")
    context = everything(found, request.member) | {"form": form}
    return fragments.page(request, TEMPLATE, context, part="resolve", status=422)


@require_POST
def repetition(request, operation_id: UUID):
    """Ask for the same once more; a new operation, linked to this one."""
    found = _operation(request, operation_id)
    form = Pressed(request.POST)
    form.is_valid()
    token = form.cleaned_data.get("token") or uuid.uuid4()
    again = resolving.send_again(found, by=request.member, token=token)
    said = f"{again.hold.what}, held. {fragments.undo(request)}" if again.hold else "It is being sent again"
    if is_asked_in_place(request, found):
        return _moved(request, operation_id, said)
    return fragments.go_to(request, f"/operations/{again.pk}/", said=said)


def is_asked_in_place(request, operation: Operation) -> bool:
    """Whether a page that goes on being true asks: not its own, nor one that showed a post it makes anew."""
    is_elsewhere = fragments.asked_from(request) not in (f"/operations/{operation.pk}/", "")
    return is_elsewhere and operation.kind not in resolving.MAKING


@require_POST
def dismissal(request, operation_id: UUID):
    """A person's word that nothing more is to be done about what did not happen."""
    found, said = _operation(request, operation_id), "Left as it is"
    resolving.let_be(found, by=request.member)
    if found.kind in resolving.MAKING and fragments.asked_from(request):  # its post is gone from that page
        return fragments.go_to(request, fragments.asked_from(request), said=said)
    return _moved(request, operation_id, said)


def _moved(request, operation_id: UUID, said: str):
    """The operation's own page anew; a page that only names it learns of it by its poller."""
    here = f"/operations/{operation_id}/"
    if fragments.asked_from(request) not in (here, ""):
        response = fragments.answer(request, here, said=said)
        response["HX-Trigger"] = "loupe:look"
        return response
    context = everything(_operation(request, operation_id), request.member)
    return fragments.answer(request, here, f"{TEMPLATE}#moved", context=context, said=said)
