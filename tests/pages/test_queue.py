"""The review queue."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewqueue.clock import now
from reviewqueue.models import Decision, GeneratedPost, Hold, Member, User, Workspace
from reviewqueue.services import desk
from reviewqueue.templatetags.display import DESK_WORDS, TROUBLE_WORDS, in_line
from reviewqueue.views.rows import SHOWN, cards, frames
from tests.factories import make_file, make_persona, make_post, make_source


def test_a_ready_post_is_on_the_queue(ana, post, signed_in):
    page = signed_in(ana).get("/")
    assert page.status_code == 200
    assert f'id="f-{post.pk}"' in page.content.decode()
    assert "Start reviewing" in page.content.decode()


def test_a_stranger_sees_nothing_of_it(otto, post, signed_in):
    assert f'id="f-{post.pk}"' not in signed_in(otto).get("/").content.decode()


def test_nobody_is_sent_to_sign_in(client, db):
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


@pytest.mark.parametrize(
    ("address", "queries"),
    [("/", 4), ("/?order=newest&type=image", 4), ("/?tab=attention", 5), ("/?tab=decided", 5)],
)
def test_the_same_number_of_queries_with_ten_posts_and_with_a_hundred(
    address, queries, ana, persona, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    browser = signed_in(ana)
    for _ in range(10):
        make_post(persona)
    browser.get(address)
    with django_assert_max_num_queries(queries) as few:
        browser.get(address)
    few = len(few)
    for _ in range(90):
        make_post(persona)
    browser.get(address)  # its rows are rendered now
    with django_assert_num_queries(few):
        browser.get(address)


def test_only_rows_that_are_not_rendered_yet_are_read_whole(
    ana, persona, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    browser = signed_in(ana)
    posts = [make_post(persona, caption=f"caption {number}") for number in range(3)]
    browser.get("/")
    with django_assert_max_num_queries(4) as kept:
        browser.get("/")
    make_post(persona, caption="caption 3")
    posts[1].caption = "another caption"
    posts[1].save(update_fields=["caption"])
    desk.refresh(posts[1].pk)
    with django_assert_num_queries(len(kept) + 1):
        text = browser.get("/").content.decode()
    places = [text.index(words) for words in ("caption 0", "another caption", "caption 2", "caption 3")]
    assert places == sorted(places)
    assert "caption 1" not in text


def test_holds_are_asked_for_only_where_there_are_any(
    ana, ben, post, persona, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    browser, others = signed_in(ana), signed_in(ben)
    make_post(persona)
    browser.get("/")
    with django_assert_max_num_queries(4) as few:
        assert "data-undo" not in browser.get("/").content.decode()
    few = len(few)
    browser.post(f"/review/{post.pk}/approval/", {"fingerprint": post.fingerprint})
    browser.get("/"), others.get("/")  # the rows are rendered now
    with django_assert_num_queries(few + 1):
        assert "data-undo" in browser.get("/").content.decode()
    with django_assert_num_queries(few):
        assert "data-undo" not in others.get("/").content.decode()


def test_an_unchanged_poll_asks_only_who_it_is(ana, post, signed_in, django_assert_num_queries):
    browser = signed_in(ana)
    poll = polled(browser.get("/").content.decode())
    assert browser.get(poll).status_code == 204  # and it is noted that somebody looks
    with django_assert_num_queries(2):  # session; place with the desk's version
        assert browser.get(poll).status_code == 204
    desk.refresh(post.pk, touched=True)
    assert browser.get(poll, headers={"HX-Request": "true"}).status_code == 200


def polled(text: str) -> str:
    return unescape(re.search(r'hx-get="(/live/queue/[^"]*)"', text).group(1))


def test_what_is_kept_of_a_page_follows_what_it_shows(ana, persona, workspace, signed_in):
    """Each part is rendered, then its value changed: the next page has the new one, the old one nowhere."""
    make_source(persona, handle="before.handle")
    make_post(persona)
    workspace.reasons.create(text="before reason", position=99)
    browser = signed_in(ana)

    def text():
        return browser.get("/?type=image&q=").content.decode()

    people, here = User.objects.filter(pk=ana.user_id), Workspace.objects.filter(pk=workspace.pk)
    for rows, name, before, after in (
        (people, "name", "Before Name", "After Name"),
        (people, "theme", "dark", "light"),
        (here, "name", "Before Team", "After Team"),
        (here, "balance_cents", 123_45, 678_90),
        (workspace.reasons.filter(position=99), "text", "before reason", "after reason"),
        (workspace.sources, "handle", "before.handle", "after.handle"),
        (workspace.personas.filter(pk=persona.pk), "name", "Before Persona", "After Persona"),
    ):
        shown = {before: str(before), after: str(after)}
        if name == "balance_cents":
            shown = {before: "$123.45", after: "$678.90"}
        if name == "theme":
            shown = {value: f'data-theme="{value}"' for value in (before, after)}
        rows.update(**{name: before})
        assert shown[before] in text()
        rows.update(**{name: after})
        page = text()
        assert shown[after] in page
        assert shown[before] not in page
    assert 'data-role="admin"' in text()
    Member.objects.filter(pk=ana.pk).update(role="viewer")
    page = text()
    assert 'data-role="viewer"' in page
    assert ">Billing<" not in page


def test_no_value_of_one_page_stands_on_another(ana, ben, otto, post, signed_in):
    one, two = signed_in(ana).get("/").content.decode(), signed_in(otto).get("/").content.decode()
    for name, page, other in ((ana, one, two), (otto, two, one)):
        assert f"account of {name.user.name}" in page
        assert f"account of {name.user.name}" not in other
    assert f'data-member="{ben.pk}"' in signed_in(ben).get("/").content.decode()


def test_filters_and_search_find_what_they_name(ana, persona, workspace, signed_in):
    other = make_persona(workspace, "Oat & Ember", accounts=())
    ours, theirs = make_post(persona, caption="salt and steps"), make_post(other, caption="bread")
    browser = signed_in(ana)

    def shown(address):
        text = browser.get(address).content.decode()
        return [post for post in (ours, theirs) if f'id="f-{post.pk}"' in text]

    assert shown("/?q=steps") == [ours]
    assert shown(f"/?persona={other.pk}") == [theirs]
    assert shown(f"/?q={theirs.number}") == [theirs]
    assert shown("/?type=video") == []
    assert shown("/?tab=nonsense&order=sideways&after=xyz") == [ours, theirs]


def test_several_are_decided_at_once_and_each_refusal_is_told(ana, ben, persona, otto, signed_in):
    posts = [make_post(persona) for _ in range(3)]
    theirs = make_post(make_persona(otto.workspace, accounts=()))
    picked = [f"{post.pk}:{post.fingerprint}" for post in (*posts, theirs)]
    picked[1] = f"{posts[1].pk}:{'0' * 64}"  # an old page
    form = {"post": [*picked, "nonsense"], "reason": "Low quality", "words": " too dark "}
    answer = signed_in(ben).post("/review/rejections/", form, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert "2 decided, 1 not." in text
    assert "changed while you looked" in text
    assert {one.post for one in Decision.objects.all()} == {posts[0], posts[2]}
    assert {one.reason for one in Decision.objects.all()} == {"Low quality: too dark"}
    assert Hold.objects.get().count == 2  # one to take back
    plain = signed_in(ana).post("/review/approvals/", {"post": picked[1:2]}, follow=True)
    assert "0 decided, 1 not" in plain.content.decode()


# ---- in line ------------------------------------------------------------------------------------------


def test_of_a_post_is_read_what_its_rows_show(post, django_assert_num_queries):
    """A column that is left out would be asked for by every row."""
    face = {**post.face, "operation": str(post.pk), "hold": str(post.pk), "by": "Ben", "tried": "approve"}
    places = [(place, "") for place in DESK_WORDS] + [("attention", trouble) for trouble in TROUBLE_WORDS]
    for version, (place, trouble) in enumerate(places, 1000):
        told = {"desk": place, "trouble": trouble, "version": version, "face": face, "decided_at": now()}
        GeneratedPost.objects.filter(pk=post.pk).update(**told)
        read = GeneratedPost.objects.only(*SHOWN).get(pk=post.pk)
        with django_assert_num_queries(0):
            assert frames.of(read)
            assert cards.of(read)


def queued(persona, minutes):
    """A post that was asked for so many minutes ago and has not begun."""
    asked_at = now() - timedelta(minutes=minutes)
    return make_post(persona, status="pending", made_at=asked_at)


def line(page) -> dict[str, str]:
    """Each queued post's place, as it comes beside the rows."""
    told = re.search(r'<div id="line" hidden.*?>(.*?)</div>', page.content.decode()).group(1)
    return dict(re.findall(r'<data value="([^"]+)">([^<]+)</data>', told))


@pytest.mark.parametrize("address", ["/", "/?tab=generating", "/library/", "/library/?tab=generating"])
def test_what_is_queued_is_told_its_place_by_when_it_was_asked_for(
    address, ana, persona, workspace, otto, signed_in
):
    kilo = make_persona(workspace, "Kilo North", accounts=())
    second, first, third = queued(persona, 2), queued(kilo, 3), queued(kilo, 1)
    running = make_post(persona, status="generating", made_at=now() - timedelta(minutes=4))
    queued(make_persona(otto.workspace), 9)
    page = signed_in(ana).get(address)
    assert line(page) == {
        str(first.pk): "First in line",
        str(second.pk): "Second in line",
        str(third.pk): "Third in line",
    }
    text = page.content.decode()
    assert f'data-in-line="{third.pk}"' in text
    assert f'data-in-line="{running.pk}"' not in text


def test_it_moves_up_with_the_poll_when_the_one_before_begins(ana, persona, signed_in):
    before, post = queued(persona, 2), queued(persona, 1)
    version, browser = post.version, signed_in(ana)
    version_shown = ana.workspace.scopes.get(key="desk").version
    before.items.update(status="generating")
    desk.refresh(before.pk)
    for place in ("queue", "library"):
        poll = browser.get(f"/live/{place}/?v={version_shown}&t=0", headers={"HX-Request": "true"})
        assert line(poll) == {str(post.pk): "First in line"}
    post.refresh_from_db()
    assert post.version == version  # its own row is as it was


def test_with_nothing_queued_nothing_is_counted(ana, post, signed_in):
    assert line(signed_in(ana).get("/")) == {}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a table of few rows as a whole")
def test_the_line_is_read_through_its_index(ana, post):
    plan = GeneratedPost.objects.visible_to(ana).in_line().values_list("pk", flat=True)[:200].explain()
    assert "posts_in_line" in plan
    assert "TEMP" not in plan


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a table of few rows as a whole")
def test_the_live_row_is_read_through_its_indexes(ana, post, signed_in):
    """Bound lists are compared with no partial index: one such query walked all posts, 50 ms of 100,000."""
    browser = signed_in(ana)
    browser.get("/")
    with CaptureQueriesContext(connection) as asked:
        browser.get("/")
    (live,) = [query["sql"] for query in asked if "(desk IN (" in query["sql"]]
    with connection.cursor() as cursor:
        plan = " ".join(row[-1] for row in cursor.execute(f"EXPLAIN QUERY PLAN {live}"))
    for index in ("posts_in_flight", "posts_open", "decisions_of_member"):
        assert f"INDEX {index}" in plan, plan
    assert "FOR ORDER BY" not in plan, plan
    assert "SCAN reviewqueue" not in plan, plan


@pytest.mark.parametrize(
    ("place", "words"),
    [(1, "First"), (10, "Tenth"), (11, "11th"), (12, "12th"), (21, "21st"), (102, "102nd"), (113, "113th")],
)
def test_a_place_is_a_word_up_to_ten(place, words):
    assert in_line(place) == f"{words} in line"


def test_what_is_made_and_only_copied_is_not_said_to_have_no_answer(ana, persona, signed_in):
    browser = signed_in(ana)
    running = make_post(persona, status="generating", made_at=now() - timedelta(minutes=6))
    assert "Still checking every minute" in browser.get("/?tab=generating").content.decode()
    running.items.update(status="completed", file=make_file(persona.workspace, state="wanted"))
    type(running).objects.update(status="completed")
    assert desk.refresh(running.pk).desk == "generating"
    assert "Still checking" not in browser.get("/?tab=generating").content.decode()


def test_the_pace_is_that_of_decisions_one_by_one(ana, persona, signed_in):
    posts, browser = [make_post(persona) for _ in range(9)], signed_in(ana)
    for post in posts[:4]:
        browser.post(f"/review/{post.pk}/rejection/", {"fingerprint": post.fingerprint})
    for age, decision in enumerate(Decision.objects.order_by("-at")):
        Decision.objects.filter(pk=decision.pk).update(at=now() - timedelta(seconds=20 * age + 5))
    assert "left at your pace of 20 s a post" in browser.get("/").content.decode()
    browser.post("/review/rejections/", {"post": [f"{one.pk}:{one.fingerprint}" for one in posts[4:8]]})
    assert "left at your pace of 20 s a post" in browser.get("/").content.decode()


@pytest.mark.parametrize("page", ["/", "/library/", "/personas/{persona}/posts/"])
def test_whoever_looks_again_sees_all_that_moved_meanwhile(ana, persona, signed_in, monkeypatch, page):
    monkeypatch.setattr("reviewqueue.views.queue.CHANGES_SHOWN", 2)
    posts, browser = [make_post(persona) for _ in range(3)], signed_in(ana)
    page = page.format(persona=persona.pk)
    text = re.sub("([&;]t)=[0-9]+", r"\1=1", browser.get(page).content.decode())  # it was opened long ago
    for post in posts:
        desk.refresh(post.pk, touched=True)
    GeneratedPost.objects.update(changed_here_at=now())  # at one moment
    seen: set = set()
    for count in (2, 3):
        poll = unescape(re.search(r'hx-get="(/live/[^"]*)"', text).group(1))
        text = browser.get(poll, headers={"HX-Request": "true"}).content.decode()
        seen |= set(re.findall(r'id="f-([0-9a-f-]{36})"', text.partition('id="changes"')[2]))
        assert len(seen) == count
    poll = unescape(re.search(r'hx-get="(/live/[^"]*)"', text).group(1))
    assert browser.get(poll, headers={"HX-Request": "true"}).status_code == 204


def test_a_persona_has_its_own_counts_on_every_tab(ana, otto, persona, workspace, signed_in):
    other, browser = make_persona(workspace, "Oat & Ember"), signed_in(ana)
    for _ in range(3):
        make_post(persona)
    rejected = {"review_status": "rejected", "decided_at": now()}
    for whose, many in ((persona, 2), (other, 1)):
        for _ in range(many):
            GeneratedPost.objects.filter(pk=make_post(whose).pk).update(**rejected)
            desk.refresh(GeneratedPost.objects.newest_first().first().pk)

    def counts(pk):
        tabs = (
            browser.get(f"/?persona={pk}").content.decode().partition('id="tabs"')[2].partition("</nav>")[0]
        )
        return [int(count) for count in re.findall(r"<span>([0-9]+)</span>", tabs)]

    assert counts(persona.pk) == [3, 0, 0, 0]  # what was decided today is counted for all personas together
    assert counts(other.pk) == [0, 0, 0, 0]
    assert counts(make_persona(otto.workspace).pk) == [0] * 4


def test_what_is_decided_and_held_is_not_said_to_be_undecided(ana, post, signed_in):
    browser = signed_in(ana)
    browser.post(f"/review/{post.pk}/rejection/", {"fingerprint": post.fingerprint})
    text = browser.get("/?tab=decided").content.decode()
    assert "Decided today <span>1</span>" in text
    assert "What was decided today was not sent yet" in text


@pytest.mark.parametrize("view", ["", "?type=image", "?tab=attention", "?order=persona"])
def test_a_page_behind_which_nothing_is_left_leads_to_the_first(ana, persona, signed_in, view):
    place, browser = f"2099-01-01T00:00:00+00:00_{'f' * 32}", signed_in(ana)
    make_post(persona, status="failed" if "attention" in view else "completed")
    if "persona" in view:
        place += f"_{persona.pk.hex}"
    filters = dict(part.split("=") for part in view[1:].split("&") if part)
    assert browser.get("/", {**filters, "after": place})["Location"] == f"/{view}"
    more = browser.get("/", {**filters, "after": place}, headers={"HX-Request": "true"})
    assert more.status_code == 200
    assert "0 more shown" in more.content.decode()
