"""Parts of a page that are rendered once for the same values, and kept in the process."""

from collections import OrderedDict
from threading import Lock

from django import template
from django.db.models import Model

register = template.Library()


class Keep(template.Node):
    MOST = 100  # of one part; what is not asked for leaves first

    def __init__(self, nodelist, values, unless):
        self.nodelist, self.values, self.unless = nodelist, values, unless
        self.kept: OrderedDict = OrderedDict()
        self.lock = Lock()

    def render(self, context):
        if self.unless and self.unless.resolve(context, ignore_failures=True):
            return self.nodelist.render(context)
        key = tuple([value.resolve(context, ignore_failures=True) for value in self.values])
        with self.lock:
            html = self.kept.get(key)
            if html is not None:
                self.kept.move_to_end(key)
                return html
        refuse_rows(key)
        html = self.nodelist.render(context)
        with self.lock:
            self.kept[key] = html
            if len(self.kept) > self.MOST:
                self.kept.popitem(last=False)
        return html


def refuse_rows(values: tuple) -> None:
    """A row of the database names no part: it equals itself whatever it holds."""
    for value in values:
        if isinstance(value, Model):
            raise TypeError(f"{value!r} is a row: name the values of it that are shown")
        if isinstance(value, tuple):
            refuse_rows(value)


@register.tag
def keep(parser, token):
    """`{% keep section member.role %}…{% endkeep %}`: names everything that the part shows and that may
    differ, in values that can be a key. Nothing of the clock, no form's token and no block may stand in it.

    `{% keep member.role unless held %}` is rendered anew whenever there is something held.
    """
    _, *values = token.split_contents()
    unless = parser.compile_filter(values[-1]) if values[-2:-1] == ["unless"] else None
    values = values[:-2] if unless else values
    nodelist = parser.parse(("endkeep",))
    parser.delete_first_token()
    return Keep(nodelist, [parser.compile_filter(value) for value in values], unless)
