"""The first start: the sandbox's people and all that it holds, read once, so that the first page is full."""

import shutil
from collections import Counter

import pytest
from django.db.models import Q

from reviewqueue import gateway
from reviewqueue.clock import now
from reviewqueue.models import Event, MediaFile, Operation, RateBudget, User, Workspace
from reviewqueue.rules import roles
from reviewqueue.sandbox.app import Sandbox
from reviewqueue.services import accounts, filling, media, polling, rates, setup, watches, wire
from tests import scripted
from tests.world import Clock, check_counts, only_postgresql


@pytest.fixture
def empty(db, prepared, tmp_path):
    """An empty database beside a sandbox that was filled before."""
    folder = tmp_path / "sandbox"
    folder.mkdir()
    shutil.copy(prepared[0] / "sandbox.sqlite3", folder)
    sandbox = Sandbox(folder, media_url=gateway.SANDBOX, speed=1.0)
    gateway.bring(sandbox)
    sandbox.forget_requests()  # of those who filled it, within this minute perhaps
    yield sandbox
    gateway.bring(None)


@pytest.fixture
def filled(empty):
    """A workspace over that sandbox, as at a start on an empty database."""
    workspace = setup.make_sandbox()
    filling.mirror(workspace)
    return Workspace.objects.get(pk=workspace.pk)


def test_the_first_person_finds_the_minute_unused(empty, monkeypatch):
    monkeypatch.setattr(filling, "copy", lambda files: None)
    workspace = filling.fill()
    assert rates.used_share(workspace.keys.get().fingerprint) == 0
    with empty.world.store.reading() as rows:
        assert not rows.all("SELECT * FROM windows")


def test_what_is_made_while_one_looks_on_begins_with_the_first_visit(db, client, tmp_path, monkeypatch):
    """Whoever opens the link an hour later finds as much being made as whoever opens it at once."""
    clock = Clock()
    gateway.bring(Sandbox(tmp_path, media_url=gateway.SANDBOX, speed=1.0, clock=clock))
    monkeypatch.setattr(filling, "copy", lambda files: None)
    workspace = filling.fill()
    posts, before = workspace.posts, workspace.posts.count()
    clock.advance(3600)
    visit(client)
    soon = workspace.watches.filter(kind="posts", poll_at__lte=now()).values_list("pk", flat=True)
    assert len(soon) == workspace.personas.count()
    for pk in soon:
        polling.look(pk)
    new = posts.order_by("-made_at")[: posts.count() - before]
    assert Counter(post.desk for post in new) == {"pending": 1, "generating": 3}
    check_counts(workspace)
    visit(client)  # again: it has begun already
    for persona in workspace.personas.all():
        polling.look(watches.add(workspace.pk, "posts", persona.pk, soon=True).pk)
    assert posts.count() == before + 4
    gateway.bring(None)


def visit(client) -> None:
    """Up to the button: by the time somebody has pressed it, the queue knows."""
    assert client.get(f"/enter/{accounts.make_link(setup.somebody_to_greet())}/").status_code == 200


def test_the_first_page_is_full(filled):
    """At least what a new user is promised. (What still runs is over by now if the suite is slow.)"""
    assert filled.is_sandbox
    assert filled.personas.count() >= 3
    assert filled.sources.values("creator_id").distinct().count() >= 8
    assert filled.source_posts.count() >= 60
    assert filled.posts.count() >= 30
    assert max(post.items.current().count() for post in filled.posts.filter(kind="carousel")) == 5
    assert filled.posts.filter(kind="video").exists()
    # What is finished waits for its copies; everything else lies where it belongs.
    places = Counter(filled.posts.values_list("desk", flat=True))
    assert {"attention", "published", "rejected", "composing"} <= set(places)
    MediaFile.objects.update(state="stored", sha256="5" * 64)
    for post in filled.posts.all():
        media.desk.refresh(post.pk)
    assert filled.posts.filter(desk="ready").count() >= 15
    assert filled.posts.filter(trouble="partly_failed").exists()
    assert filled.outgoing.exclude(settled_at=None).exists()
    assert filled.charges.filter(amount_cents__lt=0).exclude(post=None).exists()
    assert filled.balance_cents is not None
    check_counts(filled)


def test_each_role_has_its_person_and_none_can_sign_in_by_a_password(filled):
    members = filled.members.select_related("user")
    assert {member.role for member in members} == set(roles.ROLES)
    assert all(member.user.is_sample and not member.user.has_usable_password() for member in members)
    assert {user.current for user in User.objects.all()} == {filled}
    assert setup.somebody_to_greet().name == "Ana Ruiz"


def test_the_files_stay_the_same_when_loupe_moves_to_another_address(filled, empty, settings):
    copied = Q(origin__startswith=f"{gateway.SANDBOX}/sandbox/media/")
    before = set(MediaFile.objects.values_list("pk", "origin"))
    assert before
    assert MediaFile.objects.exclude(copied).count() == 0
    settings.PUBLIC_URL = "http://elsewhere.test:9000"
    settings.SANDBOX_DIR = empty.world.store.path.parent
    gateway.bring(None)
    for persona in filled.personas.all():
        watches.add(filled.pk, "posts", persona.pk)
    filling.read(filled, wire.open_wire(filled), "posts")
    assert set(MediaFile.objects.values_list("pk", "origin")) == before


def test_it_fits_into_the_services_minute_and_leaves_some_of_it(filled):
    """No 429 by our own traffic, from the first second on."""
    key = filled.keys.get()
    budget = RateBudget.objects.get(pk=key.fingerprint)
    assert budget.blocked_until == 0
    assert len(budget.stamps) < 45
    assert (key.state, key.trouble, key.scopes is not None) == ("working", "", True)


def test_nothing_that_was_just_read_is_due_again_and_the_past_is_no_news(filled):
    looked = set(filled.watches.values_list("kind", flat=True))
    assert {"catalogue", "balance", "transactions", "posts"} <= looked
    assert polling.scheduled(filled, now()) == []
    assert not filled.watches.filter(failures__gt=0).exists()
    assert not Operation.objects.exists()
    news = ("post.outside", "post.unreviewed", "delivery.failed", "post.ready", "post.failed")
    assert not Event.objects.filter(name__in=news).exists()


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_many_hands_copy_and_a_bad_file_stops_none(service):
    workspace = scripted.workspace_of(service)
    service.files = dict.fromkeys((f"{number}.jpg" for number in range(9)), scripted.picture())
    service.files["3.jpg"] = b"<svg/>"
    files = [media.want(workspace, service.link(name)).pk for name in service.files]
    filling.copy([*files, files[0]])
    assert Counter(workspace.files.values_list("state", flat=True)) == {"stored": 8, "refused": 1}
    assert len([path for path in service.asked if path.startswith("/files/")]) == 9
