"""Queries that are composed once."""

import uuid
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import DateTimeField

from reviewqueue.clock import now
from reviewqueue.models import GeneratedPost, Member
from reviewqueue.models.base import held
from reviewqueue.models.prepared import ANYBODY, Given, Prepared
from tests.factories import make_persona, make_post


def test_it_answers_as_its_queryset_does_each_time_with_its_values(ana, otto, persona):
    ours = [make_post(persona) for _ in range(3)]
    theirs = make_post(make_persona(otto.workspace, accounts=()))
    found = Prepared(lambda: GeneratedPost.objects.visible_to(ANYBODY).order_by("number"))
    assert found(workspace=ana.workspace_id) == ours
    assert found(workspace=otto.workspace_id) == [theirs]
    assert found.first(workspace=str(otto.workspace_id)).face == theirs.face
    GeneratedPost.objects.filter(pk=ours[0].pk).update(deleted_at=now())
    assert found(workspace=ana.workspace_id) == ours[1:]


def test_it_is_composed_once(ana, persona, django_assert_num_queries):
    composed = []

    def compose():
        composed.append(1)
        return GeneratedPost.objects.visible_to(ANYBODY).values_list("pk", "made_at", named=True)

    post, found = make_post(persona), Prepared(compose)
    with django_assert_num_queries(3):
        rows = [found(workspace=ana.workspace_id) for _ in range(3)]
    assert rows == [[(post.pk, post.made_at)]] * 3
    assert rows[0][0].made_at == post.made_at
    assert composed == [1]


def test_related_rows_come_with_it_and_moments_are_compared(ana):
    since = Given("since", DateTimeField())
    found = Prepared(
        lambda: Member.objects.filter(pk=ANYBODY.pk, created_at__gt=since).select_related("user", "workspace")
    )
    row = found.first(member=ana.pk, since=now() - timedelta(days=1))
    assert (row.user.name, row.workspace.name) == (ana.user.name, ana.workspace.name)
    assert found.first(member=ana.pk, since=now() + timedelta(days=1)) is None


def test_a_value_that_is_missing_is_an_error(ana):
    with pytest.raises(KeyError):
        Prepared(lambda: GeneratedPost.objects.visible_to(ANYBODY))()


@pytest.mark.django_db(transaction=True)
def test_rows_are_held_in_a_transaction_only():
    found = Prepared(lambda: held(Member.objects.filter(pk=ANYBODY.pk)))
    with transaction.atomic():
        assert found(member=uuid.uuid4()) == []
    with pytest.raises(transaction.TransactionManagementError):
        found(member=uuid.uuid4())


def test_what_is_always_the_same_stands_in_the_statement_as_it_is(ana, persona):
    """A per cent sign or a quote in it is no place for a value."""
    odd = "50 %s of 'it' %% \\ \""
    post = make_post(persona, source=None)
    GeneratedPost.objects.filter(pk=post.pk).update(caption=odd)
    found = Prepared(lambda: GeneratedPost.objects.visible_to(ANYBODY).filter(caption=odd))
    assert [found(workspace=ana.workspace_id) for _ in range(3)] == [[post]] * 3


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite's driver keeps what it has read by itself"
)
def test_the_server_keeps_its_plan(ana, persona):
    post, found = (
        make_post(persona),
        Prepared(lambda: GeneratedPost.objects.filter(pk=ANYBODY.pk, number__gt=0)),
    )
    for _ in range(8):
        assert found(member=post.pk) == [post]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE %s",
            ['%FROM "reviewqueue_generatedpost"%"number" > 0%'],
        )
        assert cursor.fetchall() == [(8,)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only a server keeps plans")
@pytest.mark.django_db(transaction=True)
def test_a_column_that_is_widened_meanwhile_is_asked_for_anew():
    found = Prepared(lambda: Member.objects.filter(pk=ANYBODY.pk).values_list("role"))
    width = Member._meta.get_field("role").max_length

    def widen(to: int) -> None:
        other = connection.copy()  # as a migration has one of its own
        with closing(other), other.cursor() as cursor:
            cursor.execute(f"ALTER TABLE reviewqueue_member ALTER COLUMN role TYPE varchar({to})")

    assert found(member=uuid.uuid4()) == []
    widen(width + 1)
    try:
        assert found(member=uuid.uuid4()) == []
    finally:
        widen(width)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only a server ends a connection")
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_ended_since_the_last_request_is_made_anew():
    found = Prepared(lambda: Member.objects.filter(pk=ANYBODY.pk).values_list("role"))
    assert found(member=uuid.uuid4()) == []
    other = connection.copy()
    with closing(other), other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    with pytest.raises(OperationalError):  # in the middle of a request it is told
        found(member=uuid.uuid4())
    connection.close()
    connection.ensure_connection()
    with closing(other), other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    connection.health_check_enabled, connection.health_check_done = True, False  # as a request begins
    assert found(member=uuid.uuid4()) == []
