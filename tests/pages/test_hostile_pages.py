"""Whatever the service, or somebody at a keyboard, puts into words stands on every page as text."""

import uuid
from html.parser import HTMLParser

import pytest

from reviewqueue.clock import now
from reviewqueue.models import Operation, UpstreamKey
from reviewqueue.rules import roles
from reviewqueue.services import notes
from tests.factories import make_member
from tests.pages.addresses import TABLE, Stage, people_of
from tests.pages.test_every_page import address_of

OVERRIDE = "\u202e"  # what follows is read from right to left
HOSTILE = f"<script>x</script>\"'><i {OVERRIDE}{{{{ 7 }}}}"  # short enough for every field
ISOLATES = {"bdi", "title", "option", "textarea", "style"}
EMPTY = {"meta", "link", "input", "img", "br", "hr", "wbr", "source", "use", "path", "rect", "circle"}
EMPTY |= {"line", "feturbulence", "fedisplacementmap", "fecolormatrix", "fecomposite", "col", "track"}
LEADING = ("href", "src", "action", "formaction", "poster", "hx-get", "hx-post")


class Reader(HTMLParser):
    """Finds what a browser would run, follow or read backwards."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.wrong.append(f"a script of its own: {attrs}")
        if tag == "i" or (tag == "img" and not given.get("src", "").startswith(("/m/", "/static/"))):
            self.wrong.append(f"an element out of the words: <{tag}> {attrs}")
        for name, value in attrs:
            if name.startswith(("on", "hx-on")):
                self.wrong.append(f"a handler: {name}={value}")
            if name in LEADING and not (value or "#").startswith(("/", "#", "?", "http://", "https://")):
                self.wrong.append(f"a link to code: {name}={value}")
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.words.append(data)
        if OVERRIDE in data and not ISOLATES & set(self.open):
            self.wrong.append(f"not isolated in {'/'.join(self.open[-3:])}: {data.strip()[:80]!r}")


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def wrong_on(address: str, answer) -> list[str]:
    text = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return [f"{address}: {each}" for each in read(text.decode()).wrong]


@pytest.fixture
def stage(workspace):
    return Stage(workspace, HOSTILE, people=people_of(workspace))


def test_the_reader_finds_what_it_is_for():
    for text in (
        "<script>x</script>",
        "<p onclick=x>",
        "<a href=' javascript:x'>",
        "<a href='data:text/html,x'>",
        "<i>",
        f"<p><bdi>a</bdi> {OVERRIDE}</p>",
    ):
        assert len(read(text).wrong) == 1, text
    assert read(f"<p><bdi>{OVERRIDE}</bdi><img src='/m/a.t.webp'><a href='https://x'>x</a></p>").wrong == []


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_no_page_takes_words_for_code(stage, signed_in, role):
    member = stage.people[role]
    browser, wrong, shown = signed_in(member), [], 0
    for name, row in TABLE.items():
        if row.get is None or not roles.may(role, row.get.grant) or name in ("activity-csv", "billing-csv"):
            continue
        address = address_of(name, row, stage, member)
        for headers in ({}, {"HX-Request": "true", "HX-Current-URL": f"http://testserver{address}"}):
            query = {"v": "0", "t": "1", "loaded": "1"} if name.startswith("live-") else {}
            answer = browser.get(address, query, headers=headers)
            wrong += wrong_on(f"{address} ({name}{', fragment' if headers else ''})", answer)
            shown += OVERRIDE in answer.content.decode() if not answer.streaming else 0
    assert not wrong, "\n".join(wrong)
    assert shown > 30


def test_what_went_wrong_upstream_stands_there_as_text(stage, ana, signed_in):
    browser, wrong = signed_in(ana), []
    for post in (stage.failed, stage.unshown, stage.delivered, stage.operation.post):
        for address in (f"/review/{post.pk}/", f"/library/{post.pk}/", f"/review/{post.pk}/regeneration/"):
            wrong += wrong_on(address, browser.get(address))
    for address in (
        "/?tab=attention",
        "/library/?tab=attention",
        f"/sources/{stage.blind_source.pk}/",
        "/sources/?used=all",
        f"/sources/generation/?post={stage.source_post.pk}&post={stage.blind_source.pk}",
    ):
        answer = browser.get(address)
        assert "&lt;script&gt;" in answer.content.decode(), address
        wrong += wrong_on(address, answer)
    UpstreamKey.objects.update(state="rejected", trouble=HOSTILE)
    for state in ("queued", "blocked", "unknown", "absent"):
        Operation.objects.filter(state__in=("failed", "queued", "blocked", "unknown")).exclude(
            pk=stage.operation.pk
        ).update(state=state, reason=HOSTILE, blocked_by="key" if state == "blocked" else "")
        for address in (f"/personas/{stage.persona.pk}/", "/billing/", "/settings/keys/", "/personas/"):
            wrong += wrong_on(f"{address} while {state}", browser.get(address, follow=True))
    assert not wrong, "\n".join(wrong)


def test_what_is_typed_comes_back_as_text(stage, ana, signed_in):
    browser, wrong = signed_in(ana), []
    persona, here = f"/personas/{stage.persona.pk}/", "http://testserver/personas/"
    for address, typed in {
        "/sources/clone/": {"url": HOSTILE, "persona": HOSTILE},
        "/personas/": {"name": HOSTILE * 3, "writing_style": HOSTILE},
        f"{persona}sources/": {"handle": HOSTILE, "mode": HOSTILE},
        f"{persona}settings/": {"name": HOSTILE * 3, "writing_style": HOSTILE},
        f"{persona}targets/": {"account": HOSTILE},
        "/billing/auto-reload/": {"on": "on", "below": HOSTILE, "add": HOSTILE},
        "/settings/": {"name": "", "hold": HOSTILE, "time_zone": HOSTILE},
        "/settings/workspace/": {"name": HOSTILE, "time_zone": HOSTILE, "approvers": HOSTILE},
        "/settings/reasons/": {"text-0": HOSTILE * 4, "place-0": HOSTILE},
        "/settings/prices/": {"image_mills": HOSTILE, "starts_on": HOSTILE},
        "/settings/keys/": {"secret": HOSTILE},
        f"/review/{stage.post.pk}/notes/": {"text": HOSTILE, "item": HOSTILE, "x": HOSTILE},
    }.items():
        for headers in ({}, {"HX-Request": "true", "HX-Current-URL": here}):
            answer = browser.post(address, typed, headers=headers)
            assert answer.status_code == 422, address
            wrong += wrong_on(address, answer)
    for address in ("/", "/library/", "/sources/", "/activity/", "/billing/"):
        names = ("q", "tab", "persona", "type", "source", "account", "order", "view", "used", "after", "kind")
        names += ("by", "since", "until", "images", "outcome")
        wrong += wrong_on(address, browser.get(address, dict.fromkeys(names, HOSTILE)))
    assert not wrong, "\n".join(wrong)


def test_what_a_command_says_is_text(stage, ana, signed_in):
    """The words after a click name personas and accounts of the service."""
    browser, wrong = signed_in(ana), []
    persona = f"/personas/{stage.persona.pk}/"
    for address, form in {
        f"/review/{stage.post.pk}/notes/": {"text": HOSTILE},
        f"{persona}sync/": {},
        f"{persona}sources/{stage.source.pk}/removal/": {},
        f"{persona}targets/{stage.target.pk}/removal/": {},
        "/sources/generation/": {"post": stage.source_post.pk},
        f"/review/{stage.post.pk}/approval/": {"fingerprint": stage.post.fingerprint},
        f"/items/{stage.video.pk}/voice/": {},
    }.items():
        for headers in ({"HX-Request": "true", "HX-Current-URL": f"http://testserver{persona}"}, {}):
            answer = browser.post(address, form | {"token": str(uuid.uuid4())}, headers=headers)
            wrong += wrong_on(address, answer)  # the second time: why not
            if answer.status_code == 302:
                wrong += wrong_on(f"after {address}", browser.get(answer["Location"]))
    assert not wrong, "\n".join(wrong)


def test_names_of_people_and_workspaces_are_text(workspace, post, signed_in):
    workspace.name = HOSTILE
    workspace.save()
    member = make_member(workspace, f"{HOSTILE} {HOSTILE}"[:80])
    other = make_member(workspace, f"x {HOSTILE}")
    workspace.events.create(name="signed_in", by=other, by_label=HOSTILE, at=now())
    notes.write(post, f"@{member.user.name} {HOSTILE}", by=other, token=uuid.uuid4())
    browser, wrong = signed_in(member), []
    for address in ("/", "/settings/", "/activity/", f"/library/{post.pk}/", "/settings/workspace/"):
        wrong += wrong_on(address, browser.get(address))
    assert not wrong, "\n".join(wrong)
