"""The database is away, locked, read-only or full: what is answered then, without asking it anything."""

import sqlite3
import sys

from django.db import DatabaseError, OperationalError, connection
from django.http import HttpRequest, HttpResponse

from reviewqueue.views import refusals

RETRY_SECONDS = 10
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
# What a database says of itself, not of what it was asked: primary result codes of SQLite; of PostgreSQL the
# beginnings of SQLSTATEs (connection, resources, operator, system; deadlock, lock, read-only).
SQLITE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
POSTGRES = ("08", "53", "57", "58", "40", "55P03", "25006")

TITLE = "The database cannot be used just now"
SHOWN = "Nothing can be shown. Decisions made before are kept; try again in a moment."
STANDS = "What stands here is as it was a moment ago. Decisions made before are kept."
UNDONE = "Nothing was done. Go back: what you typed is still there, to be sent again in a moment."
UNDONE_HERE = "Nothing was done. What you typed is still here, to be sent again in a moment."
UNCERTAIN = "Whether it was done is not certain. Look at the page again before you repeat it."


class Writes:
    """Notes on the request whether it has written anything: if not, nothing can have been done by it."""

    def __init__(self, request: HttpRequest):
        self.request = request
        request.has_written = False

    def __call__(self, execute, sql, params, many, context):
        if not sql.startswith(("INSERT", "UPDATE", "DELETE")):
            return execute(sql, params, many, context)
        # Within a transaction what fails is undone; by itself it may have been done, and its answer lost.
        self.request.has_written |= not context["connection"].in_atomic_block
        result = execute(sql, params, many, context)
        self.request.has_written = True
        return result


def broken(request: HttpRequest) -> HttpResponse:
    """What nobody caught: the database's trouble has an answer of its own."""
    if not is_away(sys.exception()):
        return refusals.broken(request)
    if not connection.in_atomic_block:
        connection.close()  # one that was made while a file was read-only stays so
    return answer(request)


def is_away(error: BaseException | None) -> bool:
    """Whether the database itself is in trouble. Nonsense that it was asked is not: that is for the log."""
    if not isinstance(error, DatabaseError):
        return False
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in SQLITE
    state = getattr(cause, "sqlstate", None)
    return state.startswith(POSTGRES) if state else isinstance(error, OperationalError)


def answer(request: HttpRequest) -> HttpResponse:
    """503: a page, or for a script a notice that leaves everything else on its page as it is."""
    is_fragment = "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers
    is_look = request.method in SAFE
    if is_look:
        refusal = STANDS if is_fragment else SHOWN
    elif getattr(request, "has_written", False):
        refusal = UNCERTAIN
    else:
        refusal = UNDONE_HERE if is_fragment else UNDONE
    more = {"is_look": is_look, "again": request.get_full_path() if is_look else ""}
    template = "reviewqueue/refused.html#outage" if is_fragment else "reviewqueue/refused.html"
    response = refusals.plain(TITLE, refusal, 503, template=template, back=refusals.back_to(request), **more)
    response["Retry-After"] = str(RETRY_SECONDS)
    response["Cache-Control"] = "no-store"
    response["HX-Reswap"] = "none"
    return response
