"""Money: asked for by admins, within the service's bounds, paid on its pages, linked to what caused it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reviewqueue.clock import now
from reviewqueue.forms.billing import ReloadForm, TopUpForm
from reviewqueue.models import Charge, Operation, Watch
from reviewqueue.sandbox.reelmirror import billing as at_the_service
from reviewqueue.services import billing
from reviewqueue.services.access import AlreadyOpen, NotPermitted
from tests import factories
from tests.world import nothing_written, token


@pytest.fixture
def rich(world):
    world.mirror()
    return world


def reload_(world, *, on=True, threshold=500, amount=2500, by=None, same=None) -> Operation:
    return billing.set_reload(
        on=on, threshold_cents=threshold, amount_cents=amount, by=by or world.ana, token=same or token()
    )


def without_a_card(world) -> None:
    world.sandbox.set_card(False)


# ---- auto-reload ---------------------------------------------------------------------------------------


def test_auto_reload_is_switched_on_with_its_amounts_and_off_again(rich):
    rich.sandbox.set_card(True)
    same = token()
    operation = reload_(rich, same=same)
    assert reload_(rich, same=same) == operation
    assert rich.send(operation).state == "succeeded"
    rich.send(operation)
    assert len(rich.effects("set_auto_reload")) == 1
    rich.workspace.refresh_from_db()
    facts = (
        rich.workspace.auto_reload,
        rich.workspace.reload_threshold_cents,
        rich.workspace.reload_amount_cents,
    )
    assert facts == (True, 500, 2500)
    event = rich.workspace.events.get(operation=operation)
    assert event.sentence == "Set auto-reload: on, below $5.00 add $25.00"

    assert rich.send(reload_(rich, on=False)).state == "succeeded"
    rich.workspace.refresh_from_db()
    assert rich.workspace.auto_reload is False


def test_without_a_card_the_service_says_where_to_save_one_and_nothing_changes(rich):
    without_a_card(rich)
    before = rich.workspace.auto_reload
    operation = rich.send(reload_(rich))
    assert (operation.state, operation.result) == ("succeeded", {"needs_card": True})
    page = billing.open_pages(rich.workspace)["card"]
    assert page.url.startswith("http://sandbox.test/sandbox/")
    assert page.by == rich.ana
    assert rich.effects("set_auto_reload") == []
    rich.workspace.refresh_from_db()
    assert rich.workspace.auto_reload == before

    billing.came_back(rich.workspace, "card")
    assert billing.open_pages(rich.workspace) == {}
    assert Watch.objects.get(kind="balance").poll_at <= now()


@pytest.mark.parametrize(
    ("below", "add", "wrong"),
    [
        ("0", "1", set()),
        ("50", "50", set()),
        ("50.01", "50", {"below"}),
        ("-1", "50", {"below"}),
        ("5", "0.99", {"add"}),
        ("5", "50.01", {"add"}),
        ("", "", {"below", "add"}),
        ("five", "1e3", {"below", "add"}),
    ],
)
def test_the_amounts_stay_within_the_services_bounds(below, add, wrong):
    data = {"token": str(token()), "on": "on", "below": below, "add": add}
    assert set(ReloadForm(data).errors) == wrong
    assert ReloadForm({**data, "on": ""}).errors == {}  # switched off, nobody asks


@pytest.mark.parametrize("amount", ["999", "1001", "0", "-1000", "", "x"])
def test_a_top_up_is_one_of_the_services_amounts(amount):
    assert "amount" in TopUpForm({"token": str(token()), "amount": amount}).errors


def test_what_the_service_will_not_have_is_said_in_its_words(rich):
    rich.sandbox.set_card(True)
    operation = rich.send(reload_(rich, amount=6000))
    assert operation.state == "failed"
    assert operation.reason.startswith("The service refused: ")
    assert rich.effects("set_auto_reload") == []


# ---- top-up --------------------------------------------------------------------------------------------


def test_a_top_up_opens_the_services_page_and_charges_nothing(rich):
    before = rich.workspace.balance_cents
    operation = billing.top_up(amount_cents=2500, by=rich.ana, token=token())
    assert rich.send(operation).state == "succeeded"
    page = billing.open_pages(rich.workspace)["topup"]
    assert (page.amount_cents, page.operation, page.by) == (2500, operation, rich.ana)
    rich.look("balance")
    assert rich.workspace.balance_cents == before


def test_what_was_paid_there_is_read_when_the_person_is_back(rich):
    rich.send(billing.top_up(amount_cents=2500, by=rich.ana, token=token()))
    with rich.sandbox.moment() as context:
        at_the_service.enter(context, 2500, "deposit", "Top-up", token_id=None)
    before, version = rich.workspace.balance_cents, rich.workspace.scopes.get(key="desk").version
    billing.came_back(rich.workspace, "topup")
    assert billing.open_pages(rich.workspace) == {}
    assert rich.workspace.scopes.get(key="desk").version > version
    rich.look("balance")
    rich.look("transactions")
    assert rich.workspace.balance_cents == before + 2500
    newest = rich.workspace.charges.order_by("-at").first()
    assert (newest.amount_cents, newest.kind) == (2500, "deposit")


def test_one_payment_page_at_a_time_and_auto_reload_beside_it(rich):
    billing.top_up(amount_cents=1000, by=rich.ana, token=token())
    with nothing_written(rich.workspace), pytest.raises(AlreadyOpen, match="Top-up by Ana Ruiz"):
        billing.top_up(amount_cents=2500, by=rich.ana, token=token())
    assert reload_(rich)


def test_a_page_is_offered_for_half_an_hour(rich):
    rich.send(billing.top_up(amount_cents=1000, by=rich.ana, token=token()))
    rich.workspace.checkouts.update(created_at=now() - timedelta(minutes=31))
    assert billing.open_pages(rich.workspace) == {}


def test_an_answer_that_was_lost_is_asked_for_again_as_nothing_was_charged(rich):
    operation = billing.top_up(amount_cents=1000, by=rich.ana, token=token())
    rich.sandbox.misbehave("drop_after", match="POST /api/v1/billing/topup")
    assert rich.send(operation).state == "queued"
    assert rich.send(operation).state == "succeeded"
    assert rich.workspace.checkouts.count() == 1


def test_without_the_scope_it_says_whom_to_ask(rich):
    operation = billing.top_up(amount_cents=1000, by=rich.ana, token=token())
    rich.sandbox.misbehave("403", match="POST /api/v1/billing/topup")
    assert "lacks “billing:write”" in rich.send(operation).reason


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor"])
def test_money_is_the_admins(workspace, role):
    member = factories.make_member(workspace, "Vera Stone", role)
    commands = (
        lambda: billing.top_up(amount_cents=1000, by=member, token=token()),
        lambda: billing.set_reload(on=True, threshold_cents=0, amount_cents=100, by=member, token=token()),
        lambda: billing.read_again(by=member),
    )
    for command in commands:
        with nothing_written(workspace), pytest.raises(NotPermitted, match="It takes admin"):
            command()
    assert not Watch.objects.exists()


# ---- what was spent ------------------------------------------------------------------------------------


def test_transactions_are_mirrored_once_and_linked_to_what_they_paid_for(world):
    world.mirror("Oat & Ember")
    operation = world.send(world.generate())
    world.sandbox.finish(operation.result["generated_post_id"])
    for _ in range(2):
        world.look("posts", world.persona("Oat & Ember").pk)
        world.look("transactions")
    charge = world.workspace.charges.get(post_upstream_id=operation.result["generated_post_id"])
    assert (charge.post, charge.operation) == (operation.post, operation)
    assert charge.amount_cents == -operation.estimated_cents
    item = operation.post.items.get()
    assert item.cost_cents == -charge.amount_cents
    # The mirror's sum is the service's own: nothing was lost or counted twice.
    with world.sandbox.moment() as context:
        count, total = context.rows.one("SELECT COUNT(*), SUM(amount_cents) FROM transactions")
    charges = world.workspace.charges.all()
    assert (charges.count(), sum(row.amount_cents for row in charges)) == (count, total)


def test_a_refund_belongs_to_what_failed(world):
    world.mirror("Ines Calder")
    world.look("transactions")
    refund = world.workspace.charges.filter(kind="refund").exclude(post=None).first()
    assert refund.post.items.filter(status="failed").exists()
    undone = world.workspace.charges.get(upstream_id=refund.refund_of_upstream_id)
    assert (undone.amount_cents, undone.item_upstream_id) == (-refund.amount_cents, refund.item_upstream_id)
    assert refund not in Charge.objects.credits()
    assert refund in Charge.objects.spending()


def test_spending_is_told_by_day_and_by_what_it_went_to(workspace, persona):
    zone = ZoneInfo("Europe/Berlin")
    today = now().astimezone(zone).date()
    video = factories.make_post(persona, media_type="video").items.get()
    factories.make_charge(workspace, -32)
    factories.make_charge(workspace, -75, item_upstream_id=video.upstream_id)
    factories.make_charge(workspace, -9, kind="sync")
    factories.make_charge(workspace, 32, kind="refund")
    factories.make_charge(workspace, 2500, kind="deposit")  # no spending
    factories.make_charge(workspace, -3, kind="voice_conversion", at=now() - timedelta(days=6))
    factories.make_charge(workspace, -999, at=now() - timedelta(days=40))
    factories.make_charge(factories.make_workspace("Elsewhere"), -999)
    days = billing.spent_by_day(workspace, 30, zone)
    assert [day.day for day in days] == [today - timedelta(days=29 - place) for place in range(30)]
    last = days[-1]
    assert (last.images, last.video, last.sync, last.total) == (0, 75, 9, 84)
    assert days[-7].video == 3
    assert sum(day.total for day in days) == 87
    weeks = billing.by_week(days)
    assert {week.day.weekday() for week in weeks} == {0}
    assert sum(week.total for week in weeks) == 87
    assert billing.rate_of_spending(workspace) == pytest.approx((32 + 75 + 9 + 3) / 7)


def test_a_day_is_the_zones_own(workspace):
    """Half past eleven in the evening in Berlin is the day after in Auckland."""
    at = datetime.combine(now().date() - timedelta(days=3), datetime.min.time(), UTC) + timedelta(hours=22)
    factories.make_charge(workspace, -32, at=at)

    def day_of(zone: str) -> date:
        return next(day.day for day in billing.spent_by_day(workspace, 9, ZoneInfo(zone)) if day.total)

    assert day_of("Pacific/Auckland") == day_of("America/New_York") + timedelta(days=1)


def test_the_newest_operation_of_a_kind_is_known_for_a_while(ana, post):
    older = factories.make_operation(post, "top_up", by=ana, state="succeeded")
    newer = factories.make_operation(post, "top_up", by=ana)
    Operation.objects.filter(pk=older.pk).update(created_at=now() - timedelta(minutes=5))
    assert billing.latest(ana.workspace, "top_up", timedelta(hours=1)) == newer
    assert billing.latest(ana.workspace, "set_reload", timedelta(hours=1)) is None
    Operation.objects.update(created_at=now() - timedelta(hours=2))
    assert billing.latest(ana.workspace, "top_up", timedelta(hours=1)) is None


def test_the_balance_is_read_again_on_request(ana):
    billing.read_again(by=ana)
    watch = Watch.objects.get(kind="balance")
    assert (watch.poll_at <= now(), watch.hinted_at is not None) == (True, True)
