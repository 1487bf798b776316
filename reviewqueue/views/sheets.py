"""Tables as CSV, row by row, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable

from django.http import StreamingHttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a cell that begins so


class Line:
    """What csv.writer writes to: gives each line back."""

    def write(self, text: str) -> str:
        return text


def sheet(name: str, head: tuple[str, ...], rows: Iterable[tuple]) -> StreamingHttpResponse:
    """A download of `name`.csv; numbers stay numbers, text never becomes a formula."""
    writer = csv.writer(Line())

    def lines():
        yield writer.writerow(head)
        for row in rows:
            yield writer.writerow([cell(value) for value in row])

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def cell(value):
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
