"""What costs money, and what is taken away: asked for once, sent once, told truthfully."""

from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Decision, MediaItem, Operation
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import generating, holds, operations, reviewing
from reviewqueue.services.access import AlreadyOpen, NotPermitted, Stale
from reviewqueue.upstream.reelmirror import types
from tests import factories
from tests.world import check_counts, committing, nothing_written, token


@pytest.fixture
def oat(world):
    world.mirror("Oat & Ember")
    return world


@pytest.fixture
def ines(world):
    world.mirror("Ines Calder")
    return world


def fresh(post):
    post.refresh_from_db()
    return post


# ---- generate ------------------------------------------------------------------------------------


def test_the_post_stands_in_the_queue_at_once_and_gets_its_id_when_sent(oat):
    source = oat.unused()
    operation = oat.generate(source)
    post = operation.post
    assert (fresh(post).desk, post.upstream_id, post.number) == ("pending", "", operation.post.number)
    assert operation.estimated_cents == 26  # an image, at the persona's discount
    source.refresh_from_db()
    assert (source.made, source.in_flight, source.face["made"]) == (1, True, str(post.pk))

    oat.send(operation)
    assert operation.result == {"generated_post_id": fresh(post).upstream_id}
    assert [effect["made"] for effect in oat.effects("generate")] == [post.upstream_id]
    assert post.desk == "pending"
    check_counts(oat.workspace)


def test_a_finished_generation_is_ready_once_its_copies_are_here(oat):
    post = oat.send(oat.generate()).post
    oat.sandbox.finish(fresh(post).upstream_id)
    oat.look("post", post.pk)
    assert fresh(post).desk == "generating"  # made, and being copied
    assert oat.copy(post).desk == "ready"
    assert post.events.filter(name="post.ready").count() == 1
    source = post.source_post
    source.refresh_from_db()
    assert not source.in_flight


def test_a_second_generation_from_the_same_source_is_another_post_and_another_charge(oat):
    source, before = oat.unused(), oat.workspace.balance_cents
    first = oat.send(oat.generate(source)).post
    second = oat.send(oat.generate(source)).post
    assert fresh(first).upstream_id != fresh(second).upstream_id
    oat.look("balance")
    assert oat.workspace.balance_cents == before - 2 * 26
    source.refresh_from_db()
    assert source.made == 2


def test_while_one_is_asked_for_the_same_source_is_not_asked_again(oat):
    source = oat.unused()
    oat.generate(source)
    with (
        nothing_written(oat.workspace),
        pytest.raises(AlreadyOpen, match=r"by Ana Ruiz \d s ago\. Nothing of yours"),
    ):
        oat.generate(source)


def test_a_double_press_is_one_generation(oat):
    source, persona, same = oat.unused(), oat.persona("Oat & Ember"), token()
    first = generating.generate(source, persona, by=oat.ana, token=same)
    with nothing_written(oat.workspace):
        assert generating.generate(source, persona, by=oat.ana, token=same) == first
    oat.send(first)
    assert generating.generate(source, persona, by=oat.ana, token=same) == first
    assert len(oat.effects("generate")) == 1


def test_a_generation_that_was_refused_says_why_and_can_be_taken_off_the_desk(oat):
    operation = oat.generate()
    post, source = operation.post, operation.source_post
    oat.sandbox.set_balance(1)
    assert "Not enough balance" in oat.send(operation).reason
    assert (fresh(post).desk, post.trouble) == ("attention", "not_made")
    source.refresh_from_db()
    assert not source.in_flight  # nothing is being made of it
    assert generating.delete_post(post, by=oat.ana, token=token()) is None
    assert fresh(post).deleted_at
    source.refresh_from_db()
    assert (source.made, source.in_flight) == (0, False)
    check_counts(oat.workspace)


def test_the_poll_that_sees_a_new_post_before_its_answer_makes_no_second_row(oat):
    """The list is read while the answer to the generate call is still on its way."""
    operation = oat.generate()
    Operation.objects.filter(pk=operation.pk).update(not_before=now())
    picked = operations.pick(operation.pk)
    line = oat.wire()
    operations.gate.check(picked, operations.KINDS["generate"], line)
    deadline = operations.claim(picked)
    reply = operations.KINDS["generate"].call(line.api, picked, {"request_id": "x/1", "deadline": deadline})
    oat.look("posts", oat.persona("Oat & Ember").pk)
    operations.settle(picked, reply, "finish", fence=picked.fence)
    rows = oat.workspace.posts.filter(upstream_id=reply.generated_post_id)
    assert rows.get() == operation.post
    oat.look("post", operation.post.pk)
    assert operation.post.items.current().count() == 1
    source = operation.source_post
    source.refresh_from_db()
    assert source.made == 1
    check_counts(oat.workspace)


# ---- clone ---------------------------------------------------------------------------------------


def test_the_id_of_a_post_that_is_known_takes_no_other_post_away(oat):
    """The service may answer a second generation with the first one's post."""
    first = oat.send(oat.generate()).post
    decided = oat.approve(oat.finish(first))
    second = oat.generate(first.source_post)
    Operation.objects.filter(pk=second.pk).update(state="sending")
    second.refresh_from_db()
    with committing():
        operations.settle(second, types.GenerationStarted(fresh(first).upstream_id), "finish")
    assert (fresh(second).state, second.post) == ("succeeded", first)
    assert (fresh(first).deleted_at, first.desk, first.decisions.get()) == (None, "held", decided)
    check_counts(oat.workspace)
    first.source_post.refresh_from_db()
    assert first.source_post.made == 1


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("https://www.instagram.com/p/Cx9-_aBcD12/", "Cx9-_aBcD12"),
        ("instagram.com/reel/Cx9aBcD12", "Cx9aBcD12"),
        ("  https://instagram.com/some.body/p/Cx9aBcD12/?igsh=1#x ", "Cx9aBcD12"),
        ("HTTPS://WWW.INSTAGRAM.COM/reels/Cx9aBcD12/", "Cx9aBcD12"),
    ],
)
def test_a_link_to_a_post_is_understood(link, code):
    assert generating.short_code(link) == code


@pytest.mark.parametrize(
    "link",
    [
        "",
        "   ",
        "Cx9aBcD12",
        "https://www.instagram.com/some.body/",
        "https://www.instagram.com/p/",
        "https://instagram.com.evil.example/p/Cx9aBcD12/",
        "https://evil.example/p/Cx9aBcD12/?x=instagram.com",
        "https://instagram.com@evil.example/p/Cx9aBcD12/",
        "javascript://instagram.com/p/Cx9aBcD12/",
        "https://www.tiktok.com/@a/video/123",
        "https://www.instagram.com/stories/a/123/",
        "https://[::1/p/Cx9aBcD12/",
    ],
)
def test_any_other_link_is_refused_in_words_before_anything_is_written(ines, link):
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match="not a link to an Instagram post"):
        generating.clone(link, ines.persona(), by=ines.ana, token=token())


def test_a_clone_is_fetched_and_generated_in_one_call(ines):
    operation = generating.clone(
        "https://www.instagram.com/p/Cnewlink123/", ines.persona(), by=ines.ana, token=token()
    )
    assert operation.estimated_cents == 320  # at most a carousel of ten
    post = ines.send(operation).post
    assert fresh(post).upstream_id
    assert len(ines.effects("clone")) == 1
    ines.look("source_posts", ines.persona().pk)
    ines.look("post", post.pk)
    assert fresh(post).source_post.url.endswith("/Cnewlink123/")


def test_a_clone_of_a_known_source_shows_it_at_once(ines):
    source = ines.unused(persona="Ines Calder")
    operation = generating.clone(source.url, ines.persona(), by=ines.ana, token=token())
    assert operation.source_post == source
    source.refresh_from_db()
    assert source.in_flight


def test_one_link_can_be_cloned_for_two_personas_at_once(world):
    world.mirror("Ines Calder", "Kilo North")
    link = "https://www.instagram.com/p/Cnewlink123/"
    generating.clone(link, world.persona("Ines Calder"), by=world.ana, token=token())
    generating.clone(link, world.persona("Kilo North"), by=world.ana, token=token())
    with pytest.raises(AlreadyOpen):
        generating.clone(link, world.persona("Kilo North"), by=world.ana, token=token())


def test_a_double_press_of_clone_is_one(ines):
    same, link = token(), "https://www.instagram.com/p/Cnewlink123/"
    first = generating.clone(link, ines.persona(), by=ines.ana, token=same)
    assert generating.clone(link, ines.persona(), by=ines.ana, token=same) == first


# ---- the whole post again ------------------------------------------------------------------------


def test_regenerating_a_post_keeps_its_old_takes_and_brings_new_ones(ines):
    post = ines.ready("carousel", persona="Ines Calder", items=3)
    old = set(post.items.current().values_list("upstream_id", flat=True))
    operation = generating.regenerate_post(post, by=ines.ana, token=token())
    assert (operation.estimated_cents, fresh(post).desk) == (3 * 32, "pending")
    ines.send(operation)
    assert fresh(post).desk == "pending"
    ines.finish(post)
    now_there = post.items.current()
    assert {item.take for item in now_there} == {2}
    assert not old & {item.upstream_id for item in now_there}
    assert old == set(post.items.filter(take=1, is_current=False).values_list("upstream_id", flat=True))
    assert (post.desk, post.face["take"]) == ("ready", "B")
    check_counts(ines.workspace)


def test_a_standing_decision_is_overtaken_when_the_post_is_made_anew(oat):
    post = oat.ready()
    facts = {"by": oat.ana, "fingerprint": post.fingerprint, "token": token()}
    decision = reviewing.reject(post, reason="Low quality", **facts)
    oat.send(decision.operation)
    assert fresh(post).desk == "rejected"
    oat.send(generating.regenerate_post(post, by=oat.ana, token=token()))
    decision.refresh_from_db()
    assert (decision.stands, decision.ended, decision.reason) == (False, "overtaken", "Low quality")
    assert oat.finish(post).desk == "ready"
    assert oat.approve(post).operation


def test_what_is_published_is_not_made_anew(oat):
    post = oat.workspace.posts.filter(desk="published")[0]
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="It is published"):
        generating.regenerate_post(post, by=oat.ana, token=token())
    item = post.items.current()[0]
    for command in (generating.regenerate_item, generating.delete_item):
        with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="published"):
            command(item, by=oat.ana, token=token())


def test_what_the_service_never_made_is_not_made_anew(oat):
    operation = oat.generate()
    oat.sandbox.set_balance(1)
    oat.send(operation)
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="has not made this post yet"):
        generating.regenerate_post(operation.post, by=oat.ana, token=token())


def test_a_double_press_of_regenerate_is_one(oat):
    post, same = oat.ready(), token()
    first = generating.regenerate_post(post, by=oat.ana, token=same)
    with nothing_written(oat.workspace):
        assert generating.regenerate_post(post, by=oat.ana, token=same) == first
    with pytest.raises(AlreadyOpen, match="Nothing of yours was sent"):
        generating.regenerate_post(post, by=oat.member("editor"), token=token())


def test_while_it_is_being_made_anew_nothing_is_decided(oat):
    post = oat.ready()
    oat.send(generating.regenerate_post(post, by=oat.ana, token=token()))
    oat.look("post", post.pk)
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="once every item is ready"):
        oat.approve(fresh(post))


# ---- what failed ---------------------------------------------------------------------------------


def partly_failed(world):
    return world.workspace.posts.get(trouble="partly_failed", persona__name="Ines Calder")


def test_a_retry_makes_only_what_failed_and_keeps_the_rest(ines):
    post = partly_failed(ines)
    kept = set(post.items.current().filter(status="completed").values_list("upstream_id", "take"))
    assert post.face["again"] == "$0.32"
    operation = generating.regenerate_post(post, by=ines.ana, token=token(), failed_only=True)
    assert (operation.kind, operation.estimated_cents) == ("retry_failed", 32)
    ines.send(operation)
    assert (operation.actual_cents, operation.result["retried"]) == (32, 1)
    assert post.items.current().get(position=3).take == 2
    ines.finish(post)
    assert post.desk == "ready"
    assert kept <= set(post.items.current().values_list("upstream_id", "take"))


def test_nothing_to_retry_is_refused_at_the_click(oat):
    post = oat.ready()
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="Nothing failed in this post"):
        generating.regenerate_post(post, by=oat.ana, token=token(), failed_only=True)


def test_nothing_left_to_retry_costs_nothing_and_says_so(ines):
    """Somebody retried it in the service's own pages, between the click and the call."""
    post = partly_failed(ines)
    operation = generating.regenerate_post(post, by=ines.ana, token=token(), failed_only=True)
    ines.sandbox.misbehave("422", match="POST /api/v1/generate/regenerate-post")
    ines.send(operation)
    assert operation.state == "failed"
    assert "Nothing had failed any more, so nothing was retried or charged." in operation.reason
    assert ines.effects("retry_failed") == []


# ---- one item again ------------------------------------------------------------------------------


def test_a_new_version_stands_beside_the_old_one(ines):
    post = ines.ready("carousel", persona="Ines Calder", items=3)
    item = ines.item(post, 1)
    operation = generating.regenerate_item(item, by=ines.ana, token=token())
    assert (operation.hold.what, operation.hold.which) == ("Regenerate for $0.32", "2A")
    assert ines.effects("regenerate_item") == []  # held: it can be taken back
    ines.send(operation)
    ines.finish(post)
    versions = list(post.items.filter(position=1).order_by("take"))
    assert [(version.label, version.is_current) for version in versions] == [("2A", False), ("2B", True)]
    assert versions[0].file.sha256 != versions[1].file.sha256
    assert post.desk == "ready"
    assert post.events.filter(name="item.ready", subject_label__startswith="item 2B of").count() == 1


def test_an_undone_regeneration_costs_nothing(oat):
    post = oat.ready()
    operation = generating.regenerate_item(oat.item(post), by=oat.ana, token=token())
    holds.undo(operation.hold, by=oat.ana)
    assert oat.send(operation).state == "cancelled"
    assert oat.effects("regenerate_item") == []
    assert fresh(post).desk == "ready"


def rejected_then_regenerated(world):
    post = world.ready("carousel", persona="Ines Calder", items=3)
    item = world.item(post, 1)
    rejection = reviewing.reject_item(item, by=world.ana, token=token(), reason="Hands look off")
    return post, item, rejection, generating.regenerate_item(item, by=world.ana, token=token())


def test_a_regeneration_that_was_taken_back_is_not_said_to_be_held(ana, post):
    item, facts = post.items.first(), {"by": ana, "token": token()}
    holds.undo(generating.regenerate_item(item, **facts).hold, by=ana)
    with pytest.raises(Stale, match="Nothing was sent"):
        generating.regenerate_item(item, **facts)  # back to the page that it was pressed on


def test_a_regeneration_takes_the_place_of_a_held_rejection(ines):
    _, _, rejection, operation = rejected_then_regenerated(ines)
    rejection.refresh_from_db()
    assert (rejection.stands, rejection.operation, rejection.reason) == (True, None, "Hands look off")
    ines.send(operation)
    rejection.refresh_from_db()
    assert (rejection.stands, rejection.ended) == (False, "overtaken")
    assert ines.effects("reject_item") == []
    assert len(ines.effects("regenerate_item")) == 1


def test_to_take_that_regeneration_back_takes_the_rejection_back_too(ines):
    _, item, rejection, operation = rejected_then_regenerated(ines)
    holds.undo(operation.hold, by=ines.ana)
    rejection.refresh_from_db()
    assert (rejection.stands, rejection.ended) == (False, "undone")
    assert reviewing.reject_item(item, by=ines.ana, token=token()).stands


def test_a_rejection_whose_regeneration_was_refused_does_not_stand_for_ever(ines):
    _, item, rejection, operation = rejected_then_regenerated(ines)
    ines.sandbox.set_balance(1)
    assert ines.send(operation).state == "failed"
    rejection.refresh_from_db()
    assert (rejection.stands, rejection.ended) == (False, "refused")
    assert reviewing.reject_item(item, by=ines.ana, token=token()).operation


def test_the_first_press_of_a_rejection_that_was_taken_over_gives_back_its_decision(ines):
    post = ines.ready("carousel", persona="Ines Calder", items=3)
    item, same = ines.item(post, 1), token()
    rejection = reviewing.reject_item(item, by=ines.ana, token=same)
    generating.regenerate_item(item, by=ines.ana, token=token())
    assert reviewing.reject_item(item, by=ines.ana, token=same) == rejection


def test_a_version_that_was_replaced_is_not_made_anew(ines):
    _, item, _, operation = rejected_then_regenerated(ines)
    ines.send(operation)
    with nothing_written(ines.workspace), pytest.raises(Stale, match="This version was replaced"):
        generating.regenerate_item(item, by=ines.ana, token=token())


def test_an_item_that_is_being_made_is_not_made_anew(oat):
    post = oat.send(oat.generate()).post
    oat.look("post", post.pk)
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="being made just now"):
        generating.regenerate_item(oat.item(post), by=oat.ana, token=token())


def test_nothing_is_done_to_an_item_while_its_post_is_decided(oat):
    post = oat.ready()
    oat.approve(post)
    for command in (generating.regenerate_item, generating.delete_item):
        with nothing_written(oat.workspace), pytest.raises(AlreadyOpen, match="Approved by Ana Ruiz"):
            command(oat.item(post), by=oat.ana, token=token())


# ---- voice ---------------------------------------------------------------------------------------


def test_a_voice_is_converted_and_its_end_is_told(ines):
    post = ines.ready("video", persona="Ines Calder")
    item = ines.item(post)
    converted_before = item.voice_file
    operation = generating.convert_voice(item, by=ines.ana, token=token())
    assert operation.hold.what.startswith("Convert voice, about $0.0")
    ines.send(operation)
    item.refresh_from_db()
    assert item.voice_conversion_status == "pending"
    assert ines.workspace.watches.filter(kind="voice", subject=str(item.pk)).exists()
    ines.clock.advance(150)  # the queue and the conversion
    ines.look("voice", item.pk)
    ines.copy(post)
    item.refresh_from_db()
    assert item.voice_conversion_status == "completed"
    assert item.voice_file.is_here
    assert item.voice_file != item.file
    assert converted_before is None or item.voice_file.sha256
    assert post.events.filter(name="voice.ready").count() == 1
    assert not ines.workspace.watches.filter(kind="voice").exists()


def test_only_a_finished_video_has_a_voice(ines):
    picture = ines.item(ines.ready(persona="Ines Calder"))
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match="Only a finished video"):
        generating.convert_voice(picture, by=ines.ana, token=token())


def test_a_persona_without_a_voice_sample_converts_none(world):
    world.mirror("Oat & Ember")
    item = world.item(world.ready("video"))
    with nothing_written(world.workspace), pytest.raises(NotAllowed, match="Oat & Ember has no voice sample"):
        generating.convert_voice(item, by=world.ana, token=token())


def test_a_running_conversion_is_not_started_again(ines):
    item = ines.item(ines.ready("video", persona="Ines Calder"))
    ines.send(generating.convert_voice(item, by=ines.ana, token=token()))
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match="converted just now"):
        generating.convert_voice(item, by=ines.ana, token=token())


# ---- public and private --------------------------------------------------------------------------


def test_an_item_is_shown_and_hidden_again(ines):
    item = ines.item(ines.ready(persona="Ines Calder"))
    ines.send(generating.set_public(item, True, by=ines.ben, token=token()))
    item.refresh_from_db()
    assert item.is_public
    ines.send(generating.set_public(item, False, by=ines.ben, token=token()))
    item.refresh_from_db()
    assert not item.is_public
    assert [effect["kind"] for effect in ines.sandbox.effects() if effect["request_id"]] == [
        "set_public",
        "set_private",
    ]


def test_a_discounted_item_stays_public_for_twenty_days_and_says_until_when(oat):
    post = next(
        post
        for post in oat.workspace.posts.filter(desk="generating", kind="image", status="completed")
        if post.items.filter(discount_applied=True, is_public=False).exists()
    )
    item = oat.item(oat.copy(post))
    oat.send(generating.set_public(item, True, by=oat.ana, token=token()))
    item.refresh_from_db()
    until = generating.locked_until(item)
    assert now() + timedelta(days=19, hours=23) < until < now() + timedelta(days=20, minutes=1)
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match=f"Public until {until:%-d %B}"):
        generating.set_public(item, False, by=oat.ana, token=token())

    MediaItem.objects.filter(pk=item.pk).update(public_at=now() - timedelta(days=20, seconds=1))
    oat.clock.advance(20 * 86400 + 60)
    item.refresh_from_db()
    assert generating.locked_until(item) is None
    assert oat.send(generating.set_public(item, False, by=oat.ana, token=token())).state == "succeeded"


def test_what_is_so_already_is_not_asked_for(ines):
    item = ines.item(ines.ready(persona="Ines Calder"))
    with nothing_written(ines.workspace), pytest.raises(NotAllowed, match="It is so already"):
        generating.set_public(item, False, by=ines.ana, token=token())


def test_what_became_so_outside_is_not_sent(ines):
    item = ines.item(ines.ready(persona="Ines Calder"))
    operation = generating.set_public(item, True, by=ines.ana, token=token())
    with ines.sandbox.moment() as context:
        context.rows.change("generated_items", item.upstream_id, is_public=1)
    assert (ines.send(operation).state, operation.attempts) == ("succeeded", 0)
    item.refresh_from_db()
    assert item.is_public


# ---- away ----------------------------------------------------------------------------------------


def test_a_deleted_post_leaves_the_desk_and_its_source_can_be_used_again(oat):
    post = oat.ready()
    source = post.source_post
    oat.send(generating.delete_post(post, by=oat.ana, token=token()))
    assert fresh(post).deleted_at
    assert len(oat.effects("delete_post")) == 1
    source.refresh_from_db()
    assert source.made == 0
    oat.look("posts", post.persona.pk)
    assert fresh(post).deleted_at
    assert not post.events.filter(name="post.outside").exists()
    check_counts(oat.workspace)


def test_deleting_what_is_gone_already_is_done(oat):
    post = oat.ready()
    operation = generating.delete_post(post, by=oat.ana, token=token())
    with oat.sandbox.moment() as context:
        context.rows.change("generated_posts", post.upstream_id, deleted_at=context.now)
    assert (oat.send(operation).state, operation.reason) == ("succeeded", "It was gone already.")
    assert fresh(post).deleted_at


def test_one_item_of_several_is_deleted(ines):
    post = ines.ready("carousel", persona="Ines Calder", items=3)
    item = ines.item(post, 2)
    ines.send(generating.delete_item(item, by=ines.ana, token=token()))
    item.refresh_from_db()
    assert (item.is_current, post.items.current().count(), fresh(post).face["items"]) == (False, 2, 2)
    ines.look("post", post.pk)
    assert (post.items.current().count(), fresh(post).desk) == (2, "ready")


def test_the_only_item_is_not_deleted(oat):
    item = oat.item(oat.ready())
    with nothing_written(oat.workspace), pytest.raises(NotAllowed, match="Delete the post instead"):
        generating.delete_item(item, by=oat.ana, token=token())


def test_of_the_last_two_items_only_one_is_deleted(ana, persona):
    one, other = factories.make_post(persona, items=2).items.all()
    generating.delete_item(one, by=ana, token=token())  # the service has not been told yet
    with pytest.raises(NotAllowed, match="Delete the post instead"):
        generating.delete_item(other, by=ana, token=token())
    with pytest.raises(NotAllowed, match="reject the post"):
        reviewing.reject_item(other, by=ana, token=token())


def test_nobody_takes_off_the_desk_what_may_be_made_just_now(oat):
    operation = oat.generate()
    oat.sandbox.misbehave("drop_after", match="POST /api/v1/generate")
    oat.send(operation)
    with nothing_written(oat.workspace), pytest.raises(AlreadyOpen, match="not known yet"):
        generating.delete_post(operation.post, by=oat.ana, token=token())


# ---- several at once ------------------------------------------------------------------------------


def test_several_are_one_batch_and_one_refusal_stops_no_other(oat):
    persona = oat.persona("Oat & Ember")
    free = oat.workspace.source_posts.of_persona(persona).filter(made=0, kind="image")
    wishes = [(source, persona) for source in free[:3]]
    oat.generate(wishes[1][0])
    same = token()
    outcomes = generating.generate_many(wishes, by=oat.ana, token=same)
    assert [outcome.operation is not None for outcome in outcomes] == [True, False, True]
    assert "Generate by Ana Ruiz" in outcomes[1].reason
    assert {outcome.operation.batch for outcome in outcomes if outcome.operation} == {same}
    again = generating.generate_many(wishes, by=oat.ana, token=same)
    assert [one.operation for one in again] == [one.operation for one in outcomes]
    assert Operation.objects.filter(kind="generate").count() == 3
    check_counts(oat.workspace)


def test_the_bill_of_several_is_what_they_come_to_and_what_is_left(ana, persona):
    source = factories.make_source(persona)
    three = factories.make_source_post(ana.workspace, source, items=("image",) * 3)
    one = factories.make_source_post(ana.workspace, source)
    generating.generate(one, persona, by=ana, token=token())
    wishes = [(three, persona), (factories.make_source_post(ana.workspace, source), persona)]
    bill = generating.bill(wishes, ana.workspace)
    assert (bill.total.text(), bill.reserved_cents, bill.balance_after) == ("$1.28", 32, 4120 - 32 - 128)
    assert bill.shortage == ""
    ana.workspace.balance_cents = 100
    bill = generating.bill(wishes, ana.workspace)
    assert (bill.balance_after, bill.shortage) == (
        -60,
        "Not enough balance: this costs $1.28, you have $0.68.",
    )
    ana.workspace.auto_reload = True
    assert generating.bill(wishes, ana.workspace).shortage == ""
    ana.workspace.balance_cents = None
    assert generating.bill(wishes, ana.workspace).balance_after is None


# ---- who may ---------------------------------------------------------------------------------------

COMMANDS = {
    "generate": lambda w, post, by: w.generate(persona="Ines Calder", by=by),
    "clone": lambda w, post, by: generating.clone(
        "instagram.com/p/Cnewlink123", w.persona(), by=by, token=token()
    ),
    "regenerate": lambda w, post, by: generating.regenerate_post(post, by=by, token=token()),
    "retry": lambda w, post, by: generating.regenerate_post(
        partly_failed(w), by=by, token=token(), failed_only=True
    ),
    "regenerate item": lambda w, post, by: generating.regenerate_item(w.item(post), by=by, token=token()),
    "voice": lambda w, post, by: generating.convert_voice(
        w.item(w.ready("video", persona="Ines Calder")), by=by, token=token()
    ),
    "visibility": lambda w, post, by: generating.set_public(w.item(post), True, by=by, token=token()),
    "delete": lambda w, post, by: generating.delete_post(post, by=by, token=token()),
    "delete item": lambda w, post, by: generating.delete_item(w.item(post), by=by, token=token()),
}
REVIEWERS_MAY = {"visibility"}


def test_who_may_ask_for_what(ines):
    """Editors and admins spend and delete; reviewers show and hide; viewers look."""
    post = ines.ready("carousel", persona="Ines Calder", items=3)
    ines.ready("video", persona="Ines Calder")
    for name, command in COMMANDS.items():
        for member in (ines.member("viewer"), ines.member("reviewer")):
            if member.role == "reviewer" and name in REVIEWERS_MAY:
                continue
            with nothing_written(ines.workspace), pytest.raises(NotPermitted):
                command(ines, post, member)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_editor_may(ines, name):
    post = ines.ready("carousel", persona="Ines Calder", items=3)
    operation = COMMANDS[name](ines, post, ines.member("editor"))
    assert operation.by_label == "Edda Holm"
    assert Operation.objects.get(pk=operation.pk).state == "queued"


def test_a_reviewer_may_show_and_hide(ines):
    post = ines.ready(persona="Ines Calder")
    assert COMMANDS["visibility"](ines, post, ines.ben).by == ines.ben


def test_every_item_command_leaves_the_decisions_alone(ines):
    post = ines.ready("carousel", persona="Ines Calder", items=3)
    ines.send(generating.set_public(ines.item(post), True, by=ines.ana, token=token()))
    assert not Decision.objects.filter(post=post).exists()
