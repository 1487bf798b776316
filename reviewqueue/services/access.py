"""May they? Asked inside every command; the page only shows the answer beforehand."""

from reviewqueue.models import Member
from reviewqueue.rules import roles
from reviewqueue.rules.states import NotAllowed

__all__ = ["AlreadyOpen", "NotAllowed", "NotPermitted", "Stale", "may", "require"]


class NotPermitted(Exception):
    """The member's role does not hold the grant. The message says which role does."""

    def __init__(self, grant: str):
        self.grant = grant
        super().__init__(f"Your role may not do this. It takes {roles.least_role(grant)}: ask an admin.")


class AlreadyOpen(NotAllowed):
    """Something of the same kind is still under way, or somebody else was first."""


class Stale(NotAllowed):
    """What is on the page is no longer what is there; nothing was done."""


def require(member: Member, grant: str) -> None:
    """Raise NotPermitted unless the member's role holds `grant`."""
    if not may(member, grant):
        raise NotPermitted(grant)


def may(member: Member, grant: str) -> bool:
    """True if the member is still here and their role holds `grant`."""
    return member.is_active and member.user.is_active and member.may(grant)
