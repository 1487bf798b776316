"""Saved views on the queue and on their own page."""

import uuid
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import SavedView
from tests.factories import make_persona, make_post

SAVED = {"name": "Old ones", "query": "?age=day&type=image", "shared": "1"}


def test_the_filters_are_kept_under_a_name_and_open_again(ana, ben, post, signed_in):
    browser = signed_in(ana)
    page = browser.post("/views/", SAVED, follow=True)
    assert page.redirect_chain == [("/?type=image&age=day", 302)]
    text = page.content.decode()
    assert "“Old ones” is kept, for everybody here" in text
    link = 'href="/?type=image&amp;age=day"'
    menu = browser.get("/views/?type=image&age=day", headers={"HX-Request": "true"}).content.decode()
    assert f"{link} aria-current" in menu
    assert "</html>" not in menu
    assert "<summary" in text
    assert '<bdi class="clip">Old ones</bdi></summary>' in text
    seen = signed_in(ben).get("/views/?age=hour", headers={"HX-Request": "true"}).content.decode()
    assert link in seen
    assert "by <bdi>Ana Ruiz</bdi>" in seen
    assert f"{link} aria-current" not in seen


def test_only_what_the_queue_knows_is_kept(ana, db, signed_in):
    query = "?age=day&evil=1&after=x&tab=nonsense&type=%00&order=newest&persona=1&view=list&v=3"
    signed_in(ana).post("/views/", {"name": "x", "query": query})
    assert SavedView.objects.get().query == "?age=day&order=newest&view=list"


def test_a_view_of_a_persona_that_is_gone_opens_and_says_so(ana, post, signed_in):
    browser = signed_in(ana)
    browser.post("/views/", {"name": "Gone", "query": f"?persona={uuid.uuid4()}"})
    text = browser.get(f"/{SavedView.objects.get().query}").content.decode()
    assert "Nothing matches" in text
    assert "A persona that is gone" in text
    assert "a persona that is gone" in browser.get("/views/").content.decode()


def test_views_are_renamed_shared_and_deleted_on_their_page(ana, ben, signed_in):
    browser = signed_in(ana)
    browser.post("/views/", SAVED | {"shared": ""})
    view = SavedView.objects.get()
    page = browser.get("/views/").content.decode()
    assert "Ready, image, over a day" in page
    assert signed_in(ben).post(f"/views/{view.pk}/", {"name": "Mine"}).status_code == 404  # not shared
    browser.post(f"/views/{view.pk}/", {"name": "Older", "shared": "1"})
    view.refresh_from_db()
    assert (view.name, view.is_shared) == ("Older", True)
    assert signed_in(ben).post(f"/views/{view.pk}/", {"name": "Mine"}).status_code == 409
    assert signed_in(ben).post(f"/views/{view.pk}/removal/").status_code == 409
    assert "is deleted" in browser.post(f"/views/{view.pk}/removal/", follow=True).content.decode()
    assert not SavedView.objects.exists()


def test_a_name_is_text_wherever_it_stands(ana, post, signed_in):
    browser = signed_in(ana)
    browser.post("/views/", SAVED | {"name": "<i>\"'x"})
    for address in ("/views/", "/activity/", "/?type=image&age=day"):
        text = browser.get(address).content.decode()
        assert "<i>" not in text
        assert "&lt;i&gt;" in text, address


@pytest.mark.parametrize("address", ["/", "/views/"])
def test_as_many_queries_with_thirty_views_as_with_three(
    address, ana, post, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    browser = signed_in(ana)

    def fill(until):
        for number in range(SavedView.objects.count(), until):
            facts = {"name": f"View {number}", "query": "?age=day", "is_shared": True}
            SavedView.objects.create(workspace=ana.workspace, owner=ana, **facts)

    fill(3)
    browser.get(address)
    with django_assert_max_num_queries(18) as few:
        browser.get(address)
    fill(30)
    with django_assert_num_queries(len(few)):
        browser.get(address)


# ---- the age, beside them ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        ("hour", "new"),
        ("today", "new"),
        ("day", "two_days week"),
        ("days", "week"),
        ("nonsense", "new two_days week"),
    ],
)
def test_the_queue_is_narrowed_by_age(age, shown, ana, persona, signed_in):
    ages = {"new": timedelta(seconds=1), "two_days": timedelta(days=2), "week": timedelta(days=7)}
    posts = {name: make_post(persona, made_at=now() - past) for name, past in ages.items()}
    text = signed_in(ana).get(f"/?age={age}").content.decode()
    assert [name for name, post in posts.items() if f'id="f-{post.pk}"' in text] == shown.split()
    library = signed_in(ana).get(f"/library/?age={age}&order=oldest").content.decode()
    assert [name for name, post in posts.items() if f'id="f-{post.pk}"' in library] == shown.split()


def test_a_view_that_an_age_empties_says_that_nothing_matches(ana, persona, workspace, signed_in):
    make_post(make_persona(workspace, "Oat & Ember", accounts=()))
    text = signed_in(ana).get("/?age=days").content.decode()
    assert "Nothing matches" in text
    assert "The table is clear" not in text
