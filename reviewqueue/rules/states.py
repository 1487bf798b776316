"""Every state machine as a table. Plain Python: nothing here knows a database."""


class NotAllowed(Exception):
    """The thing is not in a state in which this can be done. The message is for a person."""


class StateTable:
    """States and the moves that lead out of each: `{state: {action: next state}}`."""

    def __init__(self, moves: dict[str, dict[str, str]]):
        self.moves = moves

    def after(self, state: str, action: str) -> str:
        """The state that `action` leads to from `state`. Raises NotAllowed for a move not in the table."""
        try:
            return self.moves[state][action]
        except KeyError:
            raise NotAllowed(f"“{action}” is not possible from “{state}”.") from None

    def allows(self, state: str, action: str) -> bool:
        return action in self.moves.get(state, {})

    def final(self) -> tuple[str, ...]:
        """The states that nothing leads out of."""
        return tuple(state for state, moves in self.moves.items() if not moves)


OPERATION = StateTable(
    {
        # skip: what was wished for is there already, so nothing is left to be sent
        # lose: an attempt was lost before, and its repeat cannot be sent; so it has to be looked for
        "queued": {
            "claim": "sending",
            "skip": "succeeded",
            "block": "blocked",
            "refuse": "failed",
            "lose": "unknown",
            "cancel": "cancelled",
        },
        # find: only after a restore, when it turns out to have been done in the time that was lost
        "blocked": {"release": "queued", "refuse": "failed", "cancel": "cancelled", "find": "succeeded"},
        "sending": {
            "finish": "succeeded",
            "refuse": "failed",
            "put_back": "queued",
            "lose": "unknown",
            "block": "blocked",
        },
        # repeat: absolute kinds only; a value set or an id deleted twice is one effect
        "unknown": {"find": "succeeded", "rule_out": "absent", "repeat": "queued"},
        "succeeded": {},
        "failed": {},
        "absent": {},
        "cancelled": {},
    }
)
OPEN_OPERATION = ("queued", "blocked", "sending", "unknown")
NEEDING_ATTENTION = ("unknown", "blocked")  # of these; what did not happen needs it, too

HOLD = StateTable(
    {
        "held": {"undo": "undone", "send": "released", "lapse": "released"},
        "undone": {},
        "released": {},
    }
)

# The service's own words (contracts: GenerationStatus, ReviewStatus, SyncJobStatus, DeliveryStatus).
GENERATION_ENDED = ("completed", "failed")
REVIEW_ENDED = ("rejected", "published")
IN_COMPOSE = ("draft", "scheduled")  # of an outgoing post: it does not go out yet
SYNC_ENDED = ("completed", "failed", "skipped")
DELIVERY_ENDED = ("published", "failed")
VOICE_ENDED = ("completed", "failed")

REVIEW = StateTable(
    {
        "pending_review": {"approve": "published", "reject": "rejected", "compose": "approved"},
        "approved": {},
        "rejected": {},
        "published": {},
    }
)

# Where a post lies on the desk; the tabs of the queue are groups of these.
DESK_TABS = {
    "ready": ("ready",),
    "generating": ("pending", "generating"),
    "attention": ("attention",),
    "held": ("held", "sending"),
    "decided": ("composing", "publishing", "published", "rejected"),
}
DESK = tuple(state for states in DESK_TABS.values() for state in states)

# The tabs of the library: every post, by what became of it.
LIBRARY_TABS = {
    "all": DESK,
    "ready": ("ready",),
    "generating": ("pending", "generating"),
    "held": ("held", "sending"),
    "composing": ("composing",),
    "published": ("publishing", "published"),
    "rejected": ("rejected",),
    "attention": ("attention",),
}
