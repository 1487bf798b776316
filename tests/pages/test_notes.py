"""Notes as pages: on the post, in the library, and for whom they name."""

import uuid

import pytest

from reviewqueue.models import Mention, Note
from reviewqueue.rules.notes import Pin
from reviewqueue.services import notes, scopes
from tests.factories import make_member, make_post

HTMX = {"HX-Request": "true"}


def form(text="The left hand has six fingers.", **more):
    return {"token": str(uuid.uuid4()), "text": text, **more}


def wrote(post, by, text="Look at the hand", **more):
    return notes.write(post, text, by=by, token=uuid.uuid4(), **more)


def shown(post):
    return HTMX | {"HX-Current-URL": f"http://testserver/review/{post.pk}/"}


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
@pytest.mark.parametrize("place", ["review", "library"])
def test_everybody_reads_and_writes(workspace, ana, post, signed_in, role, place):
    wrote(post, ana, "Whose <b>hand</b> is this?\nNot hers.")
    browser = signed_in(make_member(workspace, "Some One", role))
    text = browser.get(f"/{place}/{post.pk}/").content.decode()
    assert "Whose &lt;b&gt;hand&lt;/b&gt; is this?<br>Not hers." in text
    assert "Add note" in text
    assert "Take back" not in text  # somebody else's
    answer = browser.post(f"/review/{post.pk}/notes/", form())
    assert answer.status_code == 302
    assert "six fingers" in browser.get(answer["Location"]).content.decode()


def test_without_a_script_one_is_led_back_to_where_one_was(ana, post, signed_in):
    browser, address = signed_in(ana), f"/review/{post.pk}/notes/?order=newest"
    came = {"Referer": f"http://testserver/library/{post.pk}/"}
    assert browser.post(address, form(), headers=came)["Location"] == f"/library/{post.pk}/#notes-{post.pk}"
    back = f"/review/{post.pk}/?order=newest#notes-{post.pk}"
    assert browser.post(address, form())["Location"] == back


def test_with_a_script_the_thread_comes_back_with_an_empty_form(ana, ben, post, signed_in):
    answer = signed_in(ana).post(f"/review/{post.pk}/notes/", form("@Ben the hand"), headers=shown(post))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert f'id="notes-{post.pk}"' in text
    assert "@Ben the hand" in text
    assert "Note added. Ben Adler will see it" in text
    assert text.count("hx-swap-oob") == 4  # the thread, and the shell’s tray, token and words
    assert len(answer.content) < 9000


def test_the_same_form_twice_is_one_note(ana, post, signed_in):
    browser, sent = signed_in(ana), form()
    for headers in ({}, {}, HTMX):
        browser.post(f"/review/{post.pk}/notes/", sent, headers=headers)
    assert Note.objects.count() == 1


LONG = "é" * 1001


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"text": "  "}, "Write something first."),
        ({"text": LONG}, "At most 1,000 characters; this has 1001."),
        ({"x": "140", "y": "3"}, "The pin lies outside the picture."),
        ({"x": "nan", "y": "3"}, "Write a number."),
        ({"x": "40"}, "Give both, or neither."),
        ({"x": "40", "y": "40", "width": "70", "height": "5"}, "The pin lies outside the picture."),
        ({"item": "other", "x": "40", "y": "3"}, "This item is not of this post."),
        ({"item": "x"}, "This item is not of this post."),
        ({"x": "40", "y": "3"}, "Choose the item that the pin is on."),
        ({"item": "own", "at_seconds": "2"}, "Only a video has a time."),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "script"])
def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(
    ana, persona, post, signed_in, sent, words, headers
):
    items = {"other": make_post(persona).items.get().pk, "own": post.items.first().pk}
    typed = form("the words I typed") | sent
    typed["item"] = str(items.get(typed.get("item"), typed.get("item", "")))
    answer = signed_in(ana).post(f"/review/{post.pk}/notes/", typed, headers=headers)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert words in text
    assert 'aria-invalid="true"' in text
    assert typed["text"].strip() in text
    for name in ("x", "y", "width"):
        assert name not in sent or f'name="{name}" value="{sent[name]}"' in text
    assert not Note.objects.exists()


def test_a_pin_shows_where_it_is(ana, post, signed_in):
    item = post.items.last()
    note = wrote(post, ana, "x", item_id=item.pk, pin=Pin(0.4, 0.25, 0.1, 0.2))
    text = signed_in(ana).get(f"/review/{post.pk}/").content.decode()
    assert 'data-no="1" data-x="0.4" data-y="0.25" data-width="0.1" data-height="0.2"' in text
    assert f'href="/review/{post.pk}/?item=2&amp;take=A#n-{note.pk}"' in text
    assert "40% across, 25% down" in text


def test_one_takes_back_ones_own_and_its_words_lie_in_the_field(ana, ben, otto, post, signed_in):
    note = wrote(post, ben, "Too soon")
    address = f"/notes/{note.pk}/removal/"
    assert signed_in(otto).post(address).status_code == 404
    refused = signed_in(ana).post(address)
    assert refused.status_code == 409
    assert "Only Ben Adler can take this note back" in refused.content.decode()
    text = signed_in(ben).post(address, headers=shown(post)).content.decode()
    assert "Note taken back" in text
    assert "Too soon</textarea>" in text.replace("\n", "")
    assert f'id="n-{note.pk}"' not in text
    assert signed_in(ben).post(address).status_code == 404


def test_without_a_script_its_words_lie_in_the_field_too(ben, post, signed_in):
    item = post.items.last()
    note = wrote(post, ben, "Too soon", item_id=item.pk)
    came = {"Referer": f"http://testserver/review/{post.pk}/?type=carousel"}
    answer = signed_in(ben).post(f"/notes/{note.pk}/removal/?type=carousel", headers=came)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Note taken back. Its words are in the field" in text
    assert "Too soon</textarea>" in text.replace("\n", "")
    assert f'value="{item.pk}"' in text.split(" selected")[0].split("<option")[-1]
    assert f'href="/review/{post.pk}/?type=carousel#notes-{post.pk}"' in text


def test_what_was_taken_back_is_written_again_from_the_page_before(ben, post, signed_in):
    sent, browser = form("Too soon"), signed_in(ben)
    browser.post(f"/review/{post.pk}/notes/", sent)
    browser.post(f"/notes/{Note.objects.get().pk}/removal/")
    browser.post(f"/review/{post.pk}/notes/", sent)
    assert Note.objects.filter(deleted_at=None).count() == 1


def test_a_stranger_neither_reads_nor_writes(otto, ana, post, signed_in):
    wrote(post, ana)
    browser = signed_in(otto)
    assert browser.post(f"/review/{post.pk}/notes/", form()).status_code == 404
    assert Note.objects.count() == 1


def test_who_is_named_finds_it_on_the_queue_until_the_post_is_open(ana, ben, post, signed_in):
    note, browser = wrote(post, ana, "@Ben Adler the <i>hand</i>"), signed_in(ben)
    text = browser.get("/").content.decode()
    assert "1 note for you" in text
    assert f'href="/review/{post.pk}/#n-{note.pk}"' in text
    assert "the &lt;i&gt;hand&lt;/i&gt;" in text
    assert "for you" not in signed_in(ana).get("/").content.decode()
    browser.get(f"/review/{post.pk}/", headers=HTMX)  # fetched beforehand, not looked at
    assert Mention.objects.get().seen_at is None
    browser.get(f"/review/{post.pk}/")
    assert "for you" not in browser.get("/").content.decode()


def test_the_library_counts_as_seeing_too(ana, ben, post, signed_in):
    wrote(post, ana, "@Ben")
    signed_in(ben).get(f"/library/{post.pk}/")
    assert Mention.objects.get().seen_at


def test_a_post_that_was_fetched_beforehand_is_seen_when_it_comes_forward(
    ana, ben, post, signed_in, django_assert_max_num_queries
):
    wrote(post, ana, "@Ben")
    browser = signed_in(ben)
    part = browser.get(f"/review/{post.pk}/", headers=HTMX).content.decode()
    post.refresh_from_db()
    assert f"v={post.version}&amp;f={post.fingerprint}&amp;named=1" in part
    address = f"/live/posts/{post.pk}/?v={post.version}"
    assert browser.get(address, headers=HTMX).status_code == 204
    assert Mention.objects.get().seen_at is None
    answer = browser.get(f"{address}&named=1", headers=HTMX)
    assert answer.status_code == 200
    assert "named=1" not in answer.content.decode()
    assert Mention.objects.get().seen_at
    with django_assert_max_num_queries(4):
        assert browser.get(f"{address}&named=1", headers=HTMX).status_code == 204


@pytest.mark.parametrize("place", ["posts", "library"])
def test_somebody_elses_note_comes_with_the_next_poll(ana, ben, post, signed_in, place):
    browser, before = signed_in(ana), f"{post.version}.0" if place == "library" else post.version
    wrote(post, ben, "a new thought")
    answer = browser.get(f"/live/{place}/{post.pk}/?v={before}", headers=HTMX).content.decode()
    assert "a new thought" in answer
    assert f'id="stage-{post.pk}"' not in answer  # the pictures stay
    assert answer.count(f'id="notes-{post.pk}"') == 1


def test_a_mention_comes_to_an_open_queue(ana, ben, post, signed_in):
    browser, version = signed_in(ben), scopes.version(ben.workspace_id)
    wrote(post, ana, "@Ben")
    assert "1 note for you" in browser.get(f"/live/queue/?v={version}", headers=HTMX).content.decode()


def test_activity_says_who_wrote_and_whom_it_names(ana, ben, post, signed_in):
    wrote(post, ana, "@Ben the secret thing")
    text = signed_in(ben).get("/activity/?kind=Mention").content.decode()
    assert "Mentioned Ben Adler in a note on Ines Calder 1" in text
    assert "secret" not in text
    rows = b"".join(signed_in(ben).get("/activity.csv").streaming_content)
    assert b"secret" not in rows


@pytest.mark.parametrize("address", ["/", "/review/{post}/", "/library/{post}/"])
def test_as_many_queries_for_a_long_thread_as_for_none(
    ana, ben, persona, post, signed_in, address, django_assert_num_queries, django_assert_max_num_queries
):
    browser, address = signed_in(ben), address.format(post=post.pk)
    item = post.items.first().pk
    browser.get(address)
    with django_assert_max_num_queries(30) as few:
        browser.get(address)
    few = len(few)
    others = [make_post(persona) for _ in range(8)] if address == "/" else [post]
    for number in range(24):
        wrote(
            others[number % len(others)],
            ana,
            f"note {number} @Ben",
            item_id=item if len(others) == 1 else None,
        )
    if address != "/":
        notes.see(ben, post)
    else:
        browser.get(address)  # its rows are rendered now
    with django_assert_num_queries(few + (address == "/")):  # there they are asked for only if there are any
        text = browser.get(address).content.decode()
    assert ("5+ notes for you" in text) if address == "/" else (text.count('class="note"') == 24)


def test_a_deleted_post_keeps_its_thread_but_takes_no_more(ana, post, signed_in):
    wrote(post, ana, "for the record")
    post.deleted_at = post.made_at
    post.save()
    browser = signed_in(ana)
    text = browser.get(f"/library/{post.pk}/").content.decode()
    assert "for the record" in text
    assert "Add note" not in text
    assert "Take back" not in text
    assert browser.post(f"/review/{post.pk}/notes/", form()).status_code == 404
