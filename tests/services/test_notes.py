"""The team's notes: written once, taken back by whoever wrote them, and never sent anywhere."""

import ast
import uuid
from pathlib import Path

import pytest

import reviewqueue
from reviewqueue.models import Event, Mention, Note, Operation
from reviewqueue.rules import roles
from reviewqueue.rules.notes import Pin
from reviewqueue.rules.states import NotAllowed
from reviewqueue.services import notes
from tests.factories import make_item, make_member, make_post

APP = Path(reviewqueue.__file__).parent


def wrote(post, by, text="The left hand has six fingers.", **more):
    return notes.write(post, text, by=by, token=more.pop("token", uuid.uuid4()), **more)


@pytest.mark.parametrize("role", roles.ROLES)
def test_whoever_may_look_may_write(workspace, post, role):
    member = make_member(workspace, "Some One", role)
    note = wrote(post, member)
    assert (note.by, note.by_label, note.workspace_id) == (member, "Some One", workspace.pk)


def test_a_note_raises_the_version_and_changes_nothing_that_is_decided_on(ana, post):
    fingerprint, version, frame = post.fingerprint, post.version, post.face
    wrote(post, ana, "look", item_id=post.items.first().pk, pin=Pin(0.4, 0.3))
    post.refresh_from_db()
    assert post.version == version + 1
    assert (post.fingerprint, post.face) == (fingerprint, frame)
    assert not Operation.objects.exists()


def test_nothing_that_speaks_with_the_service_knows_of_notes():
    speaking = ["upstream", "gateway.py", "tasks.py"]
    speaking += [f"services/{name}.py" for name in SPEAKING]
    for place in speaking:
        path = APP / place
        for file in path.rglob("*.py") if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
                names.append(getattr(node, "module", "") or "")
                assert not {"Note", "Mention", "notes"} & {part for name in names for part in name.split(".")}
                assert getattr(node, "attr", "") not in ("notes", "mentions"), file


SPEAKING = ("kinds", "operations", "wire", "evidence", "reconciling", "mirroring", "generating", "reviewing")


def test_a_double_press_is_one_note_and_other_words_are_another(ana, post):
    token = uuid.uuid4()
    first, second = wrote(post, ana, "a", token=token), wrote(post, ana, "a", token=token)
    assert first == second
    assert wrote(post, ana, "b", token=token) != first  # gone back, and written anew
    assert Note.objects.count() == 2
    assert Event.objects.filter(name="note.written").count() == 2


def test_those_whom_it_names_are_told_but_not_its_writer_a_stranger_or_who_left(ana, ben, vera, otto, post):
    gone = make_member(ana.workspace, "Gone Long")
    gone.is_active = False
    gone.save()
    note = wrote(post, ana, "@Ben Adler @vera @Ana Ruiz @Otto Brandt @Gone Long @Ben Adler")
    assert {mention.member for mention in note.mentions.all()} == {ben, vera}
    [mention] = notes.for_member(ben)
    assert mention.note == note
    assert notes.for_member(ana) == notes.for_member(otto) == []


def test_the_record_says_that_but_not_what_was_written(ana, ben, post):
    wrote(post, ana, "@Ben the secret thing", item_id=post.items.last().pk)
    said = {event.name: event for event in Event.objects.filter(post=post)}
    assert said["note.written"].sentence == "Wrote a note on item 2A of Ines Calder 1"
    assert said["note.mentioned"].sentence == "Mentioned Ben Adler in a note on item 2A of Ines Calder 1"
    assert not any("secret" in f"{event.facts}{event.subject_label}" for event in said.values())


def test_it_is_seen_once_the_post_is_open(ana, ben, persona, post):
    other = make_post(persona)
    wrote(post, ana, "@Ben")
    wrote(other, ana, "@Ben")
    assert notes.names(ben, post)
    assert notes.see(ben, post) == 1
    assert notes.see(ben, post) == 0
    assert [mention.note.post for mention in notes.for_member(ben)] == [other]


def test_only_its_writer_takes_it_back(ana, ben, post):
    note = wrote(post, ben, "@Ana hm")
    with pytest.raises(NotAllowed, match="Only Ben Adler can take this note back"):
        notes.take_back(note, by=ana)
    notes.take_back(note, by=ben)
    notes.take_back(note, by=ben)  # pressed twice
    assert notes.thread(post) == []
    assert not Mention.objects.exists()
    assert Event.objects.filter(name="note.removed").count() == 1


def test_pins_are_numbered_in_the_order_of_the_thread(ana, post):
    item = post.items.first().pk
    for pin in (Pin(0.1, 0.1), Pin(), Pin(0.2, 0.2, 0.1, 0.1)):
        wrote(post, ana, f"{pin}", item_id=item, pin=pin)
    assert [note.number for note in notes.thread(post)] == [1, None, 2]


def test_a_moment_has_a_number_for_its_mark_too(ana, persona):
    post = make_post(persona, media_type="video")
    for pin in (Pin(at_seconds=3.0), Pin(), Pin(0.2, 0.2, at_seconds=1.0)):
        wrote(post, ana, f"{pin}", pin=pin)
    assert [note.number for note in notes.thread(post)] == [1, None, 2]
    assert [hasattr(note, "across") for note in notes.thread(post)] == [False, False, True]


@pytest.mark.parametrize(
    ("media", "pin", "field", "words"),
    [
        ("image", Pin(at_seconds=2), "at_seconds", "is a picture"),
        ("video", Pin(at_seconds=9), "at_seconds", "ends after 5 seconds"),
        ("failed", Pin(0.5, 0.5), "item", "no picture"),
        ("two", Pin(0.5, 0.5), "item", "Choose the item"),
        ("stranger", Pin(), "item", "not of this post"),
    ],
)
def test_a_pin_needs_something_to_be_on(ana, persona, media, pin, field, words):
    kind = media if media in ("image", "video") else "image"
    post = make_post(persona, items=2 if media == "two" else 1, media_type=kind)
    item = post.items.first()
    if media == "failed":
        item = make_item(post, position=1, status="failed")
    if media == "stranger":
        item = make_post(persona).items.get()
    with pytest.raises(notes.Misplaced, match=words) as refused:
        wrote(post, ana, "x", item_id=None if media == "two" else item.pk, pin=pin)
    assert refused.value.field == field
    assert not Note.objects.exists()


def test_of_one_item_nobody_need_say_which(ana, persona):
    post = make_post(persona, media_type="video")
    note = wrote(post, ana, "the cut", pin=Pin(0.5, 0.5, at_seconds=2.5))
    assert (note.item, note.at_seconds) == (post.items.get(), 2.5)


def test_a_note_on_an_earlier_version_stays_with_it(ana, post):
    first = post.items.first()
    note = wrote(post, ana, "x", item_id=first.pk, pin=Pin(0.5, 0.5))
    post.items.filter(pk=first.pk).update(is_current=False)
    make_item(post, position=first.position, take=2)
    assert notes.thread(post)[0].item.label == "1A" == note.item.label
