"""A service that says what a test has written down, and its files: stands where the sandbox would."""

import io
import json
from http import HTTPStatus
from types import SimpleNamespace
from urllib.parse import parse_qs

from django.db import transaction
from PIL import Image

from reviewqueue.models import UpstreamKey
from reviewqueue.services import polling, setup, watches
from tests import factories
from tests.world import committing

URL = "http://service.test"
PAGING = {"limit": 100, "offset": 0}
KEY = "rm_test_key_of_a_scripted_service"


def problem(status: int) -> tuple[int, dict, bytes]:
    """The service's own no, in its envelope."""
    body = {"error": {"code": HTTPStatus(status).name, "message": f"It said {status}"}}
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def picture(colour="red", size=(120, 150), form="JPEG", mode="RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, form)
    return out.getvalue()


class Scripted:
    """`says` holds an answer by path (`/v1/personas`), `files` one by name (`red.jpg`); what is in neither is
    a 404.

    An answer is a list (told page by page), any other JSON, or status, headers and bytes. With `instead` it
    answers all of the API so, or breaks the line with that exception. `asked` keeps what was asked for.
    """

    def __init__(self):
        self.world = SimpleNamespace(media_url=URL)
        self.says: dict = {"/v1/api-keys": [], "/v1/personas": [], "/v1/publishing/accounts": []}
        self.files: dict = {}
        self.instead: tuple | Exception | None = None
        self.asked: list[str] = []

    def __call__(self, environ, start_response):
        path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
        self.asked.append(path.removeprefix("/api"))
        status, headers, body = self.answer(path, query)
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [body]

    def answer(self, path: str, query: dict) -> tuple[int, dict, bytes]:
        if path.startswith("/api/"):
            if isinstance(self.instead, Exception):
                raise self.instead
            found = self.instead or self.says.get(path.removeprefix("/api"), problem(404))
            if isinstance(found, tuple):
                return found
            if isinstance(found, list):
                limit, offset = (int(query.get(name, [usual])[0]) for name, usual in PAGING.items())
                found = {"data": found[offset : offset + limit], "count": len(found)}
            return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()
        found = self.files.get(path.removeprefix("/files/"), problem(404))
        return found if isinstance(found, tuple) else (200, {"Content-Type": "image/jpeg"}, found)

    def link(self, name: str) -> str:
        return f"{URL}/files/{name}?signature=abc"

    def persona(self, persona_id: str, *, posts=(), source_posts=(), sources=(), targets=(), **facts) -> None:
        """Tell of a persona and all that is under it."""
        self.says["/v1/personas"].append({"id": persona_id, "name": "Ines Calder", **facts})
        under = f"/v1/personas/{persona_id}"
        self.says[under] = {"data": self.says["/v1/personas"][-1]}
        self.says[f"{under}/generated-posts"] = list(posts)
        self.says[f"{under}/source-posts"] = list(source_posts)
        self.says[f"{under}/sources"] = list(sources)
        self.says[f"{under}/publishing-targets"] = list(targets)


def workspace_of(service: Scripted):
    """A workspace under a key to it; the caller has brought the service to the gateway."""
    workspace = factories.make_workspace("Scripted", key=False, is_sandbox=True)
    with transaction.atomic():
        setup.store_key(workspace, KEY)
    UpstreamKey.objects.filter(workspace=workspace).update(state="working")
    return workspace


def serve(service: Scripted, post) -> str:
    """The service knows the post, approves and rejects it; gives the address of the approval."""
    items = [
        {
            "id": item.upstream_id,
            "status": "completed",
            "url": item.file.link,
            "media_type": "image",
            "position": item.position,
        }
        for item in post.items.current().select_related("file")
    ]
    address = f"/v1/generated-posts/{post.upstream_id}"
    service.says[address] = {
        "id": post.upstream_id,
        "status": "completed",
        "review_status": post.review_status,
        "caption": post.caption,
        "media_items": items,
    }
    service.says[f"{address}/approve"] = {"outgoing_post_id": f"out-{post.number}", "status": "publishing"}
    service.says[f"{address}/reject"] = {"status": "rejected"}
    return f"{address}/approve"


def look(workspace, kind: str, subject="") -> None:
    """Look at one thing now; fails the test if the look came to trouble."""
    watch = watches.add(workspace.pk, kind, subject)
    with committing():
        assert polling.look(watch.pk)
    trouble = workspace.watches.filter(pk=watch.pk).values_list("trouble", flat=True).first()
    assert not trouble, trouble
    workspace.refresh_from_db()
