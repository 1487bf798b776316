"""A service that misbehaves: the sandbox on a port of its own, where requests meet faults at random.

The sandbox brings the faults and the log of effects; here is only who is struck, by what, how often. The
storm is a note in the sandbox's memory, so whoever opens the same folder can raise and still it.
"""

import argparse
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
from dataclasses import replace
from pathlib import Path
from wsgiref.simple_server import make_server

from PIL import Image

from reviewqueue.sandbox import samples
from reviewqueue.sandbox.app import QuietHandler, Sandbox, Server
from reviewqueue.sandbox.reelmirror import generating, publishing, sources
from reviewqueue.sandbox.rendering import Recipe, Studio, name_of
from reviewqueue.sandbox.seed import INES, KILO, MARLOW, OAT, fill

PUBLISHING = (INES, OAT)  # the personas that have accounts
SPEAKING, CHANGING = INES, MARLOW  # who has a voice; whose sources are changed
FOLLOWED = "followed."
LINKING, SPARE, LINKED = KILO, "spare.", "linked."  # whose accounts are linked and unlinked, and which
BALANCE_CENTS = 100_000_000
DAY = 86_400.0
LATE_SECONDS = (0.3, 5.0)
HANG_SECONDS = (1.0, 6.0)
BURST = 3  # so many requests in a row meet a 429

# For requests that change something. `reset` breaks the line by RST, before or after the effect.
FAULTS = (
    "drop_before",
    "drop_after",
    "reset_before",
    "reset_after",
    "hang",
    "truncate",
    "huge",
    "malformed",
    "empty",
    "html",
    "redirect",
    "429",
    "500",
    "502",
    "503",
    "504",
    "500_after",
    "502_after",
    "503_after",
    "504_after",
    "late",
    "slow",
)
READING = ("drop_before", "reset_before", "truncate", "malformed", "429", "500", "503", "504", "slow")
SECONDS = {"late": LATE_SECONDS, "hang": HANG_SECONDS, "slow": (0.2, 2.0)}


class Sketches(Studio):
    """Small plain pictures and shipped videos, so that the campaign spends its time on requests."""

    def file(self, recipe: Recipe) -> Path:
        if name_of(recipe).endswith(".mp4"):
            return super().file({"kind": "shipped", "file": samples.everything()[recipe["file"]].file})
        path = self.folder / f"{name_of(recipe).partition('.')[0]}.webp"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{path.name}")
            colour = tuple(bytes.fromhex(path.name[:6]))
            Image.new("RGB", (64, 80), colour).save(scratch, "WEBP")
            os.replace(scratch, path)
        return path


class Stormy(Sandbox):
    """The sandbox, of whose requests a share is struck."""

    def __init__(self, folder: Path, *, seed: int = 0, **options):
        super().__init__(folder, **options)
        self.world = replace(self.world, studio=Sketches(self.world.studio.folder))
        self.chance = random.Random(seed)
        self.lock = threading.Lock()

    # ---- weather ----------------------------------------------------------------------------

    def storm(self, *, changing: float = 0.0, reading: float = 0.0, kinds: tuple[str, ...] = FAULTS) -> None:
        """From now on these shares of the requests are struck, by one of `kinds` if they change something."""
        note = json.dumps({"changing": changing, "reading": reading, "kinds": kinds})
        with self.world.store.writing() as rows:
            rows.set_note("storm", note)

    def calm(self) -> None:
        self.storm()
        self.behave()

    def draw(self, method: str) -> str | None:
        """What strikes the next request of this method, if anything does."""
        with self.world.store.reading() as rows:
            note = rows.note("storm")
        storm = json.loads(note) if note else {"changing": 0, "reading": 0, "kinds": []}
        share, kinds = (storm["reading"], READING) if method == "GET" else (storm["changing"], storm["kinds"])
        with self.lock:
            return self.chance.choice(kinds) if self.chance.random() < share else None

    # ---- answering ----------------------------------------------------------------------------

    def answer_api(self, request, now):
        kind = self.draw(request.method)
        if kind is None:
            return super().answer_api(request, now)
        with self.lock:
            seconds = round(self.chance.uniform(*SECONDS.get(kind, (0, 0))), 2)
        match = f"{request.method} {request.path}"
        self.misbehave(kind.replace("reset", "drop"), match=match, seconds=seconds)
        if kind == "429":
            self.misbehave(kind, match="POST *", times=BURST - 1)
        try:
            return super().answer_api(request, now)
        except ConnectionResetError:
            if kind.startswith("reset"):
                break_line(request.environ["campaign.socket"])
            raise


def break_line(connection: socket.socket) -> None:
    """End it by RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


class Handler(QuietHandler):
    def get_environ(self):
        return super().get_environ() | {"campaign.socket": self.connection}


class Quiet(Server):
    def handle_error(self, request, client_address):
        """A caller that was killed in the middle is no news here."""


def stock(sandbox: Stormy, needs: dict[str, int], seed: int) -> None:
    """Money, and as many of everything as plan.needs() says; nothing happens by itself."""
    chance = random.Random(seed)
    sandbox.set_balance(BALANCE_CENTS)
    sandbox.set_card(True)
    with sandbox.moment() as context:
        rows = context.rows
        rows.run("UPDATE sources SET automation_mode = 'sync_only'")
        personas = {row["name"]: row for row in rows.all("SELECT * FROM personas")}
        makers = [personas[name] for name in PUBLISHING]
        make_posts(context, makers, pulled(context, "image"), needs["posts"], chance)
        for post_id in make_posts(context, makers, pulled(context, "image"), needs["public"], chance):
            rows.run(SHOW, context.now - DAY, post_id)
        for post_id in make_posts(context, makers, pulled(context, "image"), needs["failed"], chance):
            rows.run(SPOIL, post_id)
        make_posts(context, [personas[SPEAKING]], pulled(context, "video"), needs["videos"], chance)
        make_source_posts(context, makers, needs["sources"], chance)
        for number in range(needs["followed"]):
            handle = f"{FOLLOWED}{number}"
            creator_id = sources.creator(context, "instagram", handle)
            sources.track(context, personas[CHANGING]["id"], creator_id, "sync_only")
        for number in range(needs["spare"]):
            publishing.connect(context, "instagram", f"{SPARE}{number}")
        for number in range(needs["linked"]):
            account_id = publishing.connect(context, "instagram", f"{LINKED}{number}")
            publishing.link(context, personas[LINKING]["id"], account_id)
        rows.run("DELETE FROM transactions WHERE created_at > ?", context.now - 2 * DAY)
        rows.run("DELETE FROM effects")


# The first picture of a post is public; its last one has failed.
SHOW = "UPDATE generated_items SET is_public = 1, public_since = ? WHERE post_id = ? AND position = 0"
SPOIL = (
    "UPDATE generated_items SET outcome = 'failed', error_message = 'No picture came' WHERE post_id = ?1"
    " AND position = (SELECT MAX(position) FROM generated_items WHERE post_id = ?1)"
)


def pulled(context, media_type: str) -> list:
    """Source posts that hold nothing but that, videos one at a time."""
    return context.rows.all(
        "SELECT * FROM source_posts AS post WHERE created_at IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM source_media WHERE source_post_id = post.id AND"
        " (media_type <> ?1 OR (media_type = 'video' AND position > 0))) ORDER BY id",
        media_type,
    )


def make_posts(context, personas: list, pulled_posts: list, count: int, chance: random.Random) -> list[str]:
    """Posts that were finished yesterday; their ids."""
    return [
        generating.start(
            context.at(context.now - DAY + number),
            personas[number % len(personas)],
            chance.choice(pulled_posts),
            trouble=frozenset(),
        )
        for number in range(count)
    ]


def make_source_posts(context, personas: list, count: int, chance: random.Random) -> None:
    stills = context.rows.all("SELECT * FROM source_media WHERE media_type = 'image' ORDER BY id")
    creators = context.rows.all(
        "SELECT DISTINCT creator_id FROM sources WHERE persona_id IN (?, ?) ORDER BY creator_id",
        *(persona["id"] for persona in personas),
    )
    for number in range(count):
        creator, still = chance.choice(creators)["creator_id"], chance.choice(stills)
        at = context.now - 2 * DAY + number
        recipes, caption = [json.loads(still["recipe"])], f"Number {number}. #campaign"
        sources.make_post(context, creator, recipes, caption, posted_at=at, pulled_at=at + 60)


def key_of(sandbox: Stormy) -> str | None:
    """The key to a service that was stocked before."""
    with sandbox.world.store.reading() as rows:
        return rows.note("key")


def begin(sandbox: Stormy, needs: dict[str, int], seed: int) -> str:
    """A service from nothing; its key."""
    key = fill(sandbox, render=False).api_key
    stock(sandbox, needs, seed)
    with sandbox.world.store.writing() as rows:
        rows.set_note("key", key)
    return key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--needs", type=json.loads, default={}, help="how many of everything, as JSON")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    address = f"http://127.0.0.1:{given.port}"
    sandbox = Stormy(given.folder, seed=given.seed, public_url=address, time_scale=given.time_scale)
    key = key_of(sandbox) or begin(sandbox, given.needs, given.seed)
    with make_server(
        "127.0.0.1", given.port, sandbox, server_class=Quiet, handler_class=Handler
    ) as listening:
        sys.stdout.write(f"{key}\n")
        sys.stdout.flush()
        listening.serve_forever()


if __name__ == "__main__":
    main()
