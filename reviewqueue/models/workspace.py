"""People, the wall between teams, and the keys that open the services."""

import uuid
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils import timezone

from reviewqueue.models.base import Row
from reviewqueue.rules import roles
from reviewqueue.rules.states import DESK_TABS


class UserManager(BaseUserManager):
    def create_user(self, email, password=None, **facts):
        user = self.model(email=self.normalize_email(email).lower(), **facts)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email, password=None, **facts):
        return self.create_user(email, password, is_staff=True, is_superuser=True, **facts)

    def get_by_natural_key(self, email):
        return self.get(email=email.lower())


class User(Row, AbstractBaseUser, PermissionsMixin):
    """A person who signs in. What they like (hold, keys, theme, zone) goes with them everywhere."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the device"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    is_sample = models.BooleanField(default=False)  # one of the sandbox's cast
    date_joined = models.DateTimeField(default=timezone.now)
    hold_seconds = models.PositiveSmallIntegerField(null=True, default=10)  # null: until I send
    single_keys = models.BooleanField(default=True)
    theme = models.CharField(max_length=10, choices=Theme, default=Theme.SYSTEM)
    time_zone = models.CharField(max_length=64, default="UTC")
    blurs_media = models.BooleanField(default=False)  # until the pointer or the focus is on it
    greys_media = models.BooleanField(default=False)
    current = models.ForeignKey("Workspace", models.SET_NULL, null=True, blank=True, related_name="+")

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    def __str__(self):
        return self.name or self.email

    @property
    def initials(self) -> str:
        parts = (self.name or self.email).split()
        return "".join(part[0] for part in (parts[0], parts[-1])[: len(parts)]).upper()

    def get_full_name(self):
        return self.name


class Workspace(Row):
    """The wall: every row belongs to one, every query starts from what its members may see."""

    name = models.CharField(max_length=80)
    is_sandbox = models.BooleanField(default=False)
    speed = models.FloatField(default=1.0)  # how many times faster than documented the service works
    time_zone = models.CharField(max_length=64, default="UTC")
    approvers = models.PositiveSmallIntegerField(default=1)
    own_work_allowed = models.BooleanField(default=True)
    next_number = models.PositiveIntegerField(default=1)  # of the next generated post
    created_at = models.DateTimeField(default=timezone.now)

    # The balance as the service last reported it; on this row because every page shows it.
    balance_cents = models.IntegerField(null=True)
    balance_seen_at = models.DateTimeField(null=True)
    auto_reload = models.BooleanField(null=True)
    reload_threshold_cents = models.PositiveIntegerField(null=True)
    reload_amount_cents = models.PositiveIntegerField(null=True)
    catalogue_seen_at = models.DateTimeField(null=True)  # personas, sources, accounts

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(approvers__in=(1, 2)), name="one_or_two_approvers")
        ]

    def __str__(self):
        return self.name


class MemberQuerySet(models.QuerySet):
    def active(self):
        return self.filter(is_active=True, user__is_active=True)

    def of_user(self, user_id):
        return self.active().filter(user_id=user_id).select_related("user", "workspace")


class Member(Row):
    """A user's place in a workspace, with a role."""

    Role = models.TextChoices("Role", [(role.upper(), (role, role.title())) for role in roles.ROLES])

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="members")
    user = models.ForeignKey(User, models.CASCADE, related_name="places")
    role = models.CharField(max_length=10, choices=Role, default=Role.REVIEWER)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MemberQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="one_place_per_workspace"),
            models.CheckConstraint(condition=models.Q(role__in=roles.ROLES), name="known_role"),
        ]

    def __str__(self):
        return f"{self.user} ({self.role})"

    def may(self, grant: str) -> bool:
        return roles.may(self.role, grant)


class UpstreamKey(Row):
    """The workspace's key to one service: encrypted at rest, shown once, afterwards its last four."""

    class State(models.TextChoices):
        UNCHECKED = "unchecked", "Being tried"
        WORKING = "working", "Works"
        REJECTED = "rejected", "Rejected by the service"

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="keys")
    upstream = models.CharField(max_length=20, default="reelmirror")
    secret = models.TextField()  # Fernet token
    last_four = models.CharField(max_length=4)
    fingerprint = models.CharField(max_length=32)  # of the key, to share one rate budget
    scopes = models.JSONField(null=True)  # null: the service would not say
    state = models.CharField(max_length=10, choices=State, default=State.UNCHECKED)
    trouble = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)  # transport failures in a row
    outcomes = models.JSONField(default=list)  # of the last minute: [epoch seconds, 1 for a failure]
    opened_at = models.DateTimeField(null=True)  # since when the breaker is open
    answered_at = models.DateTimeField(null=True)  # the last usable answer
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "upstream"], name="one_key_per_upstream")]

    def __str__(self):
        return f"{self.upstream} …{self.last_four}"


class RateBudget(models.Model):
    """The requests of the last minute under one key, shared by all processes; moved by compare-and-set."""

    fingerprint = models.CharField(max_length=32, primary_key=True)
    stamps = models.JSONField(default=list)  # epoch seconds of requests, oldest first
    limit = models.PositiveSmallIntegerField(default=60)
    blocked_until = models.FloatField(default=0)  # epoch seconds
    version = models.PositiveBigIntegerField(default=0)

    def __str__(self):
        return f"{len(self.stamps)} of {self.limit}"


class SignInLink(Row):
    """A link that signs one person in, once. Only the hash of its secret is kept."""

    LASTS = timedelta(minutes=30)

    user = models.ForeignKey(User, models.CASCADE)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True)

    def __str__(self):
        return f"link for {self.user_id}"


class Scope(models.Model):
    """What a page shows, as one row: its version and the counts of its posts.

    Whoever changes a post bumps its persona's and its workspace's row in the same transaction. A page
    compares one number to know that nothing moved, and never counts rows.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="scopes")
    key = models.CharField(max_length=60)  # "desk", or "persona:<id>"
    version = models.PositiveBigIntegerField(default=1)
    # How many posts lie in each place of the desk (rules/states.py, DESK).
    ready = models.IntegerField(default=0)
    pending = models.IntegerField(default=0)
    generating = models.IntegerField(default=0)
    attention = models.IntegerField(default=0)
    held = models.IntegerField(default=0)
    sending = models.IntegerField(default=0)
    composing = models.IntegerField(default=0)
    publishing = models.IntegerField(default=0)
    published = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    loose = models.IntegerField(default=0, db_default=0)  # operations without a post that need attention

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="one_row_per_scope")]

    def __str__(self):
        return self.key

    def tab(self, name: str) -> int:
        """How many posts a tab of the queue holds."""
        return sum(getattr(self, state) for state in DESK_TABS[name])

    def rows(self, name: str) -> int:
        """The same with what else stands there."""
        return self.tab(name) + (self.loose if name == "attention" else 0)


class Tally(models.Model):
    """What one day's decisions came to (the workspace's own day)."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="tallies")
    day = models.DateField()
    approved = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    composed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "day"], name="one_tally_a_day")]

    def __str__(self):
        return f"{self.day}: {self.decided}"

    @property
    def decided(self) -> int:
        return self.approved + self.rejected + self.composed


class Reason(Row):
    """One line of the workspace's short list under Reject."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="reasons")
    text = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position"]

    def __str__(self):
        return self.text


class PriceList(Row):
    """What the service charges, from a date on; the newest that has begun is in force. In mills."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="prices")
    starts_at = models.DateTimeField(default=timezone.now)
    image_mills = models.PositiveIntegerField(default=320)
    video_second_mills = models.PositiveIntegerField(default=150)
    voice_second_mills = models.PositiveIntegerField(default=5)
    sync_creator_mills = models.PositiveIntegerField(default=90)
    discount_percent = models.PositiveSmallIntegerField(default=20)

    class Meta:
        ordering = ["-starts_at"]

    def __str__(self):
        return f"from {self.starts_at:%Y-%m-%d}"


class Heartbeat(models.Model):
    """When a process last said that it lives; the poller's row is also its lease."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()
    holder = models.CharField(max_length=60, blank=True)

    def __str__(self):
        return self.name


class Instance(models.Model):
    """This database, as the data folders of its processes know it (services/restoring.py). One row.

    The leading poller counts `mark` up; a database that was put back from a backup is behind the mark that
    it had reached.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    name = models.UUIDField(default=uuid.uuid4, editable=False)
    mark = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_instance")]

    def __str__(self):
        return f"{self.name} at {self.mark}"
