"""The first steps: three decisions in the sandbox, then the way to the real thing."""

import uuid

import pytest

from reviewqueue.models import Member, UpstreamKey
from reviewqueue.services import scopes
from tests.factories import (
    make_account,
    make_member,
    make_persona,
    make_post,
    make_source,
    make_workspace,
)

HTMX = {"HX-Request": "true"}
STEPS = (
    "Try the sandbox",
    "Add the API key",
    "Create a persona",
    "Add a source account",
    "Connect where posts go",
    "Add money",
)


@pytest.fixture
def empty(db):
    """A workspace of its own in which nothing is set up."""
    return make_workspace("Fresh", key=False, balance_cents=None)


@pytest.fixture
def noor(empty):
    return make_member(empty, "Noor Haddad", "admin")


@pytest.fixture
def sandbox(db):
    return make_workspace("Sandbox", is_sandbox=True)


def text_of(answer) -> str:
    return answer.content.decode()


def steps_of(browser) -> dict[str, bool]:
    return {step.title: step.is_done for step in browser.get("/setup/").context["steps"]}


def poll_address(text: str) -> str:
    return text.partition('id="poller" data-poll hx-get="')[2].partition('"')[0].replace("&amp;", "&")


def test_the_steps_are_done_one_after_another(noor, empty, signed_in):
    browser = signed_in(noor)

    def done() -> list[str]:
        return [title for title, is_done in steps_of(browser).items() if is_done]

    page = text_of(browser.get("/setup/"))
    positions = [page.index(title) for title in STEPS]
    assert positions == sorted(positions)
    assert done() == ["Try the sandbox"]  # somebody with a workspace of their own has seen enough
    assert "Needs the API key first." in page
    assert "1 of 6 done" in page

    key = UpstreamKey.objects.create(workspace=empty, secret="x", last_four="cdef", fingerprint="f")
    assert "rm_…cdef is being tried." in text_of(browser.get("/setup/"))
    key.state = "rejected"
    key.save()
    assert "rm_…cdef is rejected by the service. Enter another one." in text_of(browser.get("/setup/"))
    assert done() == ["Try the sandbox"]
    key.state, key.scopes = "working", ["personas:read", "content:read"]
    key.save()
    assert "rm_…cdef works, 2 of 12 scopes." in text_of(browser.get("/setup/"))
    assert done() == list(STEPS[:2])

    assert "Needs a persona first." in text_of(browser.get("/setup/"))
    persona = make_persona(empty, accounts=())
    assert done() == list(STEPS[:3])
    make_source(persona)
    assert done() == list(STEPS[:4])
    account = make_account(empty, status="expired")
    assert done() == list(STEPS[:4])
    account.status = "active"
    account.save()
    assert done() == list(STEPS[:5])
    empty.balance_cents = 0
    empty.save()
    assert "The balance is $0.00. The first saved card brings $5.00" in text_of(browser.get("/setup/"))
    empty.auto_reload = True
    empty.save()
    assert done() == list(STEPS)


def test_a_persona_that_is_gone_counts_no_more(noor, empty, signed_in):
    persona = make_persona(empty, accounts=())
    browser = signed_in(noor)
    assert steps_of(browser)["Create a persona"]
    persona.gone_at = persona.seen_at
    persona.save()
    assert not steps_of(browser)["Create a persona"]


def test_an_admin_with_nothing_set_up_is_led_there_and_others_are_not(noor, empty, persona, ana, signed_in):
    browser = signed_in(noor)
    assert browser.get("/")["Location"] == "/setup/"
    assert browser.get("/?tab=decided").status_code == 200  # who asks for something gets it
    looked = signed_in(make_member(empty, "Vera Stone", "viewer")).get("/")
    assert looked.status_code == 200
    assert signed_in(ana).get("/").status_code == 200
    UpstreamKey.objects.create(
        workspace=empty, secret="x", last_four="cdef", fingerprint="f", state="working"
    )
    assert "Go on setting up" in text_of(browser.get("/"))


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor"])
def test_what_takes_an_admin_is_said_to_the_others(empty, signed_in, role):
    browser = signed_in(make_member(empty, "Some One", role))
    text = text_of(browser.get("/setup/"))
    assert "An admin does this." in text
    steps = text.partition('class="steps-list"')[2].partition("</ol>")[0]
    assert 'href="/settings/keys/"' not in steps
    assert 'href="/billing/"' not in steps


def test_three_posts_of_different_kinds_are_there_to_be_decided(sandbox, signed_in):
    ana = make_member(sandbox, "Ana Ruiz", "admin", is_sample=True)
    persona = make_persona(sandbox)
    images = [make_post(persona) for _ in range(3)]
    film, several = make_post(persona, media_type="video"), make_post(persona, items=3)
    unlinked = make_post(make_persona(sandbox, "Nowhere", accounts=()))
    browser = signed_in(ana)
    text = text_of(browser.get("/setup/"))
    for post in (images[0], several, film):
        assert f'id="f-{post.pk}"' in text
    assert text.count('<li class="frame"') == 3
    assert f'id="f-{unlinked.pk}"' not in text  # it could not be approved
    assert "0 of 3 decided" in text
    assert not steps_of(browser)["Try the sandbox"]


def test_what_was_decided_counts_until_it_is_taken_back(sandbox, signed_in):
    ana, ben = make_member(sandbox, "Ana Ruiz", "admin"), make_member(sandbox, "Ben Adler", "reviewer")
    persona = make_persona(sandbox)
    posts = [make_post(persona) for _ in range(4)]
    browser, here = signed_in(ana), {"Referer": "http://testserver/setup/"}
    page = text_of(browser.get("/setup/"))
    for post in posts[:3]:
        form = {"token": str(uuid.uuid4()), "fingerprint": post.fingerprint}
        answer = browser.post(f"/review/{post.pk}/approval/", form, headers=here)
        assert answer["Location"] == "/setup/"
    text = text_of(browser.get("/setup/"))
    assert "3 of 3 decided" in text
    assert "Go on in the queue" in text
    assert all(f'id="f-{post.pk}"' in text for post in posts[:3])
    assert steps_of(browser)["Try the sandbox"]
    assert "0 of 3 decided" in text_of(signed_in(ben).get("/setup/"))  # each for themselves
    hold = ana.holds.order_by("created_at").first()
    browser.post(f"/holds/{hold.pk}/undo/", headers=here)
    polled = text_of(browser.get(poll_address(page), headers=HTMX))
    assert "2 of 3 decided" in polled
    assert 'id="steps"' in polled
    assert "<html" not in polled


def test_a_viewer_is_told_how_to_try(sandbox, signed_in):
    make_post(make_persona(sandbox))
    text = text_of(signed_in(make_member(sandbox, "Vera Stone", "viewer")).get("/setup/"))
    assert "Sign in as somebody else" in text


def test_an_empty_sandbox_says_what_to_do(sandbox, signed_in):
    text = text_of(signed_in(make_member(sandbox, "Ana Ruiz", "admin")).get("/setup/"))
    assert "Nothing is ready just now." in text


def test_from_the_sandbox_the_steps_lead_into_the_workspace_of_ones_own(noor, empty, sandbox, signed_in):
    Member.objects.create(workspace=sandbox, user=noor.user, role="admin")
    browser = signed_in(noor)
    browser.post(f"/workspaces/{sandbox.pk}/entry/")
    text = text_of(browser.get("/setup/"))
    assert "You are in the sandbox." in text
    assert f'formaction="/workspaces/{empty.pk}/entry/"' in text
    assert "Go to Fresh" in text
    browser.post(f"/workspaces/{empty.pk}/entry/")
    assert "You are in the sandbox." not in text_of(browser.get("/setup/"))


def test_a_poll_is_empty_until_something_moves(noor, empty, signed_in, django_assert_max_num_queries):
    browser = signed_in(noor)
    address = poll_address(text_of(browser.get("/setup/")))
    with django_assert_max_num_queries(3):
        assert browser.get(address, headers=HTMX).status_code == 204
    UpstreamKey.objects.create(
        workspace=empty, secret="x", last_four="cdef", fingerprint="f", state="working"
    )
    scopes.bump(empty.pk)
    text = text_of(browser.get(address, headers=HTMX))
    assert "rm_…cdef works" in text
    assert 'id="banners"' in text
