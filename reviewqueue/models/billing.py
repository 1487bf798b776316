"""Money as the service reports it."""

from django.db import models
from django.utils import timezone

from reviewqueue.models.base import Mirror, Row
from reviewqueue.models.content import GeneratedPost
from reviewqueue.models.operation import Operation
from reviewqueue.models.workspace import Member, Workspace

# A refund belongs to the charge that it undoes.
CREDIT = models.Q(amount_cents__gt=0, refund_of_upstream_id="") & ~models.Q(kind="refund")


class ChargeQuerySet(models.QuerySet):
    def visible_to(self, member):
        return self.filter(workspace_id=member.workspace_id)

    def credits(self):
        """What was added: top-ups, reloads, gifts."""
        return self.filter(CREDIT)

    def spending(self):
        """Charges, and what was given back of them."""
        return self.exclude(CREDIT)


class Charge(Mirror):
    """Mirror of one transaction: negative is a charge, positive a credit."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="charges")
    amount_cents = models.IntegerField()
    kind = models.CharField(max_length=40, blank=True)  # the service's own word, an open set
    description = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    post = models.ForeignKey(GeneratedPost, models.SET_NULL, null=True, related_name="charges")
    post_upstream_id = models.CharField(max_length=128, blank=True)
    item_upstream_id = models.CharField(max_length=128, blank=True)
    refund_of_upstream_id = models.CharField(max_length=128, blank=True)
    operation = models.ForeignKey(Operation, models.SET_NULL, null=True, related_name="charges")

    objects = ChargeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "upstream", "upstream_id"], name="one_charge_row")
        ]
        indexes = [
            models.Index(fields=["workspace", "-at", "-id"], name="charges_newest"),
            models.Index(fields=["post"], name="charges_of_post"),
        ]

    def __str__(self):
        return f"{self.amount_cents} {self.kind}"


class Checkout(Row):
    """A page of the service's (payment, card, account) that a person was sent to; kept a while."""

    class Kind(models.TextChoices):
        TOPUP = "topup", "Top-up"
        CARD = "card", "Card"
        CONNECT = "connect", "Account"

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="checkouts")
    kind = models.CharField(max_length=8, choices=Kind)
    operation = models.ForeignKey(Operation, models.CASCADE, null=True, related_name="checkouts")
    url = models.TextField()
    amount_cents = models.PositiveIntegerField(null=True)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    returned_at = models.DateTimeField(null=True)

    def __str__(self):
        return self.kind
