"""While the service hangs on everything: every page answers, and no web process has even asked the service.

A request that hangs holds its connection, so whoever asks can be seen among the sockets of its process.
"""

import threading
import time
from collections.abc import Callable

from tests.campaign.desk import Visitor
from tests.campaign.storm import callers
from tests.campaign.upstream import Stormy
from tests.running import Running

HANGING_SECONDS = 60.0
BEGINS_WITHIN_SECONDS = 30.0
EVERYWHERE = (
    "/",
    *(f"/?tab={tab}" for tab in ("generating", "attention", "held", "decided")),
    *("/live/queue/", "/live/sources/", "/live/billing/", "/live/keys/"),
    *("/sources/", "/library/", "/personas/", "/personas/new/", "/activity/", "/billing/", "/more/"),
    *("/settings/", "/settings/workspace/", "/settings/prices/", "/settings/keys/", "/healthz"),
)


class Lookout(threading.Thread):
    """Sees which processes of the program are connected to the service: `web`, and the `others`."""

    def __init__(self, root: int, port: int):
        super().__init__(daemon=True)
        self.root, self.port = root, port
        self.over, self.web, self.others = threading.Event(), set(), set()

    def run(self) -> None:
        while not self.over.wait(0.02):
            for one in callers(self.root, self.port):
                (self.web if one.is_web else self.others).add(one.line)

    def __enter__(self) -> "Lookout":
        self.start()
        return self

    def __exit__(self, *problem) -> None:
        self.over.set()
        self.join()


def check(
    port: int,
    loupe: Running,
    service: Stormy,
    visitor: Visitor,
    addresses: list[str],
    enter: Callable[[], None],
) -> None:
    """`enter()` sends some forms meanwhile; what they ask for hangs with the rest."""
    service.misbehave("hang", match="*", times=1_000_000, seconds=HANGING_SECONDS)
    try:
        with Lookout(loupe.process.pid, port) as lookout:
            enter()
            deadline = time.monotonic() + BEGINS_WITHIN_SECONDS
            while not lookout.others and time.monotonic() < deadline:
                time.sleep(0.1)
            for path in addresses:
                status = visitor.client.get(path, follow_redirects=True).status_code
                assert status in (200, 204), f"{path} answered {status} while the service hung"
    finally:
        service.behave()
    assert lookout.others, "nobody asked the service, so it cannot be told who would wait for it"
    assert not lookout.web, f"a web process asked the service: {sorted(lookout.web)}"


def addresses(stock: dict) -> list[str]:
    """Every page, of what there is many of one; and the questions before it is changed."""
    post, persona = stock["posts"][0], stock["people"][0]
    about_post = ("", "rejection/", "regeneration/", "deletion/", "strip/")
    about_persona = ("", "posts/", "settings/", "history/", "writing-style/", "sources/", "targets/")
    return [
        *EVERYWHERE,
        *(f"/review/{post['id']}/{page}" for page in about_post),
        f"/library/{post['id']}/",
        f"/items/{post['items'][0]}/visibility/",
        *(f"/personas/{persona}/{page}" for page in about_persona),
        f"/sources/{stock['sources'][0]}/",
        f"/sources/generation/?post={stock['sources'][0]}&persona={persona}",
    ]
