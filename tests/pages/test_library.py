"""The library, and each post's own page."""

import uuid

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Delivery, Event, Operation, OutgoingPost
from reviewqueue.services import desk, reviewing
from tests.factories import (
    make_charge,
    make_file,
    make_item,
    make_member,
    make_operation,
    make_persona,
    make_post,
    make_source,
    make_source_post,
    uid,
)

HTMX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script>\"'\u202e{{ 7 }}"


def asked_from(address: str) -> dict:
    return {**HTMX, "HX-Current-URL": f"http://testserver{address}"}


def published(post, *, status="published", error=""):
    out = OutgoingPost.objects.create(
        workspace=post.workspace,
        post=post,
        upstream_id=uid(),
        status="publishing",
        asked_at=now(),
        seen_at=now(),
    )
    Delivery.objects.create(
        outgoing=out,
        upstream_id=uid(),
        username="ines.calder",
        status=status,
        error_message=error,
        seen_at=now(),
        published_at=now() if status == "published" else None,
    )
    return desk.refresh(post.pk, touched=True)


# ---- the list ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_everybody_sees_every_post_of_the_workspace(workspace, post, signed_in, role):
    member = make_member(workspace, "Some One", role)
    page = signed_in(member).get("/library/")
    text = page.content.decode()
    assert page.status_code == 200
    assert f'id="f-{post.pk}"' in text
    assert f'href="/library/{post.pk}/"' in text


def test_a_stranger_sees_nothing_of_it(otto, post, signed_in):
    browser = signed_in(otto)
    assert f'id="f-{post.pk}"' not in browser.get("/library/").content.decode()
    assert browser.get(f"/library/{post.pk}/").status_code == 404
    assert browser.get(f"/live/library/{post.pk}/?v=1.0").status_code == 404


def test_the_tabs_show_what_became_of_the_posts(ana, persona, signed_in):
    ready = make_post(persona)
    rejected = make_post(persona, review_status="rejected")
    failed = make_post(persona, status="failed")
    composed = make_post(persona, review_status="approved")
    out = published(make_post(persona, review_status="published"))
    browser = signed_in(ana)

    def shown(query):
        text = browser.get(f"/library/{query}").content.decode()
        return {one.pk for one in (ready, rejected, failed, composed, out) if f'id="f-{one.pk}"' in text}

    assert shown("") == {ready.pk, rejected.pk, failed.pk, composed.pk, out.pk}
    assert shown("?tab=ready") == {ready.pk}
    assert shown("?tab=rejected") == {rejected.pk}
    assert shown("?tab=attention") == {failed.pk}
    assert shown("?tab=composing") == {composed.pk}
    assert shown("?tab=published") == {out.pk}
    assert shown("?tab=held") == set()
    assert shown("?tab=nonsense&order=sideways&after=xyz") == shown("")


def test_filters_narrow_the_tabs(ana, workspace, persona, signed_in):
    other = make_persona(workspace, "Oat & Ember")
    ours, theirs = make_post(persona, caption="salt"), make_post(other, caption="bread", media_type="video")
    browser = signed_in(ana)

    def shown(query):
        text = browser.get(f"/library/{query}").content.decode()
        return [one for one in (ours, theirs) if f'id="f-{one.pk}"' in text]

    assert shown(f"?persona={other.pk}") == [theirs]
    assert shown("?type=video") == [theirs]
    assert shown("?q=salt") == [ours]
    assert shown("?q=salt&tab=rejected") == []


@pytest.mark.parametrize("query", ["", "?tab=ready", "?order=oldest&type=image"])
def test_the_same_number_of_queries_with_ten_posts_and_with_a_hundred(
    query, ana, persona, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    browser = signed_in(ana)
    for _ in range(10):
        make_post(persona)
    browser.get(f"/library/{query}")
    with django_assert_max_num_queries(14) as few:
        browser.get(f"/library/{query}")
    for _ in range(90):
        make_post(persona)
    with django_assert_num_queries(len(few)):
        browser.get(f"/library/{query}")


def test_load_more_brings_only_the_frames_behind(ana, persona, signed_in):
    for _ in range(30):
        make_post(persona)
    browser = signed_in(ana)
    first = browser.get("/library/")
    after = first.context["after_query"]
    assert first.content.decode().count('<li class="frame"') == 24
    more = browser.get(f"/library/{after}", headers=HTMX).content.decode()
    assert more.count('<li class="frame"') == 6
    assert "<html" not in more
    assert 'id="more" hx-swap-oob="true"' in more
    assert browser.get(f"/library/{after}").content.decode().count('<li class="frame"') == 6


def test_a_poll_is_empty_until_something_moves(ana, post, signed_in):
    browser = signed_in(ana)
    poller = (
        browser.get("/library/").content.decode().partition('hx-get="/live/library/')[2].partition('"')[0]
    )
    address = f"/live/library/{poller.replace('&amp;', '&')}"
    assert browser.get(address, headers=HTMX).status_code == 204
    desk.refresh(post.pk, touched=True)
    answer = browser.get(address, headers=HTMX)
    assert answer.status_code == 200
    assert f'id="f-{post.pk}"' in answer.content.decode()


def test_a_decision_made_there_without_a_script_comes_back_there(ben, post, signed_in):
    form = {"token": str(uuid.uuid4()), "fingerprint": post.fingerprint}
    answer = signed_in(ben).post(
        f"/review/{post.pk}/approval/", form, headers={"Referer": "http://testserver/library/"}
    )
    assert answer.status_code == 302
    assert answer["Location"] == "/library/"


# ---- one post ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_the_page_shows_all_that_is_known(workspace, post, signed_in, role):
    member = make_member(workspace, "Some One", role)
    make_charge(workspace, -32, post=post, description="Image for Ines Calder")
    make_charge(workspace, 32, post=post, kind="refund", refund_of_upstream_id="x")
    text = signed_in(member).get(f"/library/{post.pk}/").content.decode()
    assert "Door no. 114" in text
    assert "The wall gives back" in text
    assert "refunds taken off" in text
    assert f'href="/review/{post.pk}/"' in text
    may_spend = role in ("editor", "admin")
    assert (f'href="/review/{post.pk}/deletion/"' in text) == may_spend
    assert ('formaction="/items/' in text) == may_spend
    assert (f'href="/review/{post.pk}/regeneration/"' in text) == may_spend
    assert ("Editors and admins regenerate" in text) != may_spend


def test_every_version_stays_with_its_decision(ana, ben, post, signed_in):
    item = post.items.get(position=0)
    reviewing.reject_item(item, by=ben, token=uuid.uuid4(), reason="Hands look off")
    item.refresh_from_db()
    item.is_current, item.cost_cents = False, 32
    item.save()
    make_item(post, position=0, take=2)
    desk.refresh(post.pk, touched=True)
    text = signed_in(ana).get(f"/library/{post.pk}/").content.decode()
    assert ">1A<" in text
    assert ">1B<" in text
    assert "Hands look off" in text
    assert "Earlier" in text


def test_what_was_sent_stands_with_request_answer_and_outcome(ana, post, signed_in):
    operation = make_operation(post, "regenerate_item", by=ana, state="failed", reason="The service refused")
    operation.exchanges.create(
        number=1,
        at=now(),
        seconds=0.4,
        method="POST",
        path="/v1/generate/media-item",
        request='{"generated_media_item_id": "abc"}',
        status=422,
        answer='{"error": "no"}',
    )
    text = signed_in(ana).get(f"/library/{post.pk}/").content.decode()
    assert f"/operations/{operation.pk}/" in text
    assert "POST /v1/generate/media-item" in text
    assert "422" in text
    assert "{&quot;error&quot;: &quot;no&quot;}" in text


@pytest.mark.parametrize(("status", "words"), [("published", "Published"), ("failed", "aspect ratio")])
def test_deliveries_say_how_they_went(ana, persona, signed_in, status, words):
    out = published(make_post(persona), status=status, error="Instagram rejected the aspect ratio")
    text = signed_in(ana).get(f"/library/{out.pk}/").content.decode()
    assert "ines.calder" in text
    assert words in text


def test_a_running_delivery_has_a_clock(ana, persona, signed_in):
    out = published(make_post(persona), status="pending")
    assert 'data-clock="delivery"' in signed_in(ana).get(f"/library/{out.pk}/").content.decode()


def test_a_post_that_was_never_made_can_be_generated_again_or_taken_off(edda, ana, persona, signed_in):
    source = make_source(persona)
    origin = make_source_post(persona.workspace, source)
    lost = make_post(persona, items=0, upstream_id="", status="pending", source=origin)
    make_operation(lost, "generate", by=edda, state="failed", reason="Not enough balance: this costs $0.32")
    browser = signed_in(edda)
    text = browser.get(f"/library/{lost.pk}/").content.decode()
    assert "It was not generated" in text
    assert "Not enough balance" in text
    assert f'href="/sources/{origin.pk}/"' in text
    assert "Take off the desk" in text
    assert f'href="/review/{lost.pk}/"' not in text.replace("/deletion/", "")
    answer = browser.post(f"/review/{lost.pk}/deletion/", {"token": str(uuid.uuid4())})
    assert answer.status_code == 302
    after = browser.get(f"/library/{lost.pk}/").content.decode()
    assert "Deleted by Edda Holm" in after
    assert "Take off the desk" not in after


def test_a_deleted_post_keeps_its_record(ana, post, signed_in):
    Event.objects.create(
        workspace=post.workspace,
        name="post.deleted",
        by=ana,
        by_label="Ana Ruiz",
        subject_label="It",
        post=post,
    )
    post.deleted_at = now()
    post.save()
    page = signed_in(ana).get(f"/library/{post.pk}/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "Deleted by Ana Ruiz" in text
    assert f"/review/{post.pk}/" not in text
    assert 'formaction="/items/' not in text


def test_what_cannot_be_made_anew_offers_no_such_button(ana, persona, signed_in):
    out = published(make_post(persona, review_status="published"))
    assert "Regenerate" not in signed_in(ana).get(f"/library/{out.pk}/").content.decode()


def test_a_poll_of_the_page_brings_only_what_moved(ana, post, signed_in):
    browser = signed_in(ana)
    page = browser.get(f"/library/{post.pk}/").content.decode()
    query = page.partition(f'hx-get="/live/library/{post.pk}/')[2].partition('"')[0].replace("&amp;", "&")
    address = f"/live/library/{post.pk}/{query}"
    assert browser.get(address, headers=HTMX).status_code == 204
    first, second = post.items.order_by("position")
    desk.refresh(post.pk, touched=True)
    text = browser.get(address, headers=asked_from(f"/library/{post.pk}/")).content.decode()
    assert 'id="status"' in text
    assert f'id="shot-{first.pk}"' not in text  # no picture changed, so none is sent
    assert f'id="text-{first.pk}"' in text
    assert 'id="captions"' not in text
    second.pictured_in = second.changed_in = post.version + 2
    second.save()
    desk.refresh(post.pk, touched=True)
    text = browser.get(address, headers=asked_from(f"/library/{post.pk}/")).content.decode()
    assert f'id="shot-{second.pk}"' in text
    assert f'id="shot-{first.pk}"' not in text


def test_a_new_version_is_added_beside_the_old_one(ana, post, signed_in):
    browser = signed_in(ana)
    page = browser.get(f"/library/{post.pk}/").content.decode()
    query = page.partition(f'hx-get="/live/library/{post.pk}/')[2].partition('"')[0].replace("&amp;", "&")
    old = post.items.get(position=0)
    old.is_current = False
    old.save()
    new = make_item(post, position=0, take=2, status="pending")
    desk.refresh(post.pk, touched=True)
    text = browser.get(f"/live/library/{post.pk}/{query}", headers=HTMX).content.decode()
    assert 'hx-swap-oob="beforeend:#takes-0"' in text
    assert f'id="take-{new.pk}"' in text
    assert f'id="take-{old.pk}"' not in text
    assert 'id="items"' not in text


def test_money_that_comes_late_reaches_the_open_page(ana, post, signed_in):
    browser = signed_in(ana)
    page = browser.get(f"/library/{post.pk}/").content.decode()
    query = page.partition(f'hx-get="/live/library/{post.pk}/')[2].partition('"')[0].replace("&amp;", "&")
    make_charge(post.workspace, -32, post=post)
    text = browser.get(f"/live/library/{post.pk}/{query}", headers=HTMX).content.decode()
    assert "−$0.32" in text


def test_hostile_words_stand_there_as_text(ana, persona, signed_in):
    source = make_source(persona, handle="salt.rooms")
    origin = make_source_post(persona.workspace, source, caption=HOSTILE)
    bad = make_post(
        persona, caption=HOSTILE, source=origin, error_message=HOSTILE, item_facts={"error_message": HOSTILE}
    )
    operation = make_operation(bad, "approve", by=ana, state="failed", reason=HOSTILE)
    operation.exchanges.create(
        number=1, at=now(), seconds=1, method="POST", path="/x", request=HOSTILE, status=500, answer=HOSTILE
    )
    make_charge(persona.workspace, -32, post=bad, description=HOSTILE)
    text = signed_in(ana).get(f"/library/{bad.pk}/").content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\\u202e" in text  # what was said on the wire shows its controls


def test_the_number_of_queries_does_not_grow_with_what_is_known(
    ana, persona, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    def fill(one, times):
        for place in range(times):
            make_item(one, position=place)
            make_operation(one, "reject", by=ana, state="failed").exchanges.create(
                number=1, at=now(), seconds=1, method="POST", path="/x", status=200
            )
            make_charge(one.workspace, -32, post=one)

    few_of, many_of = make_post(persona, items=0), make_post(persona, items=0)
    fill(few_of, 10)
    fill(many_of, 40)
    browser = signed_in(ana)
    browser.get(f"/library/{few_of.pk}/")  # that somebody opened it is written once
    with django_assert_max_num_queries(24) as few:
        browser.get(f"/library/{few_of.pk}/")
    asked = len(few)
    browser.get(f"/library/{many_of.pk}/")
    with django_assert_num_queries(asked):
        browser.get(f"/library/{many_of.pk}/")


def test_regenerating_an_item_there_holds_it_and_looks_again(edda, post, signed_in):
    item = post.items.get(position=0)
    browser = signed_in(edda)
    here = f"/library/{post.pk}/"
    answer = browser.post(
        f"/items/{item.pk}/regeneration/", {"token": str(uuid.uuid4())}, headers=asked_from(here)
    )
    assert answer.status_code == 200
    assert answer["HX-Trigger"] == "loupe:look"
    assert Operation.objects.get().kind == "regenerate_item"
    plain = browser.post(
        f"/items/{post.items.get(position=1).pk}/regeneration/",
        {"token": str(uuid.uuid4())},
        headers={"Referer": f"http://testserver{here}"},
    )
    assert plain["Location"] == here


def test_a_copied_video_can_be_played(ana, persona, signed_in):
    film = make_post(persona, media_type="video")
    voice = make_file(persona.workspace, kind="video")
    film.items.update(voice_file=voice, voice_conversion_status="completed")
    text = signed_in(ana).get(f"/library/{film.pk}/").content.decode()
    assert "<video" in text
    assert "autoplay" not in text
    assert "Hear the converted voice" in text
