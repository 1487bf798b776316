"""Every address: whom it answers, and that a page's work does not grow with what it lists."""

import uuid
from collections import defaultdict
from copy import copy

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reviewqueue.clock import now
from reviewqueue.models import Decision, Event, GeneratedPost, Hold, MediaItem, Operation
from reviewqueue.rules import roles
from reviewqueue.services import desk, looks, notes, reviewing
from reviewqueue.urls import urlpatterns
from tests.factories import (
    make_charge,
    make_item,
    make_operation,
    make_persona,
    make_post,
    make_source,
    make_source_post,
    uid,
)
from tests.pages.addresses import TABLE, Stage, people_of

ROLES = ("viewer", "reviewer", "editor", "admin")


@pytest.fixture
def stage(workspace):
    return Stage(workspace, people=people_of(workspace))


def address_of(name, row, stage, member) -> str:
    return reverse(name, kwargs={part: find(stage, member) for part, find in row.ids.items()})


def expected_of(may, role) -> int:
    if may is None:
        return 405
    return may.status if roles.may(role, may.grant) else 403


def asked(client: Client, method: str, address: str, form=None, headers=None):
    """One request whose effect is taken back, so that every address is met by the same rows."""
    kept = client.cookies.copy()
    with transaction.atomic():
        answer = getattr(client, method)(address, form or {}, headers=headers)
        transaction.set_rollback(True)
    client.cookies = kept
    return answer


def test_every_address_stands_in_the_table():
    named = {pattern.name for pattern in urlpatterns if getattr(pattern, "name", None)}
    assert named == set(TABLE)
    assert [str(pattern.pattern) for pattern in urlpatterns if not getattr(pattern, "name", None)] == [
        "admin/"
    ]


@pytest.mark.parametrize("role", ROLES)
def test_every_address_answers_this_role_as_it_should(stage, signed_in, role):
    member = stage.people[role]
    browser, wrong = signed_in(member), []
    for name, row in TABLE.items():
        address = address_of(name, row, stage, member)
        for method, may in (("get", row.get), ("post", row.post)):
            answer = asked(browser, method, address, may and method == "post" and may.form(stage))
            expected = expected_of(may, role)
            if answer.status_code != expected:
                wrong.append(f"{method} {address} ({name}): {answer.status_code}, not {expected}")
            elif expected in (403, 405) and "</html>" not in answer.content.decode():
                wrong.append(f"{method} {address} ({name}): {expected} without a page")
    assert not wrong, "\n".join(wrong)


def test_another_workspaces_things_are_not_there(stage, otto, signed_in):
    browser, wrong = signed_in(otto), []
    member = stage.people["admin"]
    for name, row in TABLE.items():
        if not row.ids or not row.belongs:
            continue
        address = address_of(name, row, stage, member)
        for method, may in (("get", row.get), ("post", row.post)):
            if may is None:
                continue
            answer = asked(browser, method, address, method == "post" and may.form(stage))
            if answer.status_code != 404:
                wrong.append(f"{method} {address} ({name}): {answer.status_code}")
            elif stage.words in answer.content.decode():
                wrong.append(f"{method} {address} ({name}) tells what is there")
    assert not wrong, "\n".join(wrong)


def test_nobody_who_is_not_signed_in_gets_anywhere(stage, client):
    wrong, member = [], stage.people["admin"]
    for name, row in TABLE.items():
        address = address_of(name, row, stage, member)
        for method, may in (("get", row.get), ("post", row.post)):
            answer = asked(client, method, address, may and method == "post" and may.form(stage))
            leads_in = answer.status_code == 302 and answer["Location"] == f"/sign-in/?next={address}"
            is_broken = answer.status_code >= 500 and may != TABLE["readyz"].get
            if leads_in == row.is_open or is_broken:
                wrong.append(f"{method} {address} ({name}): {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_a_script_that_is_not_signed_in_is_led_to_the_sign_in(client, db):
    answer = client.get("/live/queue/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (401, "/sign-in/")


def test_the_administration_is_for_staff_only(ana, signed_in):
    answer = signed_in(ana).get("/admin/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_the_wrong_way_to_ask_is_answered_in_words(ana, signed_in):
    browser = signed_in(ana)
    opened = browser.get("/billing/reading/", headers={"Referer": "http://testserver/billing/"})
    assert (opened.status_code, opened["Allow"]) == (405, "POST")
    assert "This address belongs to a button" in opened.content.decode()
    assert 'href="http://testserver/billing/">Back' in opened.content.decode()
    sent = browser.post("/activity/", {"q": "x"})
    assert (sent.status_code, sent["Allow"]) == (405, "GET, HEAD")
    assert "only shows something" in sent.content.decode()


def test_what_is_not_there_is_said_in_words(ana, signed_in):
    answer = signed_in(ana).get("/nothing/here/")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()
    assert 'href="/">Back' in answer.content.decode()


# ---- nonsense ------------------------------------------------------------------------------------------

ASKED = ("q", "tab", "persona", "type", "source", "account", "used", "order", "view", "after", "by", "kind")
ASKED += (
    "age",
    "since",
    "until",
    "images",
    "video",
    "before",
    "outcome",
    "newest",
    "v",
    "t",
    "s",
    "loaded",
    "made",
)
ASKED += ("of", "item", "take", "post")
NONSENSE = (
    "\x00",
    "9" * 40,
    "-62135596800",  # the first second there is
    "9999-12-31",
    "0001-01-01",
    f"9999-12-31T23:59:59-14:00_{'0' * 32}",
    f"0001-01-01T00:00:00+14:00_{'0' * 32}",
    "\u202e" + "é" * 3000,
    "²",  # a digit for some, no number for others
)


# Those that read something out of their address.
READING = (
    "queue",
    "review",
    "sources",
    "generation",
    "persona-posts",
    "persona-history",
    "library",
    "activity",
)
READING += ("activity-csv", "billing", "billing-csv", "billing-top-up-return")
READING += tuple(name for name in TABLE if name.startswith("live-"))


def test_nonsense_in_an_address_counts_as_not_given(stage, signed_in):
    member, wrong = stage.people["admin"], []
    member.user.time_zone = "Pacific/Kiritimati"  # the first to have a new day
    member.user.save()
    browser = signed_in(member)
    for name in READING:
        address = address_of(name, TABLE[name], stage, member)
        headers = {"HX-Request": "true"} if name.startswith("live-") else {}
        for typed in NONSENSE:
            try:
                answer = browser.get(address, dict.fromkeys(ASKED, typed), headers=headers)
                b"".join(answer) if answer.streaming else None
            except Exception as error:
                wrong.append(f"{address} ({name}) with {typed[:20]!r}: {error!r}")
    assert not wrong, "\n".join(wrong)


def test_nonsense_in_a_form_is_refused_and_never_breaks(stage, signed_in):
    member, wrong = stage.people["admin"], []
    browser = signed_in(member)
    for name, row in TABLE.items():
        if row.post is None:
            continue
        fields = {"token", "reason", "words", "fingerprint", "public", "scope", *row.post.form(stage)}
        for typed in ("\x00", "9" * 5000):
            address = address_of(name, row, stage, member)
            for kept in (row.post.form(stage), {}):  # beside what is right, and alone
                form = dict.fromkeys(fields, typed) | kept
                try:
                    asked(browser, "post", address, form)
                except Exception as error:
                    wrong.append(f"{address} ({name}) with {typed[:20]!r}: {error!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": "http://[/review/"},
        {"HX-Request": "true", "HX-Current-URL": "http://[/review/"},
        {"HX-Request": "true", "HX-Current-URL": "http://testserver//[/review/"},
        {"HX-Request": "true", "HX-Current-URL": "http://testserver/review/", "X-Version": "9" * 5000},
    ],
)
def test_nonsense_in_a_header_counts_as_not_given(stage, signed_in, headers):
    member, wrong = stage.people["admin"], []
    browser = signed_in(member)
    for name, row in TABLE.items():
        address = address_of(name, row, stage, member)
        for method, may in (("get", row.get), ("post", row.post)):
            if may is None:
                continue
            try:
                asked(browser, method, address, method == "post" and may.form(stage), headers)
            except Exception as error:
                wrong.append(f"{method} {address} ({name}): {error!r}")
    assert not wrong, "\n".join(wrong)


# ---- as many queries for a hundred as for ten ----------------------------------------------------------


LISTS = {
    "the queue": "/",
    **{f"the queue’s {tab}": f"/?tab={tab}" for tab in ("generating", "attention", "held", "decided")},
    "the queue by persona": "/?order=persona",
    "focus mode": "/review/{post}/",
    "the bill of a regeneration": "/review/{post}/regeneration/",
    "the sources": "/sources/?used=all",
    "the sources of a persona": "/sources/?persona={persona}",
    "the personas": "/personas/{persona}/",
    "a persona's posts": "/personas/{persona}/posts/",
    "a persona's history": "/personas/{persona}/history/",
    "a persona's settings": "/personas/{persona}/settings/",
    "the library": "/library/",
    "a post of the library": "/library/{post}/",
    "the activity": "/activity/",
    "an operation": "/operations/{operation}/",
    "the billing": "/billing/",
    "a source post": "/sources/{source_post}/",
    "the bill": "/sources/generation/?{picks}",
    "the first steps": "/setup/",
    "live: the queue": "/live/queue/?v=0&t=0&loaded=0",
    "live: the queue’s held": "/live/queue/?v=0&t=0&tab=held",
    "live: the strip": "/review/{post}/strip/",
    "live: focus mode": "/live/posts/{post}/?v=1&f={fingerprint}",
    "live: the sources": "/live/sources/?v=0&t=0&loaded=0&used=all",
    "live: a source post": "/live/sources/{source_post}/?v=0",
    "live: a persona's posts": "/live/personas/{persona}/?v=0&t=0&tab=posts/",
    "live: the library": "/live/library/?v=0&t=0",
    "live: a post of the library": "/live/library/{post}/?v=1.0",
    "live: an operation": "/live/operations/{operation}/?v=0",
    "live: the billing": "/live/billing/?v=0",
}
PLACES = {
    "generating": {"status": "generating"},
    "attention": {"status": "failed"},
    "published": {"review_status": "published"},
    "held": {},
    "ready": {},
}


def fill(workspace, persona, source, until: int, by):
    for number in range(workspace.personas.count(), until):
        make_persona(workspace, f"Persona {number}", accounts=())
    for number in range(persona.sources.count(), until):
        make_source(persona, handle=f"account.{number}")
    while workspace.source_posts.count() < until:
        make_source_post(workspace, source)
    origin = workspace.source_posts.order_by("seen_at").first()
    for place, facts in PLACES.items():
        there = workspace.posts.filter(desk=place)
        mould = there.first() or make_post(persona, source=origin, made_at=now(), **facts)
        if place == "held" and mould.desk != place:
            reviewing.reject(mould, by=by, fingerprint=mould.fingerprint, token=uuid.uuid4())
        cast(there.get(pk=mould.pk), there.count(), until)


def cast(mould, have: int, until: int):
    """So many more like this one, held or not; the pages read them, nothing counts them."""
    rows = defaultdict(list)

    def anew(row, **facts):
        row = copy(row)
        row.pk = uuid.uuid4()
        for name, value in facts.items():
            setattr(row, name, value)
        rows[type(row)].append(row)
        return row

    for place in range(have, until):
        post = anew(mould, number=1000 * mould.number + place, upstream_id=uid())
        for item in mould.items.all():
            anew(item, post=post, upstream_id=uid())
        for decision in mould.decisions.all():
            hold = anew(decision.hold)
            facts = {"post": post, "hold": hold}
            operation = anew(decision.operation, target=post.upstream_id, token=uuid.uuid4(), **facts)
            anew(decision, operation=operation, **facts)
    for kind in sorted(rows, key=(GeneratedPost, MediaItem, Hold, Operation, Decision).index):
        kind.objects.bulk_create(rows[kind])


def fill_post(post, until: int, by):
    """All that one post lists, and its first operation."""
    for position in range(post.items.current().count(), until // 10):
        make_item(post, position=position, is_current=False)
        make_item(post, position=position, take=2)
    for _ in range(post.operations.count(), until):
        operation = make_operation(post, "regenerate_post", by=by, state="failed", reason="Refused")
        first = post.operations.earliest("created_at")
        make_charge(post.workspace, -32, post=post, operation=first)
        first.exchanges.create(number=1, at=now(), seconds=1, method="POST", path="/x", status=500)
        first.events.create(action="claim", before="queued", after="sending")
        facts = {"by": by, "by_label": "Ana Ruiz", "persona": post.persona, "operation": operation}
        Event.objects.create(
            workspace=post.workspace, name="post.approved", subject_label="x", post=post, **facts
        )
        notes.write(post, "A note", by=by, token=uuid.uuid4())
    desk.refresh(post.pk, touched=True)


def test_no_list_asks_more_for_a_hundred_rows_than_for_ten(ana, workspace, persona, signed_in, monkeypatch):
    monkeypatch.setattr(looks, "EVERY_SECONDS", 3600)  # however long a page takes, its look is noted once
    ana.user.hold_seconds = None  # what is held stays so
    ana.user.save()
    browser, source = signed_in(ana), make_source(persona)
    post = make_post(persona, source=make_source_post(workspace, source))
    counted = {}
    for until in (10, 100):
        fill(workspace, persona, source, until, ana)
        fill_post(post, until, ana)
        picks = workspace.source_posts.order_by("posted_at")[:40]
        names = {
            "persona": persona.pk,
            "post": post.pk,
            "fingerprint": workspace.posts.get(pk=post.pk).fingerprint,
            "operation": post.operations.earliest("created_at").pk,
            "source_post": workspace.source_posts.order_by("seen_at").first().pk,
            "picks": "&".join(f"post={post.pk}" for post in picks),
        }
        for what, address in LISTS.items():
            address = address.format(**names)
            headers = {"HX-Request": "true"} if what.startswith("live: ") else {}
            browser.get(address, headers=headers)  # looks and rows are noted once
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(address, headers=headers).status_code == 200, what
            counted.setdefault(what, []).append(len(queries))
    assert {what: counts for what, counts in counted.items() if len(set(counts)) > 1} == {}
    assert max(many for _, many in counted.values()) <= 30
