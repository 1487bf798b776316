"""Personas, whom they follow and where they publish: refused in words, sent once, read back."""

from datetime import timedelta

import pytest

from reviewqueue.models import Checkout, Event, Operation
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import operations, personas
from reviewqueue.services.access import AlreadyOpen, NotPermitted
from tests import factories
from tests.world import nothing_written, token


@pytest.fixture
def ines(world):
    world.mirror()
    return world


def slots(world, bought: int) -> None:
    """Every account needs a slot at the service; the first is free."""
    with world.sandbox.moment() as context:
        context.rows.run("UPDATE account SET slots_purchased = ?", bought)


def sent(world, operation: Operation) -> Operation:
    """Send it, and a second time; then read what it says should be read."""
    operation = world.send(operation)
    world.send(operation)
    for watch in world.workspace.watches.filter(kind__in=("persona", "catalogue"), hinted_at__isnull=False):
        world.look(watch.kind, watch.subject)
    return operation


def event_of(operation: Operation) -> str:
    return Event.objects.get(operation=operation, by=operation.by).sentence


# ---- the persona -------------------------------------------------------------------------------------


def test_something_else_typed_on_the_same_page_is_asked_for_too(ana, persona):
    facts = {"by": ana, "token": token()}
    first = personas.update(persona, **facts, name="Ines C.")
    Operation.objects.update(state="succeeded")
    second = personas.update(persona, **facts, writing_style="Dry.")  # after going back in the browser
    assert second.params == {"writing_style": "Dry."}
    assert personas.update(persona, **facts, writing_style="Dry.") == second
    assert personas.update(persona, **facts, name="Ines C.") == first
    assert Operation.objects.count() == 2


def test_a_new_persona_is_created_once_and_stands_here_at_once(ines):
    edda, same = ines.member("editor"), token()
    facts = {"name": "Nora Vale", "writing_style": "Short.", "by": edda, "token": same}
    operation = personas.create(**facts)
    assert personas.create(**facts) == operation
    assert personas.being_created(ines.workspace) == [operation]
    assert sent(ines, operation).state == "succeeded"
    assert len(ines.effects("create_persona")) == 1
    persona = ines.persona("Nora Vale")
    operation.refresh_from_db()
    assert (persona.writing_style, operation.persona) == ("Short.", persona)
    assert personas.being_created(ines.workspace) == []
    assert event_of(operation) == "Created persona Nora Vale"


def test_whether_a_persona_was_created_is_not_guessed(ines):
    """It is not sent again: a second one would be a second persona."""
    operation = personas.create(name="Nora Vale", writing_style="", by=ines.ana, token=token())
    ines.sandbox.misbehave("drop_after", match="POST /api/v1/personas")
    assert ines.send(operation).state == "unknown"
    ines.send(operation)
    assert len(ines.effects("create_persona")) == 1
    assert personas.being_created(ines.workspace) == [operation]
    assert "may exist" in operations.doubt(operation)


def test_a_refused_persona_is_told_for_an_hour(ines):
    operation = personas.create(name="Nora Vale", writing_style="", by=ines.ana, token=token())
    ines.sandbox.misbehave("400", match="POST /api/v1/personas")
    assert ines.send(operation).state == "failed"
    assert personas.being_created(ines.workspace) == [operation]
    assert not personas.is_under_way(Operation.objects.get(pk=operation.pk))
    Operation.objects.update(created_at=factories.now() - timedelta(hours=1, seconds=1))
    assert personas.being_created(ines.workspace) == []


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("the name", {"name": "Ines C."}),
        ("the voice", {"writing_style": "No hashtags.\nNever “amazing”."}),
        ("discount mode", {"discount_mode": True}),
    ],
)
def test_what_is_changed_is_changed_at_the_service_and_here(ines, what, values):
    persona = ines.persona()
    operation = personas.update(persona, by=ines.member("editor"), token=token(), **values)
    assert personas.wishes(persona) == [operation]
    assert sent(ines, operation).state == "succeeded"
    assert len(ines.effects("change_persona")) == 1
    persona.refresh_from_db()
    assert {name: getattr(persona, name) for name in values} == values
    assert personas.wishes(persona) == []
    assert event_of(operation).startswith(f"Changed {what} of")


def test_two_changes_of_one_persona_go_one_after_the_other(ines):
    persona = ines.persona()
    first = personas.update(persona, by=ines.ana, token=token(), name="One")
    with nothing_written(ines.workspace), pytest.raises(AlreadyOpen, match="Persona changed by Ana Ruiz"):
        personas.update(persona, by=ines.ana, token=token(), name="Two")
    ines.send(first)
    personas.update(persona, by=ines.ana, token=token(), name="Two")


def test_a_change_whose_answer_was_lost_is_made_again_with_the_same_value(ines):
    persona = ines.persona()
    operation = personas.update(persona, by=ines.ana, token=token(), name="One")
    ines.sandbox.misbehave("drop_after", match="PATCH /api/v1/personas/{id}")
    assert ines.send(operation).state == "queued"
    assert ines.send(operation).state == "succeeded"
    assert len(ines.effects("change_persona")) == 1
    persona.refresh_from_db()
    assert persona.name == "One"


def test_a_new_name_stands_on_every_open_post(world):
    world.mirror("Oat & Ember")
    post = world.ready()
    operation = personas.update(post.persona, by=world.ana, token=token(), name="Oat")
    world.send(operation)
    post.refresh_from_db()
    assert post.face["persona"] == "Oat"


# ---- sources -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handle", ["quiet.corner", " @quiet.corner "])
def test_an_account_is_followed(ines, handle):
    persona, edda = ines.persona("Kilo North"), ines.member("editor")
    operation = personas.add_source(persona, handle, by=edda, token=token())
    assert sent(ines, operation).state == "succeeded"
    assert len(ines.effects("add_source")) == 1
    source = persona.sources.get(handle="quiet.corner")
    assert source.automation_mode == "sync_only"
    persona.refresh_from_db()
    assert personas.wishes(persona) == []  # it stands in the list now


def test_until_it_is_read_back_it_is_shown_as_under_way(ines):
    persona = ines.persona("Kilo North")
    operation = personas.add_source(persona, "quiet.corner", by=ines.ana, token=token())
    operation = ines.send(operation)
    assert operation.state == "succeeded"
    assert personas.wishes(persona) == [operation]
    ines.look("persona", persona.pk)
    persona.refresh_from_db()
    assert personas.wishes(persona) == []


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        ("", "not an Instagram name"),
        ("two words", "not an Instagram name"),
        ("https://instagram.com/x", "not an Instagram name"),
        ("x" * 31, "at most 30"),
        ("<script>", "not an Instagram name"),
        ("Salt.Rooms", "@Salt.Rooms is already a source of Kilo North"),
    ],
)
def test_what_cannot_be_followed_is_refused_before_anything_is_sent(ines, handle, words):
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match=words):
        personas.add_source(ines.persona("Kilo North"), handle, by=ines.ana, token=token())


def test_what_is_followed_already_at_the_service_is_as_wished(ines):
    """Somebody added it there a moment ago."""
    persona = ines.persona("Kilo North")
    first = personas.add_source(persona, "quiet.corner", by=ines.ana, token=token())
    ines.send(first)
    again = personas.add_source(persona, "quiet.corner", by=ines.ana, token=token())
    operation = sent(ines, again)
    assert (operation.state, operation.reason) == ("succeeded", "It was there already.")
    assert persona.sources.filter(handle="quiet.corner").count() == 1


def test_an_account_is_left_and_its_posts_stay(world):
    world.mirror("Kilo North")
    persona = world.persona("Kilo North")
    source = persona.sources.get(handle="high.pass")
    pulled = world.workspace.source_posts.filter(creator_id=source.creator_id).count()
    operation = personas.remove_source(source, by=world.member("editor"), token=token())
    assert sent(world, operation).state == "succeeded"
    assert len(world.effects("remove_source")) == 1
    assert not persona.sources.filter(handle="high.pass").exists()
    assert world.workspace.source_posts.filter(creator_id=source.creator_id).count() == pulled > 0
    operation.refresh_from_db()
    assert (operation.label, operation.source) == ("@high.pass", None)  # the record outlives its row


def test_an_account_that_is_left_already_is_as_wished(ines):
    persona = ines.persona("Kilo North")
    operation = personas.remove_source(persona.sources.get(handle="high.pass"), by=ines.ana, token=token())
    with ines.sandbox.moment() as context:
        context.rows.run("UPDATE sources SET deleted_at = 1 WHERE id = ?", operation.target)
    operation = sent(ines, operation)
    assert (operation.state, operation.reason) == ("succeeded", "It was gone already.")
    assert not persona.sources.filter(handle="high.pass").exists()


# ---- automation -----------------------------------------------------------------------------------------


def test_automation_is_set_by_an_admin(ines):
    source = ines.persona("Oat & Ember").sources.get(handle="kiln.and.clay")
    operation = personas.set_automation(source, "auto_publish", by=ines.ana, token=token())
    assert sent(ines, operation).state == "succeeded"
    assert len(ines.effects("set_automation_mode")) == 1
    source.refresh_from_db()
    assert source.skips_review
    assert event_of(operation) == "Set @kiln.and.clay to “Generate and publish without review”"


def test_whether_publishing_without_review_is_on_is_taken_as_on(ines):
    source = ines.persona("Oat & Ember").sources.get(handle="kiln.and.clay")
    operation = personas.set_automation(source, "auto_publish", by=ines.ana, token=token())
    assert "take it as on" in operations.doubt(operation)


def test_nothing_is_published_without_review_where_nothing_is_published(ines):
    source = ines.persona("Kilo North").sources.get(handle="high.pass")
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match="no publishing account"):
        personas.set_automation(source, "auto_publish", by=ines.ana, token=token())
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match="no publishing account"):
        personas.add_source(
            ines.persona("Kilo North"), "quiet.corner", by=ines.ana, token=token(), mode="auto_publish"
        )
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match="no such mode"):
        personas.set_automation(source, "whatever", by=ines.ana, token=token())


def test_an_editor_follows_but_lets_nothing_spend_by_itself(ines):
    edda = ines.member("editor")
    with nothing_written(ines.workspace), pytest.raises(NotPermitted, match="It takes admin"):
        personas.add_source(ines.persona(), "quiet.corner", by=edda, token=token(), mode="auto_clone")
    with nothing_written(ines.workspace), pytest.raises(NotPermitted):
        personas.set_automation(ines.persona().sources.first(), "sync_only", by=edda, token=token())


# ---- accounts --------------------------------------------------------------------------------------------


def test_an_account_is_linked_and_unlinked_and_open_posts_know(world):
    world.mirror("Kilo North")
    persona = world.persona("Kilo North")
    post = world.ready(persona="Kilo North")
    account = world.workspace.accounts.get(username="oat.and.ember")
    operation = personas.link_account(persona, account, by=world.ana, token=token())
    assert sent(world, operation).state == "succeeded"
    assert len(world.effects("link_account")) == 1
    persona.refresh_from_db()
    fingerprint = post.fingerprint
    post.refresh_from_db()
    assert (persona.accounts, post.face["accounts"]) == (["oat.and.ember"], 1)
    assert post.fingerprint != fingerprint  # where it would go is part of what is decided
    assert event_of(operation) == "Linked @oat.and.ember to Kilo North"

    operation = personas.unlink_account(persona.targets.get(), by=world.ana, token=token())
    assert sent(world, operation).state == "succeeded"
    assert len(world.effects("unlink_account")) == 1
    persona.refresh_from_db()
    assert persona.accounts == []


def test_an_account_is_not_linked_and_unlinked_at_the_same_time(ines):
    persona = ines.persona("Oat & Ember")
    target = persona.targets.get()
    personas.unlink_account(target, by=ines.ana, token=token())
    with nothing_written(ines.workspace), pytest.raises(AlreadyOpen, match="Account unlinked by Ana Ruiz"):
        personas.link_account(persona, target.account, by=ines.ana, token=token())


def test_connecting_an_account_opens_the_services_page(ines):
    slots(ines, 9)
    operation = personas.connect_account(by=ines.ana, token=token(), persona=ines.persona())
    operation = ines.send(operation)
    assert (operation.state, operation.result) == ("succeeded", {"opened": "connect"})
    page = Checkout.objects.get()
    assert (page.kind, page.by, page.url.startswith("http://sandbox.test/sandbox/")) == (
        "connect",
        ines.ana,
        True,
    )


def test_without_a_ines_it_says_where_slots_are_bought(ines):
    slots(ines, 0)
    operation = ines.send(personas.connect_account(by=ines.ana, token=token()))
    assert operation.state == "failed"
    assert "Account slots are bought at the service" in operation.reason
    assert not Checkout.objects.exists()
