"""The review queue."""

import pytest

from reviewqueue.models import Decision, Hold
from tests.factories import make_persona, make_post


def test_a_ready_post_is_on_the_queue(ana, post, signed_in):
    page = signed_in(ana).get("/")
    assert page.status_code == 200
    assert f'id="f-{post.pk}"' in page.content.decode()
    assert "Start reviewing" in page.content.decode()


def test_a_stranger_sees_nothing_of_it(otto, post, signed_in):
    assert f'id="f-{post.pk}"' not in signed_in(otto).get("/").content.decode()


def test_nobody_is_sent_to_sign_in(client, db):
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("address", ["/", "/?tab=decided", "/?tab=attention", "/?order=newest&type=image"])
def test_the_same_number_of_queries_with_ten_posts_and_with_a_hundred(
    address, ana, persona, signed_in, django_assert_num_queries, django_assert_max_num_queries
):
    browser = signed_in(ana)
    for _ in range(10):
        make_post(persona)
    browser.get(address)
    with django_assert_max_num_queries(16) as few:
        browser.get(address)
    for _ in range(90):
        make_post(persona)
    with django_assert_num_queries(len(few)):
        browser.get(address)


def test_filters_and_search_find_what_they_name(ana, persona, workspace, signed_in):
    other = make_persona(workspace, "Oat & Ember", accounts=())
    ours, theirs = make_post(persona, caption="salt and steps"), make_post(other, caption="bread")
    browser = signed_in(ana)

    def shown(address):
        text = browser.get(address).content.decode()
        return [post for post in (ours, theirs) if f'id="f-{post.pk}"' in text]

    assert shown("/?q=steps") == [ours]
    assert shown(f"/?persona={other.pk}") == [theirs]
    assert shown(f"/?q={theirs.number}") == [theirs]
    assert shown("/?type=video") == []
    assert shown("/?tab=nonsense&order=sideways&after=xyz") == [ours, theirs]


def test_several_are_decided_at_once_and_each_refusal_is_told(ana, ben, persona, otto, signed_in):
    posts = [make_post(persona) for _ in range(3)]
    theirs = make_post(make_persona(otto.workspace, accounts=()))
    picked = [f"{post.pk}:{post.fingerprint}" for post in (*posts, theirs)]
    picked[1] = f"{posts[1].pk}:{'0' * 64}"  # an old page
    form = {"post": [*picked, "nonsense"], "reason": "Low quality", "words": " too dark "}
    answer = signed_in(ben).post("/review/rejections/", form, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert "2 decided, 1 not." in text
    assert "changed while you looked" in text
    assert {one.post for one in Decision.objects.all()} == {posts[0], posts[2]}
    assert {one.reason for one in Decision.objects.all()} == {"Low quality: too dark"}
    assert Hold.objects.get().count == 2  # one to take back
    plain = signed_in(ana).post("/review/approvals/", {"post": picked[1:2]}, follow=True)
    assert "0 decided, 1 not" in plain.content.decode()
