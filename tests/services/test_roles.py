"""Every command asks who wants it: each humbler role is refused, and nothing is written."""

import importlib
import inspect
import pkgutil
from datetime import timedelta

import pytest
from django.db import transaction

from reviewqueue import services
from reviewqueue.clock import now
from reviewqueue.models import MediaFile, Member, Note, Operation, SavedView
from reviewqueue.rules import roles
from reviewqueue.services import (
    billing,
    cures,
    generating,
    holds,
    notes,
    personas,
    preferences,
    resolving,
    reviewing,
    setup,
    syncing,
    views,
)
from reviewqueue.services.access import NotPermitted
from tests import factories
from tests.world import nothing_written, token

SECRET = "rm_4f9a1c7e2b8d6035a1e9c4b7d2f68301"


class Desk:
    """One of everything that a command can be about."""

    def __init__(self, workspace):
        self.workspace = workspace
        self.persona = factories.make_persona(workspace, has_voice=True)
        self.source = factories.make_source(self.persona)
        self.origin = factories.make_source_post(workspace, self.source)
        self.post = factories.make_post(self.persona, items=2, source=self.origin)
        self.item = self.post.items.first()
        self.video = factories.make_post(self.persona, media_type="video").items.get()
        self.failed = factories.make_post(
            self.persona, item_statuses=["completed", "failed"], status="failed"
        )
        self.target = self.persona.targets.get()
        self.account = factories.make_account(workspace, "another.one")
        self.waits = factories.make_operation(
            factories.make_post(self.persona), state="blocked", blocked_by="balance"
        )
        self.stopped = factories.make_operation(
            factories.make_post(self.persona), state="blocked", blocked_by="role"
        )
        self.lost = self.ended("unknown", sent_at=now())
        self.refused = self.ended("failed", reason="no")
        self.unpaid = factories.make_loose(workspace, "set_reload")
        self.stuck = factories.make_post(
            self.persona, status="generating", asked_at=now() - timedelta(hours=1)
        )
        self.uncopied = factories.make_post(self.persona)
        MediaFile.objects.filter(pk=self.uncopied.items.get().file_id).update(state="refused")
        self.sandbox = factories.make_workspace("Sandbox", key=False, is_sandbox=True)

    def ended(self, state: str, **facts):
        return factories.make_operation(
            factories.make_post(self.persona), "regenerate_post", state=state, **facts
        )

    def seen(self, by: Member) -> dict:
        return {"by": by, "fingerprint": self.post.fingerprint, "token": token()}

    def note_of(self, by: Member) -> Note:
        return Note.objects.create(workspace=self.workspace, post=self.post, by=by, by_label="Me", text="Odd")

    def view_of(self, by: Member) -> SavedView:
        mine = {"workspace": self.workspace, "query": "?type=video"}
        return SavedView.objects.get_or_create(owner=by, name="Mine", defaults=mine)[0]

    def held_by(self, by: Member):
        hold = holds.begin(by, "Approved", "")
        Operation.objects.filter(pk=self.waits.pk).update(hold=hold, state="queued")
        return hold


def asked(command):
    """A command that takes the desk, who asks, and a token besides."""
    return lambda desk, by: command(desk, {"by": by, "token": token()})


POLICY = {"name": "Northlight", "time_zone": "UTC", "approvers": 2, "own_work_allowed": True}

# By command: the humblest role that may, and the command.
COMMANDS = {
    "reviewing.approve": ("reviewer", lambda d, by: reviewing.approve(d.post, **d.seen(by))),
    "reviewing.reject": ("reviewer", lambda d, by: reviewing.reject(d.post, **d.seen(by))),
    "reviewing.send_to_compose": ("reviewer", lambda d, by: reviewing.send_to_compose(d.post, **d.seen(by))),
    "reviewing.decide": ("reviewer", lambda d, by: reviewing.decide(d.post, reviewing.REJECT, **d.seen(by))),
    "reviewing.decide_many": (
        "reviewer",
        lambda d, by: reviewing.decide_many(
            [d.post], reviewing.APPROVE, by=by, seen={d.post.pk: d.post.fingerprint}, token=token()
        ),
    ),
    "reviewing.reject_item": ("reviewer", asked(lambda d, facts: reviewing.reject_item(d.item, **facts))),
    "holds.undo": ("reviewer", lambda d, by: holds.undo(d.held_by(by), by=by)),
    "holds.pause": ("reviewer", lambda d, by: holds.pause(d.held_by(by), by=by)),
    "holds.send_all": ("reviewer", lambda d, by: holds.send_all(by)),
    "holds.linger": ("reviewer", lambda d, by: holds.linger(by)),
    "holds.send": ("reviewer", lambda d, by: holds.send(d.held_by(by), by=by)),
    "generating.set_public": (
        "reviewer",
        asked(lambda d, facts: generating.set_public(d.item, True, **facts)),
    ),
    "generating.generate": (
        "editor",
        asked(lambda d, facts: generating.generate(d.origin, d.persona, **facts)),
    ),
    "generating.generate_many": (
        "editor",
        asked(lambda d, facts: generating.generate_many([(d.origin, d.persona)], **facts)),
    ),
    "generating.clone": (
        "editor",
        asked(lambda d, facts: generating.clone("instagram.com/p/Cnewlink123", d.persona, **facts)),
    ),
    "generating.regenerate_post": (
        "editor",
        asked(lambda d, facts: generating.regenerate_post(d.failed, failed_only=True, **facts)),
    ),
    "generating.regenerate_item": (
        "editor",
        asked(lambda d, facts: generating.regenerate_item(d.item, **facts)),
    ),
    "generating.convert_voice": (
        "editor",
        asked(lambda d, facts: generating.convert_voice(d.video, **facts)),
    ),
    "generating.delete_post": ("editor", asked(lambda d, facts: generating.delete_post(d.post, **facts))),
    "generating.delete_item": ("editor", asked(lambda d, facts: generating.delete_item(d.item, **facts))),
    "syncing.start": ("editor", asked(lambda d, facts: syncing.start(d.persona, **facts))),
    "resolving.withdraw": ("editor", lambda d, by: resolving.withdraw(d.stopped, by=by)),
    "resolving.release": ("editor", lambda d, by: resolving.release(d.waits, by=by)),
    "generating.regenerate_many": (
        "editor",
        asked(lambda d, facts: generating.regenerate_many([d.failed], failed_only=True, **facts)),
    ),
    "cures.check_now": ("viewer", lambda d, by: cures.check_now(d.stuck, by=by)),
    "cures.copy_again": ("viewer", lambda d, by: cures.copy_again(d.uncopied, by=by)),
    "notes.write": ("viewer", asked(lambda d, facts: notes.write(d.post, "The hand looks odd.", **facts))),
    "notes.take_back": ("viewer", lambda d, by: notes.take_back(d.note_of(by), by=by)),
    "views.save": ("viewer", lambda d, by: views.save("Videos", "?type=video", is_shared=False, by=by)),
    "views.change": (
        "viewer",
        lambda d, by: views.change(d.view_of(by), name="Clips", is_shared=True, by=by),
    ),
    "views.remove": ("viewer", lambda d, by: views.remove(d.view_of(by), by=by)),
    "resolving.check_now": ("viewer", lambda d, by: resolving.check_now(d.lost, by=by)),
    "resolving.tell": (
        "editor",
        lambda d, by: resolving.tell(d.lost, happened=False, note="Not there", by=by),
    ),
    "resolving.send_again": ("editor", asked(lambda d, facts: resolving.send_again(d.refused, **facts))),
    "resolving.let_be": ("editor", lambda d, by: resolving.let_be(d.refused, by=by)),
    "resolving.let_be, what only an admin may ask for": (
        "admin",
        lambda d, by: resolving.let_be(d.unpaid, by=by),
    ),
    "personas.create": (
        "editor",
        asked(lambda d, facts: personas.create(name="Nora", writing_style="", **facts)),
    ),
    "personas.update": (
        "editor",
        asked(lambda d, facts: personas.update(d.persona, name="Nora", **facts)),
    ),
    "personas.add_source": (
        "editor",
        asked(lambda d, facts: personas.add_source(d.persona, "quiet.corner", **facts)),
    ),
    "personas.add_source, which spends by itself": (
        "admin",
        asked(lambda d, facts: personas.add_source(d.persona, "quiet.corner", mode="auto_clone", **facts)),
    ),
    "personas.remove_source": ("editor", asked(lambda d, facts: personas.remove_source(d.source, **facts))),
    "personas.set_automation": (
        "admin",
        asked(lambda d, facts: personas.set_automation(d.source, "auto_clone", **facts)),
    ),
    "personas.link_account": (
        "admin",
        asked(lambda d, facts: personas.link_account(d.persona, d.account, **facts)),
    ),
    "personas.unlink_account": ("admin", asked(lambda d, facts: personas.unlink_account(d.target, **facts))),
    "personas.connect_account": ("admin", asked(lambda d, facts: personas.connect_account(**facts))),
    "billing.top_up": ("admin", asked(lambda d, facts: billing.top_up(amount_cents=1000, **facts))),
    "billing.set_reload": (
        "admin",
        asked(lambda d, facts: billing.set_reload(on=True, threshold_cents=0, amount_cents=100, **facts)),
    ),
    "billing.read_again": ("admin", lambda d, by: billing.read_again(by=by)),
    "preferences.set_profile": ("viewer", lambda d, by: preferences.set_profile(by=by, theme="dark")),
    "preferences.set_theme": ("viewer", lambda d, by: preferences.set_theme("dark", by=by)),
    "preferences.set_looking": ("viewer", lambda d, by: preferences.set_looking(blur=True, by=by)),
    "preferences.set_keyboard": ("viewer", lambda d, by: preferences.set_keyboard(False, by=by)),
    "preferences.set_workspace": ("admin", lambda d, by: preferences.set_workspace(by=by, **POLICY)),
    "preferences.set_reasons": ("admin", lambda d, by: preferences.set_reasons(["Too dark"], by=by)),
    "preferences.set_prices": ("admin", lambda d, by: preferences.set_prices(starts_at=None, by=by)),
    "setup.open_workspace": ("admin", lambda d, by: setup.open_workspace(SECRET, by=by, name="Mine")),
    "setup.remove_key": ("admin", lambda d, by: setup.remove_key(d.workspace, by=by)),
    "setup.remove_sandbox": ("admin", lambda d, by: setup.remove_sandbox(d.sandbox, by=by)),
}

# These take a person's word that was asked for by their callers.
ASKED_BEFORE = {
    "events.record",
    "holds.begin",
    "notes.tell",
    "operations.queue",
    "operations.record_event",
    "operations.cancel",
    "operations.withdraw",
    "reviewing.check_policy",
    "syncing.why_not",
    "views.may_remove",
}


def test_no_command_is_missing_here():
    """Whatever takes a member by whom it is done is a command."""
    found = set()
    for module in pkgutil.iter_modules(services.__path__, f"{services.__name__}."):
        members = inspect.getmembers(importlib.import_module(module.name), inspect.isfunction)
        for name, function in members:
            by = inspect.signature(function).parameters.get("by")
            is_own = function.__module__ == module.name and not name.startswith("_")
            if is_own and by and by.annotation in (Member, Member | None):
                found.add(f"{module.name.rsplit('.', 1)[-1]}.{name}")
    assert found - ASKED_BEFORE == {name.split(",")[0] for name in COMMANDS}


@pytest.fixture
def desk(workspace):
    return Desk(workspace)


@pytest.mark.parametrize("role", roles.ROLES)
def test_each_role_may_what_the_table_says_and_nothing_else(desk, role):
    member = factories.make_member(desk.workspace, "Vera Stone", role)
    for name, (least, command) in COMMANDS.items():
        mark = transaction.savepoint()
        if roles.ROLES.index(role) >= roles.ROLES.index(least):
            command(desk, member)
        elif name.startswith("holds."):
            with pytest.raises(NotPermitted):
                command(desk, member)
        else:
            with nothing_written(desk.workspace), pytest.raises(NotPermitted):
                command(desk, member)
        transaction.savepoint_rollback(mark)


@pytest.mark.parametrize("gone", ["member", "user"])
def test_whoever_was_removed_may_nothing_any_more(desk, gone):
    member = factories.make_member(desk.workspace, "Ana Ruiz", "admin")
    if gone == "member":
        member.is_active = False
    else:
        member.user.is_active = False
    for name, (_, command) in COMMANDS.items():
        if not name.startswith("holds."):
            with nothing_written(desk.workspace), pytest.raises(NotPermitted):
                command(desk, member)
