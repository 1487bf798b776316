"""Needs attention: each trouble says what it is and offers its cure. Held and decided rows likewise."""

import uuid
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Delivery, MediaFile, Operation, OutgoingPost, Watch
from reviewqueue.services import desk, reviewing
from tests.factories import make_loose, make_operation, make_persona, make_post, uid


@pytest.fixture
def row(ana, signed_in):
    """What the post's row says on the tab."""

    def row(post, tab="attention", member=ana):
        text = signed_in(member).get(f"/?tab={tab}").content.decode()
        return text.split(f'id="f-{post.pk}"')[1].split("</li>")[0]

    return row


def test_what_failed_in_part_is_retried_at_its_price(persona, row):
    post = make_post(persona, item_statuses=["completed", "failed"])
    assert "1 of 2 failed" in row(post)
    assert f'formaction="/review/{post.pk}/regeneration/" name="scope" value="failed"' in row(post)
    assert "$0.32" in row(post)


def test_what_waits_for_money_is_let_go_on_or_topped_up(persona, row):
    post = make_post(persona)
    operation = make_operation(
        post,
        "regenerate_post",
        state="blocked",
        blocked_by="balance",
        reason="No balance",
        estimated_cents=32,
    )
    assert f'formaction="/operations/{operation.pk}/release/"' in row(post)
    assert "$0.32" in row(post)
    assert 'class="can-run" href="/billing/"' in row(post)


@pytest.mark.parametrize("cause", ["late", "role", "restore"])
def test_what_waits_for_a_word_is_let_go_on(cause, persona, workspace, row, signed_in, ana):
    post = make_post(persona)
    facts = {"state": "blocked", "blocked_by": cause, "reason": "Because"}
    operation = make_operation(post, "approve", by=ana, **facts)
    release = f'formaction="/operations/{operation.pk}/release/"'
    assert release in row(post)
    assert (f'formaction="/operations/{operation.pk}/withdrawal/"' in row(post)) == (cause != "restore")
    make_loose(workspace, persona=persona, **facts)
    assert signed_in(ana).get("/?tab=attention").content.decode().count("/release/") == 2
    Operation.objects.update(look_at=now())  # after a restore it is looked for first
    desk.refresh(post.pk, touched=True)
    assert (release in row(post)) == (cause != "restore")


def test_what_waits_for_a_key_leads_there(persona, row):
    post = make_post(persona)
    make_operation(post, "approve", state="blocked", blocked_by="key", reason="The key is rejected")
    assert 'href="/settings/keys/"' in row(post)
    assert "The key is rejected" in row(post)


def test_what_nobody_knows_is_looked_for_or_told(persona, row):
    post = make_post(persona)
    operation = make_operation(post, "approve", state="unknown")
    assert f'formaction="/operations/{operation.pk}/check/"' in row(post)
    assert f'href="/operations/{operation.pk}/#resolve">I looked myself' in row(post)


@pytest.mark.parametrize(
    ("kind", "cure"),
    [("approve", "Approve again"), ("reject", "Reject again"), ("send_to_compose", "Send to compose again")],
)
def test_what_the_service_refused_is_decided_again(kind, cure, persona, row):
    post = make_post(persona)
    make_operation(post, kind, state="failed", reason="Refused")
    assert "Not sent" in row(post)
    assert cure in row(post)


def test_without_an_account_the_way_there_is_the_cure(workspace, row):
    persona = make_persona(workspace, accounts=())
    post = make_post(persona)
    assert f'class="tag is-wait" href="/personas/{persona.pk}/"' in row(post, "ready")
    make_operation(post, "approve", state="failed", reason="No active account")
    assert f'href="/personas/{persona.pk}/">Connect an account' in row(post)


def test_what_was_never_made_is_sent_again_at_its_price(persona, row):
    post = make_post(persona, items=0, status="pending", upstream_id="")
    operation = make_operation(
        post, "generate", state="absent", reason="It was looked for and is not there", estimated_cents=64
    )
    assert "Not generated" in row(post)
    assert f'formaction="/operations/{operation.pk}/repetition/"' in row(post)
    assert "$0.64" in row(post)


def test_what_does_not_come_is_asked_for_now(vera, ana, persona, row, signed_in):
    long_ago = now() - timedelta(hours=3)
    post = make_post(persona, status="generating", made_at=long_ago)
    assert "No answer after 5:00" in row(post)
    assert "Still checking every hour" not in row(post)  # nobody has looked yet
    assert f'formaction="/review/{post.pk}/check/"' in row(post)
    Watch.objects.all().delete()
    answer = signed_in(vera).post(f"/review/{post.pk}/check/", follow=True)
    assert "The service is being asked" in answer.content.decode()
    assert Watch.objects.get(kind="post", subject=str(post.pk)).poll_at <= now()
    ready = make_post(persona)
    assert signed_in(ana).post(f"/review/{ready.pk}/check/").status_code == 409


def test_a_refused_file_is_copied_again(ana, otto, persona, row, signed_in):
    post = make_post(persona)
    MediaFile.objects.filter(pk=post.items.get().file_id).update(state="refused", reason="Too large")
    desk.refresh(post.pk, touched=True)
    assert "Too large" in row(post)
    address = f"/review/{post.pk}/copying/"
    assert f'formaction="{address}"' in row(post)
    assert signed_in(otto).post(address).status_code == 404
    assert "being copied" in signed_in(ana).post(address, follow=True).content.decode()
    file = post.items.get().file
    assert (file.state, file.attempts, file.reason) == ("wanted", 0, "")
    post.refresh_from_db()
    assert post.desk == "generating"
    assert signed_in(ana).post(address).status_code == 409


def test_a_delivery_that_failed_says_why(persona, workspace, row):
    post = make_post(persona, review_status="approved")
    out = OutgoingPost.objects.create(
        workspace=workspace, post=post, upstream_id=uid(), status="failed", asked_at=now(), seen_at=now()
    )
    facts = {"username": "ines", "status": "failed", "error_message": "Token expired"}
    Delivery.objects.create(outgoing=out, upstream_id=uid(), seen_at=now(), **facts)
    desk.refresh(post.pk, touched=True)
    assert "Token expired" in row(post)
    assert "See deliveries" in row(post)


def test_what_a_role_may_not_do_is_hidden_or_says_whom_to_ask(persona, vera, row):
    post = make_post(persona, item_statuses=["completed", "failed"])
    assert 'class="can-spend"' in row(post, member=vera)
    assert "Retrying takes an editor" in row(post, member=vera)


# ---- what did not happen ---------------------------------------------------------------------------


def test_what_did_not_happen_to_a_post_says_so_and_is_sent_again_or_let_be(ana, ben, persona, row, signed_in):
    post = make_post(persona, items=2)
    item = post.items.get(position=1)
    facts = {"item": item, "lock_group": "item", "target": item.upstream_id, "state": "failed"}
    operation = make_operation(post, "regenerate_item", reason="Refused", estimated_cents=32, **facts)
    told = row(post)
    assert "Not done: Regenerate 2A" in told
    assert "Refused" in told
    assert f'can-spend" form="desk" formaction="/operations/{operation.pk}/repetition/"' in told
    assert "$0.32" in told
    assert f'formaction="/operations/{operation.pk}/dismissal/"' in told
    assert f'formaction="/review/{post.pk}/approval/"' in told  # it can be decided all the same
    assert "Not done: Regenerate 2A." in signed_in(ana).get(f"/review/{post.pk}/").content.decode()
    assert "Not done: Regenerate 2A." in signed_in(ana).get(f"/library/{post.pk}/").content.decode()
    dismissal = f"/operations/{operation.pk}/dismissal/"
    assert signed_in(ben).post(dismissal).status_code == 403
    here = {"HX-Request": "true", "HX-Current-URL": "http://testserver/?tab=attention"}
    answer = signed_in(ana).post(dismissal, headers=here)
    assert answer["HX-Trigger"] == "loupe:look"
    assert "Left as it is" in answer.content.decode()
    post.refresh_from_db()
    assert post.desk == "ready"


def test_sent_again_from_its_row_the_row_stays_where_one_is(ana, persona, signed_in):
    post = make_post(persona, items=2)
    item = post.items.get(position=1)
    facts = {"item": item, "lock_group": "item", "target": item.upstream_id, "state": "absent"}
    operation = make_operation(post, "reject_item", reason="Not seen", **facts)
    here = {"HX-Request": "true", "HX-Current-URL": "http://testserver/?tab=attention"}
    browser = signed_in(ana)
    answer = browser.post(
        f"/operations/{operation.pk}/repetition/", {"token": str(uuid.uuid4())}, headers=here
    )
    assert "HX-Redirect" not in answer.headers
    assert "Item rejected, held." in answer.content.decode()
    assert operation.retries.get().state == "queued"
    post.refresh_from_db()
    assert post.desk == "ready"


def test_what_was_never_made_is_let_be_and_gone_from_the_page(ana, persona, signed_in):
    post = make_post(persona, items=0, status="pending", upstream_id="")
    operation = make_operation(post, "generate", state="failed", reason="Refused")
    here = {"HX-Request": "true", "HX-Current-URL": "http://testserver/?tab=attention"}
    browser, dismissal = signed_in(ana), f"/operations/{operation.pk}/dismissal/"
    assert dismissal in browser.get("/?tab=attention").content.decode()
    assert browser.post(dismissal, headers=here)["HX-Redirect"] == "/?tab=attention"
    assert f'id="f-{post.pk}"' not in browser.get("/?tab=attention").content.decode()


def test_a_decision_that_was_not_sent_can_be_let_be(persona, row):
    post = make_post(persona)
    operation = make_operation(post, "approve", state="failed", reason="Refused")
    assert f'can-decide" form="desk" formaction="/operations/{operation.pk}/dismissal/"' in row(post)


def test_what_has_no_post_has_a_row_of_its_own(ana, vera, persona, workspace, signed_in):
    make_post(persona)
    sync = make_loose(ana.workspace, "sync", persona=persona, reason="Too soon", estimated_cents=27)
    reload = make_loose(ana.workspace, "set_reload", reason="Amount", params={})
    lost = make_loose(ana.workspace, "create_persona", state="unknown", target="Nora")
    paid = make_loose(ana.workspace, "top_up", reason="No such amount")
    waits = make_loose(
        workspace, "add_source", persona=persona, state="blocked", blocked_by="balance", reason="No balance"
    )
    browser = signed_in(ana)
    page = browser.get("/?tab=attention").content.decode()
    assert "Needs attention <span>5</span>" in page
    assert "Nothing needs attention" not in page
    rows = {one.pk: page.split(f'id="o-{one.pk}"')[1].split("</li>")[0] for one in (sync, lost, paid, waits)}
    assert "Not done: Sync" in rows[sync.pk]
    assert "Too soon" in rows[sync.pk]
    assert "$0.27" in rows[sync.pk]
    assert f'formaction="/operations/{sync.pk}/repetition/"' in rows[sync.pk]
    assert f'can-run" form="desk" formaction="/operations/{reload.pk}/repetition/"' in page
    assert "Sent, no answer" in rows[lost.pk]
    assert f'href="/operations/{lost.pk}/#resolve"' in rows[lost.pk]
    assert "/repetition/" not in rows[paid.pk]
    assert 'href="/billing/">Top up' in rows[paid.pk]
    assert f'formaction="/operations/{waits.pk}/release/"' in rows[waits.pk]
    of_persona = browser.get(f"/?tab=attention&persona={persona.pk}").content.decode()
    assert "Needs attention <span>2</span>" in of_persona
    assert f'id="o-{reload.pk}"' not in of_persona
    assert 'id="o-' not in browser.get("/?tab=attention&type=video").content.decode()
    assert 'id="o-' not in browser.get("/").content.decode()
    assert "Needs attention <span>5</span>" in browser.get("/").content.decode()
    polled = browser.get("/live/queue/?v=0&t=1&tab=attention", headers={"HX-Request": "true"})
    assert polled.content.decode().count('id="o-') == 5


def test_of_another_workspace_nothing_is_told(ana, otto, signed_in):
    make_loose(ana.workspace)
    page = signed_in(otto).get("/?tab=attention").content.decode()
    assert "Needs attention <span>0</span>" in page
    assert 'id="o-' not in page


def test_as_many_queries_for_many_without_a_post(ana, persona, signed_in, django_assert_max_num_queries):
    browser = signed_in(ana)
    make_loose(ana.workspace, persona=persona)
    browser.get("/?tab=attention")
    with django_assert_max_num_queries(6):
        browser.get("/?tab=attention")
    for number in range(20):
        make_loose(ana.workspace, target=str(number), persona=persona)
    with django_assert_max_num_queries(6):
        browser.get("/?tab=attention")


def test_the_operations_page_offers_it_to_whoever_may(ana, ben, edda, post, signed_in):
    decided = make_operation(post, "approve", state="failed", reason="no")
    page = signed_in(ben).get(f"/operations/{decided.pk}/").content.decode()
    assert f'href="/review/{post.pk}/">Decide again' in page
    assert "Let it be" in page
    assert "Send again" not in page
    admins = make_loose(ana.workspace, "set_reload", params={})
    page = signed_in(edda).get(f"/operations/{admins.pk}/").content.decode()
    assert "Sending it again takes an admin" in page
    assert "Let it be" not in page


# ---- held and decided ----------------------------------------------------------------------------


def test_a_held_row_is_taken_back_or_sent_and_together_if_held_together(ana, ben, persona, row):
    one, *several = (make_post(persona) for _ in range(3))
    single = reviewing.approve(one, by=ana, fingerprint=one.fingerprint, token=uuid.uuid4())
    seen = {post.pk: post.fingerprint for post in several}
    reviewing.decide_many(several, reviewing.REJECT, by=ben, seen=seen, token=uuid.uuid4())
    assert f'formaction="/holds/{single.hold_id}/undo/">Undo</button>' in row(one, "held")
    assert f'formaction="/holds/{single.hold_id}/send/">Send now</button>' in row(one, "held")
    assert "Undo all 2</button>" in row(several[0], "held")
    assert "by <bdi>Ben Adler</bdi>" in row(several[0], "held")


def test_a_decided_row_says_who_and_when_and_why_there_is_no_undo(ana, persona, row, signed_in):
    post = make_post(persona)
    decision = reviewing.reject(
        post, by=ana, fingerprint=post.fingerprint, token=uuid.uuid4(), reason="Low quality"
    )
    decision.operation.state = "succeeded"
    decision.operation.save()
    post.review_status = "rejected"
    post.save()
    desk.refresh(post.pk, touched=True)
    told = row(post, "decided")
    assert "by <bdi>Ana Ruiz</bdi> <time" in told
    assert "Low quality" in told
    assert "/undo/" not in told
    assert "the service has no undo" in signed_in(ana).get("/?tab=decided").content.decode()


# ---- the table is clear --------------------------------------------------------------------------


def test_a_clear_table_says_what_comes_next_and_goes_on_saying_it(ana, persona, signed_in):
    browser = signed_in(ana)
    make_post(persona, status="generating", made_at=now() - timedelta(seconds=30))
    page = browser.get("/").content.decode()
    assert "The table is clear" in page
    assert "1 more is being made; the first should be ready within a minute." in page
    assert page.count('id="underway"') == 1
    assert "&amp;clear=1" in page
    polled = browser.get("/live/queue/?v=0&t=1&clear=1", headers={"HX-Request": "true"}).content.decode()
    assert 'aria-label="Coming next"' in polled
    assert "<summary" not in polled.split('id="underway"')[1].split('id="fresh"')[0]
    assert "&amp;clear=1" in polled


def test_other_tabs_keep_what_is_under_way_to_themselves(ana, persona, signed_in):
    make_post(persona, status="generating", made_at=now())
    polled = signed_in(ana).get("/live/queue/?v=0&t=1&tab=held", headers={"HX-Request": "true"})
    assert '<div id="underway" hidden hx-swap-oob="true"></div>' in polled.content.decode()
