"""Queries whose SQL is composed once in a process: composing takes Django several times what asking does."""

from collections.abc import Callable
from operator import itemgetter
from types import SimpleNamespace

from django.conf import settings
from django.db import InterfaceError, NotSupportedError, OperationalError, connections, models
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    NamedValuesListIterable,
    ValuesListIterable,
    create_namedtuple_class,
    get_related_populators,
)
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
        queryset, sql, params, read = self.kept[kind]
        if queryset.query.select_for_update and not connection.in_atomic_block:
            raise TransactionManagementError("Rows are held in a transaction.")
        given = {one.name: one.of(values, connection) for one in params}
        again = (NotSupportedError,)  # a column was widened since the server planned it
        if connection.connection and connection.health_check_enabled and not connection.health_check_done:
            # Kept from an earlier request: whether it still lives this query tells, as well as one before it.
            connection.health_check_done, again = True, (*again, OperationalError, InterfaceError)
        try:
            rows = answer(connection, sql, given)
        except again:
            if connection.in_atomic_block:
                raise
            connection.close()
            rows = answer(connection, sql, given)
        return read(rows)

    def first(self, **values):
        return next(iter(self(**values)), None)

    def composed(self, connection):
        queryset = self.compose()
        compiler = queryset.query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        return queryset, *named(sql, params, connection), reader(queryset, compiler)


def reader(queryset, compiler) -> Callable[[list], list]:
    """What makes of the database's rows those of the queryset, as Django's own iterables do. What is the same
    for every asking is found out here, once; of the compiler's connection only the kind matters."""
    converters = compiler.get_converters([expression for expression, _, _ in compiler.select])
    made = MADE[queryset._iterable_class](queryset, compiler)

    def read(rows: list) -> list:
        return [made(row) for row in (compiler.apply_converters(rows, converters) if converters else rows)]

    return read


def instance(queryset, compiler):
    """Of a model, with its related rows and what it is annotated with."""
    klass, annotations = compiler.klass_info, list((compiler.annotation_col_map or {}).items())
    fields = slice(klass["select_fields"][0], klass["select_fields"][-1] + 1)
    names = [expression.target.attname for expression, _, _ in compiler.select[fields]]
    populators = get_related_populators(klass, compiler.select, queryset.db)

    def made(row):
        found = klass["model"].from_db(queryset.db, names, row[fields])
        for populator in populators:
            populator.populate(row, found)
        for name, place in annotations:
            setattr(found, name, row[place])
        return found

    return made


MADE = {
    ModelIterable: instance,
    ValuesListIterable: lambda queryset, compiler: tuple,
    NamedValuesListIterable: lambda queryset, compiler: create_namedtuple_class(*queryset._fields)._make,
    FlatValuesListIterable: lambda queryset, compiler: itemgetter(0),
}


def answer(connection, sql: str, given: dict) -> list:
    with cursor_of(connection) as cursor:
        cursor.execute(sql, given)
        return cursor.fetchall()


def cursor_of(connection):
    """A cursor; PostgreSQL's sends values apart from the statement, so that the server keeps its plan.

    Where queries are logged they go as one text, or the log would not know what was asked.
    """
    if connection.vendor != "postgresql" or connection.queries_logged:
        return connection.cursor()
    from psycopg import Cursor
    from psycopg.types.datetime import TimestamptzLoader

    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = Cursor(connection.connection)
        # The driver’s own is compiled, Django’s is not; both give moments in the zone of the connection, UTC.
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        return connection._prepare_cursor(cursor)


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
