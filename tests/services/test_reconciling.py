"""Finding out what became of it: found when it happened, ruled out late and twice, never sent again."""

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from django.db.models import Value
from django.db.models.functions import Concat

from reviewqueue.clock import now
from reviewqueue.models import Event, Operation, OutgoingPost
from reviewqueue.rules.states import IN_COMPOSE, NotAllowed
from reviewqueue.services import evidence, operations, personas, reconciling, resolving, wire
from reviewqueue.services.access import NotPermitted
from reviewqueue.services.kinds import KINDS
from reviewqueue.upstream import errors
from reviewqueue.upstream.reelmirror import client, types
from tests.asking import ASK, look, look_again, lost, source_of
from tests.factories import make_operation
from tests.world import check_counts, committing, nothing_written, token

WITHOUT_EFFECT = ("connect_account", "top_up", "set_private")  # a page nobody opened; as set_public


def test_every_kind_has_its_own_way_of_being_found_out():
    assert set(evidence.EVIDENCE) == set(KINDS)
    assert set(ASK) == set(KINDS) - set(WITHOUT_EFFECT)


NEVER_KNOWN_AT_FIRST = [kind for kind in ASK if not KINDS[kind].absolute]
REPEATED_UNSEEN = [kind for kind in ASK if KINDS[kind].absolute and not KINDS[kind].fresh]


@pytest.mark.parametrize("kind", [*NEVER_KNOWN_AT_FIRST, *REPEATED_UNSEEN])
def test_what_happened_unseen_is_found_and_not_sent_again(oat, later, kind):
    operation = lost(oat, kind, "drop_after")
    attempts, effects = operation.attempts, len(oat.effects(kind))
    later(20)
    if kind in ("sync", "clone"):  # what shows it comes with the work itself
        oat.clock.advance(400)
        later(400)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded", operation.reason
    assert "found" in operation.reason
    assert operation.attempts == attempts
    assert len(oat.effects(kind)) == effects
    assert Event.objects.filter(name="operation.found", operation=operation).exists()
    assert look(oat) is None


@pytest.mark.parametrize("kind", list(ASK))
def test_what_did_not_happen_is_ruled_out_late_and_after_two_looks(oat, later, kind):
    operation = lost(oat, kind, "drop_before")
    for seconds, state in ((20, "unknown"), (300, "unknown"), (601, "absent")):
        later(seconds)
        look(oat)
        operation.refresh_from_db()
        assert operation.state == state, (seconds, operation.reason)
    assert oat.effects(kind) == []
    assert "has not happened" in operation.reason
    assert Event.objects.filter(name="operation.absent", operation=operation).exists()


def test_a_new_version_that_a_poll_saw_first_is_found_and_has_one_row(oat, later):
    operation = lost(oat, "regenerate_item", "drop_after")
    item, made = operation.item, oat.effects("regenerate_item")[0]["made"]
    oat.look("posts", operation.persona_id or operation.post.persona_id)
    assert item.post.items.filter(upstream_id=made).count() == 1
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded", operation.reason
    versions = item.post.items.filter(position=item.position).order_by("take")
    assert [version.upstream_id for version in versions] == [item.upstream_id, made]
    assert [version.is_current for version in versions] == [False, True]


def test_an_effect_that_comes_late_is_found(oat, later):
    operation = lost(oat, "generate", "late", seconds=30)
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "unknown"
    oat.clock.advance(60)
    later(46)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert len(oat.effects("generate")) == 1


def test_one_look_that_does_not_see_it_rules_nothing_out(oat, later):
    operation = lost(oat, "approve", "drop_before")
    later(3600)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "unknown"
    assert timedelta(seconds=60) < operation.look_at - reconciling.now() < timedelta(seconds=62)
    later(3630)
    assert look(oat) > 0  # not due
    later(3662)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "absent"


def test_what_was_accepted_is_ruled_out_later(oat, later):
    operation = lost(oat, "generate", "drop_before")
    Operation.objects.update(accepted=True)
    for seconds in (300, 661, 1801):
        later(seconds)
        look(oat)
        operation.refresh_from_db()
        assert operation.state == ("absent" if seconds > 1800 else "unknown")


def test_outgoing_posts_that_cannot_be_read_leave_an_approval_open(oat, later):
    operation = lost(oat, "approve", "drop_before")
    for seconds in (300, 700, 1900, 7300, 90_000):
        later(seconds)
        oat.sandbox.misbehave("404", match="GET /api/v1/publishing/posts")
        look(oat)
    operation.refresh_from_db()
    assert operation.state == "unknown"
    assert operation.look_at is None
    assert "cannot be told" in operation.reason


def test_a_list_that_lags_rules_nothing_out(oat, later, monkeypatch):
    """None of the posts that are known to exist is in it either."""
    operation = lost(oat, "generate", "drop_before")
    monkeypatch.setattr(
        evidence.Eyes, "posts", lambda eyes, persona: eyes.known.setdefault(("posts", persona), [])
    )
    look_again(oat, later, operation, 300, 700, 1900)
    assert operation.state == "unknown"


def without(monkeypatch, made: str) -> None:
    """The list of posts does not show this one."""
    read = client.Posts.list

    def told(*args, **page):
        shown = read(*args, **page)
        return replace(shown, items=tuple(post for post in shown.items if post.id != made))

    monkeypatch.setattr(client.Posts, "list", told)


def test_a_post_that_was_paid_for_is_found_though_the_list_lacks_it(oat, later, monkeypatch):
    operation = lost(oat, "generate", "drop_after")
    made = oat.effects("generate")[0]["made"]
    without(monkeypatch, made)
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded", operation.reason
    assert operation.result == {"generated_post_id": made}


def test_a_charge_for_a_post_that_cannot_be_seen_rules_nothing_out(oat, later, monkeypatch):
    operation = lost(oat, "generate", "drop_after")
    made = oat.effects("generate")[0]["made"]
    without(monkeypatch, made)
    for seconds in (20, 700, 1900):
        later(seconds)
        oat.sandbox.misbehave("404", match=f"GET /api/v1/generated-posts/{made}")
        look(oat)
    operation.refresh_from_db()
    assert operation.state == "unknown"
    assert "A charge names a post" in operation.reason


def test_what_was_paid_for_another_source_post_is_not_it(oat, later, monkeypatch):
    operation = lost(oat, "generate", "drop_before")
    other = oat.unused()
    assert other.pk != operation.source_post_id
    made = oat.wire().api.generation.start(other.upstream_id, operation.params["persona_id"])
    without(monkeypatch, made.generated_post_id)
    look_again(oat, later, operation, 20, 700, 1900)
    assert operation.state == "absent"


@pytest.mark.parametrize("now_is", ["there", "deleted", "there, and never mirrored"])
def test_what_was_paid_for_an_older_post_is_not_it(oat, later, monkeypatch, now_is):
    """It was made anew meanwhile; the list is not read as far back as it, or it is deleted by now."""
    operation = lost(oat, "generate", "drop_before")
    old = oat.workspace.posts.filter(persona=operation.persona, made_at__lt=now() - timedelta(hours=1))
    old = old.exclude(upstream_id="").exclude(source_post=operation.source_post).first()
    without(monkeypatch, old.upstream_id)
    paid, get = client.Billing.transactions, client.Posts.get

    def charged(*args, **page):
        told = paid(*args, **page)
        facts = {"id": "anew", "amount_cents": -320, "created_at": operation.sent_at}
        charge = replace(told.items[0], generated_post_id=old.upstream_id, **facts)
        return replace(told, items=(charge, *told.items))

    if now_is == "there, and never mirrored":
        oat.workspace.posts.filter(pk=old.pk).update(upstream_id="other")
    monkeypatch.setattr(client.Billing, "transactions", charged)
    monkeypatch.setattr(client.Posts, "get", lambda *args: replace(get(*args), source_post_id=None))
    for seconds in (20, 700, 1900):
        later(seconds)
        if now_is == "deleted":
            oat.sandbox.misbehave("404", match=f"GET /api/v1/generated-posts/{old.upstream_id}")
        look(oat)
    operation.refresh_from_db()
    assert operation.state == "absent", operation.reason


@pytest.mark.parametrize("kind", ["approve", "send_to_compose"])
def test_outgoing_posts_that_lack_every_known_one_rule_nothing_out(oat, later, kind):
    operation = lost(oat, kind, "drop_before")
    known = OutgoingPost.objects.filter(workspace=oat.workspace)
    assert known.exists()
    known.update(upstream_id=Concat("upstream_id", Value("-not-listed")))
    look_again(oat, later, operation, 300, 700, 1900)
    assert operation.state == "unknown"


@pytest.mark.parametrize("kind", ["approve", "send_to_compose"])
def test_outgoing_posts_listed_by_their_status_rule_nothing_out(oat, later, monkeypatch, kind):
    """Drafts alone say nothing of what goes out, and the other way about."""
    oat.send(ASK["send_to_compose"](oat))
    operation = lost(oat, kind, "drop_after")
    read, get = client.Outgoing.list, client.Posts.get

    def told(*args, **page):
        shown = read(*args, **page)
        items = [one for one in shown.items if (one.status in IN_COMPOSE) == (kind == "approve")]
        return replace(shown, items=tuple(items))

    undecided = {"outgoing_post_id": None, "review_status": "pending_review"}
    monkeypatch.setattr(client.Outgoing, "list", told)
    monkeypatch.setattr(client.Posts, "get", lambda *args: replace(get(*args), **undecided))
    look_again(oat, later, operation, 300, 700, 1900)
    assert operation.state == "unknown"


def test_publishing_without_review_counts_as_on_until_a_read_says_otherwise(oat, later):
    source = source_of(oat)
    operation = personas.set_automation(source, "auto_publish", by=oat.ana, token=token())
    oat.sandbox.misbehave("drop_before", match="PATCH *", times=3)
    for _ in range(3):
        oat.send(operation)
    oat.sandbox.behave()
    source.refresh_from_db()
    assert (operation.state, source.automation_mode) == ("unknown", "auto_publish")
    look_again(oat, later, operation, 20, 601, 700)
    assert operation.state == "absent"
    assert oat.workspace.watches.filter(kind="persona", subject=source.persona_id).exists()
    oat.look("persona", source.persona_id)
    source.refresh_from_db()
    assert source.automation_mode != "auto_publish"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (None, "pending", evidence.Found),
        (None, None, evidence.NotThere),
        ("pending", "completed", evidence.NotThere),  # an earlier one has ended
        ("completed", "pending", evidence.NotThere),
    ],
)
def test_of_a_second_conversion_only_money_tells(oat, before, after, verdict):
    operation = lost(oat, "voice_convert", "drop_before")
    operation.baseline["voice_conversion_status"] = before
    item = SimpleNamespace(id=operation.target, voice_conversion_status=after)
    eyes = SimpleNamespace(item=lambda upstream_id: item, transactions=lambda: [])
    assert isinstance(evidence.convert_voice(operation, eyes), verdict)
    charge = {"amount_cents": -3, "created_at": operation.sent_at}
    charge |= {"generated_post_id": None, "generated_media_item_id": item.id}
    eyes.transactions = lambda: [SimpleNamespace(**charge)]
    assert isinstance(evidence.convert_voice(operation, eyes), evidence.Found)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("completed", "generating", evidence.Found),
        ("failed", "pending", evidence.Found),
        ("pending", "generating", evidence.NotThere),  # what was asked for before goes on
        ("generating", "completed", evidence.NotThere),
    ],
)
def test_what_is_made_anew_had_ended_before(oat, before, after, verdict):
    operation = lost(oat, "regenerate_post", "drop_before")
    operation.baseline["states"] = dict.fromkeys(operation.baseline["items"], before)
    items = [SimpleNamespace(id=item, status=after) for item in operation.baseline["items"]]
    post = SimpleNamespace(id=operation.target, media_items=items)
    eyes = SimpleNamespace(post=lambda upstream_id: post, transactions=lambda: [])
    assert isinstance(evidence.regenerate(operation, eyes), verdict)


@pytest.mark.parametrize(
    ("kind", "status", "verdict"),
    [
        ("approve", "publishing", evidence.Found),
        ("approve", "draft", evidence.Unclear),
        ("approve", "scheduled", evidence.Unclear),
        ("send_to_compose", "draft", evidence.Found),
        ("send_to_compose", "scheduled", evidence.Found),
        ("send_to_compose", "published", evidence.Unclear),
    ],
)
def test_what_went_out_is_no_draft_and_a_draft_did_not_go_out(oat, kind, status, verdict):
    """Somebody else may have done the other of the two meanwhile."""
    operation = lost(oat, kind, "drop_before")
    made = SimpleNamespace(id="new", status=status, items=(), created_at=now())
    post = SimpleNamespace(outgoing_post_id="new", review_status="approved")
    eyes = SimpleNamespace(post=lambda upstream_id: post, outgoing=lambda: [made])
    assert isinstance(evidence.sent_out(operation, eyes), verdict)


def test_what_an_earlier_approval_made_is_not_taken_for_this_one(oat):
    operation = lost(oat, "approve", "drop_before")
    item = SimpleNamespace(generated_media_item_id=operation.baseline["items"][0])
    made = SimpleNamespace(id="of the first", status="publishing", items=(item,), created_at=now())
    post = SimpleNamespace(outgoing_post_id=made.id, review_status="pending_review")
    eyes = SimpleNamespace(post=lambda upstream_id: post, outgoing=lambda: [made])
    assert isinstance(evidence.sent_out(operation, eyes), evidence.Found)
    make_operation(operation.post, state="succeeded", result={"outgoing_post_id": made.id})
    assert isinstance(evidence.sent_out(operation, eyes), evidence.NotThere)


@pytest.mark.parametrize(("seconds", "verdict"), [(-110, evidence.Found), (-130, evidence.NotThere)])
def test_the_services_clock_may_be_two_minutes_behind_ours(oat, seconds, verdict):
    operation = lost(oat, "sync", "drop_before")
    source = SimpleNamespace(last_synced_at=operation.sent_at + timedelta(seconds=seconds))
    eyes = SimpleNamespace(sources=lambda persona: [source])
    assert isinstance(evidence.sync(operation, eyes), verdict)


def test_among_more_charges_than_can_be_read_the_list_of_posts_tells(oat, later, monkeypatch):
    """Each of many would take a whole pass, and none were ever ruled out."""
    operation = lost(oat, "generate", "drop_before")
    read, asked = client.Billing.transactions, []

    def without_end(*args, **page):
        asked.append(page)
        return replace(read(*args, **page), count=10_000)

    monkeypatch.setattr(client.Billing, "transactions", without_end)
    monkeypatch.setattr(evidence, "EARLIER", timedelta(days=1000))
    monkeypatch.setattr(evidence, "PAGE", 1)
    monkeypatch.setattr(evidence, "PAGES_AT_MOST", 100)
    monkeypatch.setattr(reconciling, "REQUESTS_A_PASS", 100)
    for seconds in (300, 700, 1900):
        asked.clear()
        later(seconds)
        look(oat)
        assert len(asked) == evidence.PAGES_OF_CHARGES
        operation.refresh_from_db()
        if operation.state == "absent":
            break
    assert operation.state == "absent", operation.reason


@pytest.mark.parametrize(("seconds", "state"), [(80, "absent"), (180, "unknown")])
def test_a_service_whose_clock_is_far_behind_ours_has_nothing_ruled_out(
    oat, later, monkeypatch, seconds, state
):
    """What was made since would look older than the request; ours may be the one that is ahead."""
    operation = lost(oat, "generate", "drop_before")
    observe = wire.Wire._observe

    def dated(line, done):
        told = format_datetime(done.started_at - timedelta(seconds=seconds), usegmt=True)
        observe(line, replace(done, headers={**done.headers, "date": told}))

    monkeypatch.setattr(wire.Wire, "_observe", dated)
    for after in (300, 700, 1900):
        later(after)
        look(oat)
    operation.refresh_from_db()
    assert operation.state == state, operation.reason
    assert state == "absent" or "clock" in operation.reason


def test_a_list_that_is_not_read_to_its_end_rules_nothing_out(oat, later, monkeypatch):
    operation = lost(oat, "generate", "drop_before")
    monkeypatch.setattr(evidence, "PAGE", 1)
    monkeypatch.setattr(evidence, "PAGES_AT_MOST", 2)
    monkeypatch.setattr(evidence, "EARLIER", timedelta(days=1000))
    look_again(oat, later, operation, 300, 700, 1900)
    assert operation.state == "unknown"
    assert "too long" in operation.reason


def test_a_list_with_rows_that_cannot_be_read_rules_nothing_out(oat, later, monkeypatch):
    """What is looked for may be one of them."""
    operation = lost(oat, "generate", "drop_before")
    read = client.Posts.list
    told = lambda *args, **page: replace(read(*args, **page), unreadable=1)  # noqa: E731
    monkeypatch.setattr(client.Posts, "list", told)
    look_again(oat, later, operation, 300, 700, 1900)
    assert operation.state == "unknown"
    assert "cannot be read" in operation.reason


@pytest.mark.parametrize(
    ("kind", "listing"), [("remove_source", client.Sources), ("remove_target", client.Targets)]
)
def test_what_a_list_cannot_show_does_not_count_as_removed(oat, later, monkeypatch, kind, listing):
    """A source that publishes without review would go on under the word that it is not followed."""
    operation, read = lost(oat, kind, "drop_before"), listing.list
    told = lambda *args, **page: replace(read(*args, **page), items=(), unreadable=1)  # noqa: E731
    monkeypatch.setattr(listing, "list", told)
    look_again(oat, later, operation, 300, 700, 1900)
    assert operation.state == "unknown"
    assert "cannot be read" in operation.reason


IN_ORDER, NEARLY = [1, 2, 3, 4, 5, 6], [2, 1, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("hours", "pages"), [(IN_ORDER, 2), (NEARLY, 3), (IN_ORDER[::-1], 3), ([None] * 6, 3)]
)
def test_a_list_is_read_as_far_back_as_matters_if_it_stands_in_order(hours, pages, monkeypatch):
    at = now()
    made = [hour and at - timedelta(hours=hour) for hour in hours]
    rows = [SimpleNamespace(created_at=moment) for moment in made]
    spent = []
    monkeypatch.setattr(evidence, "PAGE", 2)
    eyes = evidence.Eyes(None, lambda: spent.append(1), at - timedelta(hours=3.5))

    def read(limit, offset):
        return types.Page(tuple(rows[offset : offset + limit]), count=6)

    eyes.all("everything", read)
    assert len(spent) == 3
    eyes.all("what is new", read, newest=True)
    assert len(spent) == 3 + pages
    assert not eyes.cut


def test_what_was_sent_earlier_is_looked_for_where_the_later_one_left_off(monkeypatch):
    """The latest is looked for first; else one that is days old would have each pass read days for all."""
    at = now()
    rows = [SimpleNamespace(id=hours, created_at=at - timedelta(hours=hours)) for hours in range(1, 9)]
    asked = []
    monkeypatch.setattr(evidence, "PAGE", 2)
    eyes = evidence.Eyes(None, lambda: None)

    def read(limit, offset):
        asked.append(offset)
        return types.Page(tuple(rows[offset : offset + limit]), count=8)

    def seen(hours):
        eyes.turn_to(SimpleNamespace(sent_at=at - timedelta(hours=hours)))
        return [row.id for row in eyes.all("what is new", read, newest=True, pages=3)]

    assert (seen(0.5), asked) == ([1, 2], [0])
    assert (seen(1.5), asked) == ([1, 2], [0])
    assert (seen(3.5), asked) == ([1, 2, 3, 4], [0, 2])
    assert not eyes.cut
    assert (seen(7.5), asked) == ([1, 2, 3, 4, 5, 6], [0, 2, 4])
    assert eyes.cut == {"what is new": evidence.TOO_LONG}
    assert eyes.lack(9, rows) is False


def test_outgoing_posts_that_may_not_be_read_stay_so_for_the_next_operation(monkeypatch):
    """Not an empty list, nor the page that was still given: either would rule an approval out."""
    pages = iter([types.Page((SimpleNamespace(id="out_1", created_at=None),), count=2)])

    def read(limit, offset):
        try:
            return next(pages)
        except StopIteration:
            raise errors.Forbidden("not any more", status=403) from None

    line = SimpleNamespace(api=SimpleNamespace(outgoing=SimpleNamespace(list=read)))
    eyes = evidence.Eyes(line, lambda: None)
    for _ in range(2):
        eyes.turn_to(SimpleNamespace(sent_at=now()))
        assert eyes.outgoing() is None


def test_what_takes_more_than_a_pass_does_not_hold_up_the_others(oat, later, monkeypatch):
    small, great = lost(oat, "approve", "drop_after"), lost(oat, "sync", "drop_before")

    def greedy(operation, eyes):
        for number in range(20):
            eyes.one(number, lambda: None)

    monkeypatch.setitem(evidence.EVIDENCE, "sync", greedy)
    later(20)
    with pytest.raises(wire.NoRoom):
        look(oat)
    great.refresh_from_db()
    assert (great.state, great.looks) == ("unknown", 1)
    assert "too long" in great.reason
    look(oat)
    small.refresh_from_db()
    assert small.state == "succeeded"


@pytest.mark.parametrize(
    ("kind", "fault", "match"),
    [
        ("voice_convert", "403", "GET /api/v1/billing/transactions"),  # a key without that scope
        ("sync", "404", "GET /api/v1/personas/{id}/sources"),  # a persona that is gone, or another's key
        ("regenerate_post", "malformed", "GET /api/v1/generated-posts/{id}"),
    ],
)
def test_what_cannot_be_looked_for_does_not_hold_up_the_others(oat, later, kind, fault, match):
    earlier, blind = lost(oat, "create_persona", "drop_after"), lost(oat, kind, "drop_before")
    for seconds in (20, 700, 1900):
        later(seconds)
        oat.sandbox.misbehave(fault, match=match, times=10)
        look(oat)
        oat.sandbox.behave()
    earlier.refresh_from_db()
    blind.refresh_from_db()
    assert earlier.state == "succeeded"
    assert blind.state == "unknown"
    assert blind.reason.startswith(reconciling.NOT_SHOWN)


def test_a_post_of_another_operation_is_not_taken_for_this_one(oat, later):
    """Made for the same source post by a click of its own, while this one hung."""
    operation = lost(oat, "generate", "drop_before")
    elsewhere = oat.generate(oat.unused(persona="Ines Calder"), persona="Ines Calder")
    oat.send(elsewhere)
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "unknown"


def test_what_was_decided_on_the_post_before_it_was_found_stays(oat, later):
    """A poll brings it while nobody knows whose it is, and a person approves it: it is not approved twice."""
    operation = lost(oat, "generate", "drop_after")
    asked_for, made = operation.post, oat.effects("generate")[0]["made"]
    oat.look("posts", operation.persona_id)
    post = oat.finish(oat.workspace.posts.get(upstream_id=made))
    decision = oat.approve(post)
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert (operation.state, operation.post) == ("succeeded", post)
    assert not oat.workspace.posts.filter(pk=asked_for.pk, deleted_at=None).exists()
    assert set(post.events.values_list("name", flat=True)) >= {"post.generated", "post.approved"}
    assert oat.send(decision.operation).state == "succeeded"
    post.refresh_from_db()
    assert (post.deleted_at, post.upstream_id, post.desk) == (None, made, "publishing")
    check_counts(oat.workspace)


def test_two_that_fit_are_told_and_the_first_is_taken(oat, later):
    operation = lost(oat, "generate", "drop_after")
    api = oat.wire().api
    api.generation.start(operation.params["source_post_id"], operation.params["persona_id"])
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert "1 more of the same was made, which Loupe did not order" in operation.reason


def test_what_automation_may_have_made_is_adopted_with_that_word(oat, later):
    operation = lost(oat, "generate", "drop_after")
    oat.workspace.sources.update(automation_mode="auto_clone")
    later(20)
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    assert "possibly made by the source’s automation" in operation.reason


def test_many_unknown_ones_cost_few_requests(oat, later):
    """One walk through the lists serves them all."""
    for _ in range(4):
        source = (
            oat.workspace.source_posts.of_persona(oat.persona())
            .exclude(operations__state="unknown")
            .filter(kind="image")
            .order_by("made", "upstream_id")[0]
        )
        operation = oat.generate(source, persona="Ines Calder")
        oat.sandbox.misbehave("drop_after", match="POST *")
        assert oat.send(operation).state == "unknown"
    later(20)
    line = oat.wire()
    with committing():
        reconciling.look(line, oat.workspace)
    assert not oat.workspace.operations.filter(state="unknown").exists()
    assert len(line.exchanges) <= 2


# ---- people ------------------------------------------------------------------------------------


def test_somebody_asks_and_it_is_looked_for_at_once(oat):
    operation = lost(oat, "approve", "drop_after")
    resolving.check_now(operation, by=oat.member("viewer"))
    look(oat)
    operation.refresh_from_db()
    assert operation.state == "succeeded"
    with pytest.raises(NotAllowed, match="known by now"):
        resolving.check_now(operation, by=oat.ana)


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("kind", ["generate", "approve", "sync"])
def test_somebody_looked_themselves(oat, kind, happened):
    operation = lost(oat, kind, "drop_before")
    resolving.tell(operation, happened=happened, note="It stands at the service", by=oat.ana)
    operation.refresh_from_db()
    assert operation.state == ("succeeded" if happened else "absent")
    assert "Ana Ruiz looked: It stands at the service" in operation.reason
    assert operation.events.last().by_label == "Ana Ruiz"
    told = Event.objects.get(name="operation.resolved", operation=operation)
    assert told.facts["note"] == "It stands at the service"
    if kind == "generate":
        operation.post.refresh_from_db()
        assert bool(operation.post.deleted_at) == happened  # the service's own comes with its list


@pytest.mark.parametrize("how", ["told", "withdrawn", "found"])
def test_a_source_post_counts_nothing_that_was_taken_off_the_desk(oat, later, how):
    """The row that stood in the place of a new post goes; its source is unused again, or used once."""
    if how == "withdrawn":
        operation = oat.generate()
        with committing():
            operations.block(operation, operations.Blocked("balance", "The balance ran out."))
            resolving.withdraw(operation, by=oat.ana)
    elif how == "told":
        operation = lost(oat, "generate", "drop_before")
        with committing():
            resolving.tell(operation, happened=True, note="It is there", by=oat.ana)
    else:
        operation = lost(oat, "generate", "drop_after")
        oat.look("posts", operation.persona_id)
        later(20)
        look(oat)
    source = operation.source_post
    source.refresh_from_db()
    assert source.made == source.generated.filter(deleted_at=None).count() == (how == "found")


def test_a_word_without_a_note_or_too_late_changes_nothing(oat):
    operation = lost(oat, "approve", "drop_before")
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="Say what you saw"):
        resolving.tell(operation, happened=True, note="  ", by=oat.ana)
    with nothing_written(oat.workspace), pytest.raises(NotPermitted):
        resolving.tell(operation, happened=True, note="I am sure", by=oat.ben)
    resolving.tell(operation, happened=False, note="Not on the account", by=oat.ana)
    stale = Operation.objects.get(pk=operation.pk)
    stale.state = "unknown"
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="known by now"):
        resolving.tell(stale, happened=True, note="It is there", by=oat.ana)


AGAIN = ["generate", "clone", "regenerate_post", "retry_failed", "regenerate_item", "voice_convert", "sync"]


@pytest.mark.parametrize("kind", AGAIN)
def test_what_did_not_happen_can_be_sent_again_once(oat, kind):
    operation = lost(oat, kind, "drop_before")
    resolving.tell(operation, happened=False, note="Nothing there", by=oat.ana)
    operation = Operation.objects.get(pk=operation.pk)
    assert resolving.can_send_again(operation)
    with pytest.raises(NotPermitted):
        resolving.send_again(operation, by=oat.ben, token=token())
    pressed = token()
    again = resolving.send_again(operation, by=oat.ana, token=pressed)
    assert (again.kind, again.target, again.retry_of) == (kind, operation.target, operation)
    assert resolving.send_again(operation, by=oat.ana, token=pressed) == again
    with pytest.raises(NotAllowed):
        resolving.send_again(operation, by=oat.ana, token=token())
    assert oat.send(again).state == "succeeded"
    assert len(oat.effects(kind)) == 1


def test_what_is_not_known_or_was_decided_is_not_sent_again_from_here(oat):
    """A decision is taken anew, on what is there then, and that one is linked (test_not_done)."""
    unknown = lost(oat, "generate", "drop_before")
    assert not resolving.can_send_again(unknown)
    with nothing_written(oat.workspace), pytest.raises(NotAllowed):
        resolving.send_again(unknown, by=oat.ana, token=token())
    decided = lost(oat, "approve", "drop_before")
    resolving.tell(decided, happened=False, note="Not there", by=oat.ana)
    assert not resolving.can_send_again(Operation.objects.get(pk=decided.pk))
    decided.post.refresh_from_db()
    assert decided.post.desk in ("ready", "attention")
