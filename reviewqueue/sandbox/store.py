"""The sandbox's memory: one SQLite file that every process and thread shares."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = sqlite3.Row

BUSY_TIMEOUT_SECONDS = 20
IDS = uuid.UUID("5a6d0b0e-6f3c-5d0e-9a1b-6c6f75706521")

SCHEMA = Path(__file__).with_name("schema.sql")


class Rows:
    """One transaction's view of the tables. Names of tables and columns come from this package only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def run(self, sql: str, *values: Any) -> int:
        """Execute and return how many rows changed."""
        return self.connection.execute(sql, values).rowcount

    def all(self, sql: str, *values: Any) -> list[Row]:
        return self.connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Row | None:
        return self.connection.execute(sql, values).fetchone()

    def value(self, sql: str, *values: Any) -> Any:
        row = self.one(sql, *values)
        return row[0] if row else None

    def among(self, sql: str, values: list[str]) -> list[Row]:
        """Rows of a query that holds `IN (?)`, for any number of values."""
        if not values:
            return []
        return self.all(sql.replace("(?)", "(" + ",".join("?" * len(values)) + ")"), *values)

    def get(self, table: str, id: str) -> Row | None:
        return self.one(f"SELECT * FROM {table} WHERE id = ?", id)  # noqa: S608

    def add(self, table: str, **columns: Any) -> str:
        """Insert a row with a new id, and return the id."""
        columns = {"id": self.new_id(), **columns}
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *columns.values())  # noqa: S608
        return columns["id"]

    def change(self, table: str, id: str, **columns: Any) -> None:
        settings = ", ".join(f"{name} = ?" for name in columns)
        self.run(f"UPDATE {table} SET {settings} WHERE id = ?", *columns.values(), id)  # noqa: S608

    def new_id(self) -> str:
        """The next id. It follows from how many there were: a reset store makes the same world again."""
        number = self.value("UPDATE meta SET value = value + 1 WHERE key = 'ids' RETURNING value")
        return str(uuid.uuid5(IDS, str(number)))

    def note(self, key: str) -> Any:
        return self.value("SELECT value FROM meta WHERE key = ?", key)

    def set_note(self, key: str, value: Any) -> None:
        self.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, value)


class Store:
    """Opens the file once for each thread of each process, and gives out transactions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._local = threading.local()
        self._connection().executescript(SCHEMA.read_text())
        with self.writing() as rows:
            rows.run("INSERT OR IGNORE INTO meta (key, value) VALUES ('ids', 0)")
            rows.run("INSERT OR IGNORE INTO meta (key, value) VALUES ('secret', ?)", uuid.uuid4().hex)

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; a forked child opens its own."""
        if getattr(self._local, "process", None) != os.getpid():
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
            connection.row_factory = sqlite3.Row
            use_write_ahead_log(connection)
            self._local.connection, self._local.process = connection, os.getpid()
        return self._local.connection

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """A snapshot: what is read belongs together. Writes raise."""
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            yield Rows(connection)
        finally:
            connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Rows]:
        """All or nothing, one writer at a time."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield Rows(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def reset(self) -> None:
        """Forget everything, ids included. Rendered files stay: the same world needs the same ones."""
        with self.writing() as rows:
            tables = rows.all(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            for table in tables:
                rows.run(f"DELETE FROM {table['name']}")  # noqa: S608
            rows.set_note("ids", 0)
            rows.set_note("secret", uuid.uuid4().hex)


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let readers and one writer work side by side. Switching needs the file to itself: wait for it."""
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            time.sleep(0.05)
    connection.execute("PRAGMA synchronous = NORMAL")
