"""Queries whose SQL is composed once in a process: composing takes Django several times what asking does."""

from collections.abc import Callable
from copy import copy
from types import SimpleNamespace

from django.conf import settings
from django.db import connections, models
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
            self.kept[kind] = self.composed()
        queryset, compiler, sql, params = self.kept[kind]
        if queryset.query.select_for_update and not connection.in_atomic_block:
            raise TransactionManagementError("Rows are held in a transaction.")
        compiler = copy(compiler)  # this thread's own
        compiler.connection = connection
        params = [one.of(values, connection) if isinstance(one, Given) else one for one in params]
        compiler.as_sql = lambda: (sql, params)
        asked = SimpleNamespace(  # what Django's iterables use of a queryset
            db=queryset.db,
            model=queryset.model,
            query=SimpleNamespace(get_compiler=lambda using: compiler),
            _fields=queryset._fields,
            _known_related_objects={},
        )
        return list(queryset._iterable_class(asked))

    def first(self, **values):
        return next(iter(self(**values)), None)

    def composed(self):
        queryset = self.compose()
        compiler = queryset.query.get_compiler(queryset.db)
        sql, params = compiler.as_sql()
        converters = compiler.get_converters([expression for expression, _, _ in compiler.select])
        compiler.get_converters = lambda expressions: converters
        return queryset, compiler, sql, params
