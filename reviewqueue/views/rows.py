"""Rows of lists, rendered once per (row, version) and kept in the process.

A row holds nothing of the viewer or the clock: relative times, countdowns and what a role may not do
are attributes that the style sheet and a small script read.
"""

from collections import OrderedDict, defaultdict
from functools import cached_property
from threading import Lock

from django.template.loader import get_template
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe


class Rendered:
    """The newest few thousand rows; whoever is not asked for leaves first."""

    def __init__(self, template: str, name: str, most: int = 5000):
        self.address, self.name, self.most = template, name, most
        self.rows: OrderedDict = OrderedDict()
        self.lock = Lock()

    @cached_property
    def template(self):
        return get_template(self.address)

    def of(self, row, **beside) -> SafeString:
        """The row in this version. What stands `beside` it (a price) and the zone of its dates are told
        apart: each gives a row of its own."""
        key = key_of(row, timezone.get_current_timezone_name(), *beside.values())
        (kept,) = self.kept([key])
        return kept or self.rendered(key, row, **beside)

    def rendered(self, key, row, **beside) -> SafeString:
        face = defaultdict(str, row.face)  # looking in vain is what a template takes longest for
        told = {self.name: row, "pk": mark_safe(row.pk), "face": face, **beside}
        html = mark_safe(self.template.render(told))
        with self.lock:
            self.rows[key] = html
            while len(self.rows) > self.most:
                self.rows.popitem(last=False)
        return html

    def kept(self, keys: list) -> list[SafeString | None]:
        with self.lock:
            found = [self.rows.get(key) for key in keys]
            for key, html in zip(keys, found, strict=True):
                if html is not None:
                    self.rows.move_to_end(key)
        return found

    def of_all(self, found, whole) -> SafeString:
        """The rows that were `found` (each with `pk` and `version`) in their order, as one text. Only those
        that are not kept are read `whole` (a function of their keys); one that is gone meanwhile is left
        out."""
        zone = timezone.get_current_timezone_name()
        html = self.kept([key_of(row, zone) for row in found])
        missing = {row.pk: place for place, row in enumerate(found) if html[place] is None}
        if missing:
            for row in whole(list(missing)):
                html[missing[row.pk]] = self.rendered(key_of(row, zone), row)
        return mark_safe("".join(filter(None, html)))


def key_of(row, *others) -> tuple:
    return (row.pk.int, row.version, *others)  # a UUID is compared in Python, its number is not


# What frames and cards show of a post.
SHOWN = (
    "persona_id",
    "upstream_id",
    "number",
    "version",
    "desk",
    "trouble",
    "kind",
    "made_at",
    "decided_at",
    "fingerprint",
    "face",
)
frames = Rendered("reviewqueue/rows/frame.html", "post")
cards = Rendered("reviewqueue/rows/card.html", "post")
source_frames = Rendered("reviewqueue/rows/source_frame.html", "post")
