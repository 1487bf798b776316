"""What happens to the service from outside its API: people in its own pages, support, and tests.

Every method works from any process. Those in `COMMANDS` can also be called through `/sandbox/control/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import agenda, faults
from .context import Context, World
from .reelmirror import billing, keys
from .routes import FORMS


class Outside:
    """The sandbox as tests and other pages of the service see it."""

    COMMANDS = (
        "misbehave",
        "behave",
        "effects",
        "answer_in",
        "finish",
        "edit_caption",
        "edit_source_caption",
        "set_balance",
        "set_card",
        "set_account_status",
        "decide",
        "new_key",
        "revoke_key",
        "reset",
    )

    def __init__(self, world: World) -> None:
        self.world = world

    @contextmanager
    def moment(self) -> Iterator[Context]:
        """Now, in a writing transaction, with everything done that was due."""
        with self.world.store.writing() as rows:
            context = Context(self.world, rows, self.world.clock())
            agenda.catch_up(context)
            yield context

    # Keys

    def new_key(
        self,
        name: str = "Sandbox key",
        scopes: list[str] | None = None,
        *,
        monthly_limit_cents: int | None = None,
        session: bool = False,
    ) -> str:
        """The secret of a new API key (all 16 scopes unless told), or of a session token."""
        with self.moment() as context:
            kind = "session" if session else "key"
            scopes = keys.SCOPES if scopes is None else scopes
            return keys.issue(context, name, scopes, kind=kind, monthly_limit_cents=monthly_limit_cents)[1]

    def revoke_key(self, secret: str) -> None:
        with self.moment() as context:
            context.rows.run(
                "UPDATE tokens SET revoked_at = ? WHERE hash = ?", context.now, keys.digest(secret)
            )

    # Misbehaviour, and what really happened

    def misbehave(
        self, kind: str | int, *, match: str = "POST /api/v1/generate", times: int = 1, seconds: float = 0
    ) -> None:
        """Go wrong `times` times for requests that match; the kinds are listed in `faults.py`."""
        with self.world.store.writing() as rows:
            faults.add(rows, str(kind), match, times, seconds)

    def behave(self) -> None:
        """Forget all faults that have not struck yet."""
        with self.world.store.writing() as rows:
            rows.run("DELETE FROM faults")

    def effects(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The log of effects, oldest first."""
        with self.moment() as context:
            found = context.rows.all("SELECT * FROM effects ORDER BY number")
        return [dict(row) for row in found if kind in (None, row["kind"])]

    def answer_in(self, form: str | None) -> None:
        """Answer in one of the contract's other forms (bare, post_keyed, older_bare); None: as documented."""
        if form is not None and form not in FORMS:
            raise ValueError(f"No such form: {form}")
        with self.world.store.writing() as rows:
            rows.set_note("form", form)

    # Changes behind the caller's back

    def finish(self, post_id: str | None = None) -> None:
        """End what is running (items, voices, deliveries, sync jobs) now; one post's items, or everything."""
        with self.world.store.writing() as rows:
            now, whose = self.world.clock(), post_id or "%"
            rows.run(
                "UPDATE generated_items SET begins_at = MIN(begins_at, ?1), ends_at = ?1"
                " WHERE (ends_at IS NULL OR ends_at > ?1) AND post_id LIKE ?2",
                now,
                whose,
            )
            rows.run(
                "UPDATE generated_items SET voice_ends_at = ?1 WHERE voice_ends_at > ?1 AND post_id LIKE ?2",
                now,
                whose,
            )
            rows.run(
                "UPDATE agenda SET at = ?1 WHERE at > ?1 AND kind NOT IN ('scheduled', 'late') AND (?2 = '%'"
                " OR target = ?2 OR target IN (SELECT id FROM generated_items WHERE post_id = ?2))",
                now,
                whose,
            )
            if post_id is None:
                for table in ("sync_jobs", "deliveries"):
                    rows.run(f"UPDATE {table} SET begins_at = MIN(begins_at, ?1) WHERE ends_at > ?1", now)  # noqa: S608
                    rows.run(f"UPDATE {table} SET ends_at = ?1 WHERE ends_at > ?1", now)  # noqa: S608

    def edit_caption(self, post_id: str, text: str) -> None:
        """Change a generated post's caption, as a person may in the service's own pages."""
        with self.moment() as context:
            context.rows.change("generated_posts", post_id, caption=text, updated_at=context.now)

    def edit_source_caption(self, source_post_id: str, text: str) -> None:
        """Change a source post's caption; words like `fail` in it script what is made of it."""
        with self.moment() as context:
            context.rows.change("source_posts", source_post_id, caption=text)

    def set_balance(self, cents: int) -> None:
        """Bring the balance to a sum by one correcting transaction."""
        with self.moment() as context:
            difference = cents - billing.account(context)["balance_cents"]
            if difference:
                billing.enter(context, difference, "correction", "Set by a test", token_id=None)

    def set_card(self, saved: bool) -> None:
        with self.moment() as context:
            context.rows.run("UPDATE account SET has_card = ?", saved)

    def set_account_status(self, username: str, status: str) -> None:
        """`active`, or anything else for an account that cannot be published to."""
        with self.moment() as context:
            context.rows.run("UPDATE accounts SET status = ? WHERE username = ?", status, username)

    def decide(self, post_id: str, review_status: str) -> None:
        """Set a post's review status, as someone else may in the service's own pages."""
        with self.moment() as context:
            context.rows.change(
                "generated_posts", post_id, review_status=review_status, updated_at=context.now
            )

    def reset(self) -> None:
        """Forget everything. Fill it again, and the same world with the same ids comes back."""
        self.world.store.reset()
