"""Queries whose SQL is composed once in a process: composing takes Django several times what asking does."""

from collections.abc import Callable
from copy import copy
from types import SimpleNamespace

from django.conf import settings
from django.db import NotSupportedError, connections, models
from django.db.transaction import TransactionManagementError


class Given(models.Expression):
    """The place of a value that comes with each asking."""

    def __init__(self, name: str, output_field: models.Field):
        super().__init__(output_field)
        self.name = name

    def as_sql(self, compiler, connection):
        return "%s", [self]

    def of(self, values: dict, connection):
        return self.output_field.get_db_prep_value(values[self.name], connection)


# Whoever asks, for querysets such as `visible_to`.
ANYBODY = SimpleNamespace(
    pk=Given("member", models.UUIDField()), workspace_id=Given("workspace", models.UUIDField())
)


AT = Given("at", models.DateTimeField())  # the moment for which is asked


class Prepared:
    """A queryset with `Given` values; called with them it asks the database and returns the rows.

        _reasons = Prepared(lambda: Reason.objects.filter(workspace_id=ANYBODY.workspace_id))
        _reasons(workspace=member.workspace_id)

    Nothing that was read is kept. Only values may differ, not the SQL: no None, and no related rows by
    `prefetch_related`. Raises TransactionManagementError for rows to be held outside of a transaction.
    """

    def __init__(self, compose: Callable[[], models.QuerySet]):
        self.compose, self.kept = compose, {}

    def __call__(self, **values) -> list:
        connection = connections["default"]
        kind = (connection.vendor, settings.TIME_SCALE)  # waits are part of some
        if kind not in self.kept:
            self.kept[kind] = self.composed(connection)
        queryset, compiler, sql, params = self.kept[kind]
        if queryset.query.select_for_update and not connection.in_atomic_block:
            raise TransactionManagementError("Rows are held in a transaction.")
        given = {one.name: one.of(values, connection) for one in params}
        try:
            rows = answer(connection, sql, given)
        except NotSupportedError:  # a column was widened since the server planned it
            if connection.in_atomic_block:
                raise
            connection.close()
            rows = answer(connection, sql, given)
        if not rows:
            return []
        compiler = copy(compiler)  # this thread's own
        compiler.connection = connection
        compiler.execute_sql = lambda *_, **__: [rows]
        found = SimpleNamespace(  # what Django's iterables use of a queryset
            db=queryset.db,
            model=queryset.model,
            query=SimpleNamespace(get_compiler=lambda using: compiler),
            _fields=queryset._fields,
            _known_related_objects={},
        )
        return list(queryset._iterable_class(found))

    def first(self, **values):
        return next(iter(self(**values)), None)

    def composed(self, connection):
        queryset = self.compose()
        compiler = queryset.query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        columns = [expression for expression, _, _ in compiler.select]
        converters, is_composite = compiler.get_converters(columns), compiler.has_composite_fields(columns)
        compiler.get_converters = lambda expressions: converters
        compiler.has_composite_fields = lambda expressions: is_composite
        return queryset, compiler, *named(sql, params, connection)


def answer(connection, sql: str, given: dict) -> list:
    with cursor_of(connection) as cursor:
        cursor.execute(sql, given)
        return cursor.fetchall()


def cursor_of(connection):
    """A cursor; PostgreSQL's sends values apart from the statement, so that the server keeps its plan.

    Where queries are logged they go as one text, or the log would not know what was asked.
    """
    cursor = connection.cursor()
    if connection.vendor == "postgresql" and not connection.queries_logged:
        from psycopg import Cursor

        cursor.cursor = Cursor(connection.connection)
    return cursor


def named(sql: str, params, connection) -> tuple[str, list[Given]]:
    """The statement with names at the places of the `Given` values, and all other values in its text.

    So a plan that is kept for any value of those can use an index on a condition, such as that a post is
    ready. And SQLite plans a statement anew whenever a value is bound that such a condition is compared with.
    """
    given = {one.name: one for one in params if isinstance(one, Given)}
    texts = [
        f"%({one.name})s" if isinstance(one, Given) else literal(one, connection).replace("%", "%%")
        for one in params
    ]
    return sql.replace("%%", "%%%%") % tuple(texts), list(given.values())


def literal(value, connection) -> str:
    """A value of ours as it stands in a statement. Raises TypeError for a type that has no spelling yet."""
    if connection.vendor == "postgresql":
        return connection.ops.compose_sql("%s", [value])
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int):
        return str(int(value))  # SQLite's booleans are 0 and 1
    raise TypeError(f"{value!r} has no spelling here: give it with each asking.")
