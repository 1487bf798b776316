"""Parts of a page that are rendered once for the same values, and kept in the process."""

from collections import OrderedDict
from threading import Lock

from django import template
from django.db.models import Model

register = template.Library()


class Keep(template.Node):
    MOST = 100  # of one part; what is not asked for leaves first

    def __init__(self, nodelist, values):
        self.nodelist, self.values = nodelist, values
        self.kept: OrderedDict = OrderedDict()
        self.lock = Lock()

    def render(self, context):
        key = tuple(named(value.resolve(context, ignore_failures=True)) for value in self.values)
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        html = self.nodelist.render(context)
        with self.lock:
            self.kept[key] = html
            if len(self.kept) > self.MOST:
                self.kept.popitem(last=False)
        return html


def named(value):
    """The value as a part of a key. A row of the database is none: it equals itself whatever it holds."""
    if isinstance(value, str):  # as most of them are
        return value
    if isinstance(value, Model):
        raise TypeError(f"{value!r} is a row: name the values of it that are shown")
    if isinstance(value, dict):
        return tuple((name, named(part)) for name, part in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(named, value))
    return value


@register.tag
def keep(parser, token):
    """`{% keep section member.role %}…{% endkeep %}`: names everything that the part shows and that may
    differ. Nothing of the clock, no form's token and no block may stand in it."""
    _, *values = token.split_contents()
    nodelist = parser.parse(("endkeep",))
    parser.delete_first_token()
    return Keep(nodelist, [parser.compile_filter(value) for value in values])
