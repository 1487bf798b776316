"""One operation: what was asked, what was sent, what came, and where it stands."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST, require_safe

from reviewqueue.clock import pace
from reviewqueue.models import Operation
from reviewqueue.services import resolving
from reviewqueue.views import fragments

SHORT = 1200  # characters of a body that stand open on the page


def _operation(request, operation_id: UUID) -> Operation:
    related = ("workspace", "post__persona", "persona", "source", "item", "by__user", "retry_of", "hold")
    found = Operation.objects.visible_to(request.member).select_related(*related)
    return get_object_or_404(found, pk=operation_id)


@require_safe
def operation(request, operation_id: UUID):
    found = _operation(request, operation_id)
    return fragments.page(request, "reviewqueue/operation.html", everything(found))


@require_safe
def live_operation(request, operation_id: UUID):
    """The moves and exchanges since the page was made; 204 if there are none."""
    found = _operation(request, operation_id)
    context = everything(found)
    if request.GET.get("v") == context["stamp"]:
        return fragments.unchanged()
    return fragments.answer(
        request, f"/operations/{found.pk}/", "reviewqueue/operation.html#moved", context=context
    )


def everything(operation: Operation) -> dict:
    moves = list(operation.events.all())
    exchanges = list(operation.exchanges.all())
    return {
        "operation": operation,
        "moves": moves,
        "exchanges": exchanges,
        "charges": operation.charges.order_by("at"),
        "retries": operation.retries.order_by("created_at"),
        "can_release": resolving.can_release(operation),
        "short": SHORT,
        "stamp": f"{operation.state}.{len(moves)}.{len(exchanges)}",
        "every": max(0.5, pace(2.0)) if operation.is_open else None,
        "section": "activity",
    }


@require_POST
def release(request, operation_id: UUID):
    """A person's word that it may go on, after a top-up."""
    found = _operation(request, operation_id)
    resolving.release(found, by=request.member)
    return fragments.answer(
        request,
        f"/operations/{found.pk}/",
        "reviewqueue/operation.html#moved",
        context=everything(_operation(request, operation_id)),
        said="It goes on",
    )
