"""Source posts: the sheet, its filters, what generating costs, links, one post's own page."""

import re
import uuid
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, Operation, PriceList, SyncJob
from reviewqueue.services import desk, scopes
from tests.factories import (
    make_member,
    make_persona,
    make_post,
    make_source,
    make_source_post,
    uid,
)

HTMX = {"HX-Request": "true"}
BAD_LINKS = {
    "": "Paste the link of a post",
    "   ": "Paste the link of a post",
    "x" * 501: "too long for the link of a post",
    "not a link": "not a link to an Instagram post",
    "https://example.com/p/C1a2b3c4d5e/": "not a link to an Instagram post",
    "https://instagram.com.evil.example/p/C1a2b3c4d5e/": "not a link to an Instagram post",
    "https://evil.example/instagram.com/p/C1a2b3c4d5e/": "not a link to an Instagram post",
    "https://instagram.com@evil.example/p/C1a2b3c4d5e/": "not a link to an Instagram post",
    "javascript:alert(1)//instagram.com/p/C1a2b3c4d5e/": "not a link to an Instagram post",
    "ftp://instagram.com/p/C1a2b3c4d5e/": "not a link to an Instagram post",
    "https://instagram.com/salt.rooms/": "not a link to an Instagram post",
    "https://instagram.com/stories/salt.rooms/123/": "not a link to an Instagram post",
    "https://instagram.com/p/": "not a link to an Instagram post",
    "https://instagram.com/p/ab/": "not a link to an Instagram post",
    "https://instagram.com/p/a%20b%20c/": "not a link to an Instagram post",
    "https://instagram.com/p/C1a2/../../x/": "not a link to an Instagram post",
    "https://[instagram.com/p/C1a2b3c4d5e/": "not a link to an Instagram post",
    "https://www.tiktok.com/@salt/video/123": "not a link to an Instagram post",
    "instagram.com/p/\u202eC1a2b3c4d5e/": "not a link to an Instagram post",
}
GOOD_LINKS = (
    "https://www.instagram.com/p/C1a2b3c4d5e/",
    "instagram.com/p/C1a2b3c4d5e",
    "  https://instagram.com/reel/C1a2b3c4d5e/?igsh=abc#x ",
    "https://m.instagram.com/salt.rooms/p/C1a2b3c4d5e/",
)


@pytest.fixture
def source(persona):
    return make_source(persona)


@pytest.fixture
def origin(workspace, source):
    return make_source_post(workspace, source)


def asked_from(address: str) -> dict:
    return {**HTMX, "HX-Current-URL": f"http://testserver{address}"}


def shown(browser, query: str, posts) -> list:
    text = browser.get(f"/sources/{query}").content.decode()
    return [post for post in posts if f'id="sp-{post.pk}"' in text]


def token() -> str:
    return str(uuid.uuid4())


# ---- the sheet -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_everybody_sees_the_posts_and_what_one_would_cost(workspace, origin, signed_in, role):
    page = signed_in(make_member(workspace, "Some One", role)).get("/sources/")
    text = page.content.decode()
    assert page.status_code == 200
    assert f'id="sp-{origin.pk}"' in text
    assert "@salt.rooms" in text
    assert f"/sources/generation/?post={origin.pk}" in text  # hidden by a class from who may not
    assert 'data-why="Generating takes an editor. Ask an admin."' in text
    assert ('class="btn btn-ink clone-go"' in text) == (role in ("editor", "admin"))


def test_a_stranger_sees_nothing_of_it(otto, origin, persona, signed_in):
    browser = signed_in(otto)
    assert shown(browser, "?used=all", [origin]) == []
    assert shown(browser, f"?used=all&persona={persona.pk}", [origin]) == []
    assert browser.get(f"/sources/{origin.pk}/").status_code == 404
    picked = browser.post("/sources/generation/", {"post": str(origin.pk), "persona": str(persona.pk)})
    assert picked.status_code == 422
    assert "Nothing is picked" in picked.content.decode()
    linked = browser.post("/sources/clone/", {"url": GOOD_LINKS[0], "persona": str(persona.pk)})
    assert linked.status_code == 422
    assert not Operation.objects.exists()


def test_filters_and_search_find_what_they_name(ana, workspace, persona, source, signed_in):
    other = make_persona(workspace, "Oat & Ember", accounts=())
    theirs = make_source(other, handle="bread.daily")
    old, new = (
        make_source_post(workspace, source, caption="Blue door", posted_at=now() - timedelta(days=9)),
        make_source_post(workspace, source, caption="Salt steps"),
    )
    bread = make_source_post(workspace, theirs, caption="Rye", posted_at=now() - timedelta(days=5))
    make_post(persona, source=old)
    desk.refresh_source(old.pk)
    browser, every = signed_in(ana), [old, new, bread]
    assert shown(browser, "", every) == [new, bread]
    assert shown(browser, "?used=all", every) == every
    assert shown(browser, f"?used=all&persona={persona.pk}", every) == [old, new]
    assert shown(browser, "?used=all&account=bread.daily", every) == [bread]
    assert shown(browser, "?used=all&q=door", every) == [old]
    assert shown(browser, "?used=all&q=@bread", every) == [bread]
    assert shown(browser, "?used=all&q=%00steps", every) == every  # nonsense counts as not given
    assert shown(browser, "?used=all&q=nothing", every) == []
    assert "Nothing matches" in browser.get("/sources/?q=nothing").content.decode()
    nonsense = "?used=some&order=sideways&persona=x&after=y&account=" + "z" * 300
    assert shown(browser, nonsense, every) == [new, bread]
    text = browser.get("/sources/?used=all&order=oldest").content.decode()
    places = [text.index(f'id="sp-{post.pk}"') for post in (old, bread, new)]
    assert places == sorted(places)
    assert 'Not generated yet <span class="faint">2<' in text
    assert 'All <span class="faint">3<' in text


def test_the_next_page_goes_on_where_the_first_ended(ana, workspace, source, signed_in):
    same = now() - timedelta(days=1)  # many of one moment: the id decides
    posts = [make_source_post(workspace, source, posted_at=same) for _ in range(30)]
    browser = signed_in(ana)
    first = browser.get("/sources/")
    after = first.context["after_query"]
    more = browser.get(f"/sources/{after}", headers=HTMX).content.decode()
    assert "<html" not in more
    assert 'id="more" hx-swap-oob="true"' in more
    assert "6 more shown" in more
    pages = [first.content.decode(), more]
    for post in posts:
        assert sum(f'id="sp-{post.pk}"' in page for page in pages) == 1
    assert browser.get(f"/sources/{after}").content.decode().count('<li class="frame"') == 6


def test_what_there_is_not_is_said_with_what_to_do(ana, workspace, signed_in):
    browser = signed_in(ana)
    assert "There is no persona yet" in browser.get("/sources/").content.decode()
    persona = make_persona(workspace)
    assert "No account is followed yet" in browser.get("/sources/").content.decode()
    assert "follows no account yet" in browser.get(f"/sources/?persona={persona.pk}").content.decode()
    source = make_source(persona)
    assert "Nothing was pulled yet" in browser.get("/sources/").content.decode()
    origin = make_source_post(workspace, source)
    make_post(persona, source=origin)
    desk.refresh_source(origin.pk)
    assert "All of these were generated already" in browser.get("/sources/").content.decode()


@pytest.mark.parametrize(
    ("items", "discount", "words"),
    [
        (("image",), False, "$0.32"),
        (("image", "image", "image"), False, "$0.96"),
        (("video",), False, "about $0.75"),
        (("image",), True, "<s>$0.32</s> $0.26"),
    ],
)
def test_the_price_stands_on_the_button(ana, workspace, persona, source, signed_in, items, discount, words):
    persona.discount_mode = discount
    persona.save()
    origin = make_source_post(workspace, source, items=items)
    browser = signed_in(ana)
    frame = (
        browser.get("/sources/").content.decode().partition(f'id="sp-{origin.pk}"')[2].partition("</li>")[0]
    )
    assert f'<span class="cost">{words}' in frame
    bill = browser.get(f"/sources/generation/?post={origin.pk}").content.decode()
    assert words in bill
    PriceList.objects.create(workspace=workspace, image_mills=1000, video_second_mills=500)
    again = (
        browser.get("/sources/").content.decode().partition(f'id="sp-{origin.pk}"')[2].partition("</li>")[0]
    )
    assert words not in again  # a new price list is on the buttons at once


# ---- generating ----------------------------------------------------------------------------------------


def test_the_bill_says_what_it_costs_and_what_is_left(ana, persona, origin, signed_in):
    text = signed_in(ana).get(f"/sources/generation/?post={origin.pk}").content.decode()
    assert "Generate a post as" in text
    assert "Charged now" in text
    assert "$0.32" in text
    assert "$40.88" in text  # of $41.20
    assert "usually" in text.lower()


def test_generating_one_post_queues_it_at_its_price(edda, persona, origin, signed_in):
    browser, pressed = signed_in(edda), token()
    for _ in range(2):  # a double press
        answer = browser.post(
            "/sources/generation/",
            {"post": str(origin.pk), "token": pressed},
            headers=asked_from("/sources/"),
        )
        assert answer.status_code == 200
    operation = Operation.objects.get()
    assert (operation.kind, operation.state, operation.estimated_cents) == ("generate", "queued", 32)
    assert operation.post.source_post == origin
    assert f'id="sp-{origin.pk}"' in answer.content.decode()
    assert "1 post queued" in answer.content.decode()
    assert "loupe:generated" in answer["HX-Trigger"]
    plain = browser.get("/sources/?used=all").content.decode()
    assert "Generating" in plain


def test_generating_without_a_script_says_what_came_of_it(edda, origin, persona, signed_in):
    browser = signed_in(edda)
    answer = browser.post("/sources/generation/", {"post": str(origin.pk)}, follow=True)
    assert answer.redirect_chain == [("/sources/", 302)]
    assert "1 post queued" in answer.content.decode()
    again = browser.post("/sources/generation/", {"post": str(origin.pk)}, follow=True).content.decode()
    assert "Nothing was sent. @salt.rooms: " in again
    assert Operation.objects.count() == 1


def test_several_are_one_bill_and_one_batch(ana, workspace, persona, source, signed_in):
    other = make_persona(workspace, "Oat & Ember", accounts=())
    theirs = make_source(other, handle="bread.daily")
    ours = [make_source_post(workspace, source) for _ in range(2)]
    bread = make_source_post(workspace, theirs, items=("video",))
    picks = "&".join(f"post={post.pk}" for post in (*ours, bread))
    browser = signed_in(ana)
    text = browser.get(f"/sources/generation/?{picks}&post=nonsense&post={uuid.uuid4()}").content.decode()
    assert "Generate 3 posts, each as its own persona?" in text
    assert "about $1.39" in text  # two images and a video of five seconds
    one = browser.get(f"/sources/generation/?{picks}&persona={other.pk}").content.decode()
    assert "Generate 3 posts as <bdi>Oat &amp; Ember</bdi>?" in one
    browser.post("/sources/generation/", {"post": [post.pk for post in (*ours, bread)], "token": token()})
    made = Operation.objects.all()
    assert len(made) == 3
    assert len({operation.batch for operation in made}) == 1
    assert made[0].batch is not None
    assert {operation.persona for operation in made} == {persona, other}


@pytest.mark.parametrize("chosen", ["gone", "another's", "nonsense"])
def test_what_was_asked_for_one_persona_is_not_made_for_another(
    ana, otto, workspace, origin, signed_in, chosen
):
    named = {
        "gone": make_persona(workspace, "Oat & Ember", accounts=(), gone_at=now()).pk,  # since the bill
        "another's": make_persona(otto.workspace).pk,
        "nonsense": "nonsense",
    }
    answer = signed_in(ana).post("/sources/generation/", {"post": origin.pk, "persona": named[chosen]})
    assert answer.status_code == 409
    assert "not there any more" in answer.content.decode()
    assert not Operation.objects.exists()


def test_of_several_a_refusal_stops_nothing_else(ana, workspace, persona, source, signed_in):
    busy, free = make_source_post(workspace, source), make_source_post(workspace, source)
    browser = signed_in(ana)
    browser.post("/sources/generation/", {"post": str(busy.pk)})
    answer = browser.post(
        "/sources/generation/", {"post": [busy.pk, free.pk]}, headers=asked_from("/sources/")
    )
    assert "1 queued, 1 not." in answer.content.decode()
    assert Operation.objects.count() == 2


def test_a_bill_beyond_the_balance_says_whom_to_ask(edda, ana, workspace, origin, persona, signed_in):
    workspace.balance_cents = 12
    workspace.save()
    text = signed_in(edda).get(f"/sources/generation/?post={origin.pk}").content.decode()
    assert "this costs $0.32, you have $0.12" in text
    assert "Ask <bdi>Ana Ruiz</bdi> to top up" in text
    assert 'aria-disabled="true"' in text
    assert 'href="/billing/">Top up' in signed_in(ana).get(
        f"/sources/generation/?post={origin.pk}"
    ).content.decode().replace(' class="btn btn-sm"', "")
    workspace.auto_reload = True
    workspace.save()
    assert (
        "you have $0.12" not in signed_in(edda).get(f"/sources/generation/?post={origin.pk}").content.decode()
    )


def test_a_second_post_from_one_is_asked_about(ana, persona, origin, signed_in):
    make_post(persona, source=origin, made_at=now())
    desk.refresh_source(origin.pk)
    text = signed_in(ana).get(f"/sources/generation/?post={origin.pk}").content.decode()
    assert "A post from this one was made today." in text
    assert "A second one is made and charged" in text


def test_more_than_fifty_are_left_out_and_said(ana, workspace, source, signed_in):
    posts = [make_source_post(workspace, source) for _ in range(52)]
    picks = "&".join(f"post={post.pk}" for post in posts)
    text = signed_in(ana).get(f"/sources/generation/?{picks}").content.decode()
    assert "50 at once at most: 2 of those you picked are left out." in text


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_who_may_not_spend_is_refused_in_words(workspace, persona, origin, signed_in, role):
    browser = signed_in(make_member(workspace, "Some One", role))
    for address, form in {
        "/sources/generation/": {"post": str(origin.pk)},
        "/sources/clone/": {"url": GOOD_LINKS[0], "persona": str(persona.pk)},
        f"/personas/{persona.pk}/sync/": {},
    }.items():
        answer = browser.post(address, form)
        assert answer.status_code == 403
        assert "It takes editor: ask an admin" in answer.content.decode()
    assert not Operation.objects.exists()


# ---- a link --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_what_is_wrong_with_a_link_stands_at_the_field_and_the_link_stays(edda, persona, signed_in, headers):
    browser = signed_in(edda)
    for link, words in BAD_LINKS.items():
        answer = browser.post("/sources/clone/", {"url": link, "persona": str(persona.pk)}, headers=headers)
        text = answer.content.decode()
        assert answer.status_code == 422, link
        assert words in text.partition('id="clone-error"')[2].partition("</p>")[0], link
        assert 'aria-invalid="true"' in text, link
        if link.strip() and "\u202e" not in link:
            assert f'value="{link.strip()}"' in text, link
        assert ("<html" in text) == (headers == {})
    assert not Operation.objects.exists()
    assert not GeneratedPost.objects.exists()


def test_every_spelling_of_a_link_names_the_same_post(edda, persona, signed_in):
    browser = signed_in(edda)
    for link in GOOD_LINKS:
        answer = browser.post(
            "/sources/clone/", {"url": link, "persona": str(persona.pk), "token": token()}, headers=HTMX
        )
        told = "is queued" if link == GOOD_LINKS[0] else "Nothing of yours was sent"  # one is under way
        assert told in answer.content.decode(), link
        assert answer.status_code == (200 if link == GOOD_LINKS[0] else 422), link
    operation = Operation.objects.get()
    assert operation.params["url"] == "https://www.instagram.com/p/C1a2b3c4d5e/"
    assert operation.kind == "clone"


def test_a_link_needs_somebody_it_is_for(edda, persona, signed_in):
    browser = signed_in(edda)
    for chosen, words in (
        ("", "Choose whom it is for."),
        ("nonsense", "Choose one of the list."),
        (uuid.uuid4(), "Choose one of the list."),
    ):
        answer = browser.post("/sources/clone/", {"url": GOOD_LINKS[0], "persona": chosen}, headers=HTMX)
        assert answer.status_code == 422
        assert words in answer.content.decode().partition('id="clone-persona-error"')[2]
        assert f'value="{GOOD_LINKS[0]}"' in answer.content.decode()


def test_what_a_link_costs_is_told_as_far_as_it_can_be(edda, workspace, persona, signed_in):
    reduced = make_persona(workspace, "Oat & Ember", accounts=(), discount_mode=True)
    text = signed_in(edda).get(f"/sources/?persona={reduced.pk}").content.decode()
    offered = text.partition('id="clone-persona"')[2].partition("</select>")[0]
    costs = dict(re.findall(r'value="([\w-]+)" data-cost="([^"]+)"', offered))
    assert costs == {str(persona.pk): "$0.32–3.20", str(reduced.pk): "$0.26–2.60"}
    assert 'id="clone-cost">$0.26–2.60<' in text  # of the one that is chosen
    assert "The exact cost depends on how many images or videos it holds." in text


# ---- one source post -------------------------------------------------------------------------------------


def test_the_page_of_one_shows_for_whom_it_can_be_made_and_what_was(
    ana, workspace, persona, origin, signed_in
):
    other = make_persona(workspace, "Oat & Ember", accounts=(), discount_mode=True)
    made = make_post(persona, source=origin)
    text = signed_in(ana).get(f"/sources/{origin.pk}/").content.decode()
    assert "Door no. 114" in text
    assert f"post={origin.pk}&amp;persona={persona.pk}" in text
    assert f"post={origin.pk}&amp;persona={other.pk}" in text
    assert "follows this account" in text
    assert "<s>$0.32</s> $0.26" in text  # for the one in discount mode
    assert f'id="f-{made.pk}"' in text
    assert f'href="{origin.url}"' in text


def test_a_link_that_is_code_is_no_link(ana, origin, signed_in):
    origin.url = "javascript:alert(1)"
    origin.save()
    text = signed_in(ana).get(f"/sources/{origin.pk}/").content.decode()
    assert "javascript:" not in text
    assert "Open at Instagram" not in text


# ---- live ------------------------------------------------------------------------------------------------


def poll_address(text: str) -> str:
    return text.partition('id="poller" data-poll hx-get="')[2].partition('"')[0].replace("&amp;", "&")


def test_a_poll_of_the_sheet_is_empty_until_something_moves(
    ana, persona, origin, signed_in, django_assert_max_num_queries
):
    browser = signed_in(ana)
    address = poll_address(browser.get("/sources/").content.decode())
    browser.get(address, headers=HTMX)
    with django_assert_max_num_queries(2):
        assert browser.get(address, headers=HTMX).status_code == 204
    make_post(persona, source=origin, status="generating", made_at=now())
    desk.refresh_source(origin.pk)
    scopes.bump(ana.workspace_id)
    answer = browser.get(address, headers=HTMX)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert f'id="sp-{origin.pk}"' in text
    assert 'data-state="generating"' in text
    assert poll_address(text) != address


def test_a_sync_that_ends_tells_the_sheet_what_it_brought(ana, persona, source, signed_in):
    browser = signed_in(ana)
    address = poll_address(browser.get("/sources/").content.decode())
    SyncJob.objects.create(
        workspace=persona.workspace,
        persona=persona,
        creator_id=source.creator_id,
        upstream_id=uid(),
        status="completed",
        new_posts_count=3,
        asked_at=now(),
        ended_at=now() + timedelta(seconds=2),
        seen_at=now(),
    )
    source.last_synced_at = now()
    source.save()
    scopes.bump(ana.workspace_id)
    text = browser.get(address, headers=HTMX).content.decode()
    assert "3 new" in text
    assert 'id="sync"' in text


def test_syncing_from_the_sheet_answers_its_own_part(edda, persona, source, signed_in):
    browser = signed_in(edda)
    answer = browser.post(
        f"/personas/{persona.pk}/sync/",
        {"token": token()},
        headers=asked_from(f"/sources/?persona={persona.pk}"),
    )
    assert "Syncing" in answer.content.decode()
    assert 'id="sync"' in answer.content.decode()
    assert Operation.objects.get().kind == "sync"
    page = browser.get(f"/sources/?persona={persona.pk}").content.decode()
    assert 'data-why="A sync is running. Its end shows here."' in page


def test_a_poll_of_one_post_brings_what_was_made_of_it(ana, persona, origin, signed_in):
    browser = signed_in(ana)
    address = poll_address(browser.get(f"/sources/{origin.pk}/").content.decode())
    assert browser.get(address, headers=HTMX).status_code == 204
    made = make_post(persona, source=origin, status="generating", made_at=now())
    text = browser.get(address, headers=HTMX).content.decode()
    assert 'id="made" hx-swap-oob="true"' in text
    assert f'id="f-{made.pk}"' in text
    address = poll_address(text)
    desk.refresh(made.pk, touched=True)
    text = browser.get(address, headers=HTMX).content.decode()
    assert 'id="made"' not in text  # the same posts: only their frames
    assert f'id="f-{made.pk}"' in text
