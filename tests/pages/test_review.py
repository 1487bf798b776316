"""Focus mode as pages: who may, what is answered, with a script and without."""

import re
import uuid
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewqueue.clock import now
from reviewqueue.models import Decision, GeneratedPost, Operation, User, Workspace
from reviewqueue.services import desk
from reviewqueue.templatetags.display import TROUBLE_WORDS
from reviewqueue.views.posts import BEHIND
from tests.factories import make_file, make_member, make_operation, make_persona, make_post, make_source_post

HTMX = {"HX-Request": "true"}
DECISIONS = {"approval": "approve", "rejection": "reject", "compose": "send_to_compose"}


def form(post, **more):
    return {"token": str(uuid.uuid4()), "fingerprint": post.fingerprint, **more}


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_every_role_sees_the_post(workspace, post, signed_in, role):
    member = make_member(workspace, "Some One", role)
    page = signed_in(member).get(f"/review/{post.pk}/")
    text = page.content.decode()
    assert page.status_code == 200
    assert post.caption[:20] in text
    assert ("Approve" in text) == (role != "viewer")
    assert ('formaction="/items/' in text) == (role != "viewer")
    assert (f'href="/review/{post.pk}/deletion/"' in text) == (role in ("editor", "admin"))


def test_a_stranger_finds_nothing(otto, post, signed_in):
    browser = signed_in(otto)
    for address in (
        f"/review/{post.pk}/",
        f"/review/{post.pk}/strip/",
        f"/review/{post.pk}/regeneration/",
        f"/review/{post.pk}/deletion/",
        f"/review/{post.pk}/rejection/",
        f"/items/{post.items.first().pk}/visibility/",
        f"/items/{post.items.first().pk}/rejection/",
        f"/items/{post.items.first().pk}/deletion/",
    ):
        assert browser.get(address).status_code == 404, address
    for address in (
        *(f"/review/{post.pk}/{name}/" for name in (*DECISIONS, "regeneration", "deletion")),
        *(
            f"/items/{post.items.first().pk}/{name}/"
            for name in ("rejection", "regeneration", "visibility", "voice")
        ),
    ):
        assert browser.post(address, form(post, scope="all", public="1")).status_code == 404, address
    assert not Operation.objects.exists()
    assert not Decision.objects.exists()


@pytest.mark.parametrize(("address", "kind"), DECISIONS.items())
def test_a_decision_without_a_script_goes_on_to_the_next_post(ana, post, persona, signed_in, address, kind):
    following = make_post(persona, made_at=post.made_at.replace(year=post.made_at.year + 1))
    browser = signed_in(ana)
    answer = browser.post(
        f"/review/{post.pk}/{address}/?order=oldest",
        form(post),
        headers={"Referer": f"http://testserver/review/{post.pk}/"},
    )
    assert answer.status_code == 302
    assert answer["Location"] == f"/review/{following.pk}/"
    assert Operation.objects.get(post=post).kind == kind
    assert "You can undo it within 10 seconds" in browser.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(("address", "kind"), DECISIONS.items())
def test_a_decision_with_a_script_answers_small_parts(ana, post, signed_in, address, kind):
    headers = HTMX | {"HX-Current-URL": f"http://testserver/review/{post.pk}/"}
    answer = signed_in(ana).post(f"/review/{post.pk}/{address}/", form(post), headers=headers)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'id="tray"' in text
    assert f'id="s-{post.pk}"' in text
    assert "<html" not in text
    assert len(answer.content) < 5000  # before compression; the budget of a decision is 8 kB
    assert Operation.objects.get().kind == kind


def test_a_decision_on_the_contact_sheet_answers_the_frame(ana, post, signed_in):
    headers = HTMX | {"HX-Current-URL": "http://testserver/"}
    answer = signed_in(ana).post(f"/review/{post.pk}/approval/", form(post), headers=headers)
    assert f'id="f-{post.pk}"' in answer.content.decode()
    assert 'data-state="held"' in answer.content.decode()


@pytest.mark.parametrize("address", DECISIONS)
def test_a_viewer_may_not_decide(vera, post, signed_in, address):
    answer = signed_in(vera).post(f"/review/{post.pk}/{address}/", form(post))
    assert answer.status_code == 403
    assert "takes reviewer" in answer.content.decode()
    assert not Operation.objects.exists()


@pytest.mark.parametrize("address", ["regeneration", "deletion"])
def test_a_reviewer_may_not_spend_or_delete(ben, post, signed_in, address):
    assert signed_in(ben).post(f"/review/{post.pk}/{address}/", form(post, scope="all")).status_code == 403
    assert not Operation.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_tools_that_a_role_may_not_use_stand_there_with_their_reason(workspace, signed_in, role):
    item = make_post(make_persona(workspace, has_voice=True), media_type="video").items.get()
    member = make_member(workspace, "Some One", role)
    text = signed_in(member).get(f"/review/{item.post_id}/").content.decode()
    for tool, key, why in (
        ("regeneration", "g", "Regenerating takes an editor. Ask an admin."),
        ("voice", "v", "Converting a voice takes an editor. Ask an admin."),
    ):
        goes = f'form="desk" formaction="/items/{item.pk}/{tool}/"'
        waits = f'type="button" aria-disabled="true" data-why="{why}"'
        does = goes if role in ("editor", "admin") else waits
        assert f'<button class="tool" {does} data-key="{key}"' in text


def test_the_second_gets_told_who_was_first(ana, ben, post, signed_in):
    signed_in(ben).post(f"/review/{post.pk}/approval/", form(post))
    post.refresh_from_db()
    answer = signed_in(ana).post(f"/review/{post.pk}/rejection/", form(post), headers=HTMX)
    assert answer.status_code == 409
    assert "Ben Adler approved this just now. Your reject was not sent." in answer.content.decode()
    plain = signed_in(ana).post(f"/review/{post.pk}/rejection/", form(post))
    assert plain.status_code == 409
    assert "Ben Adler" in plain.content.decode()


@pytest.mark.parametrize(
    ("ago", "words"), [(timedelta(hours=2), "at {:%H:%M}"), (timedelta(days=2), "on {:%-d %B}")]
)
def test_when_the_first_decided_is_told_in_the_time_of_who_asks(ana, ben, post, signed_in, ago, words):
    zone = ZoneInfo("Pacific/Kiritimati")  # 14 hours ahead
    User.objects.filter(pk=ana.user_id).update(time_zone=zone.key)
    signed_in(ben).post(f"/review/{post.pk}/approval/", form(post))
    Decision.objects.update(at=now() - ago)
    told = f"Ben Adler approved this {words.format((now() - ago).astimezone(zone))}. Your reject"
    assert told in signed_in(ana).post(f"/review/{post.pk}/rejection/", form(post)).content.decode()


def test_times_are_those_of_whoever_reads(ana, ben, post, signed_in):
    """Some hours old a decision is told with its time of day."""
    signed_in(ben).post(f"/review/{post.pk}/approval/", form(post))
    at = now() - timedelta(hours=3)
    Decision.objects.update(at=at)
    User.objects.filter(pk=ana.user_id).update(time_zone="Asia/Tokyo")
    browser, there = signed_in(ana), at.astimezone(ZoneInfo("Asia/Tokyo"))
    told = f"Ben Adler approved this at {there:%H:%M}."
    assert told in browser.get(f"/review/{post.pk}/").content.decode()
    answer = browser.post(f"/review/{post.pk}/rejection/", form(post))
    assert f"{told} Your reject was not sent." in answer.content.decode()
    operation = Operation.objects.get()
    Operation.objects.update(state="blocked", blocked_by="late", not_before=at)
    text = browser.get(f"/operations/{operation.pk}/").content.decode()
    assert f"<dt>Not before</dt><dd>{there:%-d %b %Y %H:%M:%S}</dd>" in text


def test_the_same_form_twice_is_one_operation(ana, post, signed_in):
    browser, sent = signed_in(ana), form(post)
    for _ in range(3):
        assert browser.post(f"/review/{post.pk}/approval/", sent).status_code == 302
    assert Operation.objects.count() == 1


def test_an_old_page_decides_nothing(ana, post, signed_in):
    answer = signed_in(ana).post(
        f"/review/{post.pk}/approval/", form(post, fingerprint="0" * 64), headers=HTMX
    )
    assert answer.status_code == 409
    assert "changed while you looked" in answer.content.decode()


def test_reasons_are_joined_with_own_words(ana, post, signed_in):
    signed_in(ana).post(
        f"/review/{post.pk}/rejection/", form(post, reason="Low quality", words=" the hands ")
    )
    assert Decision.objects.get().reason == "Low quality: the hands"


@pytest.mark.parametrize("whose", ["post", "item"])
@pytest.mark.parametrize("why", ["first", "stale", "long"])
def test_what_was_typed_comes_back_with_the_no_without_a_script(ana, ben, post, signed_in, whose, why):
    item = post.items.first()
    address = {"post": f"/review/{post.pk}/rejection/", "item": f"/items/{item.pk}/rejection/"}[whose]
    typed = form(post, reason="Low quality", words='six "fingers"' + "!" * 200 * (why == "long"))
    if why == "first":
        signed_in(ben).post(f"/review/{post.pk}/approval/", form(post))
    elif why == "stale":
        typed["fingerprint"] = "0" * 64
        post.items.filter(pk=item.pk).update(is_current=False)
    answer = signed_in(ana).post(address, typed)
    text = answer.content.decode()
    assert answer.status_code == 409
    told = {"first": "Ben Adler approved this", "stale": "while you looked", "long": "at most 200"}[why]
    assert told in text
    assert 'value="Low quality" checked' in text
    assert 'value="six &quot;fingers&quot;' in text
    assert not Decision.objects.filter(by=ana).exists()


@pytest.mark.parametrize("whose", ["post", "item", "posts"])
def test_words_that_are_too_long_reject_nothing_rather_than_being_dropped(ana, post, signed_in, whose):
    """No browser lets them through; whatever else does is told so."""
    address = {
        "post": f"/review/{post.pk}/rejection/",
        "item": f"/items/{post.items.first().pk}/rejection/",
        "posts": "/review/rejections/",
    }[whose]
    typed = form(post, words="o" * 201) | {"post": f"{post.pk}:{post.fingerprint}"}
    answer = signed_in(ana).post(address, typed, headers=HTMX)
    assert answer.status_code == 409
    assert "at most 200 characters; yours has 201" in answer.content.decode()
    assert not Decision.objects.exists()


def test_a_reason_is_shown_to_the_next_person_and_to_whoever_makes_it_anew(ana, ben, post, signed_in):
    item = post.items.first()
    given = {"post": post, "workspace": post.workspace, "by": ben, "by_label": ben.user.name}
    Decision.objects.create(verdict="reject_item", item=item, reason="<b>Six fingers</b>", **given)
    Decision.objects.create(verdict="reject", reason="Too dark", stands=False, ended="overtaken", **given)
    Decision.objects.create(verdict="reject", reason="Slipped", stands=False, ended="undone", **given)
    for address in (f"/review/{post.pk}/", f"/review/{post.pk}/regeneration/"):
        page = signed_in(ana).get(address).content.decode()
        assert "Rejected before, because" in page
        assert "&lt;b&gt;Six fingers" in page
        assert "<b>Six" not in page
        assert "Too dark" in page
        assert "Slipped" not in page


def test_what_was_seen_is_rejected_without_a_script_and_the_view_goes_on(ana, persona, signed_in):
    post, _, following = (make_post(persona, media_type=kind) for kind in ("video", "image", "video"))
    here, browser = f"/review/{post.pk}/?type=video", signed_in(ana)
    page = browser.get(here).content.decode()
    button = page.split(f'formaction="/review/{post.pk}/rejection/')[1].split(">")[0]
    seen = button.split('name="fingerprint" value="')[1].split('"')[0]
    came = {"Referer": f"http://testserver{here}"}
    desk.refresh(GeneratedPost.objects.filter(pk=post.pk).update(caption="Another one") and post.pk)
    asking = browser.get(f"/review/{post.pk}/rejection/", {"fingerprint": seen}, headers=came)
    assert f'value="{seen}"' in asking.content.decode()
    assert 'action="?type=video"' in asking.content.decode()
    address = f"/review/{post.pk}/rejection/?type=video"
    came = {"Referer": f"http://testserver/review/{post.pk}/rejection/?fingerprint={seen}"}
    again = browser.post(address, {"fingerprint": seen, "words": "dim"}, headers=came)
    assert again.status_code == 409
    now_seen = again.content.decode().split('name="fingerprint" value="')[1].split('"')[0]
    assert now_seen != seen
    assert 'action="?type=video"' in again.content.decode()
    decided = browser.post(address, {"fingerprint": now_seen, "words": "dim"}, headers=came)
    assert decided["Location"] == f"/review/{following.pk}/?type=video"


@pytest.mark.parametrize("here", ["/", "/review/{post}/"])
def test_without_a_script_one_stays_in_the_view(ana, post, signed_in, here):
    here, browser = here.format(post=post.pk), signed_in(ana)
    came = {"Referer": f"http://testserver{here}?type=carousel"}
    named = "" if here == "/" else "?type=carousel"  # focus mode names the view in its buttons
    after = browser.post(f"/review/{post.pk}/approval/{named}", form(post), headers=came)
    assert after["Location"] == "/?type=carousel"
    after = browser.post(f"/holds/{Decision.objects.get().hold_id}/undo/", headers=came)
    assert after["Location"] == f"{here}?type=carousel"


def test_from_the_sheet_what_the_page_of_reasons_shows_is_rejected(ana, post, signed_in):
    """A frame does not say what was seen to a browser without script, as 24 of them weigh too much."""
    browser, came = signed_in(ana), {"Referer": "http://testserver/?type=carousel"}
    for each in post.items.current():
        each.file = make_file(post.workspace)
        each.save()
    desk.refresh(GeneratedPost.objects.filter(pk=post.pk).update(caption="Another one") and post.pk)
    page = browser.get(f"/review/{post.pk}/rejection/", headers=came).content.decode()
    assert page.count(" as it is now") == post.items.current().count()
    seen = GeneratedPost.objects.get(pk=post.pk).fingerprint
    assert f'name="fingerprint" value="{seen}"' in page
    assert 'action="?type=carousel"' in page
    assert (
        " as it is now"
        not in browser.get(f"/review/{post.pk}/rejection/", {"fingerprint": seen}).content.decode()
    )


def test_an_item_is_rejected_without_a_script_within_the_view(ana, post, signed_in):
    came = {"Referer": f"http://testserver/review/{post.pk}/?type=carousel"}
    address = f"/items/{post.items.first().pk}/rejection/"
    assert 'action="?type=carousel"' in signed_in(ana).get(address, headers=came).content.decode()
    came = {"Referer": f"http://testserver{address}"}
    after = signed_in(ana).post(f"{address}?type=carousel", form(post), headers=came)
    assert after["Location"] == f"/review/{post.pk}/?type=carousel&item=1"


@pytest.mark.parametrize(
    ("view", "place"), [("?type=image", "2 of 2"), ("?tab=decided", "1 of 1"), ("", "2 of 3")]
)
def test_the_place_in_the_view_counts_what_the_view_holds(ana, persona, signed_in, view, place):
    posts = [make_post(persona, media_type=kind) for kind in ("image", "image", "video", "image")]
    long_ago = {"review_status": "rejected", "desk": "rejected"}
    for post, days in ((posts[3], 0), (make_post(persona), 2)):
        decided = {**long_ago, "decided_at": now() - timedelta(days=days)}
        GeneratedPost.objects.filter(pk=post.pk).update(**decided)
        desk.refresh(post.pk)
    shown = posts[3] if "decided" in view else posts[1]
    text = signed_in(ana).get(f"/review/{shown.pk}/{view}").content.decode()
    assert place in re.sub("<[^>]+>", "", text)


@pytest.mark.parametrize("why", ["partly", "failed", "unknown"])
def test_what_would_be_refused_is_not_offered(ana, persona, signed_in, why):
    states = {"partly": ["completed", "failed"], "failed": ["failed"], "unknown": ["completed", "completed"]}
    post = make_post(persona, item_statuses=states[why])
    if why == "unknown":
        make_operation(post, "approve", state="unknown")
    post.refresh_from_db()
    assert post.desk == "attention"
    browser = signed_in(ana)
    page = browser.get(f"/review/{post.pk}/").content.decode()
    for address in (f"/review/{post.pk}/rejection/", f"/items/{post.items.first().pk}/rejection/"):
        assert browser.post(address, form(post)).status_code == 409
        assert f'formaction="{address}' not in page
    assert TROUBLE_WORDS[post.trouble] in page.partition('class="decide"')[2]


def test_a_first_approval_is_told_while_a_second_is_waited_for(ana, ben, workspace, post, signed_in):
    Workspace.objects.update(approvers=2)
    told, browser = "gave the first of two approvals", signed_in(ana)
    browser.post(f"/review/{post.pk}/approval/", form(post))

    def page():
        return browser.get(f"/review/{post.pk}/").content.decode()

    assert f"Ana Ruiz {told}" in page()
    Workspace.objects.update(approvers=1)
    assert told not in page()
    Workspace.objects.update(approvers=2)
    signed_in(ben).post(f"/review/{post.pk}/rejection/", form(post))
    assert "Rejected by" in page()
    assert told not in page()
    Decision.objects.filter(by=ben).update(stands=False)
    Operation.objects.all().delete()
    GeneratedPost.objects.filter(pk=post.pk).update(caption="Another one")
    assert desk.refresh(post.pk).desk == "ready"
    assert told not in page()


def test_the_page_of_reasons_is_there_without_a_script(ana, post, signed_in):
    page = signed_in(ana).get(f"/review/{post.pk}/rejection/").content.decode()
    assert "Too close to the source" in page
    assert f'value="{post.fingerprint}"' in page


def test_the_bill_says_what_it_costs_and_what_is_left(ana, post, signed_in):
    text = signed_in(ana).get(f"/review/{post.pk}/regeneration/").content.decode()
    assert "Charged now" in text
    assert "$0.64" in text  # two images
    assert "$40.56" in text  # of $41.20


def test_regenerating_queues_the_whole_price(ana, post, signed_in):
    signed_in(ana).post(f"/review/{post.pk}/regeneration/", form(post, scope="all"))
    operation = Operation.objects.get()
    assert (operation.kind, operation.estimated_cents, operation.hold) == ("regenerate_post", 64, None)


def test_retrying_queues_what_failed(ana, persona, signed_in):
    post = make_post(persona, item_statuses=["completed", "failed", "failed"])
    signed_in(ana).post(f"/review/{post.pk}/regeneration/", form(post, scope="failed"))
    assert (Operation.objects.get().kind, Operation.objects.get().estimated_cents) == ("retry_failed", 64)


def test_not_enough_balance_says_so_and_sends_nothing(ana, post, workspace, signed_in):
    workspace.balance_cents = 12
    workspace.save()
    answer = signed_in(ana).post(f"/review/{post.pk}/regeneration/", form(post, scope="all"))
    assert answer.status_code == 409
    assert "this costs $0.64, you have $0.12" in answer.content.decode()
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("address", "more", "kind"),
    [
        ("rejection", {"reason": "Low quality"}, "reject_item"),
        ("regeneration", {}, "regenerate_item"),
        ("visibility", {"public": "1"}, "set_public"),
        ("deletion", {}, "delete_item"),
    ],
)
def test_what_can_be_done_to_one_item(ana, post, signed_in, address, more, kind):
    item = post.items.first()
    answer = signed_in(ana).post(f"/items/{item.pk}/{address}/", form(post, **more))
    assert answer.status_code == 302
    operation = Operation.objects.get()
    assert (operation.kind, operation.target) == (kind, item.upstream_id)
    assert (operation.hold is not None) == (kind != "delete_item")


def test_a_voice_is_converted_only_where_there_is_one(ana, persona, signed_in):
    persona.has_voice = True
    persona.save()
    post = make_post(persona, media_type="video")
    signed_in(ana).post(f"/items/{post.items.get().pk}/voice/", form(post))
    assert Operation.objects.get().kind == "voice_convert"


def test_nonsense_is_refused_in_words(ana, post, signed_in):
    item = post.items.first()
    assert signed_in(ana).post(f"/items/{item.pk}/visibility/", {"public": "maybe"}).status_code == 422
    assert signed_in(ana).post(f"/review/{post.pk}/regeneration/", {"scope": "everything"}).status_code == 422


def test_the_hold_can_be_taken_back_paused_and_sent(ana, post, signed_in):
    browser = signed_in(ana)
    browser.post(f"/review/{post.pk}/approval/", form(post))
    operation = Operation.objects.get()
    browser.post(f"/holds/{operation.hold_id}/pause/", {"on": "1"})
    operation.refresh_from_db()
    assert operation.not_before is None
    browser.post(f"/holds/{operation.hold_id}/send/")
    operation.refresh_from_db()
    assert operation.not_before is not None
    answer = browser.post(f"/holds/{operation.hold_id}/undo/", headers=HTMX)
    assert "loupe:undone" in answer["HX-Trigger"]
    operation.refresh_from_db()
    assert operation.state == "cancelled"


def test_somebody_elses_hold_is_theirs(ana, ben, otto, post, signed_in):
    signed_in(ana).post(f"/review/{post.pk}/approval/", form(post))
    hold = Operation.objects.get().hold_id
    assert signed_in(ben).post(f"/holds/{hold}/undo/").status_code == 403
    assert signed_in(otto).post(f"/holds/{hold}/undo/").status_code == 404


# ---- live ------------------------------------------------------------------------------------


def test_nothing_moved_is_204_in_few_queries(ana, post, signed_in, django_assert_max_num_queries):
    browser = signed_in(ana)
    browser.get("/live/queue/?v=0")
    from reviewqueue.services import scopes

    version = scopes.version(ana.workspace_id)
    with django_assert_max_num_queries(3):  # session, place, version
        assert browser.get(f"/live/queue/?v={version}").status_code == 204
    browser.get(f"/live/posts/{post.pk}/?v={post.version}")
    with django_assert_max_num_queries(3):
        assert browser.get(f"/live/posts/{post.pk}/?v={post.version}").status_code == 204


def test_a_poll_of_a_post_that_was_deleted_meanwhile_is_quiet(ana, otto, post, signed_in):
    post.deleted_at = post.made_at
    post.save()
    assert signed_in(ana).get(f"/live/posts/{post.pk}/?v=0", headers=HTMX).status_code == 204
    assert signed_in(otto).get(f"/live/posts/{post.pk}/?v=0", headers=HTMX).status_code == 404


def test_what_moved_comes_and_nothing_else(ana, post, signed_in):
    make_operation(post, by=ana)
    answer = signed_in(ana).get(f"/live/posts/{post.pk}/?v={post.version}", headers=HTMX)
    text = answer.content.decode()
    assert f'id="decide-{post.pk}"' in text
    assert f'id="side-{post.pk}"' in text
    assert "media-" not in text  # no picture moved
    assert f'id="stage-{post.pk}"' not in text


def test_a_new_take_brings_the_stage(ana, post, signed_in):
    from reviewqueue.services import mirroring

    since = post.version
    item = post.items.first()
    item.post = desk.lock(post.pk)
    mirroring.new_take(item, "another-id")
    desk.refresh(post.pk, touched=True)
    text = signed_in(ana).get(f"/live/posts/{post.pk}/?v={since}", headers=HTMX).content.decode()
    assert f'id="stage-{post.pk}"' in text
    assert "1B" in text


def test_the_queue_hears_of_new_ready_posts_without_moving(ana, persona, post, signed_in):
    from reviewqueue.clock import now
    from reviewqueue.services import scopes

    loaded = int(now().timestamp()) - 5
    version = scopes.version(ana.workspace_id)
    new = make_post(persona)
    text = (
        signed_in(ana)
        .get(f"/live/queue/?v={version}&t={loaded}&loaded={loaded}", headers=HTMX)
        .content.decode()
    )
    assert "new ready" in text
    assert f'id="f-{new.pk}"' in text  # for a page that shows it already; others leave it out


def test_the_account_of_the_source_is_marked_in_the_caption_and_said(ana, workspace, persona, signed_in):
    source = make_source_post(workspace, caption="The wall at noon.", handle="salt.rooms")
    post = make_post(persona, source=source, caption="The wall at noon, after @salt.rooms of course.")
    for address in (f"/review/{post.pk}/", f"/library/{post.pk}/"):
        text = signed_in(ana).get(address).content.decode()
        marked = text.partition('<mark class="is-named"')[2].partition("</mark>")[0]
        assert "Names the source: " in marked, address
        assert "@salt.rooms" in marked, address


def test_each_post_has_one_row_of_looking_tools_and_a_label_for_the_newest_of_several_versions(
    ana, persona, signed_in
):
    post = make_post(persona, items=3)
    text = signed_in(ana).get(f"/review/{post.pk}/").content.decode()
    assert text.count('class="looking"') == 1
    assert "take-note" not in text
    assert "need JavaScript" in text.partition("<noscript><span")[2].partition("</noscript>")[0]


# ---- two people ----------------------------------------------------------------------------------


@pytest.fixture
def row_of_posts(persona, post):
    """So many posts in a row, the first of them `post`."""

    def make(count):
        later = (post.made_at + timedelta(minutes=number) for number in range(1, count))
        return [post, *(make_post(persona, made_at=at) for at in later)]

    return make


def frames_in(text):
    return re.findall(r'data-goto="([^"]+)"', text)


@pytest.mark.parametrize("left", [0, 3, BEHIND])
def test_a_post_fetched_near_the_end_of_the_strip_brings_what_lies_behind(ana, row_of_posts, signed_in, left):
    posts = [str(one.pk) for one in row_of_posts(BEHIND + 1 + left)]
    browser = signed_in(ana)
    page = browser.get(f"/review/{posts[0]}/").content.decode()
    shown, last = frames_in(page), posts[BEHIND]
    assert shown == posts[: BEHIND + 1]
    assert f'data-end="{last}"' in page
    plain = browser.get(f"/review/{posts[18]}/", headers=HTMX).content.decode()
    brought = browser.get(f"/review/{posts[18]}/?behind={last}", headers=HTMX).content.decode()
    assert (frames_in(plain), frames_in(brought)) == ([], posts[BEHIND + 1 :])
    assert "strip-end" not in plain
    assert ('id="strip-end" hx-swap-oob="delete"' in brought) == (left < BEHIND)
    assert (f'data-end="{posts[-1]}"' in brought) == (left == BEHIND)
    alone = browser.get(f"/review/{last}/strip/", headers=HTMX).content.decode()  # if nothing could bring it
    assert frames_in(alone) == posts[BEHIND + 1 :]


def test_behind_nonsense_or_a_strangers_post_lies_nothing(ana, otto, row_of_posts, signed_in):
    first, second = row_of_posts(2)
    theirs = make_post(make_persona(otto.workspace), made_at=first.made_at)
    for named in ("nonsense", uuid.uuid4(), theirs.pk, ""):
        answer = signed_in(ana).get(f"/review/{second.pk}/?behind={named}", headers=HTMX)
        assert answer.status_code == 200
        assert "strip-end" not in answer.content.decode()


@pytest.fixture
def two(persona, post):
    """Two posts that lie one after the other."""
    from reviewqueue.services import looks

    looks._written.clear()
    looks._open.clear()
    return post, make_post(persona, made_at=post.made_at.replace(year=post.made_at.year + 1))


def test_different_people_start_with_different_posts(ana, ben, two, signed_in):
    first, second = (browser.get("/review/start/?order=oldest") for browser in map(signed_in, (ana, ben)))
    assert (first["Location"], second["Location"]) == tuple(f"/review/{post.pk}/" for post in two)
    assert signed_in(ana).get("/review/start/?type=video")["Location"] == "/?type=video"


def test_what_somebody_has_open_is_started_with_where_nothing_else_is_left(ana, ben, post, signed_in):
    signed_in(ana).get(f"/review/{post.pk}/")
    assert signed_in(ben).get("/review/start/")["Location"] == f"/review/{post.pk}/"


def test_after_a_decision_without_a_script_comes_what_nobody_has_open(ana, ben, persona, two, signed_in):
    first, second = two
    third = make_post(persona, made_at=second.made_at.replace(year=second.made_at.year + 1))
    signed_in(ben).get(f"/review/{second.pk}/")
    came_from = {"Referer": f"http://testserver/review/{first.pk}/"}
    answer = signed_in(ana).post(f"/review/{first.pk}/approval/", form(first), headers=came_from)
    assert answer["Location"] == f"/review/{third.pk}/"


def test_a_poll_brings_who_else_is_here_and_only_then(
    ana, ben, two, signed_in, django_assert_max_num_queries
):
    post, _ = two
    browser = signed_in(ana)
    page = browser.get(f"/review/{post.pk}/").content.decode()
    assert "looking at this too" not in page
    poll = f"/live/posts/{post.pk}/?v={post.version}&w="
    assert browser.get(poll, headers=HTMX).status_code == 204
    signed_in(ben).get(f"/review/{post.pk}/")
    text = browser.get(poll, headers=HTMX).content.decode()
    assert "Ben Adler is looking at this too" in text
    assert f'id="side-{post.pk}"' not in text
    mark = text.split('name="w" value="')[1].split('"')[0]
    with django_assert_max_num_queries(3):
        assert browser.get(poll + mark, headers=HTMX).status_code == 204


def test_a_conflict_is_told_in_focus_mode_in_its_place(ana, ben, post, signed_in):
    signed_in(ben).post(f"/review/{post.pk}/compose/", form(post))
    headers = HTMX | {
        "HX-Current-URL": f"http://testserver/review/{post.pk}/",
        "X-Version": str(post.version),
    }
    answer = signed_in(ana).post(f"/review/{post.pk}/rejection/", form(post), headers=headers)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert 'data-veil="conflict"' in text
    assert "Ben Adler sent this to compose just now." in text
    assert "Your reject was not sent." in text
    assert "Next post" in text
    assert f'formaction="/review/{post.pk}/approval/' not in text
    quiet = signed_in(ana).get(f"/live/posts/{post.pk}/?v={post.version}", headers=headers).content.decode()
    assert 'data-veil="conflict"' in quiet  # and by a poll, if nothing was pressed
    own = signed_in(ben).get(f"/live/posts/{post.pk}/?v={post.version}", headers=headers).content.decode()
    assert "data-veil" not in own


def test_a_conflict_is_told_on_the_contact_sheet_in_its_place(ana, ben, post, signed_in):
    signed_in(ben).post(f"/review/{post.pk}/approval/", form(post))
    headers = HTMX | {"HX-Current-URL": "http://testserver/"}
    answer = signed_in(ana).post(f"/review/{post.pk}/rejection/", form(post), headers=headers)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert f'hx-swap-oob="beforeend:#f-{post.pk} .frame-media"' in text
    assert "Your reject was not sent." in text


@pytest.fixture
def remade(post):
    """Item 2 of the post, made anew by the service; what the page had seen."""
    from reviewqueue.services import mirroring

    seen = {"fingerprint": post.fingerprint, "version": str(post.version)}
    item = post.items.get(position=1)
    item.post = desk.lock(post.pk)
    mirroring.new_take(item, "made-anew")
    post.items.filter(upstream_id="made-anew").update(
        status="completed", file=item.file, ended_at=item.ended_at, changed_in=post.version + 1
    )
    desk.refresh(post.pk, touched=True)
    return seen


def test_what_changed_is_told_in_focus_mode_and_shown_on_request(ana, post, remade, signed_in):
    headers = HTMX | {
        "HX-Current-URL": f"http://testserver/review/{post.pk}/",
        "X-Version": remade["version"],
    }
    sent = form(post, fingerprint=remade["fingerprint"])
    answer = signed_in(ana).post(f"/review/{post.pk}/approval/", sent, headers=headers)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert 'data-veil="stale"' in text
    assert "Item 2 was regenerated while you looked." in text
    assert "data-poll" not in text  # the old version stays until it is let go
    assert f'id="stage-{post.pk}"' not in text
    assert f'formaction="/review/{post.pk}/approval/' not in text
    assert not Decision.objects.exists()
    address = text.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    fresh = signed_in(ana).get(address, headers=headers).content.decode()
    assert f'id="stage-{post.pk}"' in fresh
    assert "data-veil" not in fresh


def test_a_poll_does_not_change_a_post_under_the_hand(ana, post, remade, signed_in):
    poll = f"/live/posts/{post.pk}/?v={remade['version']}"
    headers = HTMX | {"HX-Current-URL": f"http://testserver/review/{post.pk}/"}
    text = signed_in(ana).get(f"{poll}&f={remade['fingerprint']}", headers=headers).content.decode()
    assert 'data-veil="stale"' in text
    assert f'id="stage-{post.pk}"' not in text
    make_operation(post, "regenerate_item", by=ana, state="succeeded")  # one's own is what one waits for
    text = signed_in(ana).get(f"{poll}&f={remade['fingerprint']}", headers=headers).content.decode()
    assert f'id="stage-{post.pk}"' in text


def test_what_changed_is_told_on_the_contact_sheet(ana, post, remade, signed_in):
    headers = HTMX | {"HX-Current-URL": "http://testserver/", "X-Version": remade["version"]}
    sent = form(post, fingerprint=remade["fingerprint"])
    text = signed_in(ana).post(f"/review/{post.pk}/approval/", sent, headers=headers).content.decode()
    assert "Item 2 was regenerated while you looked." in text
    assert "Show the new version" in text


# ---- the tray -------------------------------------------------------------------------------------


def test_too_late_says_when_it_was_sent_and_where_it_went(ana, post, signed_in):
    from reviewqueue.clock import now

    browser = signed_in(ana)
    browser.post(f"/review/{post.pk}/approval/", form(post))
    Operation.objects.update(state="succeeded", sent_at=now())
    hold = Operation.objects.get().hold
    hold.state = "released"
    hold.save()
    answer = browser.post(f"/holds/{hold.pk}/undo/", headers=HTMX)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "Too late to undo." in text
    assert "It was sent at" in text
    assert f'href="/library/{post.pk}/"' in text


def test_while_somebody_is_in_the_tray_nothing_is_sent(ana, post, signed_in):
    from reviewqueue.clock import now

    browser = signed_in(ana)
    browser.post(f"/review/{post.pk}/approval/", form(post))
    left = [(Operation.objects.get().not_before - now()).total_seconds()]
    for on in "10":
        assert browser.post("/holds/linger/", {"on": on}, headers=HTMX).status_code == 200
        left.append((Operation.objects.get().not_before - now()).total_seconds())
    assert left == pytest.approx([10, 60, 10], abs=2)


def test_all_that_is_held_is_sent_at_once(ana, two, signed_in):
    from reviewqueue.clock import now

    browser = signed_in(ana)
    for post in two:
        browser.post(f"/review/{post.pk}/approval/", form(post))
    hold = ana.holds.order_by("-created_at").first()
    assert (
        "Sending 2 decisions"
        in browser.post(f"/holds/{hold.pk}/send/", {"all": "1"}, headers=HTMX).content.decode()
    )
    assert not Operation.objects.filter(not_before__gt=now()).exists()


# ---- hostile text ------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> \u202eevil {{ 7|add:7 }} {% now 'Y' %}"


def test_hostile_text_is_shown_as_text(ana, workspace, signed_in):
    persona = make_persona(workspace, HOSTILE, accounts=("a<b>",))
    source = make_source_post(workspace, caption=HOSTILE, handle=HOSTILE[:100])
    post = make_post(persona, source=source, caption=HOSTILE)
    for address in ("/", f"/review/{post.pk}/", f"/review/{post.pk}/regeneration/"):
        text = signed_in(ana).get(address).content.decode()
        assert "<script>alert" not in text, address
        assert "<img src=x" not in text, address
        assert "&lt;script&gt;" in text or address.endswith("regeneration/")


def test_a_refused_file_says_why_and_stops_the_approval(ana, persona, signed_in):
    post = make_post(persona)
    item = post.items.get()
    item.file = make_file(
        persona.workspace, state="refused", reason="The file is a document (SVG), not a picture."
    )
    item.save()

    post = desk.refresh(post.pk, touched=True)
    assert (post.desk, post.trouble) == ("attention", "media")
    text = signed_in(ana).get(f"/review/{post.pk}/").content.decode()
    assert "The file is a document (SVG), not a picture." in text


def test_as_many_queries_for_ten_items_as_for_one(ana, persona, signed_in):
    browser, counted = signed_in(ana), []
    for post in [make_post(persona, items=items) for items in (1, 10)]:
        browser.get(f"/review/{post.pk}/")
        with CaptureQueriesContext(connection) as queries:
            browser.get(f"/review/{post.pk}/")
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 30


@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        (4, "longer than the usual 1:30"),
        (6, "no answer after 5:00"),
    ],
)
def test_the_clock_of_what_does_not_come_says_that_it_is_looked_at(ana, persona, signed_in, minutes, told):
    from datetime import timedelta

    from reviewqueue.clock import now

    asked_at = now() - timedelta(minutes=minutes)
    late = make_post(persona, status="generating", made_at=asked_at)
    text = signed_in(ana).get(f"/review/{late.pk}/").content.decode()
    assert told in text
    hidden = "" if minutes > 5 else " hidden"
    assert f'<span data-from="300.0"{hidden}>Still checking every minute</span>' in text
    assert '<span data-from="660.0" hidden>Still checking at least every hour</span>' in text
