"""What people and workspaces choose: who may, what it changes, and what of it is on the record."""

from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Event, PriceList, User
from reviewqueue.services import preferences, pricing, reviewing
from reviewqueue.services.access import NotPermitted
from tests import factories
from tests.world import nothing_written, token

POLICY = {"name": "Northlight", "time_zone": "UTC", "approvers": 1, "own_work_allowed": True}
PRICES = {"image_mills": 400, "video_second_mills": 150, "voice_second_mills": 5, "sync_creator_mills": 90}


def recorded() -> list[str]:
    return [event.sentence for event in Event.objects.filter(name="settings.changed").order_by("at", "id")]


def test_ones_own_settings_are_changed_by_oneself_and_recorded_in_words(vera):
    preferences.set_profile(by=vera, hold_seconds=60, theme="dark", name=vera.user.name)
    user = User.objects.get(pk=vera.user_id)
    assert (user.hold_seconds, user.theme, vera.user.hold_seconds) == (60, "dark", 60)
    assert recorded() == ["Changed their own settings: hold time, theme"]
    preferences.set_profile(by=vera, hold_seconds=60, theme="dark")
    assert len(recorded()) == 1  # the same again is no change


def test_the_hold_that_was_chosen_is_the_hold_of_the_next_decision(ben, post):
    preferences.set_profile(by=ben, hold_seconds=None)
    facts = {"by": ben, "fingerprint": post.fingerprint, "token": token()}
    assert reviewing.approve(post, **facts).hold.send_at is None


@pytest.mark.parametrize(("before", "after"), [("light", "dark"), ("dark", "light"), ("system", "dark")])
def test_the_theme_is_toggled_and_on_nobodys_record(vera, before, after):
    vera.user.theme = before
    preferences.set_theme("toggle", by=vera)
    assert User.objects.get(pk=vera.user_id).theme == after
    preferences.set_theme("system", by=vera)
    assert User.objects.get(pk=vera.user_id).theme == "system"
    preferences.set_keyboard(False, by=vera)
    assert not User.objects.get(pk=vera.user_id).single_keys
    assert recorded() == []


def test_blur_and_grey_are_set_one_by_one_and_on_nobodys_record(vera, ben):
    preferences.set_looking(blur=True, by=vera)
    preferences.set_looking(grey=True, by=vera)
    preferences.set_looking(by=vera)
    user = User.objects.get(pk=vera.user_id)
    assert (user.blurs_media, user.greys_media) == (True, True)
    preferences.set_looking(blur=False, by=vera)
    user.refresh_from_db()
    assert (user.blurs_media, user.greys_media) == (False, True)
    assert not User.objects.get(pk=ben.user_id).greys_media
    assert recorded() == []


def test_whoever_was_removed_changes_nothing(vera):
    vera.is_active = False
    commands = (
        lambda: preferences.set_profile(by=vera, theme="dark"),
        lambda: preferences.set_theme("dark", by=vera),
        lambda: preferences.set_keyboard(False, by=vera),
        lambda: preferences.set_looking(blur=True, by=vera),
    )
    for command in commands:
        with nothing_written(vera.workspace), pytest.raises(NotPermitted):
            command()
    user = User.objects.get(pk=vera.user_id)
    assert (user.theme, user.single_keys, user.blurs_media) == ("system", True, False)


def test_the_policy_is_changed_and_each_change_is_told(ana):
    preferences.set_workspace(by=ana, **{**POLICY, "approvers": 2, "own_work_allowed": False})
    ana.workspace.refresh_from_db()
    assert (ana.workspace.approvers, ana.workspace.own_work_allowed) == (2, False)
    assert recorded() == [
        "Changed the policy: two people approve",
        "Changed the policy: nobody approves what they made themselves",
    ]
    changed = {"approvers": 2, "own_work_allowed": False, "name": "South", "time_zone": "Asia/Tokyo"}
    preferences.set_workspace(by=ana, **{**POLICY, **changed})
    ana.workspace.refresh_from_db()
    assert (ana.workspace.name, ana.workspace.time_zone) == ("South", "Asia/Tokyo")
    assert recorded()[2:] == [
        "Changed the workspace’s name to South",
        "Changed the workspace’s time zone to Asia/Tokyo",
    ]


def test_saving_the_policy_leaves_what_others_wrote_to_the_workspace(ana):
    """The balance was read, and a number was taken, since the page was opened."""
    type(ana.workspace).objects.update(balance_cents=7, next_number=99)
    preferences.set_workspace(by=ana, **{**POLICY, "approvers": 2})
    ana.workspace.refresh_from_db()
    assert (ana.workspace.balance_cents, ana.workspace.next_number) == (7, 99)


def test_the_reasons_are_replaced_in_their_order_and_given_ones_keep_their_words(ana, post):
    facts = {"by": ana, "fingerprint": post.fingerprint, "token": token()}
    decision = reviewing.reject(post, reason="Wrong look", **facts)
    texts = ["Too dark", "Wrong hands"]
    preferences.set_reasons(texts, by=ana)
    assert [reason.text for reason in ana.workspace.reasons.all()] == texts
    preferences.set_reasons(texts, by=ana)
    assert recorded() == ["Changed the reasons for rejecting"]
    decision.refresh_from_db()
    assert decision.reason == "Wrong look"


def test_there_are_as_many_reasons_as_keys_for_them(ana):
    preferences.set_reasons([f"Reason {number}" for number in range(12)], by=ana)
    assert ana.workspace.reasons.count() == preferences.REASONS_AT_MOST


def test_another_workspaces_reasons_stay(ana, otto):
    before = otto.workspace.reasons.count()
    preferences.set_reasons([], by=ana)
    assert (ana.workspace.reasons.count(), otto.workspace.reasons.count()) == (0, before)


def test_a_price_list_is_in_force_from_its_day_on_and_the_older_ones_stay(ana):
    preferences.set_prices(starts_at=None, by=ana, **PRICES)
    assert pricing.prices(ana.workspace).image_mills == 400
    preferences.set_prices(starts_at=now() + timedelta(days=3), by=ana, **{**PRICES, "image_mills": 500})
    assert pricing.prices(ana.workspace).image_mills == 400
    assert PriceList.objects.filter(workspace=ana.workspace).count() == 2
    assert [sentence.split(",")[0] for sentence in recorded()] == ["Changed the price list"] * 2


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor"])
def test_what_concerns_everybody_is_the_admins(workspace, role):
    member = factories.make_member(workspace, "Vera Stone", role)
    commands = (
        lambda: preferences.set_workspace(by=member, **{**POLICY, "approvers": 2}),
        lambda: preferences.set_reasons([], by=member),
        lambda: preferences.set_prices(starts_at=None, by=member, **PRICES),
    )
    for command in commands:
        with nothing_written(workspace), pytest.raises(NotPermitted, match="It takes admin"):
            command()
    workspace.refresh_from_db()
    assert (workspace.approvers, workspace.reasons.count(), PriceList.objects.count()) == (1, 3, 0)
