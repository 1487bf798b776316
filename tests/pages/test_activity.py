"""Who did what: the list, its filters, the download."""

import csv
import io
from datetime import timedelta

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Event
from reviewqueue.services import events
from reviewqueue.views.sheets import cell
from tests.factories import make_member, make_operation, make_persona, make_post

HTMX = {"HX-Request": "true"}


def lines(response) -> list[list[str]]:
    text = b"".join(response.streaming_content).decode()
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("role", ["viewer", "reviewer", "editor", "admin"])
def test_everybody_may_look(workspace, ana, post, signed_in, role):
    events.record("post.approved", by=ana, subject="Ines Calder 1", post=post, persona=post.persona)
    browser = signed_in(make_member(workspace, "Some One", role))
    page = browser.get("/activity/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "Approved Ines Calder 1" in text
    assert f'href="/library/{post.pk}/"' in text
    assert len(lines(browser.get("/activity.csv"))) == 2


def test_a_stranger_sees_nothing_of_it(otto, ana, signed_in):
    events.record("settings.changed", by=ana, what="the policy: two people approve")
    browser = signed_in(otto)
    assert "two people approve" not in browser.get("/activity/").content.decode()
    assert len(lines(browser.get("/activity.csv"))) == 1


def test_each_row_links_to_its_operation_with_its_state(ana, post, signed_in):
    operation = make_operation(post, "approve", by=ana, state="failed")
    events.record("post.approved", by=ana, subject="Ines Calder 1", post=post, operation=operation)
    text = signed_in(ana).get("/activity/").content.decode()
    assert f'href="/operations/{operation.pk}/"' in text
    assert "Refused" in text


def test_the_cost_is_what_was_charged_once_that_is_known(ana, post, signed_in):
    def told(state, actual):
        Event.objects.all().delete()
        operation = make_operation(
            post, "regenerate_post", by=ana, state=state, estimated_cents=64, actual_cents=actual
        )
        facts = {"post": post, "operation": operation, "cents": 64}
        events.record("post.regenerated", by=ana, subject="Ines Calder 1", **facts)
        return signed_in(ana).get("/activity/").content.decode()

    assert "about</span> $0.64" in told("succeeded", None)
    assert "$0.61" in told("succeeded", 61)
    assert "$0.00" in told("cancelled", None)


def test_filters_find_what_they_name(ana, ben, workspace, persona, signed_in):
    other = make_persona(workspace, "Oat & Ember")
    events.record("post.approved", by=ana, subject="one", persona=persona)
    events.record("post.rejected", by=ben, subject="two", persona=other)
    events.record("post.ready", workspace, by_label=events.SERVICE, subject="three", took="11 s")
    old = events.record("signed_in", by=ben)
    Event.objects.filter(pk=old.pk).update(at=now() - timedelta(days=40))
    browser = signed_in(ana)

    def shown(query):
        return {event.name for event, _ in browser.get(f"/activity/{query}").context["lines"]}

    everything = {"post.approved", "post.rejected", "post.ready", "signed_in"}
    assert shown("") == everything
    assert shown(f"?by={ben.pk}") == {"post.rejected", "signed_in"}
    assert shown("?by=service") == {"post.ready"}
    assert shown(f"?persona={other.pk}") == {"post.rejected"}
    assert shown("?kind=Approved") == {"post.approved"}
    assert shown(f"?since={now().date() - timedelta(days=2)}") == everything - {"signed_in"}
    assert shown(f"?until={now().date() - timedelta(days=30)}") == {"signed_in"}
    assert shown("?by=nonsense&persona=nonsense&kind=nonsense&since=nonsense&after=nonsense") == everything
    assert len(lines(browser.get(f"/activity.csv?by={ben.pk}"))) == 3


def test_the_next_page_goes_on_where_the_first_ended(ana, signed_in):
    for number in range(60):
        events.record("settings.changed", by=ana, what=f"line {number}.")
    browser = signed_in(ana)
    first = browser.get("/activity/")
    assert len(first.context["lines"]) == 50
    address = f"/activity/{first.context['after_query']}"
    more = browser.get(address, headers=HTMX).content.decode()
    assert more.count("<tr") == 10
    assert "<html" not in more
    assert "That is all of it" in more
    assert len(browser.get(address).context["lines"]) == 10


def test_the_same_number_of_queries_with_ten_lines_and_with_a_hundred(
    ana, persona, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    def fill(count):
        for _ in range(count):
            post = make_post(persona)
            operation = make_operation(post, by=ana, state="succeeded")
            facts = {"post": post, "persona": persona, "operation": operation}
            events.record("post.approved", by=ana, subject="x", **facts)

    browser = signed_in(ana)
    fill(10)
    browser.get("/activity/")
    with django_assert_max_num_queries(12) as few:
        browser.get("/activity/")
    fill(40)
    with django_assert_num_queries(len(few)):
        browser.get("/activity/")


def test_the_download_is_no_formula(ana, workspace, persona, signed_in):
    for what in ("=1+1", "+1", "-1", "@x", "\tx"):
        Event.objects.create(
            workspace=workspace,
            name="post.rejected",
            by=ana,
            by_label=what,
            facts={"reason": what},
            cents=-32,
        )
    head, *rows = lines(signed_in(ana).get("/activity.csv"))
    assert head[:3] == ["When (UTC)", "Who", "What"]
    assert {row[1] for row in rows} == {"'=1+1", "'+1", "'-1", "'@x", "'\tx"}
    assert {row[8][0] for row in rows} == {"'"}
    assert {row[6] for row in rows} == {"-0.32"}  # a number stays one
    assert cell(-3) == -3


def test_hostile_words_stand_there_as_text(ana, workspace, signed_in):
    Event.objects.create(
        workspace=workspace,
        name="post.rejected",
        by_label="<script>x</script>",
        subject_label="</td><img src=x onerror=alert(1)>",
        facts={"reason": "“{subject}” \u202e<b>"},
    )
    text = signed_in(ana).get("/activity/").content.decode()
    assert "<script>x" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;x" in text
