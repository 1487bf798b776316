"""What no page of ReelMirror states, only suggests: the one file to change when the real service differs.

An operation is (method, path, scope, effect), as in operations.py. Confidence is the contract's: it inferred
these from scope texts, guides and the documented neighbours.
"""

INFERRED = {
    # high: a documented method on the same path, and the text of the scope
    "personas.list": ("GET", "/v1/personas", "personas:read", "read"),
    "personas.get": ("GET", "/v1/personas/{persona_id}", "personas:read", "read"),
    "sources.list": ("GET", "/v1/personas/{persona_id}/sources", "sources:read", "read"),
    "outgoing.list": ("GET", "/v1/publishing/posts", "publishing:read", "read"),
    # medium: the scope text or a guide says that it can be done
    "personas.delete": ("DELETE", "/v1/personas/{persona_id}", "personas:write", "absolute"),
    "sources.remove": (
        "DELETE",
        "/v1/personas/{persona_id}/sources/{source_id}",
        "sources:write",
        "absolute",
    ),
    "outgoing.update": ("PATCH", "/v1/publishing/posts/{outgoing_post_id}", "publishing:write", "absolute"),
    "outgoing.publish": (
        "POST",
        "/v1/publishing/posts/{outgoing_post_id}/publish",
        "publishing:write",
        "effectful",
    ),
    "profile.get": ("GET", "/v1/profile", "profile:read", "read"),
    "profile.update": ("PATCH", "/v1/profile", "profile:write", "absolute"),
    "feedback.list": ("GET", "/v1/feedback", "feedback:read", "read"),
    "feedback.open": ("POST", "/v1/feedback", "feedback:write", "effectful"),
    # low: nobody mentions the path
    "targets.remove": (
        "DELETE",
        "/v1/personas/{persona_id}/publishing-targets/{target_id}",
        "publishing:write",
        "absolute",
    ),
    "outgoing.delete": ("DELETE", "/v1/publishing/posts/{outgoing_post_id}", "publishing:write", "absolute"),
    "outgoing.schedule": (
        "POST",
        "/v1/publishing/posts/{outgoing_post_id}/schedule",
        "publishing:write",
        "effectful",
    ),
    "feedback.get": ("GET", "/v1/feedback/{ticket_id}", "feedback:read", "read"),
    "feedback.reply": ("POST", "/v1/feedback/{ticket_id}/replies", "feedback:write", "effectful"),
}

# Our names of body fields → the service's, where those are guesses. A documented operation may have some too.
FIELDS = {
    "personas.create": {"discount_mode": "discount_mode"},
    "personas.update": {"name": "name", "writing_style": "writing_style"},
    "outgoing.update": {
        "caption": "caption",
        "platform_settings": "platform_settings",
        "target_account_ids": "target_account_ids",
        "items": "items",
        "scheduled_for": "scheduled_for",
    },
    "outgoing.schedule": {"scheduled_for": "scheduled_for"},
    "uploads.from_url": {"url": "url"},
    "profile.update": {"display_name": "display_name"},
    "feedback.open": {"subject": "subject", "message": "message"},
    "feedback.reply": {"message": "message"},
}

# A draft may be scheduled by its own call, or by changing the draft: the operation that does it.
SCHEDULE_WITH = {"post": "outgoing.schedule", "patch": "outgoing.update"}
