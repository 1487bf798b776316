"""What went out is compared with what was approved."""

from dataclasses import replace

import pytest

from reviewqueue.models import Event, OutgoingPost
from reviewqueue.services import mirroring


@pytest.fixture
def published(oat):
    """An approved carousel of which one item was rejected; its outgoing post as the service shows it."""
    post = oat.ready("carousel", persona="Ines Calder", items=3)
    oat.wire().api.items.reject(oat.item(post).upstream_id)
    oat.look("post", post.pk)
    post.refresh_from_db()
    operation = oat.send(oat.approve(post).operation)
    assert operation.state == "succeeded", operation.reason
    oat.sandbox.finish()
    return operation, oat.wire().api.outgoing.get(operation.result["outgoing_post_id"])


def test_what_goes_out_as_it_was_approved_is_no_news(oat, published):
    mirroring.outgoing(oat.workspace, published[1])
    row = OutgoingPost.objects.get(upstream_id=published[1].id)
    assert row.settled_at
    assert row.differs == ""
    assert not Event.objects.filter(name="post.differs").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda remote: replace(remote, caption="Buy now"), "caption"),
        (lambda remote: replace(remote, items=remote.items[:-1]), "pictures"),
        (lambda remote: replace(remote, caption="", items=remote.items[1:]), "caption and pictures"),
    ],
)
def test_what_goes_out_differently_is_an_incident_told_once(oat, published, signed_in, change, words):
    operation, remote = published
    for _ in range(2):
        mirroring.outgoing(oat.workspace, change(remote))
    row = OutgoingPost.objects.get(upstream_id=remote.id)
    assert row.differs == words
    told = Event.objects.get(name="post.differs")
    assert told.post == operation.post
    page = signed_in(oat.ben).get(f"/library/{operation.post.pk}/").content.decode()
    assert f"It went out with another {words} than was approved." in page


def test_what_loupe_did_not_approve_is_not_compared(oat, published):
    operation, remote = published
    operation.delete()
    mirroring.outgoing(oat.workspace, replace(remote, caption="Buy now"))
    assert not OutgoingPost.objects.exclude(differs="").exists()
