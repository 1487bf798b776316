"""The database away, locked, read-only or full: never a traceback, nothing lost, and never a false “done”."""

import logging
import socket
import sqlite3
import uuid
from contextlib import closing
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test import Client

from dashboard.logs import OutageFilter
from reviewqueue.models import Note, Operation
from reviewqueue.views import outage
from tests.world import copy_of_database, in_place_of_ours, only_postgresql, only_sqlite

SCRIPT = {"HX-Request": "true"}


@pytest.fixture
def away(tmp_path):
    """There is no such file; nothing listens there."""
    if connection.vendor == "sqlite":
        changes = {"NAME": str(tmp_path / "nowhere" / "loupe.sqlite3")}
    else:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            changes = {"HOST": "127.0.0.1", "PORT": taken.getsockname()[1]}
    return lambda: in_place_of_ours(**changes)


@pytest.fixture
def browser(ana, post, signed_in):
    """Ana's, in which a failure is what a browser gets."""
    client = signed_in(ana)
    client.raise_request_exception = False
    return client


def approve(browser: Client, post, **headers):
    form = {"token": str(uuid.uuid4()), "fingerprint": post.fingerprint}
    return browser.post(f"/review/{post.pk}/approval/", form, headers=headers)


def told(answer, *words: str) -> str:
    text = answer.content.decode()
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "Traceback" not in text
    for one in ("The database cannot be used just now", *words):
        assert one in text
    return text


# ---- it is not there -----------------------------------------------------------------------------------


def test_a_page_is_one_sentence_and_the_way_back_to_itself(browser, away):
    with away():
        text = told(browser.get("/?tab=decided"), "Nothing can be shown", 'href="/?tab=decided"')
    assert "css/app.css" in text


def test_a_form_is_told_that_nothing_was_done_and_where_its_words_are(browser, post, away):
    with away():
        text = told(approve(browser, post), "Nothing was done", "what you typed is still there")
    assert "Try again" not in text
    assert not Operation.objects.exists()


def test_a_script_gets_a_notice_that_changes_nothing_else(browser, post, away):
    with away():
        pressed = approve(browser, post, **SCRIPT)
        looked = browser.get("/live/queue/?v=1", headers=SCRIPT)
        restored = browser.get("/", headers={**SCRIPT, "HX-History-Restore-Request": "true"})
    text = told(pressed, "Nothing was done", "What you typed is still here", 'role="alert"')
    assert 'hx-swap-oob="afterbegin:#ask[open], #notices"' in text
    assert pressed["HX-Reswap"] == looked["HX-Reswap"] == "none"
    assert "<html" not in told(looked, "What stands here is as it was", 'data-outage="look"')
    assert "<html" in told(restored)


def test_probes_answer_a_browser_that_is_signed_in_too(browser, away):
    with away():
        assert browser.get("/healthz").json() == {"status": "ok"}
        answer = browser.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"database": "away"})


def test_the_log_has_a_line_for_it_and_no_traceback(browser, away, caplog):
    with away():
        browser.get("/")
    record = next(one for one in caplog.records if one.name == "django.request")
    assert OutageFilter().filter(record)
    line = logging.Formatter().format(record)
    assert line.startswith("Service Unavailable: / (")
    assert "\n" not in line


# ---- it is there, and takes nothing ---------------------------------------------------------------------


@only_sqlite
@pytest.mark.django_db(transaction=True)
def test_another_writer_holds_the_file_for_too_long(browser, post, tmp_path):
    copied = copy_of_database(tmp_path)
    options = {**connection.settings_dict["OPTIONS"], "timeout": 0.05}
    with in_place_of_ours(NAME=str(copied), OPTIONS=options):
        assert browser.get("/").status_code == 200
        with closing(sqlite3.connect(copied)) as other:
            other.execute("BEGIN IMMEDIATE")
            told(approve(browser, post), "Nothing was done")
            assert browser.get("/activity/").status_code == 200  # readers need no turn
        assert approve(browser, post).status_code == 302
        assert Operation.objects.count() == 1


@only_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_file_that_may_only_be_read(browser, post, tmp_path):
    copied = copy_of_database(tmp_path)
    options = {**connection.settings_dict["OPTIONS"], "uri": True}
    with in_place_of_ours(NAME=str(copied)):
        browser.get("/activity/")
    with in_place_of_ours(NAME=f"file:{copied}?mode=ro", OPTIONS=options) as other:
        told(approve(browser, post), "Nothing was done")
        assert other.connection is None  # it is opened anew, as it may be written again by then
        assert not Operation.objects.exists()


@only_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_full_disk_keeps_what_was_kept_and_takes_nothing_more(browser, post, tmp_path):
    note = {"text": "x" * 900, "token": str(uuid.uuid4())}
    with in_place_of_ours(NAME=str(copy_of_database(tmp_path))) as other:
        with other.cursor() as cursor:
            pages = cursor.execute("PRAGMA page_count").fetchone()[0]
            cursor.execute(f"PRAGMA max_page_count = {pages}")
        answers = []
        while not answers or answers[-1].status_code == 302:
            answers.append(browser.post(f"/review/{post.pk}/notes/", {**note, "token": str(uuid.uuid4())}))
        told(answers[-1])
        assert Note.objects.count() == len(answers) - 1


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_server_that_may_only_be_read(browser, post):
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    told(approve(browser, post), "Nothing was done")
    assert connection.connection is None
    assert approve(browser, post).status_code == 302


# ---- what is an outage, and what is a mistake ------------------------------------------------------------


def error_of(statement: str) -> Exception:
    with pytest.raises(DatabaseError) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    return raised.value


@only_postgresql
@pytest.mark.parametrize("state", ["53100", "57P01", "40P01", "55P03", "25006"])
def test_what_the_server_says_of_itself_is_an_outage(db, state):
    assert outage.is_away(error_of(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$"))


MISTAKES = (
    "SELECT * FROM no_such_table",
    "SELEKT 1",
    "INSERT INTO reviewqueue_heartbeat (name) VALUES ('worker')",
    "INSERT INTO auth_group (id, name) VALUES (1, 'a'), (1, 'b')",
)


@pytest.mark.parametrize("statement", MISTAKES)
def test_a_mistake_of_ours_is_none(db, statement):
    assert not outage.is_away(error_of(statement))


def test_a_mistake_stays_a_page_of_its_own(browser, post):
    def mistaken(execute, sql, params, many, context):
        return execute(MISTAKES[0] if sql.startswith("INSERT") else sql, params, many, context)

    with connection.execute_wrapper(mistaken):
        answer = approve(browser, post)
    assert answer.status_code == 500
    assert "Something broke here" in answer.content.decode()


def test_once_something_was_written_it_is_not_said_to_be_undone(browser, post):
    """The answer is drawn after the commit: by then it has happened."""
    written = []

    def gone_afterwards(execute, sql, params, many, context):
        if written and sql.startswith("SELECT") and not connection.savepoint_ids:
            raise OperationalError("the connection is closed")
        written.extend([sql] if sql.startswith("INSERT") else [])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(gone_afterwards):
        answer = approve(browser, post, **SCRIPT)
    told(answer, "Whether it was done is not certain")
    assert Operation.objects.count() == 1


@pytest.mark.parametrize("is_undone", [True, False])
def test_a_write_whose_answer_was_lost_counts_as_done_outside_of_a_transaction(rf, is_undone):
    request = rf.post("/settings/theme/")
    connected = SimpleNamespace(in_atomic_block=is_undone)

    def lose(*asked):
        raise OperationalError("the connection was lost")

    for sql, counts in (("SELECT 1", False), ("UPDATE somewhere SET it = 1", not is_undone)):
        with pytest.raises(OperationalError):
            outage.Writes(request)(lose, sql, (), False, {"connection": connected})
        assert request.has_written is counts
