"""The record: only words of the vocabulary, every fact there, and labels that outlive their subjects."""

import pytest

from reviewqueue.models import Event
from reviewqueue.rules.vocabulary import EVENTS
from reviewqueue.services import events
from tests import factories


def test_a_word_that_is_not_in_the_vocabulary_is_not_recorded(ana):
    with pytest.raises(KeyError):
        events.record("post.vanished", by=ana)
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "name", [name for name, word in EVENTS.items() if "{" in word.sentence.replace("{subject}", "")]
)
def test_a_missing_fact_fails_at_once_and_not_on_somebodys_page(ana, name):
    with pytest.raises(KeyError):
        events.record(name, by=ana, subject="x")
    assert not Event.objects.exists()


def test_a_person_the_service_and_loupe_are_told_apart(ana):
    workspace = ana.workspace
    assert events.record("signed_in", by=ana).by_label == "Ana Ruiz"
    assert (
        events.record("post.failed", workspace, by_label=events.SERVICE, subject="x").by_label
        == "The service"
    )
    assert events.record("post.failed", workspace, subject="x").by_label == "Loupe"


def test_the_sentence_stays_when_its_subject_is_gone(ana, post):
    event = events.record("post.approved", by=ana, subject="Ines Calder 1", post=post)
    post.delete()
    ana.user.delete()
    event.refresh_from_db()
    assert (event.sentence, event.by_label, event.by, event.post) == (
        "Approved Ines Calder 1",
        "Ana Ruiz",
        None,
        None,
    )


def test_braces_in_what_people_write_are_only_braces(ana):
    event = events.record("decision.lapsed", by=ana, what="{0.__class__}", reason="{subject}", subject="{x}")
    assert event.sentence == "{0.__class__} was not sent: {subject}"


def test_a_long_name_is_cut_not_refused(ana):
    assert len(events.record("post.approved", by=ana, subject="x" * 500).subject_label) == 200


def test_an_event_is_seen_by_its_workspace_only(ana, otto):
    events.record("signed_in", by=ana)
    assert Event.objects.visible_to(ana).count() == 1
    assert not Event.objects.visible_to(otto).exists()
    assert factories.now()
