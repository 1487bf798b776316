"""What ReelMirror's answers become. Fields keep the service's own names.

Times are aware and in UTC, money is in integer cents, states are the service's own words (unknown ones too),
links begin with http:// or https://. None: the answer did not say, or said it in a way nobody can use.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list.

    `count`: all there are, None if not told. `unreadable`: rows of this page that were left out because
    they could not be read; they count when the next offset is worked out.
    """

    items: tuple[T, ...]
    count: int | None = None
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Signup:
    status: str
    user_id: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: str
    name: str
    scopes: tuple[str, ...] = ()
    monthly_limit_cents: int | None = None  # None: no cap, or not told
    created_at: datetime | None = None
    key_prefix: str = ""
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """`key` is the secret itself; it is shown this one time."""

    id: str
    key: str = field(repr=False)
    name: str = ""
    scopes: tuple[str, ...] = ()
    monthly_limit_cents: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Persona:
    id: str
    name: str
    writing_style: str = ""
    discount_mode: bool = False
    avatar_url: str | None = None
    voice_sample_url: str | None = None
    source_count: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """`handle` has no @ in front, whether the answer called it handle or username."""

    id: str
    platform: str
    handle: str = ""
    creator_id: str | None = None
    automation_mode: str = ""
    status: str = ""
    last_synced_at: datetime | None = None
    content_count: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SyncStarted:
    job_ids: tuple[str, ...]
    estimated_cost_cents: int | None = None


@dataclass(frozen=True, slots=True)
class SyncJob:
    status: str
    id: str | None = None
    persona_id: str | None = None
    creator_id: str | None = None
    error_message: str = ""
    new_posts_count: int | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceMedia:
    id: str | None = None
    media_type: str = ""
    url: str | None = None
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SourcePost:
    id: str
    creator_id: str | None = None
    platform: str = ""
    platform_post_id: str = ""
    caption: str = ""
    url: str | None = None
    thumbnail_url: str | None = None
    media_items: tuple[SourceMedia, ...] = ()
    posted_at: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MediaItem:
    """`discount_applied`: once public, it stays public for 20 days."""

    id: str
    status: str
    generated_post_id: str | None = None
    media_type: str = ""
    url: str | None = None
    is_public: bool = False
    discount_applied: bool = False
    voice_conversion_status: str | None = None  # None: no conversion was asked for
    voice_converted_url: str | None = None
    thumbnail_url: str | None = None
    duration_seconds: float | None = None
    position: int | None = None
    review_status: str = ""
    error_message: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GeneratedPost:
    """Complete or not at all: a post with an unreadable item is unreadable, never shown without it."""

    id: str
    status: str
    media_items: tuple[MediaItem, ...]
    persona_id: str | None = None
    source_post_id: str | None = None
    review_status: str = ""
    caption: str = ""
    outgoing_post_id: str | None = None
    total_cost_cents: int | None = None
    error_message: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GenerationStarted:
    generated_post_id: str


@dataclass(frozen=True, slots=True)
class RetriedItem:
    original_item_id: str
    new_item_id: str
    media_type: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class RegenerationStarted:
    """`retried_items` and `total_cost_cents` come with failed_only alone."""

    generated_post_id: str
    retried_items: tuple[RetriedItem, ...] = ()
    total_cost_cents: int | None = None


@dataclass(frozen=True, slots=True)
class ItemStarted:
    """`item_id` may be the item that was sent, a new one, or None: fetch the post again to see."""

    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    item_id: str | None = None
    voice_conversion_status: str | None = None


@dataclass(frozen=True, slots=True)
class Visibility:
    item_id: str | None = None
    is_public: bool | None = None


@dataclass(frozen=True, slots=True)
class ApprovalStarted:
    outgoing_post_id: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    status: str = ""


@dataclass(frozen=True, slots=True)
class DraftMade:
    outgoing_post_id: str


@dataclass(frozen=True, slots=True)
class ItemRejection:
    """`post_auto_rejected`: that was the last item, and the whole post is rejected now."""

    status: str
    post_auto_rejected: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    status: str = ""


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    id: str
    platform: str = ""
    username: str = ""
    status: str = ""
    avatar_url: str | None = None
    connected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConnectLink:
    """A page for a person to open; its query is a secret of theirs."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Slots:
    purchased: int
    used: int
    available: int
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """`checkout_url`: no card is saved, a person has to pay there first."""

    purchased: int | None = None
    subscription_id: str | None = None
    checkout_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PublishingTarget:
    connected_account_id: str
    id: str | None = None
    persona_id: str | None = None
    platform: str = ""
    username: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutgoingItem:
    """One item of an outgoing post; without `id` when it is to be sent. `position` counts from 0."""

    generated_media_item_id: str
    position: int = 0
    use_voice_converted: bool = False
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    id: str
    status: str
    connected_account_id: str | None = None
    platform: str = ""
    username: str = ""
    platform_post_id: str = ""
    error_message: str = ""
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutgoingPost:
    """Judge the outcome by the deliveries, not by `status`. Complete or not at all, as GeneratedPost."""

    id: str
    status: str
    deliveries: tuple[Delivery, ...]
    persona_id: str | None = None
    caption: str = ""
    scheduled_for: datetime | None = None
    platform_settings: dict[str, Any] = field(default_factory=dict)
    items: tuple[OutgoingItem, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """`balance_cents` is None only when `setup_url` is set: save a card there, then ask again."""

    balance_cents: int | None
    auto_reload: bool | None = None
    reload_threshold_cents: int | None = None
    reload_amount_cents: int | None = None
    setup_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Transaction:
    """`amount_cents` below zero is a charge, above it a deposit or refund. `kind` may be any word."""

    id: str
    amount_cents: int
    kind: str = ""
    description: str = ""
    created_at: datetime | None = None
    generated_post_id: str | None = None
    generated_media_item_id: str | None = None
    refund_of_id: str | None = None


@dataclass(frozen=True, slots=True)
class CheckoutLink:
    """A payment page for a person to open."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CardSetup:
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Upload:
    url: str
    category: str
    key: str = ""  # where the service stored it; not a secret
    persona_id: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    id: str | None = None
    email: str = ""
    display_name: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TicketReply:
    id: str | None = None
    message: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str | None = None
    subject: str = ""
    message: str = ""
    status: str = ""
    replies: tuple[TicketReply, ...] = ()
    created_at: datetime | None = None
