"""One version and one set of counts for each thing a page shows."""

from django.db.models import CharField, F, OuterRef, Subquery

from reviewqueue.models import Scope, Workspace
from reviewqueue.models.base import held
from reviewqueue.models.prepared import ANYBODY, Given, Prepared
from reviewqueue.rules import states

DESK = "desk"


def persona_key(persona_id) -> str:
    return f"persona:{persona_id}"


def ensure(workspace_id, *keys: str) -> None:
    Scope.objects.bulk_create(
        [Scope(workspace_id=workspace_id, key=key) for key in keys], ignore_conflicts=True
    )


_rows = Prepared(
    lambda: Scope.objects.filter(workspace_id=ANYBODY.workspace_id, key=Given("key", CharField()))
)


def desk(workspace: Workspace) -> Scope:
    (scope,) = _rows(workspace=workspace.pk, key=DESK)
    return scope


def of_persona(workspace_id, persona_id) -> Scope | None:
    return _rows.first(workspace=workspace_id, key=persona_key(persona_id))


def version(workspace_id, key: str = DESK) -> int | None:
    """The one number that a poll compares."""
    return Scope.objects.filter(workspace_id=workspace_id, key=key).values_list("version", flat=True).first()


def desk_version() -> Subquery:
    """The same for the desk, as a column of a query of something that has a workspace."""
    desks = Scope.objects.filter(workspace_id=OuterRef("workspace_id"), key=DESK)
    return Subquery(desks.values("version"))


def hold(workspace_id, persona_ids) -> None:
    """Before moving posts of several personas in one transaction: their rows, in everybody's order."""
    keys = [persona_key(persona_id) for persona_id in persona_ids if persona_id]
    list(held(Scope.objects.filter(workspace_id=workspace_id, key__in=keys)).order_by("key"))


def bump(workspace_id, persona_id=None, *, left: str = "", entered: str = "", loose: int = 0) -> None:
    """Mark the scopes as changed; a post that `left` one place of the desk `entered` another, or so many
    more (or fewer) operations without a post need attention.

    The workspace's row is taken last by everybody, and a transaction moves posts of one persona only, or
    has taken the rows of all of them before (`hold`): so two never wait for each other in a circle.
    """
    moves = {}
    if left != entered:
        if left in states.DESK:  # else it is a newer release's, which has its own count
            moves[left] = F(left) - 1
        if entered:
            moves[entered] = F(entered) + 1
    if loose:
        moves["loose"] = F("loose") + loose
    keys = ([persona_key(persona_id)] if persona_id else []) + [DESK]
    for key in keys:
        if not Scope.objects.filter(workspace_id=workspace_id, key=key).update(
            version=F("version") + 1, **moves
        ):
            ensure(workspace_id, key)
            Scope.objects.filter(workspace_id=workspace_id, key=key).update(version=F("version") + 1, **moves)
