"""What a click would cost, whether the balance covers it, and how that is said."""

from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Operation, PriceList
from reviewqueue.rules import money
from reviewqueue.services import generating, pricing, syncing
from tests import factories
from tests.world import nothing_written, token


def generate(source, persona, by):
    return generating.generate(source, persona, by=by, token=token())


@pytest.fixture
def origin(persona):
    return factories.make_source_post(persona.workspace, factories.make_source(persona), items=("image",) * 3)


# ---- estimates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "discount", "words"),
    [
        (("image",), False, "$0.32"),
        (("image",), True, "$0.26"),
        (("image",) * 10, False, "$3.20"),
        (("video",), False, "about $0.75"),
        (("video",), True, "about $0.60"),
        (("image", "video"), False, "about $1.07"),
    ],
)
def test_what_generating_costs_follows_from_the_source(persona, items, discount, words):
    persona.discount_mode = discount
    source = factories.make_source_post(persona.workspace, items=items)
    price = pricing.prices(persona.workspace)
    assert pricing.cost_of_source(source, persona, price).text() == words


def test_the_full_price_stands_beside_the_discount(persona):
    persona.discount_mode = True
    source = factories.make_source_post(persona.workspace)
    estimate = pricing.cost_of_source(source, persona, pricing.prices(persona.workspace))
    assert (estimate.high_cents, estimate.full_cents) == (26, 32)


def test_a_video_whose_length_is_not_known_has_no_price(persona):
    post = factories.make_post(persona, media_type="video", item_statuses=["failed"])
    post.items.update(duration_seconds=None)
    estimate = pricing.cost_of_items(list(post.items.all()), persona, pricing.prices(persona.workspace))
    assert not estimate.known
    assert estimate.text() == "cost shown after fetching"
    pricing_of_nothing = pricing.cost_of_items([], persona, pricing.prices(persona.workspace))
    assert not pricing_of_nothing.known


def test_the_price_list_in_force_is_the_newest_that_has_begun(workspace):
    assert pricing.prices(workspace) == money.Prices()
    PriceList.objects.create(workspace=workspace, starts_at=now() - timedelta(days=9), image_mills=100)
    PriceList.objects.create(workspace=workspace, starts_at=now() - timedelta(days=2), image_mills=200)
    PriceList.objects.create(workspace=workspace, starts_at=now() + timedelta(days=1), image_mills=300)
    assert pricing.prices(workspace).image_mills == 200


def test_another_workspaces_price_list_is_none_of_ours(workspace, otto):
    PriceList.objects.create(workspace=otto.workspace, starts_at=now() - timedelta(days=1), image_mills=1)
    assert pricing.prices(workspace).image_mills == 320


# ---- the balance ---------------------------------------------------------------------------------


def balance(workspace, cents, **facts):
    facts["balance_cents"] = cents
    for name, value in facts.items():
        setattr(workspace, name, value)
    workspace.save(update_fields=facts)


def test_what_the_balance_does_not_cover_is_refused_in_words(ana, persona, origin):
    balance(persona.workspace, 95)
    words = r"Not enough balance: this costs \$0.96, you have \$0.95. An admin can top up under Billing."
    with nothing_written(persona.workspace), pytest.raises(pricing.TooExpensive, match=words):
        generate(origin, persona, ana)


def test_exactly_enough_is_enough(ana, persona, origin):
    balance(persona.workspace, 96)
    assert generate(origin, persona, ana).estimated_cents == 96


@pytest.mark.parametrize("state", ["queued", "blocked", "sending", "unknown"])
def test_whatever_is_open_keeps_its_reservation(ana, persona, origin, state):
    balance(persona.workspace, 150)
    first = generate(origin, persona, ana)
    Operation.objects.filter(pk=first.pk).update(state=state)
    assert pricing.reserved_cents(persona.workspace) == 96
    other = factories.make_source_post(persona.workspace, items=("image",) * 2)
    with pytest.raises(pricing.TooExpensive, match=r"costs \$0.64, you have \$0.54"):
        generate(other, persona, ana)


@pytest.mark.parametrize("state", ["failed", "absent", "cancelled"])
def test_what_came_to_nothing_gives_its_reservation_back(ana, persona, origin, state):
    balance(persona.workspace, 150)
    first = generate(origin, persona, ana)
    Operation.objects.filter(pk=first.pk).update(state=state)
    assert pricing.reserved_cents(persona.workspace) == 0
    assert generate(factories.make_source_post(persona.workspace, items=("image",) * 4), persona, ana)


def test_what_was_spent_since_the_balance_was_read_is_not_spent_twice(ana, persona, origin):
    """It succeeded, and the balance on the page is still the one from before."""
    balance(persona.workspace, 150, balance_seen_at=now() - timedelta(seconds=30))
    first = generate(origin, persona, ana)
    Operation.objects.filter(pk=first.pk).update(state="succeeded", finished_at=now())
    other = factories.make_source_post(persona.workspace, items=("image",) * 2)
    with pytest.raises(pricing.TooExpensive, match=r"you have \$0.54"):
        generate(other, persona, ana)
    balance(persona.workspace, 150, balance_seen_at=now() + timedelta(seconds=1))  # read again since
    assert generate(other, persona, ana)


def test_a_balance_below_nothing_is_shown_as_nothing(ana, persona, origin):
    balance(persona.workspace, -20)
    with pytest.raises(pricing.TooExpensive, match=r"you have \$0.00"):
        generate(origin, persona, ana)


def test_automatic_reload_lets_it_through(ana, persona, origin):
    balance(persona.workspace, 1, auto_reload=True)
    assert generate(origin, persona, ana)


def test_a_balance_that_nobody_has_read_stops_nothing(ana, persona, origin):
    balance(persona.workspace, None)
    assert generate(origin, persona, ana)


def test_an_unknown_price_is_left_to_the_service(ana, persona):
    balance(persona.workspace, 1)
    source = factories.make_source_post(persona.workspace, items=("video",))
    source.media.update(duration_seconds=None)
    factories.desk.refresh_source(source.pk)
    source.refresh_from_db()
    assert generate(source, persona, ana).estimated_cents is None


def test_a_clone_needs_the_least_it_may_cost(ana, persona):
    balance(persona.workspace, 32)
    link = "https://www.instagram.com/p/Cnewlink123/"
    assert generating.clone(link, persona, by=ana, token=token()).estimated_cents == 320
    balance(persona.workspace, 31)
    with pytest.raises(pricing.TooExpensive, match=r"this costs \$0.32"):
        generating.clone("instagram.com/p/Canother123", persona, by=ana, token=token())


def test_a_sync_is_reserved_for_every_source(ana, persona):
    for handle in ("one", "two"):
        factories.make_source(persona, handle)
    assert syncing.start(persona, by=ana, token=token()).estimated_cents == 18
    assert pricing.reserved_cents(persona.workspace) == 18
