"""Signing in: allauth's local accounts, one-time links, and the sandbox's cast."""

import hashlib
import secrets

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.db.models import QuerySet, UUIDField

from reviewqueue.clock import now
from reviewqueue.models import Member, SignInLink, User, Workspace
from reviewqueue.models.prepared import Given, Prepared
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import scopes


class Adapter(DefaultAccountAdapter):
    """Nobody signs up by themselves: an admin invites, or the first start makes the first person."""

    def is_open_for_signup(self, request):
        return False


def make_link(user: User) -> str:
    """A secret that signs this person in once within half an hour. Only its hash is kept."""
    secret = secrets.token_urlsafe(24)
    SignInLink.objects.create(user=user, digest=_digest(secret))
    return secret


SPENT = (
    "This link was used already or is older than 30 minutes."
    " Where Loupe runs, `manage.py sign_in_link` prints another."
)


def owner_of_link(secret: str) -> User:
    """The person the link was made for. Raises NotAllowed if it was used, is too old, or never was."""
    link = _fresh(secret).select_related("user").first()
    if link is None:
        raise NotAllowed(SPENT)
    return link.user


@transaction.atomic
def use_link(secret: str) -> User:
    """The same, and nobody can use the link again. Raises NotAllowed."""
    if not _fresh(secret).update(used_at=now()):
        raise NotAllowed(SPENT)
    return SignInLink.objects.select_related("user").get(digest=_digest(secret)).user


def _fresh(secret: str) -> QuerySet[SignInLink]:
    fresh = SignInLink.objects.filter(used_at=None, created_at__gte=now() - SignInLink.LASTS)
    # Not by a join: then the database would not look at `used_at` again after waiting for another writer.
    return fresh.filter(digest=_digest(secret), user__in=User.objects.filter(is_active=True))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def cast_of(workspace: Workspace) -> list[Member]:
    """The people of the sandbox whom one may sign in as; empty anywhere else."""
    if not workspace.is_sandbox:
        return []
    members = workspace.members.active().filter(user__is_sample=True).select_related("user")
    return sorted(members, key=lambda member: -len(member.role) if member.role != "admin" else -100)


def admins_of(workspace: Workspace) -> str:
    """Whom to ask for what only an admin does: "Ana Ruiz or Bo Lind", three at most."""
    names = workspace.members.active().filter(role="admin").order_by("created_at", "pk")
    return " or ".join(names.values_list("user__name", flat=True)[:3]) or "an admin"


_places = Prepared(
    lambda: (
        Member.objects.of_user(Given("user", UUIDField()))
        .annotate(desk_version=scopes.desk_version())
        .order_by("workspace__is_sandbox", "workspace__name")
    )
)


def places_of(user_id) -> list[Member]:
    """The person's places, the sandbox last; each with the `desk_version` of its workspace."""
    return _places(user=user_id)


def enter(user: User, workspace: Workspace) -> None:
    """Make this the workspace that the person sees."""
    User.objects.filter(pk=user.pk).update(current=workspace)
