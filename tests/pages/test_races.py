"""A whole team at the same posts in the same moment: one decision, one effect, and the rest are told who."""

import random
import re
import uuid

import pytest
from django.test import Client

from reviewqueue.clock import now
from reviewqueue.models import Decision, Operation, Persona, RateBudget
from reviewqueue.services import operations, pricing
from tests import factories, scripted
from tests.once import alone, shared_by_all
from tests.world import check_counts, for_writers_side_by_side, from_threads, only_postgresql

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}
REFUSAL = re.compile(r'role="alert">.*?<bdi>(.*?)</bdi>')
DID = {"approve": "approved", "reject": "rejected"}


@pytest.fixture(autouse=True)
def _alone_with_the_server(tmp_path_factory):
    """Fifty people are fifty connections, and the server takes a hundred of all that runs."""
    with alone(shared_by_all(tmp_path_factory) / "connections.lock"):
        yield


def team_of(workspace, count: int, role: str) -> list:
    return [factories.make_member(workspace, f"Person {number:02}", role) for number in range(count)]


def browser_of(member) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(member.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def send_all() -> None:
    """The holds are over, and four workers come upon all of it, a minute's requests at a time."""
    Persona.objects.update(targets_seen_at=now())
    for _ in range(10):
        Operation.objects.filter(state="queued").update(not_before=now(), picked_until=None)
        RateBudget.objects.update(stamps=[])
        waiting = list(Operation.objects.filter(state="queued").values_list("pk", flat=True))
        from_threads(4, lambda _, waiting=waiting: [operations.send(pk) for pk in waiting])


@only_postgresql
def test_everybody_decides_everything_and_one_decision_stands_on_each(service, is_full, seed):
    people, count = (50, 40) if is_full else (12, 10)
    workspace = scripted.workspace_of(service)
    persona = factories.make_persona(workspace)
    posts = [factories.make_post(persona) for _ in range(count)]
    browsers = [browser_of(member) for member in team_of(workspace, people, "reviewer")]

    def decide(number):
        lots, answers = random.Random(f"{seed} {number}"), []
        for post in lots.sample(posts, count):
            what = lots.choice(("approval", "rejection"))
            form = {"fingerprint": post.fingerprint, "token": str(uuid.uuid4())}
            answer = browsers[number].post(f"/review/{post.pk}/{what}/", form, headers=HTMX)
            answers.append((post, answer.status_code, answer.content.decode()))
        return answers

    answers = [answer for each in from_threads(people, decide) for answer in each]
    assert {status for _, status, _ in answers} == {200, 409}
    assert sum(status == 200 for _, status, _ in answers) == count
    assert Decision.objects.count() == Operation.objects.count() == count
    stands = {decision.post_id: decision for decision in Decision.objects.filter(stands=True)}
    for post, status, text in answers:
        if status == 409:
            winner = stands[post.pk]
            [told] = REFUSAL.findall(text)
            assert told.startswith(f"{winner.by_label} {DID[winner.verdict]} this "), told
            assert told.endswith(" was not sent."), told
    for post in posts:
        scripted.serve(service, post)
    send_all()
    assert set(Operation.objects.values_list("state", flat=True)) == {"succeeded"}
    for post in posts:
        address = f"/v1/generated-posts/{post.upstream_id}"
        sent = [asked for asked in service.asked if asked.startswith(f"{address}/")]
        assert sent == [f"{address}/{stands[post.pk].verdict}"]
    check_counts(workspace)


def press_fifty_times(member, address: str, form: dict) -> None:
    """One page that is sent fifty times at once, and each time answered as if it had been the first."""
    cookies = browser_of(member).cookies

    def press(_):
        client = Client(raise_request_exception=False)
        client.cookies = cookies
        return client.post(address, form, headers=HTMX).status_code

    assert set(from_threads(50, press)) == {200}


def test_one_form_sent_fifty_times_at_once_is_one_decision(ben, post, tmp_path):
    form = {"fingerprint": post.fingerprint, "token": str(uuid.uuid4())}
    with for_writers_side_by_side(tmp_path):
        press_fifty_times(ben, f"/review/{post.pk}/approval/", form)
        assert Operation.objects.count() == 1
        assert Decision.objects.count() == 1


def test_one_form_sent_fifty_times_at_once_is_one_price(edda, workspace, persona, tmp_path):
    origin = factories.make_source_post(workspace, factories.make_source(persona))
    form = {"post": str(origin.pk), "persona": str(persona.pk), "token": str(uuid.uuid4())}
    with for_writers_side_by_side(tmp_path):
        press_fifty_times(edda, "/sources/generation/", form)
        [operation] = Operation.objects.all()
        assert (operation.kind, operation.estimated_cents) == ("generate", 32)
        assert pricing.reserved_cents(workspace) == 32
        assert workspace.posts.count() == 1
        check_counts(workspace)
