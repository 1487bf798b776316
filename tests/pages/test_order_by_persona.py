"""The queue in the order of its personas' names."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost
from reviewqueue.services import desk, looks, statistics
from reviewqueue.views import paging
from tests.factories import make_persona, make_post

BY_PERSONA = "/?order=persona"


@pytest.fixture
def short(monkeypatch):
    """Pages of three."""
    monkeypatch.setattr(paging, "FRAMES", 3)
    looks._written.clear()
    looks._open.clear()


def fill(workspace, **posts: int) -> list[GeneratedPost]:
    """So many posts of each persona, some made before those of the one before; in the order by persona."""
    made = []
    for name, count in posts.items():
        persona = make_persona(workspace, name)
        for place in range(count):
            at = now() - timedelta(days=1) + timedelta(minutes=10 * place - len(made))
            made.append((name, at, make_post(persona, made_at=at, caption=f"{name} {place}")))
    return [post for _, _, post in sorted(made, key=lambda one: one[:2])]


def shown(text: str) -> list[str]:
    return re.findall(r'<li class="frame" id="f-([0-9a-f-]+)"', text)


def pages(browser, address: str) -> list[list[str]]:
    """All pages of a view, by the link at the end of each."""
    found = []
    while address:
        text = browser.get(address).content.decode()
        found.append(shown(text))
        more = re.search(r'id="more"[^>]*><a class="btn" href="([^"]+)"', text)
        address = unescape(more.group(1)) if more else ""
    return found


def keys(posts) -> list[str]:
    return [str(post.pk) for post in posts]


def test_personas_by_name_and_within_each_by_time(ana, workspace, signed_in):
    posts = fill(workspace, Kilo=2, Ines=3, Oat=1)
    text = signed_in(ana).get(BY_PERSONA).content.decode()
    assert shown(text) == keys(posts)
    assert '<option value="persona" selected>Persona</option>' in text
    names = [post.persona.name for post in posts]
    assert names == ["Ines"] * 3 + ["Kilo"] * 2 + ["Oat"]


@pytest.mark.parametrize(
    "counts",
    [
        {"Ines": 7},
        {"Ines": 3, "Kilo": 3, "Oat": 3},  # a page ends where a persona does
        {"Ines": 2, "Kilo": 5, "Oat": 1},
        {"Ines": 1, "Kilo": 1, "Lise": 1, "Marlow": 1, "Oat": 4},
        {"Ines": 4, "Kilo": 0, "Oat": 2},
    ],
)
@pytest.mark.parametrize("narrowed", ["", "&type=image", "&age=today", "&q=e"])
def test_paging_across_the_borders_leaves_out_nobody_and_shows_nobody_twice(
    short, ana, workspace, signed_in, counts, narrowed
):
    posts = fill(workspace, **counts)
    if narrowed == "&age=today":
        GeneratedPost.objects.update(made_at=now())  # all at once: the id decides
        posts.sort(key=lambda post: (post.persona.name, post.pk.hex))
    if narrowed == "&q=e":
        posts = [post for post in posts if "e" in post.caption]
    found = pages(signed_in(ana), BY_PERSONA + narrowed)
    assert [pk for page in found for pk in page] == keys(posts)
    assert all(len(page) == 3 for page in found[:-1])


def test_what_happens_between_two_pages_moves_nobody_else(short, ana, workspace, signed_in):
    posts = fill(workspace, Ines=4, Kilo=4)
    browser = signed_in(ana)
    text = browser.get(BY_PERSONA).content.decode()
    [more] = re.findall(r'id="more"[^>]*><a class="btn" href="([^"]+)"', text)
    gone = posts[:4]  # the first persona has nothing left
    for post in gone:
        GeneratedPost.objects.filter(pk=post.pk).update(deleted_at=now())
        desk.refresh(post.pk)
    make_post(make_persona(workspace, "Ada"))
    assert shown(browser.get(unescape(more)).content.decode()) == keys(posts[4:7])


def test_posts_without_a_persona_stand_last_and_those_of_a_gone_one_in_their_place(ana, workspace, signed_in):
    posts = fill(workspace, Ines=1, Kilo=1, Oat=1)
    posts[0].persona.delete()
    type(posts[1].persona).objects.filter(pk=posts[1].persona_id).update(gone_at=now())
    assert shown(signed_in(ana).get(BY_PERSONA).content.decode()) == keys([posts[1], posts[2], posts[0]])


@pytest.mark.parametrize("after", ["x", "__", "2026-01-01T00:00:00+00:00_nothing_", "{other}"])
def test_a_place_that_is_none_shows_the_first_page(ana, workspace, otto, signed_in, after):
    posts = fill(workspace, Ines=2)
    [other] = fill(otto.workspace, Elsewhere=1)
    after = after.format(other=f"2026-01-01T00:00:00%2B00:00_{other.pk.hex}_{other.persona_id.hex}")
    assert shown(signed_in(ana).get(f"{BY_PERSONA}&after={after}").content.decode()) == keys(posts)


@pytest.mark.parametrize("tab", ["generating", "attention", "held", "decided"])
def test_the_other_tabs_have_it_too(ana, workspace, signed_in, tab):
    posts = fill(workspace, Kilo=2, Ines=2)
    place = "published" if tab == "decided" else tab
    for post in posts:
        GeneratedPost.objects.filter(pk=post.pk).update(desk=place, decided_at=now())
    workspace.scopes.update(ready=0, **{place: 4})
    found = shown(signed_in(ana).get(f"{BY_PERSONA}&tab={tab}").content.decode())
    assert len(found) == 4
    names = dict(GeneratedPost.objects.values_list("pk", "persona__name"))
    assert [names[pk] for pk in map(type(posts[0].pk), found)] == ["Ines", "Ines", "Kilo", "Kilo"]


def test_the_strip_and_the_start_follow_the_order(short, ana, ben, workspace, signed_in):
    posts = fill(workspace, Kilo=2, Ines=3, Oat=1)
    browser = signed_in(ana)
    starts = [signed_in(member).get("/review/start/?order=persona")["Location"] for member in (ana, ben)]
    assert starts == [f"/review/{post.pk}/?order=persona" for post in posts[:2]]
    for number, post in enumerate(posts):
        text = browser.get(f"/review/{post.pk}/?order=persona").content.decode()
        assert re.findall(r'id="s-([0-9a-f-]+)"', text) == keys(posts[max(0, number - 4) :])
        assert re.search(rf"data-position[^>]*>{number + 1}<", text)


def asked(browser, address: str) -> list[str]:
    browser.get(address)  # its rows are rendered then
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200
    return [query["sql"] for query in queries]


def test_how_many_posts_or_personas_there_are_makes_no_more_queries(ana, workspace, signed_in):
    browser = signed_in(ana)
    fill(workspace, Ines=13, Kilo=13)
    few = asked(browser, BY_PERSONA)
    assert len(few) <= 13 + 3  # names and counts; the second persona
    fill(workspace, **{f"Empty {number:02}": 0 for number in range(20)})
    assert len(asked(browser, BY_PERSONA)) == len(few)
    fill(workspace, **{f"A {number:02}": 1 for number in range(20)})
    assert len(asked(browser, BY_PERSONA)) == len(few)  # what is small is asked for together
    fill(workspace, Alma=30)
    assert len(asked(browser, BY_PERSONA)) == len(few)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a table of few rows as a whole")
def test_each_persona_is_walked_through_its_index(ana, workspace, signed_in):
    fill(workspace, Ines=26, Kilo=3)
    statistics.tell()
    text = signed_in(ana).get(BY_PERSONA).content.decode()
    [more] = re.findall(r'id="more"[^>]*><a class="btn" href="([^"]+)"', text)
    for address, parts in ((BY_PERSONA, 1), (unescape(more), 2)):
        queries = asked(signed_in(ana), address)
        lists = [sql for sql in queries if re.search(r"persona_id\" (=|IN) .* LIMIT \d+$", sql)]
        lists = [sql for sql in lists if "mention" not in sql]
        assert len(lists) == parts
        for sql in lists:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plan = "\n".join(row[-1] for row in cursor.fetchall())
            assert "INDEX posts_ready_by_persona (persona_id=?" in plan, plan
            assert "TEMP" not in plan, plan
