"""The preflight on the page: every line with its cure, for whoever may use it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewqueue.clock import now
from reviewqueue.models import MediaFile, Workspace
from reviewqueue.services import desk
from tests.factories import (
    make_account,
    make_member,
    make_operation,
    make_persona,
    make_post,
    make_source_post,
    make_target,
)
from tests.services.test_pictures import PHASH, delivered, made, published

HTMX = {"HX-Request": "true"}


def lines(page) -> dict[str, str]:
    """The checks of a page by code, as they stand there."""
    found = re.search(r'<ul class="checks">(.*?)</ul>', page.content.decode(), re.S).group(1)
    return dict(re.findall(r'<li data-check="(\w+)">(.*?)</li>', found, re.S))


def checks_of(browser, post):
    return lines(browser.get(f"/review/{post.pk}/"))


@pytest.fixture
def someone(workspace, signed_in):
    return lambda role: signed_in(make_member(workspace, "Some One", role))


def test_a_stop_closes_approve_and_names_its_reason_and_cure(someone, workspace):
    persona = make_persona(workspace, "Kilo North", accounts=())
    post = make_post(persona)
    page = someone("admin").get(f"/review/{post.pk}/")
    assert f'<a href="/personas/{persona.pk}/">Connect an account</a>' in lines(page)["accounts"]
    text = page.content.decode()
    assert f"/review/{post.pk}/approval/" not in text
    assert (
        'data-why="Kilo North has no publishing account. Connect one, or send the post to compose."' in text
    )


def test_a_warning_leaves_approve_open(someone, persona):
    published(persona)
    post = made(persona)
    assert f"/review/{post.pk}/approval/" in someone("reviewer").get(f"/review/{post.pk}/").content.decode()


def test_a_frame_hints_at_it_and_asks_nothing_for_that(ana, persona, signed_in, django_assert_num_queries):
    browser, other = signed_in(ana), published(persona)
    post, alone = made(persona, "0123456789abcdef"), made(persona, "f0e1d2c3b4a59687")
    browser.get("/")
    with CaptureQueriesContext(connection) as plain:
        assert "Looks like" not in browser.get("/").content.decode()
    usual = len(plain)
    MediaFile.objects.filter(pk=post.items.get().file_id).update(phash=PHASH, sha256="7" * 64)
    desk.refresh(post.pk)
    browser.get("/")  # the row is drawn anew once
    with django_assert_num_queries(usual):
        text = browser.get("/").content.decode()
    tag = f"Looks like {other.number}</span>"
    assert text.count(tag) == 1
    assert tag in text.split(f'id="f-{post.pk}"')[1].split("</li>")[0]
    assert f'id="f-{alone.pk}"' in text


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_a_cure_is_offered_to_whom_it_may_help(someone, workspace, persona, role):
    browser = someone(role)
    named = make_post(persona, caption="Thanks @salt.rooms", source=make_source_post(workspace))
    assert (f"/review/{named.pk}/compose/" in checks_of(browser, named)["handle"]) == (role != "viewer")
    failed = checks_of(browser, make_post(persona, item_statuses=["completed", "failed"]))["items"]
    assert ("Retry 1" in failed and "$0." in failed) == (role in ("editor", "admin"))
    Workspace.objects.update(balance_cents=0)
    money = checks_of(browser, named)["money"]
    assert ('href="/billing/"' in money) == (role == "admin")
    lonely = make_post(make_persona(workspace, "Kilo North", accounts=()))
    account = checks_of(browser, lonely)["accounts"]
    assert f"/personas/{lonely.persona_id}/" in account
    assert ("Connect" in account.partition("<a")[2]) == (role == "admin")


def test_what_is_like_it_can_be_looked_at(someone, persona):
    other = delivered(published(persona), "ines.calder")
    browser, post = someone("viewer"), made(persona)
    line = checks_of(browser, post)["twice"]
    assert f"Looks like Ines Calder {other.number}, published on @ines.calder" in line
    assert browser.get(re.search(r'href="([^"]+)"', line).group(1)).status_code == 200


def test_an_odd_shape_leads_to_its_item(someone, persona):
    post = make_post(persona, items=2)
    MediaFile.objects.filter(pk=post.items.get(position=1).file_id).update(width=1080, height=1920)
    line = checks_of(someone("viewer"), post)["shape"]
    assert "Item 2 is 9:16; Instagram takes 4:5 to 1.91:1" in line
    assert 'href="?item=2"' in line


def test_what_is_not_ready_is_looked_after_where_that_helps(someone, persona):
    browser = someone("viewer")
    going = checks_of(browser, make_post(persona, status="generating", asked_at=now()))["items"]
    assert "0 of 1 items are ready" in going
    assert not re.search("<(a|button)", going)  # only waiting helps
    lost = make_post(persona, status="generating")
    operation = make_operation(lost, "regenerate_post", lock_group="post", state="unknown")
    assert f'<a href="/operations/{operation.pk}/">What is known</a>' in checks_of(browser, lost)["items"]
    late = make_post(persona, status="generating", asked_at=now() - timedelta(days=1))
    assert f'formaction="/review/{late.pk}/check/">Check now' in checks_of(browser, late)["items"]


def test_a_refused_file_can_be_copied_again_where_it_is_told(someone, persona):
    post = make_post(persona)
    MediaFile.objects.filter(pk=post.items.get().file_id).update(state="refused", reason="it is an SVG")
    desk.refresh(post.pk)
    browser = someone("viewer")
    line = checks_of(browser, post)["media"]
    assert f'formaction="/review/{post.pk}/copying/">Copy again' in line
    assert f'href="/library/{post.pk}/"' in line
    browser.post(f"/review/{post.pk}/copying/")
    assert "media" not in checks_of(browser, post)


def test_a_changed_post_leads_to_itself_as_it_is_now(someone, post):
    post.caption = "Something else"
    post.save()
    page = someone("reviewer").get(f"/review/{post.pk}/?order=newest")
    assert f'href="/review/{post.pk}/?order=newest"' in lines(page)["fingerprint"]
    assert f"/review/{post.pk}/approval/" not in page.content.decode()


def test_a_decided_post_offers_no_decision(someone, persona):
    post = made(persona, review_status="rejected", caption=" ".join(f"#t{number}" for number in range(8)))
    assert "<button" not in checks_of(someone("admin"), post)["length"]


def test_names_of_others_are_text(someone, workspace):
    words = "<img src=x onerror=alert(1)>"
    persona = make_persona(workspace, words, accounts=(words,))
    make_target(persona, make_account(workspace, f"{words}2", status="expired", platform=words[:20]))
    delivered(published(persona), words)
    page = someone("admin").get(f"/review/{made(persona).pk}/")
    assert {"accounts", "asleep", "twice"} <= set(lines(page))
    assert "<img src=x" not in page.content.decode()


def test_nothing_of_another_workspace_is_pointed_out(someone, otto, persona):
    published(make_persona(otto.workspace))
    found = checks_of(someone("admin"), made(persona))
    assert "Like nothing that was published" in found["duplicate"]


def test_what_moves_brings_its_checks(someone, post):
    browser = someone("reviewer")
    since = post.version
    post.caption = "x" * 2201
    post.save()
    desk.refresh(post.pk)
    answer = browser.get(f"/live/posts/{post.pk}/?v={since}", headers=HTMX)
    assert "2,201 of 2,200 characters" in lines(answer)["length"]


def test_as_many_queries_with_many_near_ones(someone, persona, django_assert_max_num_queries):
    for number in range(12):
        delivered(published(persona, f"{int(PHASH, 16) ^ number:016x}"), "ines.calder")
    post = made(persona, *[f"{int(PHASH, 16) ^ (number << 20):016x}" for number in range(10)])
    browser = someone("admin")
    browser.get(f"/review/{post.pk}/")
    with django_assert_max_num_queries(30):
        assert browser.get(f"/review/{post.pk}/").status_code == 200
