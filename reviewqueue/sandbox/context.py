"""What behaviour needs to know: the world (settings and store), and one moment of it inside a transaction."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .fields import Fields
from .http import Request
from .pace import Pace
from .rendering import Recipe, Studio, name_of, written
from .store import Rows, Store

LINK_SECONDS = 3600
#: Links made within the same so many seconds are the same link.
LINK_STEP_SECONDS = 300


@dataclass(frozen=True)
class World:
    """Settings and shared parts; the same for every request."""

    store: Store
    studio: Studio
    pace: Pace
    public_url: str
    media_url: str
    clock: Callable[[], float]


@dataclass(frozen=True)
class Origin:
    """Who caused an effect. By itself: the agenda, with `automation` in place of a key."""

    method: str = ""
    path: str = ""
    key_prefix: str = "automation"
    request_id: str = ""
    token_id: str | None = None


@dataclass
class Context:
    """One moment in the world, inside one transaction."""

    world: World
    rows: Rows
    now: float
    origin: Origin = field(default_factory=Origin)

    @property
    def pace(self) -> Pace:
        return self.world.pace

    def at(self, moment: float) -> Context:
        """The same transaction at another moment, nobody's doing."""
        return Context(self.world, self.rows, moment)

    def effect(self, kind: str, target: str, made: str | None = None) -> None:
        """Log an effect: what was done to what, and the id of what came of it."""
        origin = self.origin
        self.rows.run(
            "INSERT INTO effects (at, method, path, kind, target, made, key_prefix, request_id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(self.now, origin.method, origin.path, kind, target, made, origin.key_prefix, origin.request_id),
        )

    def later(self, at: float, kind: str, target: str) -> None:
        """Put on the agenda what will happen by itself."""
        self.rows.run("INSERT INTO agenda (at, kind, target) VALUES (?, ?, ?)", at, kind, target)

    def keep(self, recipe: Recipe) -> str:
        """The name of a recipe's file, from now on served."""
        name = name_of(recipe)
        self.rows.run("INSERT OR IGNORE INTO files (name, recipe) VALUES (?, ?)", name, written(recipe))
        return name

    def recipe(self, name: str) -> Recipe:
        return json.loads(self.rows.value("SELECT recipe FROM files WHERE name = ?", name))

    def link(self, name: str | None) -> str | None:
        """A link to a file, good for about an hour. The path stays the same as long as the file does."""
        if name is None:
            return None
        expires = int(self.now // LINK_STEP_SECONDS) * LINK_STEP_SECONDS + LINK_SECONDS
        signature = sign(self.secret, name, expires)
        return f"{self.world.media_url}/sandbox/media/{name}?expires={expires}&sig={signature}"

    @cached_property
    def secret(self) -> str:
        return self.rows.note("secret")


@dataclass
class Call(Context):
    """One API request under way: a context, and what was asked."""

    request: Request | None = None
    params: dict[str, str] = field(default_factory=dict)
    given: Fields | None = None  # a body that came from no request

    @property
    def query(self) -> dict[str, str]:
        return self.request.query

    @cached_property
    def body(self) -> Fields:
        return self.given or Fields(self.request.json())


@dataclass(frozen=True)
class Page:
    """One page of a list, and how many there are in all."""

    data: list[Any]
    count: int


def sign(secret: str, name: str, expires: int) -> str:
    return hmac.new(secret.encode(), f"{name}/{expires}".encode(), hashlib.sha256).hexdigest()[:20]
