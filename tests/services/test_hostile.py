"""A service that means harm: what it says becomes text or a refusal with a reason, and stops nothing else."""

import pytest
from django.core.files.storage import default_storage

from reviewqueue.models import MediaFile
from reviewqueue.services import media, mirroring, polling
from tests import factories, scripted
from tests.scripted import picture
from tests.world import check_counts, committing

SCRIPT = "<script>alert(1)</script>"
QUOTES = "\"'`>--></title></textarea><img src=x onerror=alert(1)>{{ 7*7 }}{% now %}%s{0}"
BIDI = "\u202egnp.exe\u202c \u2066left\u2069 \u200b\ufeff"
NUL = "before\x00after"
LONE = "half \ud800 a pair"
LONG = "Twenty thousand. " + "ab " * 6_667
EVERYTHING = f"{SCRIPT}{QUOTES}{BIDI}{NUL}{LONE}"
AS_KEPT = EVERYTHING.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")


def item(number: int, url, **facts) -> dict:
    return {"id": f"item-{number}", "status": "completed", "media_type": "image", "url": url, **facts}


def made(number: int, *items: dict, **facts) -> dict:
    usual = {"status": "completed", "review_status": "pending_review", "caption": "Dusk."}
    return {"id": f"post-{number}", "media_items": list(items), **usual, **facts}


def mirror(service) -> "mirroring.Workspace":
    """Everything is looked at, and every file that is wanted is fetched."""
    workspace = scripted.workspace_of(service)
    scripted.look(workspace, "catalogue")
    for persona in workspace.personas.filter(gone_at=None):
        scripted.look(workspace, "source_posts", persona.pk)
        scripted.look(workspace, "posts", persona.pk)
    fetch_all(workspace)
    return workspace


def fetch_all(workspace) -> None:
    for file in workspace.files.filter(state="wanted"):
        with committing():
            assert media.fetch(file.pk)


# ---- words ---------------------------------------------------------------------------------------


@pytest.fixture
def full(service):
    """Everything that can be said is said with malice."""
    evil = EVERYTHING
    service.files["red.jpg"] = picture()
    red = service.link("red.jpg")
    service.persona(
        "persona-1",
        name=evil,
        writing_style=evil,
        voice_sample_url=f"https://service.test/{'v' * 900}<>\".mp3",
        sources=[
            {"id": "source-1", "platform": evil, "handle": evil, "creator_id": "creator-1", "status": evil,
             "automation_mode": evil},
        ],
        targets=[{"id": "target-1", "connected_account_id": "account-1", "username": evil}],
        source_posts=[
            {"id": "origin-1", "creator_id": "creator-1", "platform": evil, "platform_post_id": evil,
             "caption": LONG, "url": "javascript:alert(1)", "posted_at": "9999-99-99",
             "media_items": [{"media_type": evil, "url": red}]},
            {"id": "origin-2", "creator_id": "creator-1", "caption": evil,
             "url": "https://www.instagram.com/p/x/?a=\"><script>", "media_items": []},
        ],
        posts=[
            made(1, item(1, red), caption=evil, source_post_id="origin-1", created_at="0000-01-01T00:00:00Z"),
            made(2, item(2, None, status="failed", error_message=evil), caption=LONG, status="failed",
                 error_message=evil),
            made(3, item(3, red, review_status=evil, voice_conversion_status=evil, position=-4,
                         duration_seconds="1e99"), review_status=evil, total_cost_cents=10**40),
            made(4, item(4, red, status=evil, media_type=evil, position=10**9), status=evil),
        ],
    )  # fmt: skip
    service.says["/v1/publishing/accounts"] = [
        {"id": "account-1", "username": evil, "platform": evil, "status": evil}
    ]
    service.says["/v1/billing/balance"] = {"data": {"balance_cents": 4120, "auto_reload": evil}}
    service.says["/v1/billing/transactions"] = [
        {"id": "charge-1", "amount_cents": -32, "operation_type": evil, "description": evil,
         "generated_post_id": "post-1", "generated_media_item_id": "item-1"},
    ]  # fmt: skip
    service.says["/v1/publishing/posts/out-1"] = {
        "data": {"id": "out-1", "status": evil, "caption": evil, "platform_settings": {evil: [evil] * 20},
                 "deliveries": [{"id": "delivery-1", "status": "failed", "username": evil, "platform": evil,
                                 "error_message": evil, "connected_account_id": "account-1"}],
                 "items": [{"generated_media_item_id": "item-1"}]}
    }  # fmt: skip
    return service


def test_whatever_it_says_is_kept_as_text(full):
    """As it was said, up to what a column holds; only what no database keeps has a sign in its place."""
    workspace = mirror(full)
    for kind in ("balance", "transactions"):
        scripted.look(workspace, kind)
    persona = workspace.personas.get()
    assert (persona.name, persona.writing_style) == (AS_KEPT[:200], AS_KEPT)
    assert workspace.sources.get().handle == AS_KEPT[:200]
    assert workspace.accounts.get().username == AS_KEPT[:200]
    first, second = workspace.source_posts.order_by("upstream_id")
    assert (first.caption, first.url) == (LONG, "")
    assert (second.caption, second.url) == (AS_KEPT, "")

    posts = list(workspace.posts.order_by("upstream_id"))
    assert [post.upstream_id for post in posts] == ["post-1", "post-2", "post-3", "post-4"]
    assert posts[0].caption == AS_KEPT
    assert (posts[0].desk, posts[0].source_post) == ("ready", first)
    assert (posts[1].caption, posts[1].desk) == (LONG, "attention")
    assert posts[1].error_message == posts[1].items.get().error_message == AS_KEPT[:500]
    assert posts[2].total_cost_cents is None
    assert posts[3].items.get().position == mirroring.LAST_POSITION

    at = factories.now()
    outgoing = posts[0].outgoing.create(
        workspace=workspace, upstream_id="out-1", status="publishing", asked_at=at, seen_at=at
    )
    for status in ("publishing", "failed"):
        full.says["/v1/publishing/posts/out-1"]["data"]["deliveries"][0]["status"] = status
        scripted.look(workspace, "outgoing", outgoing.pk)
    assert outgoing.deliveries.get().error_message == AS_KEPT[:500]
    assert posts[0].events.get(name="delivery.failed").sentence
    assert workspace.charges.get().description == AS_KEPT[:300]
    assert workspace.charges.get().post == posts[0]
    check_counts(workspace)


def test_none_of_it_is_code_on_any_page(full, signed_in):
    workspace = mirror(full)
    ana = factories.make_member(workspace)
    post = workspace.posts.get(upstream_id="post-1")
    persona = workspace.personas.get()
    browser = signed_in(ana)
    pages = ["/", f"/review/{post.pk}/", f"/library/{post.pk}/", "/library/", "/personas/"]
    pages += [f"/personas/{persona.pk}/", "/activity/", "/sources/"]
    for address in pages:
        answer = browser.get(address, follow=True)
        assert answer.status_code == 200, address
        page = answer.content.decode()
        assert "<script>alert" not in page, address
        assert "<img src=x" not in page, address
        assert "javascript:alert" not in page, address
        assert "\x00" not in page, address
        assert "7*7" in page or "Twenty thousand" in page, address  # it is there, and is text


def test_the_same_malice_twice_moves_nothing(full):
    workspace = mirror(full)
    versions = list(workspace.posts.order_by("pk").values_list("version"))
    scope = workspace.scopes.get(key="desk").version
    for kind in ("posts", "source_posts"):
        scripted.look(workspace, kind, workspace.personas.get().pk)
    assert list(workspace.posts.order_by("pk").values_list("version")) == versions
    assert workspace.scopes.get(key="desk").version == scope


# ---- shapes --------------------------------------------------------------------------------------


def test_a_row_that_cannot_be_read_costs_only_itself(service):
    nonsense = [None, 7, "x", [], {}, {"id": "../../etc"}, {"id": ""}, {"id": {"id": 1}}, {"id": "a b"}]
    service.files["red.jpg"] = picture()
    red = service.link("red.jpg")
    unreadable = made(9, item(9, red), media_items=[item(8, red), {"status": "completed"}])
    service.persona(
        "persona-1",
        posts=[*nonsense, made(1, item(1, red)), unreadable, made(2, item(2, red))],
        source_posts=[*nonsense, {"id": "origin-1", "media_items": [*nonsense, {"url": red}]}],
        sources=[*nonsense, {"id": "source-1", "platform": "instagram", "handle": "@salt.rooms"}],
        targets=nonsense,
    )
    service.says["/v1/personas"] += nonsense
    service.says["/v1/publishing/accounts"] = nonsense
    workspace = mirror(service)
    assert workspace.personas.count() == 1
    assert sorted(workspace.posts.values_list("upstream_id", flat=True)) == ["post-1", "post-2"]
    assert {post.desk for post in workspace.posts.all()} == {"ready"}
    assert workspace.source_posts.get().upstream_id == "origin-1"
    assert workspace.sources.get().handle == "salt.rooms"
    check_counts(workspace)


def test_two_posts_of_one_id_are_one(service):
    service.files["red.jpg"] = picture()
    red = service.link("red.jpg")
    service.persona("persona-1", posts=[made(1, item(1, red)), made(1, item(1, red), caption="Another")])
    service.persona("persona-1", posts=[made(1, item(1, red))])
    workspace = mirror(service)
    assert workspace.personas.count() == workspace.posts.count() == 1
    check_counts(workspace)


def test_a_list_that_never_ends_is_left_in_the_end(service):
    """It claims a million rows and gives the same hundred again and again."""
    service.persona("persona-1")
    rows = [{"id": f"origin-{number}"} for number in range(100)]
    service.says["/v1/personas/persona-1/source-posts"] = {"data": rows, "count": 10**6}
    workspace = scripted.workspace_of(service)
    scripted.look(workspace, "catalogue")
    persona = workspace.personas.get()
    scripted.look(workspace, "source_posts", persona.pk)
    assert workspace.source_posts.count() == 100
    assert service.asked.count("/v1/personas/persona-1/source-posts") == polling.PAGES_AT_MOST


# ---- files ---------------------------------------------------------------------------------------

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
HTML = b"<!doctype html><html><script>alert(1)</script></html>"

BAD_FILES = {
    "svg named jpg": (SVG, "a document (SVG, HTML or XML), not a picture"),
    "html as a picture": ((200, {"Content-Type": "image/jpeg"}, HTML), "a document (SVG, HTML or XML)"),
    "bare svg": (b"  \n<SVG onload=alert(1)>", "a document (SVG, HTML or XML)"),
    "nothing": (b"", "neither a picture"),
    "a program": (b"MZ\x90\x00" + b"\x00" * 60, "neither a picture"),
    "gif": (b"GIF89a" + b"\x00" * 40, "neither a picture"),
    "a torn picture": (picture()[:300], "damaged and cannot be opened"),
    "a picture in name only": (b"\xff\xd8\xff" + b"A" * 400, "damaged and cannot be opened"),
    "a bomb": (picture(0, (9_000, 9_000), "PNG", mode="1"), "more than 50,000,000 pixels"),
    "a video in name only": (b"\x00\x00\x00\x20ftypisom" + b"\x00" * 400, "damaged and cannot be opened"),
}


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_a_bad_file_is_refused_with_a_reason_and_the_rest_is_here(service, name):
    bad, reason = BAD_FILES[name]
    service.files |= {"bad.jpg": bad, "red.jpg": picture()}
    good, evil = service.link("red.jpg"), service.link("bad.jpg")
    service.persona(
        "persona-1",
        posts=[made(1, item(1, good), item(2, evil, position=1)), made(2, item(3, good))],
        source_posts=[{"id": "origin-1", "media_items": [{"url": evil}, {"url": good}]}],
    )
    workspace = mirror(service)
    file = workspace.files.get(origin__endswith="bad.jpg")
    assert file.state == "refused"
    assert reason in file.reason
    first, second = workspace.posts.order_by("upstream_id")
    assert (first.desk, first.trouble) == ("attention", "media")
    assert second.desk == "ready"
    assert reason in first.events.get(name="media.refused").sentence
    source = workspace.source_posts.get()
    assert reason in source.face["trouble"]
    assert not any(default_storage.exists(file.stored_as(one)) for one in ("original", "screen", "thumb"))
    check_counts(workspace)


def test_a_picture_under_a_wrong_type_is_what_its_bytes_say(service):
    service.files["page.html"] = 200, {"Content-Type": "text/html"}, picture(form="PNG")
    service.persona("persona-1", posts=[made(1, item(1, service.link("page.html")))])
    file = mirror(service).files.get()
    assert (file.state, file.content_type, file.extension) == ("stored", "image/png", "png")


ELSEWHERE = {
    "another host": "https://elsewhere.example/a.jpg",
    "the file system": "file:///etc/passwd",
    "script": "javascript:alert(1)",
    "data": "data:image/svg+xml,<svg/>",
    "no scheme": "//elsewhere.example/a.jpg",
    "a name before the host": "http://service.test@elsewhere.example/a.jpg",
    "another port": "http://service.test:22/a.jpg",
    "nothing": "",
    "not a link": {"href": "https://elsewhere.example"},
    "our own network": "http://169.254.169.254/latest/meta-data/",
    "ourselves": "http://[::1]:8000/a.jpg",
    "a long one": "https://service.test/" + "a" * 5_000,
}


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_link_that_leads_elsewhere_is_never_followed(service, name):
    service.files["red.jpg"] = picture()
    good = service.link("red.jpg")
    service.persona(
        "persona-1",
        posts=[made(1, item(1, ELSEWHERE[name])), made(2, item(2, good))],
        source_posts=[{"id": "origin-1", "thumbnail_url": ELSEWHERE[name], "media_items": [{"url": good}]}],
    )
    workspace = mirror(service)
    first, second = workspace.posts.order_by("upstream_id")
    assert first.desk != "ready"
    assert second.desk == "ready"
    assert workspace.source_posts.get().face["thumb"]
    for file in workspace.files.exclude(origin__endswith="red.jpg"):
        assert file.state == "refused"
        assert file.reason
    assert [path for path in service.asked if not path.startswith(("/v1", "/files/red"))] == []


def test_a_finished_item_without_a_usable_file_does_not_run_for_ever(service):
    """Its link cannot be used; past twice the time that making it may take, people are told."""
    service.persona("persona-1", posts=[made(1, item(1, "javascript:alert(1)"))])
    workspace = mirror(service)
    post = workspace.posts.get()
    assert post.desk == "generating"
    later = factories.now() + polling.wait(601)
    assert polling.refresh_late(workspace, at=later) == 1
    post.refresh_from_db()
    assert (post.desk, post.trouble) == ("attention", "stuck")
    service.files["red.jpg"] = picture()
    service.says["/v1/generated-posts/post-1"] = made(1, item(1, service.link("red.jpg")))
    scripted.look(workspace, "post", post.pk)
    fetch_all(workspace)
    post.refresh_from_db()
    assert post.desk == "ready"
    check_counts(workspace)


def test_a_redirect_is_not_followed_and_is_given_up_in_the_end(service):
    service.files |= {
        "moved.jpg": (302, {"Location": "http://169.254.169.254/"}, b""),
        "red.jpg": picture(),
    }
    links = service.link("moved.jpg"), service.link("red.jpg")
    service.persona(
        "persona-1", posts=[made(number, item(number, link)) for number, link in enumerate(links)]
    )
    workspace = mirror(service)
    moved = workspace.files.get(origin__endswith="moved.jpg")
    assert (moved.state, moved.attempts) == ("wanted", 1)
    for _ in range(media.ATTEMPTS - 1):
        MediaFile.objects.filter(pk=moved.pk).update(fetch_at=factories.now())
        fetch_all(workspace)
    moved.refresh_from_db()
    assert moved.state == "refused"
    assert "a redirect, which is never followed" in moved.reason
    assert "169.254" not in "".join(service.asked)
    assert [post.desk for post in workspace.posts.order_by("upstream_id")] == ["attention", "ready"]


def test_a_sound_in_the_place_of_a_picture_is_refused(service):
    """A sound is only ever a voice."""
    service.files["bad.m4a"] = b"\x00\x00\x00\x20ftypM4A " + b"\x00" * 400
    service.persona("persona-1", posts=[made(1, item(1, service.link("bad.m4a")))])
    file = mirror(service).files.get()
    assert (file.state, "sound" in file.reason) == ("refused", True)


def test_a_host_with_a_private_address_is_refused_without_a_request(workspace, settings):
    """For a real service: an allowed name that leads into our own network."""
    settings.MEDIA_HOSTS = ["localhost"]
    file = factories.make_file(workspace, state="wanted", link="https://localhost/a.jpg")
    assert media.fetch(file.pk)
    file.refresh_from_db()
    assert (file.state, "address that is not public" in file.reason) == ("refused", True)


def test_a_file_that_is_too_large_is_refused(service, settings):
    settings.MEDIA_MAX_BYTES = 5_000
    service.files |= {"big.jpg": picture() + b"x" * 6_000, "red.jpg": picture(size=(40, 50))}
    links = service.link("big.jpg"), service.link("red.jpg")
    service.persona(
        "persona-1", posts=[made(number, item(number, link)) for number, link in enumerate(links)]
    )
    workspace = mirror(service)
    assert "larger than 5000 bytes" in workspace.files.get(origin__endswith="big.jpg").reason
    assert [post.desk for post in workspace.posts.order_by("upstream_id")] == ["attention", "ready"]
