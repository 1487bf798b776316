"""What every row has in common."""

import uuid

from django.db import models


class Row(models.Model):
    """A row with an identity of ours; the service's own stands in `upstream_id`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True


class Mirror(Row):
    """Copied from the service. Only services/mirroring.py writes it; pages say how old it is."""

    upstream = models.CharField(max_length=20, default="reelmirror")
    upstream_id = models.CharField(max_length=128)
    seen_at = models.DateTimeField()

    class Meta:
        abstract = True


class RowValue(models.Func):
    """A row value, for keyset paging that an index can follow: `(made_at, id) < (x, y)`."""

    function = ""
    template = "(%(expressions)s)"
    output_field = models.BooleanField()


class KeysetLookup(models.Func):
    """`(a, b) < (x, y)` (or `>`) as one condition."""

    template = "%(expressions)s"
    output_field = models.BooleanField()

    def __init__(self, columns, operator, values):
        self.operator = operator
        super().__init__(RowValue(*columns), RowValue(*values))

    def as_sql(self, compiler, connection, **extra):
        return super().as_sql(compiler, connection, arg_joiner=f" {self.operator} ", **extra)


def after_row(columns: tuple[str, str], values: tuple, *, newest_first: bool) -> KeysetLookup:
    """The rows behind `values` in the order of `columns`: `queryset.filter(after_row(…))`.

    Spelt as a row value because both databases then walk the index; the `OR` spelling does not.
    `values` are model-typed, as the columns are.
    """
    wrapped = [
        value
        if isinstance(value, models.Expression)
        else models.Value(value, output_field=models.UUIDField() if isinstance(value, uuid.UUID) else None)
        for value in values
    ]
    return KeysetLookup([models.F(column) for column in columns], "<" if newest_first else ">", wrapped)


def held(queryset: models.QuerySet) -> models.QuerySet:
    """The rows, held against other writers until the transaction ends (their keys stay free to be named).

    Everybody takes rows in this order: post, source post, operation, hold, workspace, scopes.
    """
    return queryset.select_for_update(of=("self",), no_key=True)
