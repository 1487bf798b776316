"""Every address of Loupe, who may look at it and who may send something to it; and rows to ask them for."""

import uuid
from dataclasses import dataclass, field

from django.core.files.base import ContentFile

from reviewqueue.clock import now
from reviewqueue.models import (
    Checkout,
    Delivery,
    Event,
    Hold,
    Member,
    OutgoingPost,
    SavedView,
    SyncJob,
    UpstreamKey,
)
from reviewqueue.rules.notes import Pin
from reviewqueue.services import accounts, desk, media, notes
from tests import factories
from tests.factories import uid

PLAIN = "plain words"


class Stage:
    """One of everything in a workspace. `words` stands wherever the service says something."""

    def __init__(self, workspace, words: str = PLAIN, *, people=None):
        self.workspace, self.words = workspace, words
        self.people = people or {}
        self.persona = factories.make_persona(workspace, f"Ines {words}", accounts=(f"ines{words}",))
        self.persona.writing_style = words
        self.persona.has_voice, self.persona.voice_name = True, words
        self.persona.save()
        self.account = self.persona.targets.get().account
        self.target = self.persona.targets.get()
        self.other_account = factories.make_account(workspace, f"spare{words}")
        self.source = factories.make_source(self.persona, handle=f"salt{words}", status=words)
        self.source_post = factories.make_source_post(workspace, self.source, caption=words)
        make = factories.make_post
        self.post = make(self.persona, items=2, source=self.source_post, caption=words)
        self.item = self.post.items.get(position=0)
        self.video = make(self.persona, media_type="video", caption=words).items.get()
        failed = {"error_message": words}
        self.failed = make(self.persona, status="failed", error_message=words, item_facts=failed)
        self.operation = factories.make_operation(
            make(self.persona, caption=words),
            "regenerate_post",
            state="blocked",
            blocked_by="balance",
            reason=words,
            label=words,
        )
        self._say_more()
        self.picture = self._stored()
        for member in self.people.values():
            self.view_of(member)

    def _say_more(self):
        """What else of the service's words is shown somewhere."""
        workspace, persona, words = self.workspace, self.persona, self.words
        self.operation.exchanges.create(
            number=1, at=now(), seconds=1, method="POST", path="/x", request=words, status=500, answer=words
        )
        out = OutgoingPost.objects.create(
            workspace=workspace,
            post=factories.make_post(persona, review_status="published", caption=words),
            upstream_id=uid(),
            status="publishing",
            asked_at=now(),
            seen_at=now(),
        )
        Delivery.objects.create(
            outgoing=out,
            upstream_id=uid(),
            username=words,
            status="failed",
            error_message=words,
            seen_at=now(),
        )
        self.delivered = desk.refresh(out.post_id, touched=True)
        SyncJob.objects.create(
            workspace=workspace,
            persona=persona,
            creator_id=self.source.creator_id,
            upstream_id=uid(),
            status="failed",
            error_message=words,
            asked_at=now(),
            ended_at=now(),
            seen_at=now(),
        )
        factories.make_charge(workspace, -32, post=self.post, description=words, kind=words[:40])
        for name in ("post.failed", "operation.failed"):
            Event.objects.create(
                workspace=workspace,
                name=name,
                by_label="The service",
                subject_label=words,
                persona=persona,
                post=self.post,
                facts={"what": words, "reason": words},
            )
        for kind in ("update_persona", "add_source", "add_target", "connect_account", "set_automation"):
            self._refused(kind, persona=persona, source=self.source if kind == "set_automation" else None)
        for kind in ("create_persona", "top_up", "set_reload"):
            self._refused(kind)
        for kind in Checkout.Kind.values:
            Checkout.objects.create(
                workspace=workspace, kind=kind, url="javascript:alert(1)", amount_cents=500
            )
        gone = factories.make_file(workspace, state="refused", reason=words)
        self.unshown = factories.make_post(persona, source=self._source_without(gone), caption=words)
        self.unshown.items.update(file=gone)
        self.unshown = desk.refresh(self.unshown.pk, touched=True)
        UpstreamKey.objects.filter(workspace=workspace).update(trouble=words)

    def _refused(self, kind, **subjects):
        facts = {"target": uid(), "label": self.words, "reason": self.words, **subjects}
        factories.make_loose(self.workspace, kind, **facts)

    def _source_without(self, file):
        post = factories.make_source_post(self.workspace, self.source, caption=self.words)
        post.url = "javascript:alert(1)"
        post.save()
        post.media.update(file=file)
        desk.refresh_source(post.pk)
        post.refresh_from_db()
        self.blind_source = post
        return post

    def _stored(self):
        file = factories.make_file(self.workspace)
        for rendition in ("original", "screen", "thumb"):
            media.keep(file, rendition, ContentFile(b"picture"))
        return file

    def hold_of(self, member) -> Hold:
        """A decision of this member's that is still held."""
        hold = Hold.objects.create(
            workspace=self.workspace, member=member, what="Approved", which=self.words, seconds=10
        )
        post = factories.make_post(self.persona, caption=self.words)
        factories.make_operation(post, "approve", by=member, hold=hold, not_before=None)
        return hold

    def view_of(self, member) -> SavedView:
        """A view that this member shares."""
        return SavedView.objects.create(
            workspace=self.workspace,
            owner=member,
            name=f"{self.words} {uid()}"[:40],
            query="?type=video",
            is_shared=True,
        )

    def note_of(self, member):
        """A note of this member's, naming another, pinned to the picture."""
        named = next((one.user.name for one in self.people.values() if one.pk != member.pk), "")
        return notes.write(
            self.post,
            f"@{named} {self.words}",
            by=member,
            token=uuid.uuid4(),
            item_id=self.item.pk,
            pin=Pin(0.4, 0.3),
        )

    def secret(self) -> str:
        return accounts.make_link(next(iter(self.people.values())).user)


def post_id(name="post"):
    return {"post_id": lambda stage, member: getattr(stage, name).pk}


ITEM = {"item_id": lambda stage, member: stage.item.pk}
VIEW = {"view_id": lambda stage, member: stage.view_of(member).pk}
HOLD = {"hold_id": lambda stage, member: stage.hold_of(member).pk}
NOTE = {"note_id": lambda stage, member: stage.note_of(member).pk}
SOURCE_POST = {"source_id": lambda stage, member: stage.source_post.pk}
PERSONA = {"persona_id": lambda stage, member: stage.persona.pk}
SOURCE = PERSONA | {"source_id": lambda stage, member: stage.source.pk}
TARGET = PERSONA | {"target_id": lambda stage, member: stage.target.pk}
OPERATION = {"operation_id": lambda stage, member: stage.operation.pk}
PICTURE = {
    "name": lambda stage, member: stage.picture.name,
    "rendition": lambda stage, member: "t",
    "extension": lambda stage, member: "webp",
}


@dataclass(frozen=True)
class May:
    """Who may, and what they are answered. `sends`: the form, or a function of the stage that gives it."""

    grant: str = "look"
    status: int = 200
    sends: object = field(default_factory=dict)

    def form(self, stage) -> dict:
        return self.sends(stage) if callable(self.sends) else self.sends


@dataclass(frozen=True)
class Address:
    """What a GET and a POST come to; None: this address is not for that. `ids` fill the address."""

    get: May | None = None
    post: May | None = None
    ids: dict = field(default_factory=dict)
    is_open: bool = False  # to people who are not signed in, too
    belongs: bool = True  # what its ids name is of one workspace


def page(grant="look", status=200, **more) -> Address:
    return Address(get=May(grant, status), **more)


def button(grant, sends=None, status=302, **more) -> Address:
    return Address(post=May(grant, status, sends or {}), **more)


def both(look, act, sends=None, status=302, **more) -> Address:
    return Address(get=May(look), post=May(act, status, sends or {}), **more)


def picked(stage):
    return {"post": f"{stage.post.pk}:{stage.post.fingerprint}"}


def seen(stage):
    return {"fingerprint": stage.post.fingerprint}


PRICES = {
    "image_mills": "0.32",
    "video_second_mills": "0.15",
    "voice_second_mills": "0.005",
    "sync_creator_mills": "0.09",
    "discount_percent": "20",
    "starts_on": "2999-01-31",
}

# A poll without a script leads to its page.
TABLE = {
    "queue": page(),
    "live-queue": page(status=302),
    "views": both("look", "look", {"name": "Over a day", "query": "?age=day"}),
    "view": button("look", {"name": "Another"}, ids=VIEW),
    "view-removal": button("look", ids=VIEW),
    "approvals": button("review.approve", picked),
    "rejections": button("review.reject", picked),
    "compositions": button("review.compose", picked),
    "regenerations": button("regenerate", picked),
    "review-start": page(status=302),  # leads to the post that is free
    "review": page(ids=post_id()),
    "strip": page(status=302, ids=post_id()),  # a part of the review page
    "approval": button("review.approve", seen, ids=post_id()),
    "rejection": both("look", "review.reject", seen, ids=post_id()),
    "composition": button("review.compose", seen, ids=post_id()),
    "regeneration": both("look", "regenerate", {"scope": "all"}, ids=post_id()),
    "deletion": both("look", "post.delete", ids=post_id()),
    "post-check": button("look", status=409, ids=post_id()),  # nobody waits for that one
    "post-copying": button("look", ids=post_id("unshown")),
    "live-post": page(status=204, ids=post_id()),
    "item-rejection": both("look", "item.reject", ids=ITEM),
    "item-regeneration": button("regenerate", ids=ITEM),
    "item-visibility": both("look", "item.visibility", {"public": "1"}, ids=ITEM),
    "item-voice": button("voice.convert", ids={"item_id": lambda stage, member: stage.video.pk}),
    "item-deletion": both("look", "post.delete", ids=ITEM),
    "hold-linger": button("hold.undo", {"on": "1"}),
    "notes": button("comment", {"text": "The hand looks odd."}, ids=post_id()),
    "note-removal": button("comment", status=200, ids=NOTE),  # its words lie in the field
    "hold-undo": button("hold.undo", ids=HOLD),
    "hold-pause": button("hold.undo", {"on": "1"}, ids=HOLD),
    "hold-send": button("hold.undo", ids=HOLD),
    "sources": page(),
    "clone": button(
        "generate", lambda stage: {"url": "instagram.com/p/C1a2b3c4d5e/", "persona": stage.persona.pk}
    ),
    "generation": both("generate", "generate", lambda stage: {"post": stage.source_post.pk}),
    "source-post": page(ids=SOURCE_POST),
    "live-sources": page(status=302),
    "live-source": page(status=302, ids=SOURCE_POST),
    "personas": Address(May("look", 302), May("persona.edit", 302, {"name": "Somebody"})),
    "persona-new": page("persona.edit"),
    "connected": page("account.change", 302),
    "persona": page(ids=PERSONA),
    "persona-posts": page(ids=PERSONA),
    "persona-settings": both("look", "persona.edit", {"name": "Another"}, ids=PERSONA),
    "persona-history": page(ids=PERSONA),
    "writing-style": both("persona.edit", "persona.edit", {"writing_style": "Dry."}, ids=PERSONA),
    "discount": button("persona.edit", {"on": "1"}, ids=PERSONA),
    "sync": button("sync.start", ids=PERSONA),
    "followed": both("source.edit", "source.edit", {"handle": "new.account"}, ids=PERSONA),
    "automation": both("automation.change", "automation.change", {"mode": "auto_clone"}, ids=SOURCE),
    "source-removal": both("source.edit", "source.edit", ids=SOURCE),
    "linked": both(
        "account.change", "account.change", lambda stage: {"account": stage.other_account.pk}, ids=PERSONA
    ),
    "target-removal": both("account.change", "account.change", ids=TARGET),
    "connection": button("account.change", ids=PERSONA),
    "live-personas": page(status=302),
    "live-persona": page(status=302, ids=PERSONA),
    "library": page(),
    "library-post": page(ids=post_id()),
    "live-library": page(status=302),
    "live-library-post": page(status=204, ids=post_id()),
    "activity": page(),
    "activity-csv": page(),
    "operation": page(ids=OPERATION),
    "operation-release": button("operation.resolve", ids=OPERATION),
    "operation-withdrawal": button("operation.resolve", ids=OPERATION),
    "operation-check": button("look", status=409, ids=OPERATION),  # it is known where that one stands
    "operation-resolution": button("operation.resolve", status=422, ids=OPERATION),
    "operation-repetition": button("regenerate", status=409, ids=OPERATION),
    "operation-dismissal": button("regenerate", status=409, ids=OPERATION),
    "live-operation": page(status=302, ids=OPERATION),
    "billing": page("billing.view"),
    "billing-csv": page("billing.view"),
    "billing-reading": button("billing.view"),
    "billing-top-up": button("billing.change", {"amount": "2500"}),
    "billing-top-up-return": page("billing.view"),
    "billing-auto-reload": button("billing.change", {"on": "on", "below": "5", "add": "25"}),
    "billing-card-return": page("billing.view"),
    "live-billing": page("billing.view", 302),
    "live-billing-return": page("billing.view", 302),
    "settings": both("look", "look", {"name": "A", "hold": "5", "theme": "dark", "time_zone": "UTC"}),
    "settings-key-trial": button("look"),
    "settings-theme": button("look", {"theme": "dark"}),
    "settings-keyboard": button("look", {"keys": "0"}),
    "settings-looking": button("look", {"blur": "1"}),
    "settings-workspace": both(
        "policy.change", "policy.change", {"name": "A", "time_zone": "UTC", "approvers": "1"}
    ),
    "settings-reasons": button("policy.change", {"text-0": "Too dark", "place-0": "1"}),
    "settings-prices": both("price.change", "price.change", PRICES),
    "settings-keys": both("key.change", "key.change", {"secret": "rm_another_key_of_a_fake"}),
    "settings-key-removal": both("key.change", "key.change"),
    "settings-sandbox-removal": Address(May("look", 404), May("look", 404)),  # there is none here
    "live-keys": page("key.change", 302),
    "setup": page(),
    "live-setup": page(status=302),
    "account_login": Address(May(status=302), May(status=302), is_open=True),
    "account_logout": Address(May(), May(status=302), is_open=True),
    "account_signup": Address(May(status=302), May(status=302)),
    "account_reset_password": Address(
        May(), May(status=302, sends={"email": "nobody@example.com"}), is_open=True
    ),
    "account_reset_password_done": page(is_open=True),
    "account_reset_password_from_key": Address(
        May(),
        May(),
        ids={"uidb36": lambda stage, member: "1", "key": lambda stage, member: "spent"},
        is_open=True,
        belongs=False,
    ),
    "account_reset_password_from_key_done": page(is_open=True),
    "account_inactive": page(),
    "account_email": Address(May(status=302), May(status=302)),
    "account_change_password": both("look", "look", status=200),  # an empty form comes back
    "account_set_password": Address(May(status=302), May(status=302)),  # these people have one
    "account_reauthenticate": both("look", "look", status=200),
    "enter": Address(
        May(),
        May(status=302),
        ids={"secret": lambda stage, member: stage.secret()},
        is_open=True,
        belongs=False,
    ),
    "sign-in-as": button(
        "look", status=404, ids={"member_id": lambda stage, member: member.pk}
    ),  # only in the sandbox
    "workspace-entry": button("look", ids={"workspace_id": lambda stage, member: stage.workspace.pk}),
    "more": page(),
    "keys": page(),
    "media": page(ids=PICTURE),
    "healthz": page(is_open=True),
    "readyz": page(status=503, is_open=True),  # nothing runs beside a test
    "sandbox": Address(
        May(status=404),
        May(status=404),
        ids={"path": lambda stage, member: "/nothing"},
        is_open=True,
        belongs=False,
    ),
}


def people_of(workspace) -> dict[str, Member]:
    return {
        role: factories.make_member(workspace, f"{role.title()} Person", role)
        for role in ("viewer", "reviewer", "editor", "admin")
    }
