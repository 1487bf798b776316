"""Personas: the list, the tabs, and what can be asked of the service for one."""

import re
import uuid
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Checkout, Event, Operation, Persona, Source, SyncJob
from reviewqueue.services import desk, scopes
from tests.factories import (
    make_account,
    make_member,
    make_persona,
    make_post,
    make_source,
    make_target,
    make_workspace,
    uid,
)

HTMX = {"HX-Request": "true"}


@pytest.fixture
def source(persona):
    return make_source(persona)


def asked_from(address: str) -> dict:
    return {**HTMX, "HX-Current-URL": f"http://testserver{address}"}


def text_of(answer) -> str:
    return answer.content.decode()


def poll_address(text: str) -> str:
    return text.partition('id="poller" data-poll hx-get="')[2].partition('"')[0].replace("&amp;", "&")


# ---- looking -------------------------------------------------------------------------------------------


def test_the_index_leads_to_the_first_or_says_how_to_make_one(ana, ben, workspace, signed_in):
    browser = signed_in(ana)
    empty = text_of(browser.get("/personas/"))
    assert "There is no persona yet" in empty
    assert 'href="/personas/new/"' in empty
    looked = text_of(signed_in(ben).get("/personas/"))
    assert "Making one takes an editor" in looked
    assert 'href="/personas/new/"' not in looked
    make_persona(workspace, "Zoe", accounts=())
    first = make_persona(workspace, "Ada", accounts=())
    assert browser.get("/personas/")["Location"] == f"/personas/{first.pk}/"


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_the_overview_shows_each_role_what_it_may_do(workspace, persona, source, signed_in, role):
    persona.writing_style, persona.has_voice, persona.voice_name = "Short. Dry.", True, "ines.wav"
    persona.save()
    make_post(persona)
    page = signed_in(make_member(workspace, "Some One", role)).get(f"/personas/{persona.pk}/")
    text = text_of(page)
    assert page.status_code == 200
    for words in (
        "Ines Calder",
        "@salt.rooms",
        "@ines.calder",
        "Short. Dry.",
        "ines.wav",
        "Review 1",
        "Sync all",
    ):
        assert words in text, words
    here = f"/personas/{persona.pk}"
    may_spend, may_run = role in ("editor", "admin"), role == "admin"
    assert (f'href="{here}/sources/"' in text) == may_spend
    assert (f'href="{here}/writing-style/"' in text) == may_spend
    assert (f'formaction="{here}/discount/"' in text) == may_spend
    assert (f'formaction="{here}/sync/"' in text) == may_spend
    assert (f"{here}/sources/{source.pk}/removal/" in text) == may_spend
    assert (f"{here}/sources/{source.pk}/automation/" in text) == may_run
    assert (f'href="{here}/targets/"' in text) == may_run
    assert (f'formaction="{here}/connection/"' in text) == may_run


def test_a_stranger_finds_nothing(otto, persona, source, signed_in):
    browser = signed_in(otto)
    for tab in ("", "posts/", "settings/", "history/", "sources/", "targets/", "writing-style/"):
        assert browser.get(f"/personas/{persona.pk}/{tab}").status_code == 404, tab
    assert "Ines" not in text_of(browser.get("/personas/", follow=True))
    elsewhere = make_persona(otto.workspace, "Their own", accounts=())
    mixed = f"/personas/{elsewhere.pk}/sources/{source.pk}/removal/"
    assert browser.post(mixed).status_code == 404  # a source of somebody else under a persona of theirs
    assert not Operation.objects.exists()


def test_a_persona_that_is_gone_is_shown_no_more(ana, persona, source, signed_in):
    Persona.objects.update(gone_at=now())
    browser = signed_in(ana)
    assert browser.get(f"/personas/{persona.pk}/").status_code == 404
    assert browser.post(f"/personas/{persona.pk}/sources/{source.pk}/removal/").status_code == 404


def test_the_posts_are_paged_by_keyset(ana, persona, signed_in):
    same = now() - timedelta(hours=1)
    posts = [make_post(persona, made_at=same) for _ in range(30)]
    browser = signed_in(ana)
    first = browser.get(f"/personas/{persona.pk}/posts/")
    more = text_of(
        browser.get(f"/personas/{persona.pk}/posts/", {"after": first.context["after"]}, headers=HTMX)
    )
    assert "<html" not in more
    for post in posts:
        assert sum(f'id="f-{post.pk}"' in page for page in (text_of(first), more)) == 1
    plain = text_of(browser.get(f"/personas/{persona.pk}/posts/", {"after": first.context["after"]}))
    assert plain.count('<li class="frame"') == 6


def test_the_history_is_paged_by_keyset(ana, persona, workspace, signed_in):
    at = now()
    for number in range(60):
        Event.objects.create(
            workspace=workspace,
            name="post.approved",
            by=ana,
            by_label="Ana Ruiz",
            subject_label=f"number {number}.",
            persona=persona,
            at=at,
        )
    browser = signed_in(ana)
    first = browser.get(f"/personas/{persona.pk}/history/")
    more = text_of(
        browser.get(f"/personas/{persona.pk}/history/", {"after": first.context["after"]}, headers=HTMX)
    )
    assert more.count("<li>") == 10
    for number in range(60):
        told = f"Approved number {number}.<"
        assert sum(page.count(told) for page in (text_of(first), more)) == 1
    other = make_persona(workspace, "Oat & Ember", accounts=())
    assert "Nothing was done for" in text_of(browser.get(f"/personas/{other.pk}/history/"))


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"status": "completed", "new_posts_count": 3}, "3 new"),
        ({"status": "completed", "new_posts_count": 0}, "Nothing new"),
        ({"status": "failed", "error_message": "no such account"}, "no such account"),
        ({"status": "failed"}, "The service gave no reason."),
        ({"status": "skipped"}, "once every 15 minutes"),
    ],
)
def test_how_a_sync_ended_is_told(ana, persona, source, signed_in, job, words):
    SyncJob.objects.create(
        workspace=persona.workspace,
        persona=persona,
        creator_id=source.creator_id,
        upstream_id=uid(),
        asked_at=now(),
        ended_at=now(),
        seen_at=now(),
        **job,
    )
    assert words in text_of(signed_in(ana).get(f"/personas/{persona.pk}/"))


# ---- asking --------------------------------------------------------------------------------------------


def test_a_new_persona_is_asked_for_and_shown_as_being_created(edda, signed_in):
    browser = signed_in(edda)
    assert "New persona" in text_of(browser.get("/personas/new/"))
    form = {"name": "Noa Vale", "writing_style": "Two lines.\r\nNo emoji.", "token": str(uuid.uuid4())}
    for _ in range(2):
        assert browser.post("/personas/", form)["Location"] == "/personas/"
    operation = Operation.objects.get()
    assert operation.kind == "create_persona"
    assert operation.params == {"name": "Noa Vale", "writing_style": "Two lines.\nNo emoji."}
    text = text_of(browser.get("/personas/"))
    assert "Noa Vale" in text
    assert "Being created" in text
    operation.state, operation.reason = "failed", "The service refused: no more personas"
    operation.save()
    assert "The service refused: no more personas" in text_of(browser.get("/personas/"))


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_what_is_wrong_stands_at_the_field_and_what_was_typed_stays(ana, persona, source, signed_in, headers):
    browser, here = signed_in(ana), f"/personas/{persona.pk}/"
    long = "word " * 801  # 4,004 characters once the end is trimmed
    for address, typed, field, words in (
        ("/personas/", {"name": "", "writing_style": "kept words"}, "id_name", "Write a name."),
        ("/personas/", {"name": "n" * 81, "writing_style": "kept words"}, "id_name", "At most 80 characters"),
        ("/personas/", {"name": "kept words", "writing_style": long}, "id_writing_style", "this has 4004"),
        (f"{here}settings/", {"name": "", "writing_style": "kept words"}, "id_name", "Write a name."),
        (f"{here}sources/", {"handle": ""}, "id_handle", "Write the name of the account."),
        (f"{here}sources/", {"handle": "kept words"}, "id_handle", "not an Instagram name"),
        (f"{here}sources/", {"handle": "@SALT.rooms"}, "id_handle", "is already a source of"),
        (f"{here}sources/", {"handle": "x" * 31}, "id_handle", "at most 30"),
        (f"{here}sources/", {"handle": "x" * 61}, "id_handle", "too long for the name"),
        (f"{here}sources/", {"handle": "kept", "mode": "auto_publish"}, "id_mode", "valid choice"),
        (f"{here}targets/", {"account": ""}, "id_account", "Choose an account."),
        (f"{here}targets/", {"account": str(uuid.uuid4())}, "id_account", "Choose one of the list."),
        (f"{here}targets/", {"account": "nonsense"}, "id_account", "Choose one of the list."),
        (f"{here}writing-style/", {"writing_style": long}, "id_writing_style", "At most 4,000 characters"),
    ):
        make_account(persona.workspace, f"spare.{uid()[:6]}")
        answer = browser.post(address, typed, headers=headers)
        text = text_of(answer)
        assert answer.status_code == 422, address
        assert words in text.partition(f'id="{field}_error"')[2].partition("</span>")[0], (
            address,
            typed,
            words,
        )
        assert 'aria-invalid="true"' in text, address
        assert ("<html" in text) == (headers == {} or address.endswith("settings/")), address
        for name in {"name", "writing_style", "handle"} & set(typed):
            assert typed[name][:40].strip() in text, (address, typed)
    assert not Operation.objects.exists()


def test_only_what_was_changed_is_asked_for(edda, persona, signed_in):
    browser, address = signed_in(edda), f"/personas/{persona.pk}/settings/"
    answer = browser.post(
        address, {"name": persona.name, "writing_style": persona.writing_style}, follow=True
    )
    assert "Nothing was changed" in text_of(answer)
    assert not Operation.objects.exists()
    answer = browser.post(
        address,
        {"name": "Ines C.", "writing_style": persona.writing_style, "discount_mode": "on"},
        headers={"Referer": f"http://testserver{address}"},
        follow=True,
    )
    assert answer.redirect_chain == [(address, 302)]
    assert "Being saved: the name and discount mode" in text_of(answer)
    assert Operation.objects.get().params == {"name": "Ines C.", "discount_mode": True}
    assert Persona.objects.get().name == "Ines Calder"  # the service says when it is so


def test_what_was_left_alone_is_not_set_back_to_what_the_page_showed(edda, persona, signed_in):
    browser, address = signed_in(edda), f"/personas/{persona.pk}/settings/"
    shown = re.search(r'name="shown" value="([^"]*)"', text_of(browser.get(address)))[1]
    was = {"name": persona.name, "writing_style": persona.writing_style, "shown": shown}
    persona.name = "Ines C."  # what was asked for a moment ago has come true
    persona.save()
    browser.post(address, was | {"writing_style": "Dry."})
    assert Operation.objects.get().params == {"writing_style": "Dry."}


def test_the_voice_and_the_discount_can_be_set_on_the_overview(edda, persona, signed_in):
    browser, here = signed_in(edda), f"/personas/{persona.pk}/"
    answer = browser.post(f"{here}discount/", {"on": "1"}, headers=asked_from(here))
    assert 'id="making"' in text_of(answer)
    assert "Being saved" in text_of(answer)
    assert answer["HX-Trigger"] == "loupe:look"
    assert Operation.objects.get().params == {"discount_mode": True}
    busy = browser.post(f"{here}writing-style/", {"writing_style": "New."}, headers=asked_from(here))
    assert busy.status_code == 409
    assert "Nothing of yours was sent" in text_of(busy)
    Operation.objects.all().delete()
    browser.post(f"{here}writing-style/", {"writing_style": "New."}, headers=asked_from(here))
    assert Operation.objects.get().params == {"writing_style": "New."}
    assert browser.post(f"{here}discount/", {"on": "perhaps"}).status_code == 422


def test_syncing_is_asked_for_once_and_shows_its_end(edda, persona, source, signed_in):
    browser, here = signed_in(edda), f"/personas/{persona.pk}/"
    answer = browser.post(f"{here}sync/", {"token": str(uuid.uuid4())}, headers=asked_from(here))
    assert "Syncing Ines Calder" in text_of(answer)
    assert Operation.objects.get().estimated_cents == 9
    assert browser.post(f"{here}sync/", {"token": str(uuid.uuid4())}).status_code == 409
    assert "A sync is running" in text_of(browser.get(here))
    lonely = make_persona(persona.workspace, "Oat & Ember", accounts=())
    refused = browser.post(f"/personas/{lonely.pk}/sync/")
    assert refused.status_code == 409
    assert "follows no account yet" in text_of(refused)


def test_an_account_is_followed_and_left_again(edda, ana, persona, source, signed_in):
    browser, here = signed_in(edda), f"/personas/{persona.pk}/"
    assert 'name="mode"' not in text_of(browser.get(f"{here}sources/"))  # an admin's to choose
    browser.post(f"{here}sources/", {"handle": "@new.account"}, headers=asked_from(here))
    added = Operation.objects.get()
    assert (added.kind, added.params["handle"], added.params["automation_mode"]) == (
        "add_source",
        "new.account",
        "sync_only",
    )
    assert "Being added" in text_of(browser.get(here))
    spends = browser.post(f"{here}sources/", {"handle": "other.account", "mode": "auto_clone"})
    assert spends.status_code == 403
    asks = text_of(browser.get(f"{here}sources/{source.pk}/removal/", headers=HTMX))
    assert "Stop following" in asks
    assert Operation.objects.count() == 1  # the question alone does nothing
    browser.post(f"{here}sources/{source.pk}/removal/", headers=asked_from(here))
    assert Operation.objects.get(kind="remove_source").source == source
    assert "Being removed" in text_of(browser.get(here))
    assert Source.objects.filter(pk=source.pk).exists()


def test_publishing_without_review_asks_first(ana, edda, persona, source, signed_in):
    browser, here = signed_in(ana), f"/personas/{persona.pk}/"
    address = f"{here}sources/{source.pk}/automation/"
    for headers, led in (({}, "Location"), (asked_from(here), "HX-Redirect")):
        answer = browser.post(address, {f"mode-{source.pk}": "auto_publish"}, headers=headers)
        assert answer[led] == address
    assert not Operation.objects.exists()
    asks = text_of(browser.get(address))
    assert "Nobody sees these before they go out." in asks
    assert "@ines.calder" in asks
    assert 'name="confirmed" value="1"' in asks
    refused = signed_in(edda).post(address, {"mode": "auto_publish", "confirmed": "1"})
    assert refused.status_code == 403
    browser.post(address, {"mode": "auto_publish", "confirmed": "1"}, headers=asked_from(here))
    assert Operation.objects.get().params["automation_mode"] == "auto_publish"
    Source.objects.update(automation_mode="auto_publish")
    assert "Nobody sees these before they go out" in text_of(browser.get(here))


def test_publishing_without_review_needs_somewhere_to_go(ana, workspace, signed_in):
    persona = make_persona(workspace, accounts=())
    source = make_source(persona)
    browser, address = signed_in(ana), f"/personas/{persona.pk}/sources/{source.pk}/automation/"
    assert "Link one first" in text_of(browser.get(address))
    answer = browser.post(address, {"mode": "auto_publish", "confirmed": "1"})
    assert answer.status_code == 409
    assert "no publishing account" in text_of(answer)
    assert browser.post(address, {"mode": "nonsense"}).status_code == 422


def test_the_other_modes_are_set_at_once(ana, persona, source, signed_in):
    other = make_source(persona, handle="other.rooms")
    browser, here = signed_in(ana), f"/personas/{persona.pk}/"
    form = {f"mode-{source.pk}": "auto_clone", f"mode-{other.pk}": "sync_only"}  # one form holds every row
    answer = browser.post(f"{here}sources/{source.pk}/automation/", form, headers=asked_from(here))
    operation = Operation.objects.get()
    assert (operation.source, operation.params["automation_mode"]) == (source, "auto_clone")
    assert f'id="mode-{source.pk}"' in text_of(answer)


def test_accounts_are_linked_and_unlinked(ana, workspace, persona, signed_in):
    spare = make_account(workspace, "spare.account")
    theirs = make_account(make_workspace("Elsewhere"), "not.ours")
    browser, here = signed_in(ana), f"/personas/{persona.pk}/"
    asks = text_of(browser.get(f"{here}targets/"))
    assert "@spare.account" in asks
    assert "@ines.calder" not in asks  # linked already
    assert "not.ours" not in asks
    assert browser.post(f"{here}targets/", {"account": str(theirs.pk)}).status_code == 422
    browser.post(f"{here}targets/", {"account": str(spare.pk)}, headers=asked_from(here))
    linked = Operation.objects.get()
    assert (linked.kind, linked.params["account_id"]) == ("add_target", spare.upstream_id)
    text = text_of(browser.get(here))
    assert "@spare.account" in text
    assert "Being linked" in text
    target = persona.targets.get()
    assert "Unlink" in text_of(browser.get(f"{here}targets/{target.pk}/removal/"))
    browser.post(f"{here}targets/{target.pk}/removal/", headers=asked_from(here))
    assert Operation.objects.filter(kind="remove_target").count() == 1
    assert "Being unlinked" in text_of(browser.get(here))


def test_connecting_an_account_offers_the_services_page_as_soon_as_it_has_come(ana, persona, signed_in):
    browser, here = signed_in(ana), f"/personas/{persona.pk}/"
    browser.post(f"{here}connection/", headers=asked_from(here))
    operation = Operation.objects.get()
    assert "Preparing the page" in text_of(browser.get(here))
    Operation.objects.update(state="succeeded", finished_at=now())
    page = Checkout.objects.create(
        workspace=persona.workspace,
        kind="connect",
        url="https://service.example/connect",
        operation=operation,
    )
    assert 'href="https://service.example/connect"' in text_of(browser.get(here))
    assert "It is connected" in text_of(browser.get(here))
    back = browser.get("/personas/connect/return/", follow=True)
    assert back.redirect_chain == [(here, 302)]
    assert "The accounts are being read again." in text_of(back)
    page.refresh_from_db()
    assert page.returned_at
    assert persona.workspace.watches.get(kind="catalogue").hinted_at
    cancelled = browser.get("/personas/connect/return/?outcome=cancelled", follow=True)
    assert "Nothing was connected." in text_of(cancelled)


def test_without_an_account_the_page_says_what_that_means(ana, workspace, signed_in):
    persona = make_persona(workspace, accounts=())
    browser = signed_in(ana)
    assert "Nothing can be approved until one is" in text_of(browser.get(f"/personas/{persona.pk}/"))
    make_target(persona, make_account(workspace, "lapsed.account", status="expired"))
    assert "Sign in again" in text_of(browser.get(f"/personas/{persona.pk}/"))


# ---- live ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", ["", "posts/", "settings/", "history/"])
def test_a_poll_is_empty_until_something_moves(
    ana, persona, source, signed_in, tab, django_assert_max_num_queries
):
    post = make_post(persona)
    browser = signed_in(ana)
    address = poll_address(text_of(browser.get(f"/personas/{persona.pk}/{tab}")))
    browser.get(address, headers=HTMX)
    with django_assert_max_num_queries(3):
        assert browser.get(address, headers=HTMX).status_code == 204
    desk.refresh(post.pk, touched=True)
    answer = browser.get(address, headers=HTMX)
    text = text_of(answer)
    assert answer.status_code == 200
    assert f'id="f-{post.pk}"' in text
    assert ('id="followed"' in text) == (tab == "")
    assert ('id="saving"' in text) == (tab == "settings/")
    assert browser.get(poll_address(text), headers=HTMX).status_code == 204


def test_the_list_beside_waits_for_a_persona_that_is_being_created(ana, signed_in):
    browser = signed_in(ana)
    browser.post("/personas/", {"name": "Noa Vale"})
    address = poll_address(text_of(browser.get("/personas/")))
    assert browser.get(address, headers=HTMX).status_code == 204
    make_persona(ana.workspace, "Noa Vale", accounts=())
    scopes.bump(ana.workspace_id)
    answer = browser.get(address, headers=HTMX)
    assert answer["HX-Redirect"] == "/personas/"
