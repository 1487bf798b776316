"""Who may do what: one table, one function that asks it."""

ROLES = ("viewer", "reviewer", "editor", "admin")

_LOOK = {"look", "comment"}
_DECIDE = {
    "review.approve",
    "review.reject",
    "review.compose",
    "item.reject",
    "item.visibility",
    "hold.undo",
}
_SPEND = {
    "sync.start",
    "generate",
    "regenerate",
    "voice.convert",
    "draft.edit",
    "draft.publish",
    "post.delete",
    "persona.edit",
    "source.edit",
    "operation.resolve",
}
_RUN = {
    "billing.view",
    "billing.change",
    "price.change",
    "key.change",
    "member.change",
    "policy.change",
    "automation.change",
    "account.change",
    "hook.change",
}

GRANTS = {
    "viewer": frozenset(_LOOK),
    "reviewer": frozenset(_LOOK | _DECIDE),
    "editor": frozenset(_LOOK | _DECIDE | _SPEND),
    "admin": frozenset(_LOOK | _DECIDE | _SPEND | _RUN),
}
EVERY_GRANT = GRANTS["admin"]

ROLE_WORDS = {
    "viewer": "Viewer: look only",
    "reviewer": "Reviewer: decide",
    "editor": "Editor: decide, generate, compose",
    "admin": "Admin: everything, with billing",
}


def may(role: str, grant: str) -> bool:
    """True if `role` holds `grant`. An unknown grant is a mistake of ours and raises KeyError."""
    if grant not in EVERY_GRANT:
        raise KeyError(grant)
    return grant in GRANTS.get(role, frozenset())


def least_role(grant: str) -> str:
    """The humblest role that holds `grant`: whom to ask."""
    return next(role for role in ROLES if grant in GRANTS[role])
