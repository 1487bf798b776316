"""A whole team at the same posts in the same moment: one decision each, and the rest are told who."""

import os
import random
import uuid

import pytest
from django.test import Client

from reviewqueue.models import Decision, Operation
from tests import factories
from tests.world import check_counts, from_threads, only_postgresql

pytestmark = [only_postgresql, pytest.mark.django_db(transaction=True)]

# The full size is 50 people at 40 posts: LOUPE_TEST_PEOPLE=50 LOUPE_TEST_POSTS=40.
PEOPLE = int(os.environ.get("LOUPE_TEST_PEOPLE", "12"))
POSTS = int(os.environ.get("LOUPE_TEST_POSTS", "10"))
HTMX = {"HX-Request": "true"}


@pytest.fixture
def people(workspace):
    return [factories.make_member(workspace, f"Reviewer {number}", "reviewer") for number in range(PEOPLE)]


def browser_of(member) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(member.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def test_everybody_decides_everything_and_one_decision_stands_on_each(workspace, people):
    persona = factories.make_persona(workspace)
    posts = [factories.make_post(persona) for _ in range(POSTS)]
    browsers = [browser_of(member) for member in people]

    def decide(number):
        mine, answers = random.Random(number).sample(posts, len(posts)), []
        for post in mine:
            what = "approval" if (number + post.number) % 3 else "rejection"
            form = {"fingerprint": post.fingerprint, "token": str(uuid.uuid4())}
            answer = browsers[number].post(f"/review/{post.pk}/{what}/", form, headers=HTMX)
            answers.append((answer.status_code, answer.content.decode()))
        return answers

    answers = [answer for each in from_threads(PEOPLE, decide) for answer in each]
    assert {status for status, _ in answers} == {200, 409}
    assert sum(status == 200 for status, _ in answers) == POSTS
    told = [text for status, text in answers if status == 409]
    assert [text for text in told if "Reviewer" not in text] == []
    for post in posts:
        assert Decision.objects.filter(post=post, stands=True).count() == 1
        assert Operation.objects.filter(post=post).count() == 1
    check_counts(workspace)


def test_one_form_sent_fifty_times_at_once_is_one_operation(workspace, people, post):
    form = {"fingerprint": post.fingerprint, "token": str(uuid.uuid4())}
    browser_cookies = browser_of(people[0]).cookies

    def press(number):
        client = Client(raise_request_exception=False)
        client.cookies = browser_cookies
        return client.post(f"/review/{post.pk}/approval/", form, headers=HTMX).status_code

    assert set(from_threads(50, press)) == {200}
    assert Operation.objects.count() == 1
    assert Decision.objects.count() == 1
