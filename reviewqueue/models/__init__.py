"""Mirrors of the service, intents towards it, and the record of what people did."""

from reviewqueue.models.billing import Charge, Checkout
from reviewqueue.models.content import GeneratedPost, MediaItem
from reviewqueue.models.desk import Mention, Note, SavedView
from reviewqueue.models.event import Event
from reviewqueue.models.media import MediaFile, PictureBand
from reviewqueue.models.operation import Attempt, Hold, Look, Operation, OperationEvent, Watch
from reviewqueue.models.persona import ConnectedAccount, Persona, PublishingTarget
from reviewqueue.models.publishing import Delivery, OutgoingPost
from reviewqueue.models.review import Decision
from reviewqueue.models.source import Source, SourceMedia, SourcePost, SyncJob
from reviewqueue.models.workspace import (
    Heartbeat,
    Instance,
    Member,
    PriceList,
    RateBudget,
    Reason,
    Scope,
    SignInLink,
    Tally,
    UpstreamKey,
    User,
    Workspace,
)

__all__ = [
    "Attempt",
    "Charge",
    "Checkout",
    "ConnectedAccount",
    "Decision",
    "Delivery",
    "Event",
    "GeneratedPost",
    "Heartbeat",
    "Hold",
    "Instance",
    "Look",
    "MediaFile",
    "MediaItem",
    "Member",
    "Mention",
    "Note",
    "Operation",
    "OperationEvent",
    "OutgoingPost",
    "Persona",
    "PictureBand",
    "PriceList",
    "PublishingTarget",
    "RateBudget",
    "Reason",
    "SavedView",
    "Scope",
    "SignInLink",
    "Source",
    "SourceMedia",
    "SourcePost",
    "SyncJob",
    "Tally",
    "UpstreamKey",
    "User",
    "Watch",
    "Workspace",
]
